"""Modified total generalised variation."""

from dataclasses import dataclass

import numpy as np

from dexsy_bench.numerics.interior_fit import InteriorFit
from dexsy_bench.numerics.modified_tgv import ModifiedTGV


class MTGV(InteriorFit):
    """Smooth features and isolated ones at once: what is not smooth in f is sparse.

    Minimises ``1/2 ||K1 f K2^T - S||^2 + weight * MTGV(f)`` over f >= 0, where ``MTGV(f)`` is the least
    value over v of ``||f - v||_1 + ratio * (||D1 v||_1 + ||D2 v||_1)``, with second differences D1 and D2
    of v along either axis, v being 0 outside the grid. Penalties of that kind were introduced to NMR by Reci,
    Sederman, Gladden (J. Magn. Reson. 284, 39, 2017); see Beckmann et al. (arXiv 2311.11442, 2023).

    A small `ratio` charges for what is rough alone, a large one leaves L1. `weight` is a number, or the rule
    that picks it from the data out of two values a decade: `ftest` (the largest that fits as well as maximum
    entropy with next to no weight) or `discrepancy` (the largest that leaves a residual as small as the
    noise); `tuned` takes the value that `dexsy-bench tune` stored for the scenario and SNR.
    """

    name = "mtgv"
    search_space = {"weight": tuple(np.geomspace(1e-6, 1e1, 22))}
    path = np.geomspace(1e-5, 1, 11)

    @dataclass(frozen=True)
    class Options(InteriorFit.Options):
        ratio: float = 1.0

        def __post_init__(self):
            super().__post_init__()
            if not 0 < self.ratio < np.inf:
                raise ValueError("ratio must be positive")

    def penalty(self):
        return ModifiedTGV(self.options.ratio)
