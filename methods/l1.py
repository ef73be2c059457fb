"""L1 regularisation."""

import numpy as np

from dexsy_bench.numerics import l1_dual
from dexsy_bench.numerics.weighted import WeightedFit


class L1(WeightedFit):
    """Sparse distributions: the penalty is the sum of f.

    Minimises ``1/2 ||K1 f K2^T - S||^2 + weight * sum(f)`` over f >= 0 (Reci, Sederman, Gladden, J. Magn.
    Reson. 281, 188, 2017), a whole batch at once by proximal points. Since S(0,0) fixes the sum of f, the
    penalty mainly thins out what the data do not support. The same as `cvx_l1`, and much faster.

    `weight` is a number, or the rule that picks it from the data out of two values a decade, with the
    number of cells in use as degrees of freedom: `ftest` (the largest that fits as well as next to none),
    `gcv` (generalised cross-validation) or `discrepancy` (the largest that leaves a residual as small as
    the noise); `tuned` takes the value that `dexsy-bench tune` stored for the scenario and SNR.
    """

    name = "l1"
    variants = ("", "weight=tuned")
    search_space = {"weight": tuple(np.geomspace(1e-6, 1e1, 22))}
    path = np.geomspace(1e-3, 1, 7)
    tolerance = 1e-8

    def solve(self, y, weight, warm, tolerance):
        return l1_dual.solve(self.compression, y, weight, warm, tolerance)
