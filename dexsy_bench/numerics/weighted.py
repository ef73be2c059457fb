"""Methods with one penalty and its weight: a number, or chosen from the data along a path.

Whatever solves them, along the path a rough solution is enough to choose by, each is the start of the next, and only
the one that is chosen is solved to the end.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from dexsy_bench.method import Estimate, Method, in_chunks, normalised
from dexsy_bench.numerics import alpha as rules
from dexsy_bench.numerics.compression import Compression, has_spare_data, noise_sd
from dexsy_bench.problem import Floats, Problem

CHUNK = 64
"""Cases solved at once: the gain of a batch has levelled off, and the memory it takes has not."""

COARSE = 1e-4
"""Relative duality gap along the path."""


@dataclass(frozen=True, eq=False)
class Fit:
    """N cases, each at a weight of its own.

    Attributes
    ----------
    f : (N, D1, D2)
    misfit, penalty : (N,)
        ``||A f - y||^2``, and what the weight multiplies; the objective is ``misfit / 2 + weight * penalty``.
    dof : (N,)
        Degrees of freedom.
    gap : (N,)
        Duality gap: no f has an objective lower by more than that.
    iterations, converged : (N,)
    warm : (N, ...)
        What the solver can start from at a neighbouring weight; (N, 0) where it makes no use of one.
    """

    f: Floats
    misfit: Floats
    penalty: Floats
    dof: Floats
    gap: Floats
    iterations: NDArray[np.int64]
    converged: NDArray[np.bool_]
    warm: Floats


class WeightedFit(Method):
    """Minimises ``1/2 ||K1 f K2^T - S||^2 + weight * penalty(f)``.

    A subclass has a solver, a path of weights, ascending, and the relative duality gap it is solved to.
    """

    path: ClassVar[Floats]
    tolerance: ClassVar[float]
    rtol: ClassVar[float] = 1e-7
    """Components of the kernel below this share of the largest are left out."""

    @dataclass(frozen=True)
    class Options:
        """`weight` of the penalty: a number, a rule of :mod:`dexsy_bench.numerics.alpha`, or ``tuned``."""

        weight: float | Literal["ftest", "gcv", "discrepancy", "tuned"] = "ftest"

        def __post_init__(self) -> None:
            if not isinstance(self.weight, str) and not 0 < self.weight < np.inf:
                raise ValueError("weight must be positive")

    def supports(self, problem: Problem) -> str | None:
        """Declines the rule that wants to know the noise where nothing tells it."""
        if self.options.weight == "discrepancy" and not has_spare_data(problem):
            return "weight=discrepancy needs more data than the kernel has singular values, to estimate the noise"
        return None

    def prepare(self, problem: Problem) -> None:
        """Compress the kernel."""
        self.problem = problem
        self.compression = Compression(problem, self.rtol)

    @abstractmethod
    def solve(self, y: Floats, weight: Floats, warm: Floats | None, tolerance: float) -> Fit:
        """Solve N cases, y (N, M), at their weights (N,), to a gap relative to the objective.

        From `warm` of neighbouring weights, or from nothing.
        """

    def choose(self, signals: NDArray[Any], y: Floats, outside: Floats) -> rules.Choice:
        """Weights from the data, each solution along the path the start of the next."""
        fits: list[Fit] = []
        for weight in self.path[::-1]:  # from the strongest penalty to the weakest
            fits.append(self.solve(y, np.full(len(y), weight), fits[-1].warm if fits else None, COARSE))
        fits.reverse()
        index = self.rule(signals, np.stack([fit.misfit for fit in fits]), np.stack([fit.dof for fit in fits]), outside)
        warm = np.stack([fit.warm for fit in fits])[index, np.arange(len(y))]
        return rules.chosen(self.path, index, warm, np.sum([fit.iterations for fit in fits], axis=0))

    def rule(self, signals: NDArray[Any], misfit: Floats, dof: Floats, outside: Floats) -> rules.Indices:
        """Index into a path of misfits and degrees of freedom, (A, N), for each case."""
        rule = str(self.options.weight)
        sigma = noise_sd(self.problem, signals) if rule == "discrepancy" else None
        return rules.choose(rule, rules.Curves(misfit, dof, outside, self.compression.n_data), sigma)

    def invert(self, signals: NDArray[Any]) -> Estimate:
        """A chunk of cases at a time; see :class:`~dexsy_bench.method.Method`."""
        return in_chunks(self._invert, signals, CHUNK)

    def _invert(self, signals: NDArray[Any]) -> Estimate:
        y, outside = self.compression.project(signals)
        if not isinstance(self.options.weight, str):
            choice = rules.fixed(self.options.weight, len(y))
        else:
            choice = self.choose(signals, y, outside)
        fit = self.solve(y, choice.alpha, choice.warm, self.tolerance)
        objective = 0.5 * (fit.misfit + outside) + choice.alpha * fit.penalty
        return Estimate(
            normalised(fit.f),
            diagnostics={
                "objective": objective,
                "gap": fit.gap / np.where(objective > 0, objective, 1.0),
                "iterations": fit.iterations + choice.iterations,
                "converged": fit.converged,
                "alpha": choice.alpha,
                "alpha_at_edge": choice.at_edge,
            },
        )
