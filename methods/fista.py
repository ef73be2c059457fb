"""Order-0 Tikhonov by accelerated projected gradients: the published fast comparator."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from dexsy_bench.method import Estimate, Method, normalised
from dexsy_bench.numerics import fista
from dexsy_bench.numerics.compression import Compression

LONGEST = 1_000_000
"""Iterations after which a case that is not solved is given up."""


class Fista(Method):
    """The same minimum as that of `tikhonov[order=0]`, by accelerated projected gradients with adaptive restart.

    Minimises ``1/2 ||K1 f K2^T - S||^2 + alpha/2 ||f||^2`` over f >= 0 on the SVD-compressed data, as FLINT does (Teal
    & Eccles, Inverse Problems 31, 045010, 2015), starting from f = 0. `alpha` is a number (0.1), or `tuned`.

    `stop` is `gap` (default): until the duality gap is below 1e-13 of the objective, tens of thousands of iterations;
    or a number of iterations. Stopping early is a regularisation of its own, which no formula states: such an estimate
    is far from the minimum, and the diagnostic `gap` (duality gap relative to the objective) says how far at most.
    """

    name = "fista"
    variants = ("", "stop=1000")
    search_space = {"alpha": tuple(np.geomspace(1e-2, 1e2, 13))}

    @dataclass(frozen=True)
    class Options:
        alpha: float | Literal["tuned"] = 0.1
        stop: int | Literal["gap"] = "gap"

        def __post_init__(self):
            if isinstance(self.alpha, float) and not 0 < self.alpha < np.inf:
                raise ValueError("alpha must be positive")
            if isinstance(self.stop, int) and self.stop < 1:
                raise ValueError("stop must be gap, or a number of iterations, at least 1")

    def prepare(self, problem):
        self.compression = Compression(problem)

    def invert(self, signals):
        y, outside = self.compression.project(signals)
        alpha, stop = self.options.alpha, self.options.stop
        if stop == "gap":
            solution = fista.solve(self.compression, y, alpha, LONGEST)
        else:
            solution = fista.solve(self.compression, y, alpha, stop, tolerance=0.0)
        objective = solution.objective + 0.5 * outside
        return Estimate(
            normalised(solution.f),
            diagnostics={
                "objective": objective,
                "gap": solution.gap / np.where(objective > 0, objective, 1.0),
                "kkt": solution.kkt,
                "iterations": solution.iterations,
                "converged": solution.converged,
                "alpha": np.full(len(signals), alpha),
            },
        )
