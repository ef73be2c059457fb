"""Maximum entropy."""

import numpy as np

from dexsy_bench.numerics import maxent_dual
from dexsy_bench.numerics.weighted import WeightedFit


class MaxEnt(WeightedFit):
    """The most even distribution that fits: the penalty is the negative entropy of f against a flat one.

    Minimises ``1/2 ||K1 f K2^T - S||^2 + weight * sum(f log(f / m) - f + m)`` with the flat model
    m = 1 / cells (Skilling & Bryan, Mon. Not. R. Astron. Soc. 211, 111, 1984), a whole batch at once
    by Newton's method on the dual. Positive everywhere. The same as `cvx_entropy`, and much faster.

    `weight` is a number, or the rule that picks it from the data out of two values a decade: `ftest`
    (the largest that fits as well as next to none), `gcv` (generalised cross-validation) or
    `discrepancy` (the largest that leaves a residual as small as the noise); `tuned` takes the value
    that `dexsy-bench tune` stored for the scenario and SNR.
    """

    name = "maxent"
    variants = ("", "weight=gcv", "weight=tuned")
    search_space = {"weight": tuple(np.geomspace(1e-6, 1e1, 22))}
    path = np.geomspace(1e-6, 1e-1, 11)
    tolerance = 1e-12

    def solve(self, y, weight, warm, tolerance):
        return maxent_dual.solve(self.compression, y, weight, warm, tolerance)
