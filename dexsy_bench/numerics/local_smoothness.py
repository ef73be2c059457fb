"""A squared curvature penalty whose weight differs from cell to cell.

    sum_i weights_i (L f)_i^2

L is the five-point Laplacian, f being 0 outside the grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dexsy_bench.problem import Floats


def laplacian(f: Floats) -> Floats:
    """``L f`` for (..., D1, D2)."""
    out = -4.0 * f
    out[..., 1:, :] += f[..., :-1, :]
    out[..., :-1, :] += f[..., 1:, :]
    out[..., :, 1:] += f[..., :, :-1]
    out[..., :, :-1] += f[..., :, 1:]
    return out


def gradient_norm(f: Floats) -> Floats:
    """Norm of the differences to the previous cell along both axes, (..., D1, D2), f being 0 outside the grid."""
    down, right = f.copy(), f.copy()
    down[..., 1:, :] -= f[..., :-1, :]
    right[..., :, 1:] -= f[..., :, :-1]
    return np.hypot(down, right)


@dataclass(frozen=True, eq=False)
class LocalSmoothness:
    """That penalty, as :class:`dexsy_bench.numerics.free_cells.Penalty` has it.

    Parameters
    ----------
    weights : (N, D1, D2), or (D1, D2) of one case
        Positive.
    """

    weights: Floats

    def of(self, cases: Any) -> LocalSmoothness:
        """Those of some cases, or of one."""
        return LocalSmoothness(self.weights[cases])

    def apply(self, f: Floats) -> Floats:
        """``L^T W L f``, (N, D1, D2)."""
        return laplacian(self.weights * laplacian(f))

    def banded(self, free: NDArray[np.bool_]) -> tuple[Floats, NDArray[np.intp]]:
        """Of one case, on its free cells, in the order of the grid: lower bands as LAPACK wants them, flat indices."""
        cells = np.flatnonzero(free)
        of_free = _matrix(free.shape)[:, cells]
        p = (of_free.T @ (of_free * self.weights.ravel()[:, None])).tocoo()
        below = p.row - p.col
        kept = below >= 0
        bands = np.zeros((int(below.max()) + 1, cells.size), order="F")
        bands[below[kept], p.col[kept]] = p.data[kept]
        return bands, cells


@cache
def _matrix(shape: tuple[int, int]) -> Any:
    """L of a grid, sparse."""
    from scipy.sparse import csc_array, kron

    one, two = (np.eye(n, k=1) - 2 * np.eye(n) + np.eye(n, k=-1) for n in shape)
    return csc_array(kron(csc_array(one), np.eye(shape[1])) + kron(np.eye(shape[0]), csc_array(two)))
