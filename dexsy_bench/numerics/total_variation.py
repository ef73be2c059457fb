"""Isotropic total variation: the norms of the differences with the cells below and to the right, 0 at the edge."""

from __future__ import annotations

import numpy as np

from dexsy_bench.numerics.banded import BandedCholesky
from dexsy_bench.numerics.compression import Compression
from dexsy_bench.numerics.interior_point import Groups
from dexsy_bench.problem import Floats


class TotalVariation:
    """A :class:`~dexsy_bench.numerics.interior_point.SumOfNorms` of f alone: one group of two differences a cell."""

    parts = 1
    weights = (1.0,)

    def groups(self, x: Floats) -> Groups:
        """Differences down and to the right, (2, D1, D2)."""
        g = np.zeros((2, *x.shape[1:]))
        g[0, :-1] = np.diff(x[0], axis=0)
        g[1, :, :-1] = np.diff(x[0], axis=1)
        return [g]

    def adjoint(self, p: Groups) -> Floats:
        """Minus the divergence, (1, D1, D2)."""
        down, right = p[0]
        x = np.zeros((1, *down.shape))
        x[0, 1:] += down[:-1]
        x[0, :-1] -= down[:-1]
        x[0, :, 1:] += right[:, :-1]
        x[0, :, :-1] -= right[:, :-1]
        return x

    def ceiling(self, p: Groups, radii: list[float]) -> Floats:
        """Any p within the balls is admissible."""
        return self.adjoint(p)[0]

    def system(self, h: list[Floats], diagonal: Floats) -> _Banded:
        """Each cell couples with those below, to the right, and these two with each other."""
        n2 = diagonal.shape[1]
        down, right, both = h[0][0, 0].copy(), h[0][1, 1].copy(), h[0][0, 1].copy()
        down[-1], both[-1], both[:, -1], right[:, -1] = 0.0, 0.0, 0.0, 0.0
        bands = np.zeros((n2 + 1, *diagonal.shape))
        bands[0] = diagonal + down + right + 2 * both
        bands[0, 1:] += down[:-1]
        bands[0, :, 1:] += right[:, :-1]
        bands[1] -= right + both
        bands[n2 - 1, :, 1:] += both[:, :-1]
        bands[n2] -= down + both
        return _Banded(bands.reshape(n2 + 1, -1))


class _Banded:
    def __init__(self, bands: Floats) -> None:
        self.cholesky = BandedCholesky(bands)

    def solve(self, r: Floats) -> Floats:
        return self.cholesky.solve(r.ravel()).reshape(r.shape)

    def capacitance(self, a: Compression, rows: Floats) -> Floats:
        x = self.cholesky.forward(rows.reshape(len(rows), -1).T)
        return np.asarray(x.T @ x)
