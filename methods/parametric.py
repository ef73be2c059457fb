"""Maximum likelihood in the family that cases are drawn from."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from dexsy_bench.compartments import Compartments
from dexsy_bench.inference.maximum_likelihood import MaximumLikelihood, split
from dexsy_bench.method import Estimate, Method, normalised

ORDERS = (1, 2, 3, 4)
WIDTHS = (0.03, 0.3)
EXCHANGE = (1e-3, 1e2)
"""Ranges of the generic families: SD of a blob in decades, and k times the (mean) mixing time."""


class Parametric(Method):
    """The most likely distribution of the family that the scenario draws from: a few Gaussian blobs that exchange.

    Maximises the Rician likelihood of the measured magnitudes over centres, widths, fractions and exchange within their
    ranges, and over the unknown magnitude by which they were divided. It is told the generator and the noise SD.

    `order=prior` fits the number of compartments, and the ranges, that the scenario has. `order=bic` is told neither:
    it fits compartments anywhere on the grid, in exchange equilibrium, one more (up to four) as long as that lowers the
    Bayesian information criterion (Schwarz, Ann. Stat. 6, 461, 1978).
    """

    name = "parametric"
    family = "reference"
    told = frozenset({"sigma", "prior"})
    joint_mixing_times = True
    variants = ("", "order=bic")

    @dataclass(frozen=True)
    class Options:
        order: Literal["prior", "bic"] = "prior"

    def supports(self, problem):
        if problem.sigma is None:
            return "it needs the noise SD"
        if self.options.order == "prior" and problem.prior is None:
            return "it needs the scenario that the signal was drawn from; order=bic does not"
        return None

    def prepare(self, problem):
        families = [problem.prior.family] if self.options.order == "prior" else [generic(problem, n) for n in ORDERS]
        self.models = [MaximumLikelihood(family, problem) for family in families]

    def invert(self, signals):
        found = [self._invert(x) for x in self.models[0].points(signals)]
        names = found[0][1]
        return Estimate(
            normalised(np.concatenate([f for f, _ in found])),
            diagnostics={name: np.array([diagnostics[name] for _, diagnostics in found]) for name in names},
        )

    def _invert(self, x):
        """f (1, T, D1, D2) and diagnostics of one signal, of the first order whose successor has no lower criterion."""
        best, least, more = None, np.inf, None
        for model, following in zip(self.models, [*self.models[1:], None], strict=True):
            fit = model.fit(x, more)
            # The Schwarz criterion, up to a constant.
            criterion = np.log(x.size) * model.low.size - 2 * fit.log_likelihood[0]
            if criterion >= least:
                break
            best, least, coordinates = fit, criterion, model.coordinates
            if following is not None:
                more = split(fit.phi[0], coordinates, following.coordinates)
        return coordinates.distributions(best.phi[:, : coordinates.size]), {
            "objective": -best.log_likelihood[0],
            "kkt": best.kkt[0],
            "iterations": best.iterations[0],
            "converged": best.converged[0],
            "order": coordinates.family.count,
        }


def generic(problem, count):
    """So many compartments, each anywhere on the grid."""
    grid, times = problem.grid, problem.acquisition.mixing_times
    typical = 1.0 if times is None else np.exp(np.log(np.maximum(times, 1e-6)).mean())
    reach = min(grid.d1[0], grid.d2[0]), max(grid.d1[-1], grid.d2[-1])
    return Compartments(
        diffusivity=[reach] * count,
        width=[WIDTHS] * count,
        exchange_rate=(EXCHANGE[0] / typical, EXCHANGE[1] / typical),
        mixing_time=(1.0, 1.0),
    )
