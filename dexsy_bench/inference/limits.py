"""What an acquisition can know: Cramer-Rao bounds of what a scenario's cases are asked for, against SNR."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd
from array_api_compat import array_namespace

from dexsy_bench import seeds
from dexsy_bench.compartments import exchange_weights
from dexsy_bench.errors import UserError
from dexsy_bench.inference.coordinates import Coordinates, complex_step
from dexsy_bench.inference.fisher import bounds, information, without_nuisance
from dexsy_bench.physics import Array
from dexsy_bench.problem import Floats
from dexsy_bench.scenario import Scenario

BAND = (0.1, 0.5, 0.9)
"""Quantiles over the draws of the family."""

PRIOR_DRAWS = 4096
FIXED = 1e-12
"""Variance of a parameter whose range is a single value."""

CHUNK = 16


LEVELS = (10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
"""The SNRs that are usually asked for."""


def checked_levels(snr: Iterable[float]) -> list[float]:
    """The SNRs in order, each once.

    Raises
    ------
    UserError
        If one is not positive and finite.
    """
    levels = sorted(set(snr))
    for level in levels:
        if not 0 < level < np.inf:
            raise UserError(f"--snr {level:g}: must be positive and finite; without noise there is no bound")
    return levels


class Quantities:
    """Functions of the parameters of a case, one a column.

    Attributes
    ----------
    labels : list of (str, str, str)
        What (`position`, `width`, `fraction`, `initial fraction`, `exchanged fraction`, `exchange rate`), of what (a
        compartment, or a mixing time where several are fixed, or nothing), and the unit (empty for fractions).
    """

    def __init__(self, scenario: Scenario) -> None:
        compartments = [c.name for c in scenario.compartments]
        times = scenario.acquisition.mixing_times
        self._equilibrium, self._several = scenario.exchange.equilibrium, len(compartments) > 1
        self._product = times is None
        parts = [("position", compartments, "decades"), ("width", compartments, "decades")]
        if self._several:
            counted = compartments if len(compartments) > 2 else compartments[:1]  # the other is the rest
            self._counted = len(counted)
            parts.append(("fraction", counted, ""))
            if not self._equilibrium:
                parts.append(("initial fraction", counted, ""))
            at = [f"{1000 * t:g} ms" for t in times] if times and len(times) > 1 else [""]
            parts += [("exchanged fraction", at, ""), ("exchange rate", [""], "decades")]
        self.labels = [(what, of, unit) for what, names, unit in parts for of in names]

    def __call__(self, parameters: dict[str, Array]) -> Array:
        """Values (N, Q) for parameters as of ``Compartments.draw``."""
        p = parameters
        xp = array_namespace(p["centres"])
        columns = [xp.log10(p["centres"]), p["widths"]]
        if self._several:
            columns.append(p["fractions"][:, : self._counted])
            if not self._equilibrium:
                columns.append(p["initial_fractions"][:, : self._counted])
            weights = exchange_weights(p["fractions"], p["initial_fractions"], p["k"], p["mixing_times"])
            columns.append(1 - weights.diagonal(0, -2, -1).sum(axis=-1))
            rate = p["k"] * (p["mixing_times"][:, 0] if self._product else 1.0)
            columns.append(xp.log10(rate)[:, None])
        return xp.concat(columns, axis=1)


def limits(
    scenario: Scenario,
    levels: Sequence[float],
    n: int,
    ranges_known: bool = False,
    advance: Callable[[int], object] = lambda _: None,
) -> pd.DataFrame:
    """Least SD of estimates, over draws of the scenario from its validation stream.

    Parameters
    ----------
    scenario : Scenario
    levels : sequence of float
        SNRs, finite.
    n : int
        Draws.
    ranges_known : bool
        False: of unbiased estimates (Cramer and Rao). True: add the covariance that the parameters have over the
        scenario, as if they were Gaussian: the error of the best linear estimate that knows it, as far as signals are
        linear in the parameters, and at most `prior_sd`.
    advance : callable
        Told the number of draws that were just done.

    Returns
    -------
    DataFrame
        `quantity`, `of`, `unit` as in :class:`Quantities`; `prior_sd`, the SD of the quantity over the family: a bound
        beyond it means that the data say next to nothing; `snr`; `low`, `median`, `high`: 10, 50 and 90 % of the draws
        have a bound at most as large.
    """
    quantities, problem, family = Quantities(scenario), scenario.problem(np.inf), scenario.family
    coordinates = Coordinates(family, problem)
    uniforms = seeds.generator("training", scenario.name, "limits").random((PRIOR_DRAWS, family.n_uniforms))
    prior = family.draw(uniforms, problem.acquisition.mixing_times)
    sd = quantities(prior).std(axis=0)
    spread = np.cov(coordinates.theta(prior).T) + FIXED * np.eye(coordinates.size)
    known = np.asarray(np.linalg.inv(spread)) if ranges_known else 0.0
    found: list[list[Floats]] = []
    for start in range(0, n, CHUNK):
        cases = scenario.cases(start, min(start + CHUNK, n), np.inf, "validation")
        theta = coordinates.theta(cases.parameters)
        signal, jacobian = coordinates.jacobian(theta)
        (gradients,) = complex_step(lambda at: (quantities(coordinates.parameters(at)),), theta)
        found.append([])
        for snr in levels:
            matrix = information(jacobian, signal, 1 / snr, coordinates.points)
            found[-1].append(bounds(without_nuisance(matrix, coordinates.size) + known, gradients))
        advance(len(theta))
    least = np.array(np.concatenate(found, axis=1))
    if ranges_known:
        least = np.minimum(least, sd)
    # Unlike an average of two, a quantile that is one of the draws can be infinite.
    low, median, high = np.quantile(least, np.array(BAND), axis=1, method="inverted_cdf")
    return pd.DataFrame(
        [
            {
                "quantity": what, "of": of, "unit": unit, "prior_sd": sd[q],
                "snr": float(snr), "low": low[s, q], "median": median[s, q], "high": high[s, q],
            }
            for q, (what, of, unit) in enumerate(quantities.labels)
            for s, snr in enumerate(levels)
        ]
    )  # fmt: skip


def snr_for(precision: float, snr: Floats, bound: Floats) -> float:
    """The SNR at which a bound falls to a precision, as the logarithm of one is linear in that of the other.

    Above the SNRs (S,), ascending, at which the bound (S,) is known, it is taken to go as 1 / SNR; infinite where the
    bound is infinite at the highest. Below them it is not extrapolated: the lowest, where it is reached there already.
    """
    if bound[-1] > precision:
        return float(snr[-1] * bound[-1] / precision)
    if bound[0] <= precision:
        return float(snr[0])
    at = int(np.argmax(bound <= precision))
    if np.isinf(bound[at - 1]):
        return float(snr[at])
    return float(np.exp(np.interp(-np.log(precision), -np.log(bound[at - 1 : at + 1]), np.log(snr[at - 1 : at + 1]))))
