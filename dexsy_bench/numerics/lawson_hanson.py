"""Non-negative least squares, ``min ||A f - y|| over f >= 0``, for many y at once.

The active-set method of Lawson and Hanson (Solving Least Squares Problems, 1974, chapter 23), all cases in step. Each
lets cells go, fits those that are free, and holds again what would turn negative, the step ending where the first of
them reaches 0. Descent as a function of the cell has several peaks: all of them are let go at once, and the highest
alone only where that led nowhere. Free sets stay smaller than y, so that each step is a few small batched products.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dexsy_bench.numerics import certificate
from dexsy_bench.numerics.compression import Compression
from dexsy_bench.problem import Floats

KKT_TOLERANCE = 1e-12
"""A cell at 0 is let go beyond this descent, relative to ``max |A^T y|``: below is rounding."""

AT_ONCE = 8
"""Peaks of descent that are let go at once."""

REFINEMENTS = 3
"""Corrections of a fit by its own residual, which undo the squared condition number of normal equations."""


@dataclass(frozen=True, eq=False)
class Solution:
    """Solutions of N cases.

    Attributes
    ----------
    f : (N, D1, D2)
    kkt : (N,)
        Residual of the optimality conditions relative to ``max |A^T y|``.
    iterations, converged : (N,)
    """

    f: Floats
    kkt: Floats
    iterations: NDArray[np.int64]
    converged: NDArray[np.bool_]


def solve(a: Compression, y: Floats, start: Floats | None = None, max_iterations: int = 2000) -> Solution:
    """Solve N cases.

    Parameters
    ----------
    a : Compression
        The operator A.
    y : (N, M)
        Compressed data.
    start : (N, D1, D2), optional
        Non-negative, with less than M cells above 0 each; 0 without it.
    """
    n, columns = len(y), a.matrix().T
    f = np.zeros((n, len(columns))) if start is None else start.reshape(n, -1).copy()
    scale = np.abs(a.adjoint(y)).reshape(n, -1).max(axis=1)
    iterations = np.zeros(n, dtype=np.int64)
    converged = np.zeros(n, dtype=bool)
    todo, free = np.arange(n), _Free.of(f).fitted(columns, y)
    alone = np.zeros(n, dtype=bool)
    barred = np.zeros(f.shape, dtype=bool)
    for _ in range(max_iterations):
        slope = a.adjoint(free.residual(columns, y[todo])).reshape(todo.size, -1)
        free.put(slope, -np.inf)
        slope[barred[todo]] = -np.inf
        peaks, height = _peaks(slope.reshape(-1, *a.shape), np.where(alone[todo], 1, AT_ONCE))
        goes = height > KKT_TOLERANCE * scale[todo, None]
        left = goes.any(axis=1)
        if not left.all():
            done = todo[~left]
            f[done] = free[~left].put(np.zeros((done.size, f.shape[1])))
            converged[done] = ~barred[done].any(axis=1)
            todo, free, peaks, goes = todo[left], free[left], peaks[left], goes[left]
        if todo.size == 0:
            break
        iterations[todo] += 1
        free = free.with_cells(peaks, goes).fitted(columns, y[todo])
        nowhere = ~free.holds(peaks, goes)
        # To rounding a cell depends on those that are free already: it is out until others have moved.
        stuck = nowhere & alone[todo]
        barred[todo[stuck], peaks[stuck, 0]] = True
        barred[todo[~nowhere]] = False
        alone[todo] = nowhere
    f[todo] = free.put(np.zeros((todo.size, f.shape[1])))
    image = f.reshape(n, *a.shape)
    return Solution(image, certificate.kkt(a, y, image), iterations, converged)


def _peaks(slope: Floats, wanted: NDArray[np.intp]) -> tuple[NDArray[np.intp], Floats]:
    """The highest local maxima of (n, D1, D2): cells and heights, (n, AT_ONCE), descending; -inf beyond `wanted`."""
    padded = np.pad(slope, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    d1, d2 = slope.shape[1:]
    rows = np.maximum(np.maximum(padded[:, :-2], padded[:, 1:-1]), padded[:, 2:])
    around = np.maximum(np.maximum(rows[:, :, :-2], rows[:, :, 1:-1]), rows[:, :, 2:])
    tops = np.where(slope == around, slope, -np.inf).reshape(len(slope), d1 * d2)
    cells = np.argpartition(-tops, AT_ONCE, axis=1)[:, :AT_ONCE] if d1 * d2 > AT_ONCE else np.argsort(-tops, axis=1)
    height = np.take_along_axis(tops, cells, axis=1)
    order = np.argsort(-height, axis=1, kind="stable")
    cells, height = np.take_along_axis(cells, order, axis=1), np.take_along_axis(height, order, axis=1)
    return cells, np.where(np.arange(cells.shape[1]) < wanted[:, None], height, -np.inf)


@dataclass(frozen=True, eq=False)
class _Free:
    """The free cells of n cases, each row padded at its end: their numbers, values, and which entries count."""

    cells: NDArray[np.intp]
    x: Floats
    used: NDArray[np.bool_]

    @classmethod
    def of(cls, f: Floats) -> _Free:
        """Those above 0 of (n, cells)."""
        width = int((f > 0).sum(axis=1).max(initial=0))
        cells = np.argsort(-f, axis=1, kind="stable")[:, :width]
        x = np.take_along_axis(f, cells, axis=1)
        return cls(cells, x, x > 0)

    def __getitem__(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> _Free:
        return _Free(self.cells[rows], self.x[rows], self.used[rows])

    def put(self, f: Floats, value: float | None = None) -> Floats:
        """Their values, or the one given, written into (n, cells)."""
        row, place = np.nonzero(self.used)
        f[row, self.cells[row, place]] = self.x[row, place] if value is None else value
        return f

    def residual(self, columns: Floats, y: Floats) -> Floats:
        """``y - A f``."""
        return y - np.einsum("nk,nkm->nm", np.where(self.used, self.x, 0.0), columns[self.cells])

    def with_cells(self, cells: NDArray[np.intp], which: NDArray[np.bool_]) -> _Free:
        """These too, at 0."""
        x = np.concatenate([self.x, np.zeros(cells.shape)], axis=1)
        return _Free(
            np.concatenate([self.cells, cells], axis=1), x, np.concatenate([self.used, which], axis=1)
        ).packed()

    def packed(self) -> _Free:
        """No wider than needed."""
        width = int(self.used.sum(axis=1).max(initial=0))
        order = np.argsort(~self.used, axis=1, kind="stable")[:, :width]
        rows = np.arange(len(order))[:, None]
        return _Free(self.cells[rows, order], self.x[rows, order], self.used[rows, order])

    def holds(self, cells: NDArray[np.intp], which: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Whether any of those cells is among the free ones, (n,)."""
        same = (self.cells[:, :, None] == cells[:, None, :]) & self.used[:, :, None] & which[:, None, :]
        return same.any(axis=(1, 2))

    def fitted(self, columns: Floats, y: Floats) -> _Free:
        """Least squares, without the cells that reach 0 on the way there."""
        cells, x, used = self.cells.copy(), self.x.copy(), self.used.copy()
        todo = np.flatnonzero(used.any(axis=1))
        while todo.size:
            best = _Free(cells[todo], x[todo], used[todo])._least_squares(columns, y[todo])
            negative = used[todo] & (best <= 0)
            inside = ~negative.any(axis=1)
            x[todo[inside]] = best[inside]
            todo, best, negative = todo[~inside], best[~inside], negative[~inside]
            here = x[todo]
            with np.errstate(invalid="ignore", divide="ignore"):
                reach = np.where(negative, here / (here - best), np.inf)
            first = reach.min(axis=1, keepdims=True)
            here = np.maximum(here + first * (best - here), 0.0)
            used[todo] &= reach > first
            x[todo] = np.where(used[todo], here, 0.0)
        return _Free(cells, x, used).packed()

    def _least_squares(self, columns: Floats, y: Floats) -> Floats:
        """Values that fit y best whatever their signs, 0 where an entry does not count."""
        a = columns[self.cells] * self.used[:, :, None]
        norm = np.sqrt(np.where(self.used, (a**2).sum(axis=2), 1.0))
        a /= norm[:, :, None]
        gram = a @ a.transpose(0, 2, 1)
        diagonal = np.arange(a.shape[1])
        gram[:, diagonal, diagonal] = 1.0 + 1e-14
        inverse = np.linalg.inv(gram)
        x = np.zeros(self.cells.shape)
        for _ in range(1 + REFINEMENTS):
            residual = y - (x[:, None, :] @ a)[:, 0]
            x += (inverse @ (a @ residual[:, :, None]))[:, :, 0]
        return x / norm
