"""A family of distributions as a statistical model: points of the unit cube to distributions and signals.

The prior of the generator is uniform on the cube. It holds what the signal can tell and nothing twice: where the
mixing time was drawn, exchange rate and mixing time act through their product alone and share one coordinate.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import betaincinv

from dexsy_bench.compartments import Compartments, distributions
from dexsy_bench.physics import forward
from dexsy_bench.problem import Floats, Problem


class FamilyModel:
    """The generator of a scenario, over the unit cube.

    Parameters
    ----------
    family : Compartments
        What it draws.
    problem : Problem
        Grid, acquisition and kernel. Mixing times that the acquisition fixes are known.

    Attributes
    ----------
    names : tuple of str
        One a coordinate: ``centre 1`` ... ``centre C`` (log D), ``width``, ``fraction`` and, out of equilibrium,
        ``initial fraction`` (sticks broken in order), ``exchange`` (log k tm, or log k where tm is known).
    size : int
        Number of coordinates.
    """

    def __init__(self, family: Compartments, problem: Problem) -> None:
        self.family, self.problem = family, problem
        sticks = ["fraction"] if family.equilibrium else ["fraction", "initial fraction"]
        count = family.count
        self.names = (
            *(f"{what} {i + 1}" for what in ("centre", "width") for i in range(count)),
            *(f"{what} {i + 1}" for what in sticks for i in range(count - 1)),
            "exchange",
        )
        self.size = len(self.names)
        self._times = problem.acquisition.mixing_times
        self._k1, self._k2 = problem.k1, problem.k2

    def parameters(self, u: Floats) -> dict[str, Floats]:
        """What :meth:`Compartments.draw` returns, for points u (N, size) of the unit cube.

        Where the mixing time is not known, ``mixing_times`` is 1 s and ``k`` the product.
        """
        family, count = self.family, self.family.count
        centres, widths, rest = u[:, :count], u[:, count : 2 * count], u[:, 2 * count : -1]
        low, high = np.log(np.array(family.diffusivity, dtype=np.float64)).T
        narrow, broad = np.array(family.width, dtype=np.float64).T
        fractions = self._break_sticks(rest[:, : count - 1])
        if self._times is None:
            log_k = _sum_of_uniforms(u[:, -1], _logs(family.exchange_rate), _logs(family.mixing_time))
            times = np.ones((len(u), 1))
        else:
            a, b = _logs(family.exchange_rate)
            log_k = a + u[:, -1] * (b - a)
            times = np.tile(self._times, (len(u), 1))
        return {
            "centres": np.exp(low + centres * (high - low)),
            "widths": narrow + widths * (broad - narrow),
            "fractions": fractions,
            "initial_fractions": fractions if family.equilibrium else self._break_sticks(rest[:, count - 1 :]),
            "k": np.exp(log_k),
            "mixing_times": times,
        }

    def _break_sticks(self, u: Floats) -> Floats:
        """Dirichlet fractions (N, C) from (N, C - 1): each takes a Beta share of what the ones before it left."""
        m, count = self.family.concentration, self.family.count
        left = np.ones(len(u))
        parts = []
        for i in range(count - 1):
            share = betaincinv(m, m * (count - 1 - i), u[:, i])
            parts.append(left * share)
            left = left * (1 - share)
        return np.stack([*parts, left], axis=1)

    def distributions(self, u: Floats) -> Floats:
        """f (N, T, D1, D2)."""
        grid = self.problem.grid
        return np.asarray(distributions(grid.log_d1, grid.log_d2, self.parameters(u)))

    def signals(self, u: Floats) -> Floats:
        """Clean signals (N, T, B1, B2), 1 at S(0,0)."""
        signals = np.asarray(forward(self.distributions(u), self._k1, self._k2))
        return np.asarray(signals / signals[..., :1, :1])


def _logs(interval: tuple[float, float]) -> tuple[float, float]:
    return math.log(interval[0]), math.log(interval[1])


def _sum_of_uniforms(u: Floats, first: tuple[float, float], second: tuple[float, float]) -> Floats:
    """Quantile u of the sum of two independent uniform numbers: a trapezoid of density."""
    short, long = sorted((first[1] - first[0], second[1] - second[0]))
    if short == 0:
        return first[0] + second[0] + u * long
    slope = short / (2 * long)  # probability of each ramp
    ramp = np.sqrt(2 * short * long * np.minimum(u, 1 - u))
    inside = short / 2 + u * long
    above = np.where(u < slope, ramp, np.where(u > 1 - slope, short + long - ramp, inside))
    return first[0] + second[0] + above
