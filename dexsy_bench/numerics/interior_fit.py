"""Methods whose penalty is a sum of norms, solved by interior points.

An interior-point method gains nothing from a neighbouring solution. It starts from the maximum-entropy one, which is
positive, fits, and is had in a tenth of the time; and a rule finds its weight by bisection.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dexsy_bench.numerics import alpha as rules
from dexsy_bench.numerics import interior_point, maxent_dual
from dexsy_bench.numerics.convex import COMPRESSION_RTOL
from dexsy_bench.numerics.weighted import Fit, WeightedFit
from dexsy_bench.problem import Floats, Problem

COARSE = 1e-3
"""Relative duality gap of the solutions that a weight is chosen by, and of the start."""

LEAST = 1e-6
"""Weight of the entropy next to none: its fit is the reference of the rules."""

FLOOR = 1e-4
"""The start is at least that share of its maximum: next to 0, the first steps would be short."""


class InteriorFit(WeightedFit):
    """A :class:`~dexsy_bench.numerics.weighted.WeightedFit` with a sum of norms as its penalty."""

    rtol = COMPRESSION_RTOL
    tolerance = 1e-6

    @dataclass(frozen=True)
    class Options(WeightedFit.Options):
        """`weight`: a number, a rule that compares residuals, or ``tuned``."""

        weight: float | Literal["ftest", "discrepancy", "tuned"] = "ftest"

    @abstractmethod
    def penalty(self) -> interior_point.SumOfNorms:
        """The penalty."""

    def prepare(self, problem: Problem) -> None:
        """Compress the kernel, and write it out."""
        super().prepare(problem)
        self.rows = self.compression.matrix().reshape(-1, *self.compression.shape)

    def solve(self, y: Floats, weight: Floats, warm: Floats | None, tolerance: float) -> Fit:
        """One case after another; see :meth:`dexsy_bench.numerics.weighted.WeightedFit.solve`."""
        even = maxent_dual.solve(self.compression, y, weight, None, COARSE)
        start = np.maximum(even.f, FLOOR * even.f.max(axis=(1, 2), keepdims=True))
        penalty = self.penalty()
        points = [
            interior_point.solve(self.compression, self.rows, data, strength, penalty, f, tolerance)
            for data, strength, f in zip(y, weight, start, strict=True)
        ]
        return Fit(
            f=np.stack([point.x[0] for point in points]),
            misfit=np.array([point.misfit for point in points]),
            penalty=np.array([point.penalty for point in points]),
            dof=np.full(len(y), np.nan),
            gap=np.array([point.gap for point in points]),
            iterations=np.array([point.iterations for point in points]),
            converged=np.array([point.converged for point in points]),
            warm=np.empty((len(y), 0)),
        )

    def choose(self, signals: NDArray[Any], y: Floats, outside: Floats) -> rules.Choice:
        """The largest weight of the path whose residual the rule accepts, by bisection: residuals rise with it."""
        reference = maxent_dual.solve(self.compression, y, np.full(len(y), LEAST), None, COARSE)
        low, high = np.zeros(len(y), dtype=np.intp), np.full(len(y), len(self.path))
        iterations = np.zeros(len(y), dtype=np.int64)
        while (todo := np.flatnonzero(high - low > 1)).size:
            middle = (low[todo] + high[todo]) // 2
            fit = self.solve(y[todo], self.path[middle], None, COARSE)
            misfit, dof = np.stack([reference.misfit[todo], fit.misfit]), np.stack([reference.dof[todo], fit.dof])
            accepted = self.rule(signals[todo], misfit, dof, outside[todo]) == 1
            low[todo[accepted]], high[todo[~accepted]] = middle[accepted], middle[~accepted]
            iterations[todo] += fit.iterations
        return rules.chosen(self.path, low, None, iterations)
