"""Uniform-penalty inversion: Tikhonov whose weight adapts to the distribution, cell by cell."""

from dataclasses import dataclass

import numpy as np

from dexsy_bench.method import Estimate, Method, normalised
from dexsy_bench.numerics import block_pivoting, certificate, dual_newton
from dexsy_bench.numerics.compression import Compression
from dexsy_bench.numerics.local_smoothness import LocalSmoothness, gradient_norm, laplacian

MAX_ROUNDS = 500
"""Rounds of the solver on one of the problems."""


class Upen(Method):
    """2DUPEN: smooth where the distribution is flat, free to bend where it bends.

    Minimises ``||K1 f K2^T - S||^2 + sum_i lambda_i (L f)_i^2`` over f >= 0, L the Laplacian, where the lambda of each
    cell is such that no cell pays more penalty than any other (Bortolotti, Brown, Fantazzini, Landi, Zama, Inverse
    Problems 33, 015003, 2017): ``lambda_i = v / (beta_0 v0 + beta_p max p^2 + beta_c max c^2)``, with v the mean
    squared residual (v0: at the start), p and c the slope and the curvature of the f before, and max over the 3 x 3
    cells around i. Repeated until f changes by less than `tolerance` (relative, in norm).

    `beta_p` and `beta_c` are the shares of slope and curvature, `beta_0` the floor: no lambda is larger than about 1 /
    `beta_0`. The last of these problems is solved exactly, and `objective` and `kkt` are of it.
    """

    name = "upen"

    @dataclass(frozen=True)
    class Options:
        beta_0: float = 0.1
        beta_p: float = 1.0
        beta_c: float = 1.0
        tolerance: float = 1e-3
        rounds: int = 100

        def __post_init__(self):
            if min(self.beta_0, self.tolerance, self.rounds) <= 0 or min(self.beta_p, self.beta_c) < 0:
                raise ValueError("beta_0, tolerance and rounds must be positive, beta_p and beta_c not negative")

    def prepare(self, problem):
        self.compression = Compression(problem)

    def invert(self, signals):
        y, outside = self.compression.project(signals)
        solved = [self._solve(*case) for case in zip(y, outside, self.start(y), strict=True)]
        f, columns = zip(*solved, strict=True)
        return Estimate(
            normalised(np.stack(f)),
            diagnostics={name: np.array([column[name] for column in columns]) for name in columns[0]},
        )

    def start(self, y):
        """A first f with hardly any smoothing."""
        return dual_newton.solve(self.compression, y, 1e-6 * self.compression.scale.max() ** 2).f

    def variance(self, f, y, outside):
        """Mean squared residual over all data."""
        return (((self.compression.apply(f[None])[0] - y) ** 2).sum() + outside) / self.compression.n_data

    def _solve(self, y, outside, f):
        first = self.variance(f, y, outside)
        rounds, iterations, change, solved = 0, 0, np.inf, True
        while rounds < self.options.rounds and change >= self.options.tolerance:
            rounds += 1
            weights = self.weights(f, self.variance(f, y, outside), first)
            case, before = self.case(y, weights), f
            f, _, converged = case.solve(before > 0, MAX_ROUNDS)
            solved &= converged
            iterations += case.rounds
            change = np.linalg.norm(f - before) / max(np.linalg.norm(f), np.finfo(float).tiny)
        pull = case.alpha * case.penalty.apply(f)
        return f, {
            "objective": case.objective(f) + outside,
            "kkt": certificate.kkt(self.compression, y[None], f[None], pull[None])[0],
            "iterations": iterations,
            "converged": solved and change < self.options.tolerance,
            "rounds": rounds,
            "lambda_smallest": weights.min(),
            "lambda_largest": weights.max(),
        }

    def case(self, y, weights):
        """One of the problems, whose weights do not change."""
        least = weights.min()
        return block_pivoting.Case(self.compression, y, least, LocalSmoothness(weights / least))

    def weights(self, f, variance, first):
        """lambda (D1, D2) by the principle of uniform penalty."""
        from scipy.ndimage import maximum_filter

        slope = maximum_filter(gradient_norm(f), 3, mode="constant")
        curvature = maximum_filter(np.abs(laplacian(f)), 3, mode="constant")
        o, tiny = self.options, np.finfo(float).tiny
        return max(variance, tiny) / (o.beta_0 * max(first, tiny) + o.beta_p * slope**2 + o.beta_c * curvature**2)
