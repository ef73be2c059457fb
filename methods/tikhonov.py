"""Tikhonov regularisation with a non-negative solution."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from dexsy_bench.method import Estimate, Method, normalised
from dexsy_bench.numerics import alpha as rules
from dexsy_bench.numerics import block_pivoting, dual_newton
from dexsy_bench.numerics.compression import Compression, noise_sd

SOLVERS = {0: dual_newton.solve, 2: block_pivoting.solve}
PATHS = {0: np.geomspace(1e-4, 1e2, 13), 2: np.geomspace(1e-3, 1e3, 13)}
CHUNK = 64


class Tikhonov(Method):
    """Non-negative least squares with a quadratic penalty, solved to the optimality conditions.

    Minimises ``1/2 ||K1 f K2^T - S||^2 + alpha/2 ||L f||^2`` over f >= 0, where L is the identity
    (`order` 0) or takes second differences along both axes (`order` 2), on the SVD-compressed data.
    Order 0 is the classical inversion of 2D NMR (Venkataramanan, Song, Hurlimann 2002), order 2
    assumes a smooth distribution.

    `alpha` is a number, or the rule that picks it from the data out of two values a decade: `ftest`
    (CONTIN's: the largest that fits as well as next to none), `gcv` (generalised cross-validation,
    degrees of freedom counted on the support), `lcurve` (corner of the L-curve) or `discrepancy`
    (the largest that leaves a residual as small as the noise, whose SD is estimated from the part of
    the signal that no distribution explains); `tuned` takes the value that `dexsy-bench tune` stored
    for the scenario and SNR.
    """

    name = "tikhonov"
    variants = ("", "alpha=gcv", "alpha=lcurve", "alpha=discrepancy", "alpha=tuned", "order=0", "order=0,alpha=tuned")
    search_space = {"alpha": tuple(np.geomspace(1e-4, 1e3, 22))}

    @dataclass(frozen=True)
    class Options:
        order: Literal[0, 2] = 2
        alpha: float | Literal["ftest", "gcv", "lcurve", "discrepancy", "tuned"] = "ftest"

        def __post_init__(self):
            if isinstance(self.alpha, float) and not 0 < self.alpha < np.inf:
                raise ValueError("alpha must be positive")

    def prepare(self, problem):
        self.problem = problem
        self.compression = Compression(problem)
        self.solve = SOLVERS[self.options.order]
        self.fixed = isinstance(self.options.alpha, float)
        self.path = np.array([self.options.alpha]) if self.fixed else PATHS[self.options.order]

    def invert(self, signals):
        chunks = [self._invert(signals[start : start + CHUNK]) for start in range(0, len(signals), CHUNK)]
        names = chunks[0].diagnostics
        return Estimate(
            np.concatenate([chunk.distributions for chunk in chunks]),
            diagnostics={name: np.concatenate([chunk.diagnostics[name] for chunk in chunks]) for name in names},
        )

    def _invert(self, signals):
        y, outside = self.compression.project(signals)
        solutions, warm = [], None
        for alpha in self.path[::-1]:  # from smooth to rough: each is a good start for the next
            solutions.append(self.solve(self.compression, y, alpha, warm))
            warm = solutions[-1].warm
        solutions.reverse()

        def along_path(name):
            return np.stack([getattr(solution, name) for solution in solutions])

        residual = along_path("misfit") + outside
        chosen = self._choose(signals, residual, outside, along_path("penalty"), along_path("dof"))
        cases = np.arange(len(signals))
        alpha = self.path[chosen]
        return Estimate(
            normalised(along_path("f")[chosen, cases]),
            diagnostics={
                "objective": 0.5 * (residual[chosen, cases] + alpha * along_path("penalty")[chosen, cases]),
                "kkt": along_path("kkt")[chosen, cases],
                "iterations": along_path("iterations").sum(axis=0),
                "converged": along_path("converged")[chosen, cases],
                "alpha": alpha,
                "alpha_at_edge": self._at_edge(chosen),
            },
        )

    def _choose(self, signals, residual, outside, penalty, dof):
        """Index into the path for each case."""
        n_data = self.compression.n_data
        if self.fixed:
            return np.zeros(len(signals), dtype=int)
        if self.options.alpha == "ftest":
            return rules.ftest(residual, dof, n_data)
        if self.options.alpha == "gcv":
            return rules.gcv(residual, dof, n_data)
        if self.options.alpha == "lcurve":
            return rules.lcurve(residual - outside, penalty)
        return rules.discrepancy(residual, noise_sd(self.problem, signals), n_data)

    def _at_edge(self, chosen):
        """Whether the end of the path made the choice; curvature is not defined at the very ends."""
        margin = 1 if self.options.alpha == "lcurve" else 0
        inside = (chosen > margin) & (chosen < len(self.path) - 1 - margin)
        return ~inside & (not self.fixed)

    def supports(self, problem):
        blank = np.ones((1, *problem.acquisition.signal_shape[1:]))
        if self.options.alpha == "discrepancy" and np.isnan(noise_sd(problem, blank)).any():
            return "alpha=discrepancy needs more data than the kernel has singular values, to estimate the noise"
        return None
