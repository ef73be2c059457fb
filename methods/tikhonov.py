"""Tikhonov regularisation with a non-negative solution."""

from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from dexsy_bench.method import Estimate, Method, in_chunks, normalised
from dexsy_bench.numerics import alpha as rules
from dexsy_bench.numerics import alpha_path, block_pivoting, certificate, dual_newton, magnitudes, roughness
from dexsy_bench.numerics.compression import Compression, has_spare_data, noise_sd

SOLVERS = {
    0: dual_newton.solve,
    1: partial(block_pivoting.solve, order=1),
    2: partial(block_pivoting.solve, order=2),
}
WALKS = {
    0: dual_newton.walk,
    1: partial(block_pivoting.walk, order=1),
    2: partial(block_pivoting.walk, order=2),
}
PATHS = {0: np.geomspace(1e-4, 1e2, 20), 1: np.geomspace(1e-3, 1e3, 20), 2: np.geomspace(1e-3, 1e3, 20)}
NODES = np.array([0, 5, 10, 15, 19])
"""Of a path, those that are solved."""

CHUNK = 64

EM_TOLERANCE = 1e-2
"""Root mean square change of the expected data, relative to the noise, at which they count as settled."""

EM_STEPS = 200


class Tikhonov(Method):
    """Non-negative least squares with a quadratic penalty, solved to the optimality conditions.

    Minimises ``1/2 ||K1 f K2^T - S||^2 + alpha/2 ||L f||^2`` over f >= 0, where L is the identity
    (`order` 0) or takes first or second differences along both axes (`order` 1, 2), on the
    SVD-compressed data. Order 0 is the classical inversion of 2D NMR (Venkataramanan, Song, Hurlimann
    2002); orders 1 and 2 assume a smooth distribution.

    `alpha` is a number, or the rule that picks it from the data out of 20 values: `ftest` (CONTIN's:
    the largest that fits as well as next to none), `gcv` (generalised cross-validation, degrees of
    freedom counted on the support), `lcurve` (corner of the L-curve), `discrepancy` (the largest that
    leaves a residual as small as the noise, whose SD is estimated from the part of the signal that no
    distribution explains) or `brd` (heel of the S-curve of Butler, Reeds, Dawson); `tuned` takes the
    value that `dexsy-bench tune` stored for the scenario and SNR.

    `symmetric`: f(D1, D2) = f(D2, D1), as at equilibrium; half the unknowns, and the antisymmetric
    part of the signal is noise. `rician`: the data are magnitudes, whose noise floor is taken into
    account by expectation-maximisation.
    """

    name = "tikhonov"
    variants = (
        "",
        "alpha=gcv",
        "alpha=lcurve",
        "alpha=discrepancy",
        "alpha=brd",
        "alpha=tuned",
        "order=0",
        "order=0,alpha=tuned",
        "order=1",
        "symmetric=true",
        "rician=true",
    )
    search_space = {"alpha": tuple(np.geomspace(1e-4, 1e3, 22))}

    @dataclass(frozen=True)
    class Options:
        order: Literal[0, 1, 2] = 2
        alpha: float | Literal["ftest", "gcv", "lcurve", "discrepancy", "brd", "tuned"] = "ftest"
        symmetric: bool = False
        rician: bool = False

        def __post_init__(self):
            if not isinstance(self.alpha, str) and not 0 < self.alpha < np.inf:
                raise ValueError("alpha must be positive")

    def prepare(self, problem):
        self.problem = problem
        self.compression = Compression(problem, symmetric=self.options.symmetric)
        self.solve = partial(SOLVERS[self.options.order], self.compression)
        self.walk = partial(WALKS[self.options.order], self.compression)
        self.path = PATHS[self.options.order]

    def invert(self, signals):
        return in_chunks(self._invert, signals, CHUNK)

    def _invert(self, signals):
        data, choice, settled = signals, self._choose(signals), {}
        if self.options.rician:
            sigma = noise_sd(self.problem, signals)
            data, settled = self._expect(signals, data, sigma, choice)
            before, choice = choice.iterations, self._choose(data)  # from data without a noise floor
            choice.iterations += before
            data, settled = self._expect(signals, data, settled["sigma"], choice)
        y, outside = self.compression.project(data)
        solution = self.solve(y, choice.alpha, choice.warm)
        alpha = choice.alpha[:, None, None]
        pull = alpha * roughness.apply(solution.f, self.options.order)
        return Estimate(
            normalised(solution.f),
            diagnostics={
                "objective": 0.5 * (solution.misfit + outside + choice.alpha * solution.penalty),
                "kkt": certificate.kkt(self.compression, y, solution.f, pull),
                "iterations": choice.iterations + solution.iterations,
                "converged": solution.converged & (settled.get("fixed_point", 0.0) <= EM_TOLERANCE),
                "alpha": choice.alpha,
                "alpha_at_edge": choice.at_edge,
                **settled,
            },
        )

    def _choose(self, signals):
        """The alpha of each case, and where to start from at it."""
        n, rule = len(signals), self.options.alpha
        if not isinstance(rule, str):
            return rules.fixed(rule, n)
        y, outside = self.compression.project(signals)
        n_data, sigma, limit = self.compression.n_data, None, None
        if rule == "discrepancy":
            sigma = noise_sd(self.problem, signals)
            limit = rules.explained(sigma, n_data) - outside
        nodes = alpha_path.gather(self.walk(y, self.path[NODES]), len(NODES), limit)
        index = rules.choose(rule, alpha_path.curves(self.path, NODES, nodes, outside, n_data), sigma)
        nearest = np.abs(NODES[:, None] - index).argmin(axis=0)
        warm = np.stack([node.warm for node in nodes])[nearest, np.arange(n)]
        iterations = np.sum([node.iterations for node in nodes], axis=0)
        # Curvature is not defined at the very ends.
        return rules.chosen(self.path, index, warm, iterations, margin=1 if rule == "lcurve" else 0)

    def _expect(self, signals, data, sigma, choice):
        """Magnitudes replaced by their expected part in phase with the fit to them, until the data settle."""
        n_data, mask = self.compression.n_data, self.compression.mask
        data, sigma, todo = data.copy(), sigma.copy(), np.arange(len(data))
        moved = np.full(len(data), np.inf)
        for _ in range(EM_STEPS):
            warm = None if choice.warm is None else choice.warm[todo]
            solution = self.solve(self.compression.project(data[todo])[0], choice.alpha[todo], warm)
            restart(choice, todo, solution)
            fit = self.problem.k1 @ solution.f @ self.problem.k2.T
            fit = fit if mask is None else np.where(mask, fit, 0.0)
            expected = magnitudes.in_phase(signals[todo], fit, sigma[todo])
            sigma[todo] = magnitudes.noise_sd(signals[todo], fit, expected, n_data)
            change = np.sqrt(((expected - data[todo]) ** 2).sum(axis=(1, 2)) / n_data)
            moved[todo] = change / np.maximum(sigma[todo], np.finfo(float).tiny)
            data[todo] = expected
            todo = todo[moved[todo] > EM_TOLERANCE]
            if todo.size == 0:
                break
        return data, {"sigma": sigma, "fixed_point": moved}

    def supports(self, problem):
        estimates_noise = self.options.alpha == "discrepancy" or self.options.rician
        if estimates_noise and not has_spare_data(problem):
            return "an estimate of the noise needs more data than the kernel has singular values"
        if self.options.symmetric and not (problem.k1.shape == problem.k2.shape and (problem.k1 == problem.k2).all()):
            return "symmetric needs the same b values and the same grid on both axes"
        return None


def restart(choice, cases, solution):
    """Start from these solutions of some cases, or of all, the next time."""
    choice.iterations[cases] += solution.iterations
    if choice.warm is None:
        choice.warm = solution.warm
    else:
        choice.warm[cases] = solution.warm
