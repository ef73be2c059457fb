"""Total variation."""

import numpy as np

from dexsy_bench.numerics.interior_fit import InteriorFit
from dexsy_bench.numerics.total_variation import TotalVariation


class TV(InteriorFit):
    """Flat patches with sharp edges: the penalty is the isotropic total variation of f on the grid.

    Minimises ``1/2 ||K1 f K2^T - S||^2 + weight * TV(f)`` over f >= 0, with differences between
    neighbouring cells of the log-spaced grid (Rudin, Osher, Fatemi, Physica D 60, 259, 1992), by
    interior points. The same as `cvx_tv`, and faster.

    `weight` is a number, or the rule that picks it from the data out of two values a decade: `ftest`
    (the largest that fits as well as maximum entropy with next to no weight) or `discrepancy` (the
    largest that leaves a residual as small as the noise); `tuned` takes the value that `dexsy-bench
    tune` stored for the scenario and SNR.
    """

    name = "tv"
    variants = ("", "weight=tuned")
    search_space = {"weight": tuple(np.geomspace(1e-6, 1e1, 22))}
    path = np.geomspace(1e-5, 1, 11)

    def penalty(self):
        return TotalVariation()
