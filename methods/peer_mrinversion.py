"""mrinversion's cross-validated l1 inversion."""

import warnings
from dataclasses import dataclass

import numpy as np

from dexsy_bench.numerics.compression import Compression
from dexsy_bench.numerics.peers import Peer


class PeerMrinversion(Peer):
    """The package mrinversion (Srivastava): l1-regularised, its weight by five-fold cross-validation.

    Minimises ``||K f - S||^2 + lambda ||f||_1`` over f >= 0 by FISTA, which stops early, at its default tolerance
    (`LassoFistaCV`, as in its guide to relaxation data). lambda is the best of `lambdas` values from 1e-7 to 0.1. The
    guide has 64 of them, which take twenty minutes a case. The kernel is compressed first, as in the guide, though
    along both axes at once, at 1e-4 of the largest singular value. It is told the SD of the noise, estimated from what
    no distribution explains.
    """

    name = "peer_mrinversion"
    package = "mrinversion"
    project = "mrinversion"
    needs_sigma = True

    @dataclass(frozen=True)
    class Options:
        lambdas: int = 4

        def __post_init__(self):
            if self.lambdas < 2:
                raise ValueError("lambdas must be at least 2")

    def load(self):
        from mrinversion.linear_model import LassoFistaCV

        self.lasso = LassoFistaCV
        self.compression = Compression(self.problem, rtol=1e-4)
        self.kernel = self.compression.matrix()

    def solve(self, signal, sigma):
        y, _ = self.compression.project(signal[None])
        fit = self.lasso(lambdas=np.geomspace(1e-7, 0.1, self.options.lambdas), sigma=sigma, folds=5, n_jobs=1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numba's, on how its own arrays lie in memory
            fit.fit(K=self.kernel, s=y.T)
        return np.reshape(fit.f, self.problem.grid.shape), {"alpha": float(fit.hyperparameters["lambda"])}
