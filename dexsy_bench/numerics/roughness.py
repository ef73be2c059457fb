"""The second-difference penalty ``||L f||^2``.

The squared second differences of f along both axes, summed; f is 0 outside the grid.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dexsy_bench.problem import Floats

STENCIL = (6.0, -4.0, 1.0)
"""Row of ``D^T D`` for the second difference D with zero padding: 1, -4, 6, -4, 1."""


def apply(f: Floats) -> Floats:
    """``L^T L f`` for (N, D1, D2)."""
    out = 2 * STENCIL[0] * f
    for offset in (1, 2):
        weight = STENCIL[offset]
        out[:, offset:] += weight * f[:, :-offset]
        out[:, :-offset] += weight * f[:, offset:]
        out[:, :, offset:] += weight * f[:, :, :-offset]
        out[:, :, :-offset] += weight * f[:, :, offset:]
    return out


def banded(free: NDArray[np.bool_]) -> Floats:
    """``L^T L`` restricted to the free cells (D1, D2), as the lower bands that LAPACK wants, (bands, free cells)."""
    number = np.cumsum(free.ravel()).reshape(free.shape) - 1
    rows, columns = np.nonzero(free)
    entries = []
    for down, right, weight in ((0, 1, -4.0), (0, 2, 1.0), (1, 0, -4.0), (2, 0, 1.0)):
        r, c = rows + down, columns + right
        inside = (r < free.shape[0]) & (c < free.shape[1])
        here = np.flatnonzero(inside)
        there = r[inside], c[inside]
        both = free[there]
        entries.append((here[both], number[there][both], weight))
    width = max((int((there - here).max()) for here, there, _ in entries if here.size), default=0)
    bands = np.zeros((width + 1, rows.size))
    bands[0] = 2 * STENCIL[0]
    for here, there, weight in entries:
        bands[there - here, here] += weight
    return bands
