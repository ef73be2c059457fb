"""Parametric bootstrap: an uncertainty for a method that has none."""

from dataclasses import dataclass

import numpy as np

from dexsy_bench import seeds
from dexsy_bench.inference.replicates import noise_sd, replicates
from dexsy_bench.method import Estimate, Wrapper
from dexsy_bench.numerics.compression import has_spare_data
from dexsy_bench.numerics.compression import noise_sd as spread
from dexsy_bench.physics import forward


class Bootstrap(Wrapper):
    """Another method with samples: what it makes of signals like the one measured.

    The estimate is that of `method`. Its predicted signal is measured again `samples` times, with Rician noise of the
    SD estimated from the signal, and each is inverted as the first was (parametric bootstrap: Efron & Tibshirani, An
    Introduction to the Bootstrap, 1993, chapter 6). The samples show how far noise moves the estimate. They cannot show
    a bias that it has whatever the noise, such as the blur of a penalty: look at the coverage.
    """

    name = "bootstrap"
    variants = ("method=tikhonov[order=0]",)

    @dataclass(frozen=True)
    class Options:
        method: str = "tikhonov"
        samples: int = 40

        def __post_init__(self):
            if self.samples < 2:
                raise ValueError("samples must be at least 2")

    def supports(self, problem):
        if not has_spare_data(problem):
            return "it needs more data than the kernel has singular values, to estimate the noise"
        return super().supports(problem)

    def invert(self, signals):
        found = self.wrapped(signals[:, None])
        predicted = forward(found.distributions[:, 0], self.problem.k1, self.problem.k2)
        mask = self.problem.mask()
        seen = np.ones(signals.shape[1:], dtype=bool) if mask is None else mask
        observed = spread(self.problem, signals)
        sigma = np.array([noise_sd(sd, s[seen]) for sd, s in zip(observed, predicted, strict=True)])
        every = [self._again(*each) for each in zip(signals, predicted * seen, sigma, strict=True)]
        refused = {case: "a repetition was refused: " + why for case, (_, why) in enumerate(every) if why}
        return Estimate(
            found.distributions[:, 0],
            np.stack([samples for samples, _ in every]),
            {**found.diagnostics, "sigma": sigma},
            refused={**refused, **found.refused},
        )

    def _again(self, signal, predicted, sigma):
        """Samples (P, D1, D2) of one case, and the reason why one of them was refused, if one was."""
        again = replicates(predicted, sigma, self.options.samples, seeds.from_data(signal))
        mask = self.problem.mask()
        if mask is not None:
            again = np.where(mask, again, 0.0)
        found = self.wrapped(again[:, None])
        return found.distributions[:, 0], next(iter(found.refused.values()), "")
