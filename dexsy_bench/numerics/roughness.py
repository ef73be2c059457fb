"""The roughness penalty ``||L f||^2``: squared differences of f along both axes, summed; f is 0 outside the grid.

Order 1 takes first differences, order 2 second ones, order 0 f itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dexsy_bench.problem import Floats

STENCILS = {1: (2.0, -1.0), 2: (6.0, -4.0, 1.0)}
"""Half a row of ``D^T D`` for the difference D of that order with zero padding, such as 1, -4, 6, -4, 1."""


def apply(f: Any, order: int) -> Any:
    """``L^T L f`` for (N, D1, D2)."""
    if order == 0:
        return f
    centre, *beside = STENCILS[order]
    out = 2 * centre * f
    for offset, weight in enumerate(beside, 1):
        out[:, offset:] += weight * f[:, :-offset]
        out[:, :-offset] += weight * f[:, offset:]
        out[:, :, offset:] += weight * f[:, :, :-offset]
        out[:, :, :-offset] += weight * f[:, :, offset:]
    return out


def banded(free: NDArray[np.bool_], order: int) -> tuple[Floats, NDArray[np.intp]]:
    """``L^T L`` restricted to the free cells (D1, D2), ordered for a narrow band (reverse Cuthill-McKee).

    Returns
    -------
    bands : (width + 1, free cells)
        Lower bands as LAPACK wants them.
    cells : (free cells,)
        Flat indices of the cells in that order.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import reverse_cuthill_mckee

    centre, *beside = STENCILS[order]
    reach, cells = len(beside), np.flatnonzero(free)
    # In a frame of cells that are not free, neighbours are at the same distance everywhere.
    number = np.full((free.shape[0] + 2 * reach, free.shape[1] + 2 * reach), -1, dtype=np.int32)
    inside = number[reach:-reach, reach:-reach]
    inside[free] = np.arange(cells.size)
    at = (cells // free.shape[1] + reach) * number.shape[1] + cells % free.shape[1] + reach
    steps = np.outer(np.arange(1, reach + 1), (1, number.shape[1])).ravel()
    neighbour = number.ravel()[at[:, None] + np.concatenate([-steps, steps])]
    there = neighbour >= 0
    weight = np.broadcast_to(np.tile(np.repeat(beside, 2), 2), there.shape)[there]
    first = np.concatenate([[0], np.cumsum(there.sum(axis=1))]).astype(np.int32)
    graph = csr_array((weight, neighbour[there], first), shape=(cells.size, cells.size))
    order_of = reverse_cuthill_mckee(graph, symmetric_mode=True)
    place = np.empty(cells.size, dtype=np.intp)
    place[order_of] = np.arange(cells.size)
    column = np.repeat(place, np.diff(first))
    distance = place[graph.indices] - column
    below = distance > 0
    bands = np.zeros((int(distance.max(initial=0)) + 1, cells.size), order="F")
    bands[0] = 2 * centre
    bands[distance[below], column[below]] = weight[below]
    return bands, cells[order_of]


@dataclass(frozen=True)
class Roughness:
    """The penalty of an order, as :class:`dexsy_bench.numerics.block_pivoting.Penalty` has it."""

    order: int

    def apply(self, f: Floats) -> Floats:
        """``L^T L f``, (D1, D2)."""
        return np.asarray(apply(f[None], self.order)[0])

    def banded(self, free: NDArray[np.bool_]) -> tuple[Floats, NDArray[np.intp]]:
        """As :func:`banded`."""
        return banded(free, self.order)
