"""Maximum-entropy inversion through cvxpy."""

from dexsy_bench.numerics import penalties
from dexsy_bench.numerics.convex import ConvexFit


class CvxEntropy(ConvexFit):
    """The most even distribution that fits: the penalty is the negative entropy of f against a flat one.

    Minimises ``1/2 ||K1 f K2^T - S||^2 + weight * sum(f log(f / m) - f + m)`` with the flat model
    m = 1 / cells (Skilling & Bryan, Mon. Not. R. Astron. Soc. 211, 111, 1984). Positive everywhere.
    """

    name = "cvx_entropy"
    penalty = staticmethod(penalties.entropy)

    def variable(self, shape):
        import cvxpy as cp

        x = cp.Variable(shape)  # f / m; the entropy keeps it positive
        return x, x / x.size
