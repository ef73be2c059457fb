"""Uniform-penalty inversion: Tikhonov whose weight adapts to the distribution, cell by cell."""

from dataclasses import dataclass

import numpy as np

from dexsy_bench.method import Estimate, Method, in_chunks, normalised
from dexsy_bench.numerics import block_pivoting, certificate, dual_newton
from dexsy_bench.numerics.compression import Compression
from dexsy_bench.numerics.local_smoothness import LocalSmoothness, gradient_norm, laplacian

CHUNK = 64

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
        return in_chunks(self._invert, signals, CHUNK)

    def _invert(self, signals):
        y, outside = self.compression.project(signals)
        f = self.start(y)
        first, weights = self.variance(f, y, outside), np.zeros_like(f)
        rounds, iterations = np.zeros((2, len(y)), dtype=int)
        solved, change = np.ones(len(y), dtype=bool), np.full(len(y), np.inf)
        todo = np.arange(len(y))
        for _ in range(self.options.rounds):
            before = f[todo]
            weights[todo] = self.weights(before, self.variance(before, y[todo], outside[todo]), first[todo])
            found = self.cases(y[todo], weights[todo]).solve(before > 0, MAX_ROUNDS)
            f[todo] = found.f
            solved[todo] &= found.settled
            rounds[todo] += 1
            iterations[todo] += found.rounds
            size = np.linalg.norm(found.f, axis=(1, 2))
            change[todo] = np.linalg.norm(found.f - before, axis=(1, 2)) / np.maximum(size, np.finfo(float).tiny)
            todo = todo[change[todo] >= self.options.tolerance]
            if todo.size == 0:
                break
        cases = self.cases(y, weights)
        return Estimate(
            normalised(f),
            diagnostics={
                "objective": cases.objective(f) + outside,
                "kkt": certificate.kkt(self.compression, y, f, cases.smooth(f)),
                "iterations": iterations,
                "converged": solved & (change < self.options.tolerance),
                "rounds": rounds,
                "lambda_smallest": weights.min(axis=(1, 2)),
                "lambda_largest": weights.max(axis=(1, 2)),
            },
        )

    def start(self, y):
        """A first f with hardly any smoothing."""
        return dual_newton.solve(self.compression, y, 1e-6 * self.compression.scale.max() ** 2).f

    def variance(self, f, y, outside):
        """Mean squared residual over all data, (N,)."""
        return (((self.compression.apply(f) - y) ** 2).sum(axis=1) + outside) / self.compression.n_data

    def cases(self, y, weights):
        """The problems of N cases, whose weights (N, D1, D2) do not change."""
        least = weights.min(axis=(1, 2))
        return block_pivoting.Cases.new(self.compression, y, least, LocalSmoothness(weights / least[:, None, None]))

    def weights(self, f, variance, first):
        """lambda (N, D1, D2) by the principle of uniform penalty."""
        from scipy.ndimage import maximum_filter

        slope = maximum_filter(gradient_norm(f), (1, 3, 3), mode="constant")
        curvature = maximum_filter(np.abs(laplacian(f)), (1, 3, 3), mode="constant")
        o, tiny = self.options, np.finfo(float).tiny
        floor, variance = o.beta_0 * np.maximum(first, tiny), np.maximum(variance, tiny)
        return variance[:, None, None] / (floor[:, None, None] + o.beta_p * slope**2 + o.beta_c * curvature**2)
