"""The matrix ``R = L^T L`` of a penalty on the free cells of N cases, kept factored while cells are freed and held.

Two ways to the same numbers. :class:`Bands`, where memory is the CPU's: LAPACK, a case at a time, on the free cells
alone, numbered for a narrow band. :class:`Blocks`, on any device: all cases at once, by block elimination over the rows
of the grid, where R is that of a cell by itself for each cell that is held.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from array_api_compat import array_namespace, device
from numpy.typing import NDArray

from dexsy_bench.numerics.compression import Compression
from dexsy_bench.problem import Floats


class Penalty(Protocol):
    """The matrix ``L^T L`` of each of N cases: a narrow band, and definite on any cells."""

    def of(self, cases: Any) -> Penalty:
        """Those of some cases, or of one."""

    def apply(self, f: Floats) -> Floats:
        """``L^T L f``, (N, D1, D2)."""

    def banded(self, free: NDArray[np.bool_]) -> tuple[Floats, NDArray[np.intp]]:
        """Of one case, on its free cells (D1, D2): lower bands as LAPACK wants them, and the cells' flat indices."""


class FreeCells(Protocol):
    """R on the free cells of N cases; on those that are held a solution is 0.

    Attributes
    ----------
    gram : (N, L, L)
        ``A R^-1 A^T`` for the leading rows of A; 0 beyond the rows of a case.
    """

    gram: Floats

    def free(self, cases: Any, penalty: Penalty, free: Any, leading: Any) -> None:
        """Free these cells (n, D1, D2) of some cases and hold the others; rows of A that count for each, (n,)."""

    def solve(self, cases: Any, b: Floats) -> Floats:
        """``R^-1 b`` for some cases, (n, D1, D2)."""


def free_cells(a: Compression, leading: int, y: Floats) -> FreeCells:
    """For the N cases of y, none of whose cells is free yet, and up to so many leading rows of A."""
    return (Bands if str(device(y)).startswith("cpu") else Blocks)(a, leading, y)


class Bands:
    """By banded Cholesky factors, as :class:`FreeCells` has it; for arrays whose memory NumPy can share."""

    def __init__(self, a: Compression, leading: int, y: Floats) -> None:
        self.columns, self.xp = a.columns, array_namespace(y)
        self.gram = self.xp.zeros((len(y), leading, leading), dtype=y.dtype)
        self._free = np.zeros((len(y), *a.shape), dtype=bool)
        self._factors: list[Any] = [None] * len(y)

    def free(self, cases: Any, penalty: Penalty, free: Any, leading: Any) -> None:
        """As :meth:`FreeCells.free`."""
        from scipy.linalg import lapack

        cases, free, leading, gram = (np.asarray(each) for each in (cases, free, leading, self.gram))
        for n in np.flatnonzero((self._free[cases] != free).any(axis=(1, 2))):
            case, rows = cases[n], leading[n]
            self._free[case], gram[case] = free[n], 0.0
            self._factors[case] = None
            if free[n].any():  # LAPACK writes beyond empty arrays.
                factor, cells = self._factors[case] = self._factor(penalty.of(n), free[n])
                half, _ = lapack.dtbtrs(factor, self.columns[cells, :rows], uplo="L")
                gram[case, :rows, :rows] = half.T @ half

    @staticmethod
    def _factor(penalty: Penalty, free: NDArray[np.bool_]) -> tuple[Floats, NDArray[np.intp]]:
        from scipy.linalg import lapack

        bands, cells = penalty.banded(free)
        factor, info = lapack.dpbtrf(bands, lower=1, overwrite_ab=1)
        if info != 0:
            raise np.linalg.LinAlgError(f"a penalty of {type(penalty).__name__} is not positive definite")
        return factor, cells

    def solve(self, cases: Any, b: Floats) -> Floats:
        """As :meth:`FreeCells.solve`."""
        from scipy.linalg import lapack

        right = np.asarray(b).reshape(len(b), -1)
        x = np.zeros(right.shape)
        for n, case in enumerate(np.asarray(cases)):
            if self._factors[case] is not None:
                factor, cells = self._factors[case]
                x[n, cells], _ = lapack.dpbtrs(factor, right[n, cells], lower=1)
        return self.xp.asarray(x.reshape(b.shape))


