"""L1-regularised inversion through cvxpy."""

from dexsy_bench.numerics import penalties
from dexsy_bench.numerics.convex import ConvexFit


class CvxL1(ConvexFit):
    """Sparse distributions: the penalty is the sum of f.

    Minimises ``1/2 ||K1 f K2^T - S||^2 + weight * sum(f)`` over f >= 0 (Reci, Sederman, Gladden, J. Magn.
    Reson. 281, 188, 2017). Since S(0,0) fixes the sum of f, the penalty mainly thins out what the
    data do not support.
    """

    name = "cvx_l1"
    penalty = staticmethod(penalties.l1)
