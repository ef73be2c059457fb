"""Modified total generalised variation: what is not smooth in f is sparse.

    MTGV(f) = min over v of  ||f - v||_1 + ratio * (||D1 v||_1 + ||D2 v||_1)

with second differences D1, D2 along either axis, v being 0 outside the grid. Total generalised variation (Bredies,
Kunisch, Pock, SIAM J. Imaging Sci. 3, 492, 2010) has the gradient of f in place of f.
"""

from __future__ import annotations

import numpy as np

from dexsy_bench.numerics.banded import BandedCholesky
from dexsy_bench.numerics.compression import Compression
from dexsy_bench.numerics.interior_point import Groups
from dexsy_bench.problem import Floats


class ModifiedTGV:
    """A :class:`~dexsy_bench.numerics.interior_point.SumOfNorms` of (f, v): a group is one number."""

    parts = 2

    def __init__(self, ratio: float) -> None:
        self.weights = (1.0, ratio, ratio)

    def groups(self, x: Floats) -> Groups:
        """f - v, and the second differences of v, (1, D1, D2), (1, D1 + 2, D2), (1, D1, D2 + 2)."""
        f, v = x
        return [(f - v)[None], _second(v, 0)[None], _second(v, 1)[None]]

    def adjoint(self, p: Groups) -> Floats:
        """(2, D1, D2)."""
        return np.stack([p[0][0], _second_adjoint(p[1][0], 0) + _second_adjoint(p[2][0], 1) - p[0][0]])

    def ceiling(self, p: Groups, radii: list[float]) -> Floats:
        """That of the second differences decides that of f - v; all shrink until it is within its bounds, too."""
        needed = _second_adjoint(p[1][0], 0) + _second_adjoint(p[2][0], 1)
        return needed * min(1.0, radii[0] / max(float(np.abs(needed).max()), np.finfo(np.float64).tiny))

    def system(self, h: list[Floats], diagonal: Floats) -> _Coupled:
        """f couples with v in the same cell alone."""
        return _Coupled(h[0][0, 0], diagonal, _bands(h[1][0, 0], h[2][0, 0]))


class _Coupled:
    """``[[d + h, -h], [-h, h + K]]`` with diagonal d and h: f is eliminated, what is left for v has the bands of K."""

    def __init__(self, h: Floats, d: Floats, bands: Floats) -> None:
        self.h, self.pivot = h, d + h
        bands = bands.reshape(len(bands), -1)
        bands[0] += (h * d / self.pivot).ravel()
        self.cholesky = BandedCholesky(bands)

    def solve(self, r: Floats) -> Floats:
        v = self.cholesky.solve((r[1] + self.h / self.pivot * r[0]).ravel()).reshape(self.h.shape)
        return np.stack([(r[0] + self.h * v) / self.pivot, v])

    def capacitance(self, a: Compression, rows: Floats) -> Floats:
        x = self.cholesky.forward((rows * (self.h / self.pivot)).reshape(len(rows), -1).T)
        return np.asarray(a.gram(1.0 / self.pivot[None])[0] + x.T @ x)


def _second(v: Floats, axis: int) -> Floats:
    """Second differences along an axis, two more than cells."""
    return np.diff(np.pad(v, [(2, 2) if k == axis else (0, 0) for k in range(2)]), 2, axis=axis)


def _second_adjoint(p: Floats, axis: int) -> Floats:
    return np.diff(p, 2, axis=axis)


def _bands(h1: Floats, h2: Floats) -> Floats:
    """``D1^T h1 D1 + D2^T h2 D2`` as lower bands, (2 D2 + 1, D1, D2)."""
    n1, n2 = h2.shape[0], h1.shape[1]
    bands = np.zeros((2 * n2 + 1, n1, n2))
    bands[0] = h1[:-2] + 4 * h1[1:-1] + h1[2:] + h2[:, :-2] + 4 * h2[:, 1:-1] + h2[:, 2:]
    bands[1, :, :-1] -= 2 * (h2[:, 1:-2] + h2[:, 2:-1])
    bands[2, :, :-2] += h2[:, 2:-2]
    bands[n2, :-1] -= 2 * (h1[1:-2] + h1[2:-1])
    bands[2 * n2, :-2] += h1[2:-2]
    return bands
