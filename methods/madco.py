"""Two-dimensional inversion whose marginals are held to those of the one-dimensional data."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from dexsy_bench.method import Estimate, Method, in_chunks, normalised
from dexsy_bench.numerics import alpha as rules
from dexsy_bench.numerics import certificate, dual_newton
from dexsy_bench.numerics.compression import Compression
from dexsy_bench.numerics.marginals import Line, WithMarginals, degrees_of_freedom

PATH = np.geomspace(1e-4, 1e2, 13)
CHUNK = 16


class Madco(Method):
    """Marginal distributions first, from the data with one encoding off; then f, held to them.

    MADCO, marginal-distributions-constrained optimisation (Benjamini & Basser, J. Magn. Reson. 271, 40, 2016). First
    the marginals m1 and m2 of f, each the minimum of ``1/2 ||K1 m - S(:, 0)||^2 + alpha/2 ||m||^2`` over m >= 0, and of
    the same with ``K2, S(0, :)``; both scaled to one mass. Then f, which minimises ``1/2 ||K1 f K2^T - S||^2 + alpha/2
    ||f||^2 + weight/2 (||row sums of f - m1||^2 + ||column sums of f - m2||^2)`` over f >= 0. All three are exact.

    `weight`: how tightly f is held to its marginals; large values make it an equality. `alpha` of the fit of f is a
    number, or `ftest`, the rule that also chooses it for the marginals: the largest that fits as well as next to none.
    Made for few data: where the plane is sampled as densely as the lines, it determines the marginals better than they.
    """

    name = "madco"

    @dataclass(frozen=True)
    class Options:
        weight: float = 1.0
        alpha: float | Literal["ftest"] = "ftest"

        def __post_init__(self):
            if not 0 < self.weight < np.inf:
                raise ValueError("weight must be positive")
            if isinstance(self.alpha, float) and not 0 < self.alpha < np.inf:
                raise ValueError("alpha must be positive")

    def supports(self, problem):
        if problem.acquisition.b1[0] > 0 or problem.acquisition.b2[0] > 0:
            return "it needs data with either encoding off: both axes have to start at b = 0"
        return None

    def prepare(self, problem):
        mask = problem.mask()
        mask = np.ones(problem.acquisition.signal_shape[1:], dtype=bool) if mask is None else mask
        self.sampled = mask[:, 0], mask[0, :]
        self.lines = Line(problem.k1[self.sampled[0]]), Line(problem.k2[self.sampled[1]])
        self.compression = Compression(problem)
        self.both = WithMarginals(self.compression, self.options.weight)
        self.path = PATH if self.options.alpha == "ftest" else np.array([self.options.alpha])

    def invert(self, signals):
        return in_chunks(self._invert, signals, CHUNK)

    def _invert(self, signals):
        m1, m2 = of_one_mass(
            marginal(self.lines[0], signals[:, self.sampled[0], 0]),
            marginal(self.lines[1], signals[:, 0, self.sampled[1]]),
        )
        y, outside = self.compression.project(signals)
        target = self.both.stack(y, m1, m2)
        path = solve_path(self.both, target, self.path)
        chosen = np.zeros(len(signals), dtype=int)
        if self.options.alpha == "ftest":
            chosen = by_ftest(self.compression, y, outside, path, self.both, self.compression.n_data)
        cases = np.arange(len(signals))

        def of_chosen(name):
            return np.stack([getattr(solution, name) for solution in path])[chosen, cases]

        f, alpha = of_chosen("f"), self.path[chosen]
        missed = np.concatenate([f.sum(axis=2) - m1, f.sum(axis=1) - m2], axis=1)
        return Estimate(
            normalised(f),
            diagnostics={
                "objective": 0.5 * (of_chosen("misfit") + outside + alpha * of_chosen("penalty")),
                "kkt": certificate.kkt(self.both, target, f, alpha[:, None, None] * f),
                "iterations": np.sum([solution.iterations for solution in path], axis=0),
                "converged": of_chosen("converged"),
                "alpha": alpha,
                "alpha_at_edge": (len(self.path) > 1) & np.isin(chosen, (0, len(self.path) - 1)),
                "marginal_misfit": np.linalg.norm(missed, axis=1),
            },
        )


def solve_path(a, y, path):
    """Solutions along ascending alphas, found from the largest down, each the start of the next."""
    solutions, warm = [], None
    for alpha in path[::-1]:
        solutions.append(dual_newton.solve(a, y, alpha, warm))
        warm = solutions[-1].warm
    return solutions[::-1]


def by_ftest(data, y, outside, path, a, n_data):
    """Index into the path for each case; `data` are the first rows of a, and y is of them."""
    residual = np.stack([((data.apply(solution.f) - y) ** 2).sum(axis=1) for solution in path]) + outside
    dof = degrees_of_freedom(a, path[0].f, PATH[0], data.size)
    return rules.ftest(residual, np.broadcast_to(dof, residual.shape), n_data)


def marginal(line, signals):
    """Non-negative one-dimensional Tikhonov of order 0, its alpha by the F test: (N, B) -> (N, D)."""
    y, outside = line.project(signals)
    path = solve_path(line, y, PATH)
    chosen = by_ftest(line, y, outside, path, line, signals.shape[1])
    return np.stack([solution.f for solution in path])[chosen, np.arange(len(y))]


def of_one_mass(m1, m2):
    """Both scaled to the mean of their masses, without which no f has both."""
    mass = m1.sum(axis=1, keepdims=True), m2.sum(axis=1, keepdims=True)
    mean = 0.5 * (mass[0] + mass[1])
    return tuple(
        m * np.where(own > 0, mean / np.where(own > 0, own, 1.0), 1.0) for m, own in zip((m1, m2), mass, strict=True)
    )
