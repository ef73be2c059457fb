"""Maximum-entropy inversion through cvxpy."""

import numpy as np

from dexsy_bench.numerics.convex import ConvexFit


class CvxEntropy(ConvexFit):
    """The most even distribution that fits: the penalty is the negative entropy of f against a flat one.

    Minimises ``1/2 ||K1 f K2^T - S||^2 + weight * sum(f log(f / m) - f + m)`` with the flat model
    m = 1 / cells (Skilling & Bryan, Mon. Not. R. Astron. Soc. 211, 111, 1984). Positive everywhere.
    """

    name = "cvx_entropy"

    def penalty(self, f):
        import cvxpy as cp

        return cp.sum(cp.kl_div(f, np.full(f.shape, 1.0 / f.size)))
