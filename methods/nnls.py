"""Non-negative least squares, without regularisation."""

import numpy as np

from dexsy_bench.method import Estimate, Method, normalised
from dexsy_bench.numerics import lawson_hanson
from dexsy_bench.numerics.compression import Compression

CHUNK = 64


class NNLS(Method):
    """The least-squares fit among non-negative distributions: no penalty, no parameter.

    Minimises ``||K1 f K2^T - S||`` over f >= 0 by the active-set method of Lawson and Hanson (Solving
    Least Squares Problems, 1974, chapter 23) on the SVD-compressed data. The solution is a few
    isolated spikes: the lower bound of what regularised methods should reach.
    """

    name = "nnls"

    def prepare(self, problem):
        self.compression = Compression(problem)

    def invert(self, signals):
        y, outside = self.compression.project(signals)
        chunks = [lawson_hanson.solve(self.compression, y[start : start + CHUNK]) for start in range(0, len(y), CHUNK)]
        f, kkt, iterations, converged = (
            np.concatenate([getattr(chunk, name) for chunk in chunks])
            for name in ("f", "kkt", "iterations", "converged")
        )
        misfit = ((self.compression.apply(f) - y) ** 2).sum(axis=1)
        return Estimate(
            normalised(f),
            diagnostics={
                "objective": 0.5 * (misfit + outside),
                "kkt": kkt,
                "iterations": iterations,
                "converged": converged,
            },
        )
