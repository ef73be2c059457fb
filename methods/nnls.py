"""Non-negative least squares, without regularisation."""

import numpy as np

from dexsy_bench.method import Estimate, Method, normalised
from dexsy_bench.numerics.compression import Compression


class NNLS(Method):
    """The least-squares fit among non-negative distributions: no penalty, no parameter.

    Minimises ``||K1 f K2^T - S||`` over f >= 0 by the active-set method of Lawson and Hanson (Solving
    Least Squares Problems, 1974; scipy.optimize.nnls) on the SVD-compressed data. The solution is a
    few isolated spikes: the lower bound of what regularised methods should reach.
    """

    name = "nnls"

    def prepare(self, problem):
        self.compression = Compression(problem)
        self.matrix = self.compression.matrix()

    def invert(self, signals):
        from scipy.optimize import nnls

        a = self.compression
        y, outside = a.project(signals)
        f = np.stack([nnls(self.matrix, row)[0] for row in y]).reshape(-1, *a.shape)
        residual = a.apply(f) - y
        gradient = a.adjoint(residual)
        violation = np.where(f > 0, np.abs(gradient), np.maximum(-gradient, 0.0))
        scale = np.abs(a.adjoint(y)).max(axis=(1, 2))
        kkt = violation.max(axis=(1, 2)) / np.where(scale > 0, scale, 1.0)
        return Estimate(
            normalised(f),
            diagnostics={
                "objective": 0.5 * ((residual**2).sum(axis=1) + outside),
                "kkt": kkt,
                "converged": kkt < 1e-8,
            },
        )
