"""Total-variation-regularised inversion through cvxpy."""

from dexsy_bench.numerics import penalties
from dexsy_bench.numerics.convex import ConvexFit


class CvxTV(ConvexFit):
    """Flat patches with sharp edges: the penalty is the isotropic total variation of f on the grid.

    Minimises ``1/2 ||K1 f K2^T - S||^2 + weight * TV(f)`` over f >= 0, with differences between
    neighbouring cells of the log-spaced grid (Rudin, Osher, Fatemi, Physica D 60, 259, 1992).
    """

    name = "cvx_tv"
    penalty = staticmethod(penalties.tv)
