"""Non-negative least squares on data repeated by the bootstrap: a mean, and how far noise moves it."""

from dataclasses import dataclass

import numpy as np

from dexsy_bench.method import Estimate, Method, normalised
from dexsy_bench.numerics import lawson_hanson
from dexsy_bench.numerics.compression import Compression, has_spare_data, noise_sd
from dexsy_bench.seeds import from_data


class TsvdMonteCarlo(Method):
    """The mean of many unregularised fits, each to the same signal with other noise; the fits are its samples.

    Minimises ``||K1 f K2^T - S||`` over f >= 0 on the leading singular vectors of the kernel; then, `replicates` times,
    the same with the fitted signal plus new Gaussian noise in place of S (parametric bootstrap: Efron & Tibshirani, An
    Introduction to the Bootstrap, 1993, chapter 6; Monte Carlo inversion of NMR data: Prange & Song, J. Magn. Reson.
    196, 54, 2009). The SD of the noise is estimated from the part of the signal that no distribution explains.

    `truncation`: pairs of singular values whose product is at most this share of the largest are left out. That and
    the averaging are all the regularisation there is: samples are spikes, spread as noise spreads them.
    """

    name = "tsvd_mc"

    @dataclass(frozen=True)
    class Options:
        replicates: int = 64
        truncation: float = 1e-4

        def __post_init__(self):
            if self.replicates < 2:
                raise ValueError("replicates must be at least 2")
            if not 0 < self.truncation < 1:
                raise ValueError("truncation must lie between 0 and 1")

    def supports(self, problem):
        if not has_spare_data(problem):
            return "it needs more data than the kernel has singular values, to estimate the noise"
        return None

    def prepare(self, problem):
        self.problem = problem
        self.compression = Compression(problem, self.options.truncation)

    def invert(self, signals):
        y, outside = self.compression.project(signals)
        sigma = noise_sd(self.problem, signals)
        solved = [self._solve(*case) for case in zip(signals, y, sigma, strict=True)]
        fits, replicates = zip(*solved, strict=True)
        residual = np.stack([self.compression.apply(fit.f)[0] for fit in fits]) - y
        samples = np.stack([normalised(replicate.f) for replicate in replicates])
        return Estimate(
            normalised(samples.mean(axis=1)),
            samples=samples,
            diagnostics={
                "objective": 0.5 * ((residual**2).sum(axis=1) + outside),
                "kkt": np.array([max(fit.kkt.max(), r.kkt.max()) for fit, r in solved]),
                "iterations": np.array([fit.iterations.sum() + r.iterations.sum() for fit, r in solved]),
                "converged": np.array([fit.converged.all() and r.converged.all() for fit, r in solved]),
                "sigma": sigma,
            },
        )

    def _solve(self, signal, y, sigma):
        """The fit to the data of one case, and those to its replicates, which start from it."""
        fit = lawson_hanson.solve(self.compression, y[None])
        noise = sigma * from_data(signal).standard_normal((self.options.replicates, y.size))
        data = self.compression.apply(fit.f) + noise
        return fit, lawson_hanson.solve(self.compression, data, np.repeat(fit.f, len(data), axis=0))