class Blocks:
    """By block elimination, as :class:`FreeCells` has it, for a :class:`Roughness` that is the same for all cases.

    A block is as many rows of the grid as the penalty reaches over, so that it meets only the next one. Of the Schur
    complements the inverses are kept, which leaves matrix products alone to :meth:`solve`.
    """

    def __init__(self, a: Compression, leading: int, y: Floats) -> None:
        self.columns, self.shape = a.matrix()[:leading].mT, a.shape
        self.like = {"dtype": y.dtype, "device": device(y)}
        self.xp = xp = array_namespace(y)
        self.gram = xp.zeros((len(y), leading, leading), **self.like)
        self.mask: Any = None  # (N, blocks, size), 1 where a cell is free
        self.inverse: Any = None  # (N, blocks, size, size)
        self.link: Any = None  # the same, of a block with the one before it

    def free(self, cases: Any, penalty: Any, free: Any, leading: Any) -> None:
        """As :meth:`FreeCells.free`."""
        xp = self.xp
        here, below = (xp.asarray(block, **self.like) for block in penalty.blocks(self.shape))
        identity = xp.eye(len(here), **self.like)
        mask = self._blocks(xp.astype(free, identity.dtype)[..., None], len(here))[..., 0]
        columns = self._blocks(self.columns[None], len(here))
        counts = xp.astype(xp.arange(self.gram.shape[1], device=device(leading)) < leading[:, None], identity.dtype)
        if self.mask is None:
            self.mask = xp.zeros((len(self.gram), *mask.shape[1:]), **self.like)
            self.inverse = xp.zeros((*self.mask.shape, len(here)), **self.like)
            self.link = xp.zeros_like(self.inverse)
        self.mask[cases] = mask
        gram, filled, passed = 0.0, 0.0, 0.0
        for k in range(mask.shape[1]):
            column, row = mask[:, k, :, None], mask[:, k, None, :]
            inverse = xp.linalg.inv(column * here * row + (1 - row) * identity - filled)
            right = column * columns[:, k] * counts[:, None, :] - passed
            solved = inverse @ right
            gram = gram + right.mT @ solved
            self.inverse[cases, k] = inverse
            if k + 1 < mask.shape[1]:
                link = mask[:, k + 1, :, None] * below * row
                filled, passed = link @ inverse @ link.mT, link @ solved
                self.link[cases, k + 1] = link
        self.gram[cases] = gram

    def solve(self, cases: Any, b: Floats) -> Floats:
        """As :meth:`FreeCells.solve`."""
        xp, mask, inverse, link = self.xp, self.mask[cases], self.inverse[cases], self.link[cases]
        x = mask[..., None] * self._blocks(b[..., None], mask.shape[2])
        blocks = range(mask.shape[1])
        for k in blocks:
            if k > 0:
                x[:, k] -= link[:, k] @ x[:, k - 1]
            x[:, k] = inverse[:, k] @ x[:, k]
        for k in blocks[-2::-1]:
            x[:, k] -= inverse[:, k] @ (link[:, k + 1].mT @ x[:, k + 1])
        flat = xp.reshape(x, (len(b), mask.shape[1] * mask.shape[2]))
        return xp.reshape(flat[:, : self.shape[0] * self.shape[1]], b.shape)

    def _blocks(self, x: Any, size: int) -> Any:
        """Columns on the grid, (n, D1, D2, L) or (n, D1 * D2, L), by blocks: (n, blocks, size, L)."""
        xp, cells = self.xp, self.shape[0] * self.shape[1]
        blocks = -(-cells // size)
        x = xp.reshape(x, (x.shape[0], cells, x.shape[-1]))
        outside = xp.zeros((x.shape[0], blocks * size - cells, x.shape[2]), **self.like)
        return xp.reshape(xp.concat([x, outside], axis=1), (x.shape[0], blocks, size, x.shape[2]))
