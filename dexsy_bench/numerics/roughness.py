"""The roughness penalty ``||L f||^2``: squared differences of f along both axes, summed; f is 0 outside the grid.

Order 1 takes first differences, order 2 second ones, order 0 f itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device
from numpy.typing import NDArray

from dexsy_bench.problem import Floats

STENCILS = {1: (2.0, -1.0), 2: (6.0, -4.0, 1.0)}
"""Half a row of ``D^T D`` for the difference D of that order with zero padding, such as 1, -4, 6, -4, 1."""


@cache
def along(order: int, n: int, shift: int = 0) -> Floats:
    """``D^T D`` along an axis: of n cells with one another, or with the n that are `shift` cells before, (n, n)."""
    offsets = np.abs(np.subtract.outer(np.arange(n) + shift, np.arange(n)))
    return np.array([*STENCILS[order], 0.0])[np.minimum(offsets, order + 1)]


def apply(f: Any, order: int) -> Any:
    """``L^T L f`` for (N, D1, D2)."""
    if order == 0:
        return f
    xp = array_namespace(f)
    one, two = (xp.asarray(along(order, n), dtype=f.dtype, device=device(f)) for n in f.shape[1:])
    return one @ f + f @ two


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
    """The penalty of an order, as :class:`dexsy_bench.numerics.free_cells.Penalty` has it: the same for all cases."""

    order: int

    def of(self, cases: Any) -> Roughness:
        """The same."""
        return self

    def apply(self, f: Floats) -> Floats:
        """As the function of that name."""
        return apply(f, self.order)

    def banded(self, free: NDArray[np.bool_]) -> tuple[Floats, NDArray[np.intp]]:
        """As the function of that name."""
        return banded(free, self.order)

    def blocks(self, shape: tuple[int, int]) -> tuple[Floats, Floats]:
        """``L^T L`` on a grid of that shape, whose rows are taken `order` at a time.

        Returns
        -------
        here, below : (size, size)
            What couples the cells of such a block with one another, and those of the next block with them; all other
            blocks are 0.
        """
        rows, row = self.order, np.eye(shape[1])
        here = np.kron(along(rows, rows), row) + np.kron(np.eye(rows), along(rows, shape[1]))
        return np.asarray(here), np.asarray(np.kron(along(rows, rows, rows), row))
