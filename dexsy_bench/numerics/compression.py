"""The data projected on the leading singular vectors of the kernel, which is all of them that carries signal.

``S = K1 f K2^T`` with ``K = U diag(s) V^T`` on either side. The products ``s1_i s2_j`` fall by six decades
within some hundred pairs (i, j); keeping those pairs alone turns 4096 data into about a hundred and loses
nothing above a stated relative tolerance (Venkataramanan, Song, Hurlimann, IEEE Trans. Signal Process. 50, 1017,
2002). The kernel stays a Kronecker product throughout: nothing here is larger than (pairs, D1 * D2).
"""

from __future__ import annotations

from copy import copy
from functools import cached_property
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device
from numpy.typing import NDArray

from dexsy_bench.problem import Floats, Problem


class Compression:
    """The compressed problem ``y = A f``, for all signals of one mixing time of a problem.

    The rows of A are orthogonal, their norms descend: leading rows carry most of the signal.

    Parameters
    ----------
    problem : Problem
        Its first mixing time is used. With a sampling mask the projection becomes a small weighted
        least-squares problem, and A keeps its form up to a (pairs, pairs) factor.
    rtol : float
        Pairs with ``s1_i s2_j`` at most ``rtol`` times the largest are left out.
    symmetric : bool
        ``f = f^T`` is known: y holds the symmetric part of the data, about half as many numbers, and the rest is what
        no f can reach. Both axes of the problem have to be the same.

    Attributes
    ----------
    size : int
        Number of rows kept, M: the length of y.
    scale : (M,)
        Norms of the rows of A: its singular values, descending.
    n_data : int
        Number of signal points.
    """

    def __init__(self, problem: Problem, rtol: float = 1e-7, symmetric: bool = False) -> None:
        u1, s1, v1 = np.linalg.svd(problem.k1, full_matrices=False)
        u2, s2, v2 = (u1, s1, v1) if symmetric else np.linalg.svd(problem.k2, full_matrices=False)
        products = np.outer(s1, s2)
        if symmetric:
            products = np.triu(products)
        order = np.argsort(-products, axis=None, kind="stable")[: (products > rtol * products[0, 0]).sum()]
        self.symmetric = symmetric
        self.i, self.j = np.unravel_index(order, products.shape)
        self.scale = products.ravel()[order]
        r2 = self.j.max() + 1
        r1 = r2 if symmetric else self.i.max() + 1
        self.u1, self.u2 = u1[:, :r1], u2[:, :r2]
        self.w1, self.w2 = s1[:r1, None] * v1[:r1], s2[:r2, None] * v2[:r2]
        # Off the diagonal one number stands for two, at either side of it.
        self.weight = np.where(symmetric & (self.i != self.j), np.sqrt(2.0), 1.0)
        self._where = np.full((r1, r2), self.i.size)
        self._where[self.i, self.j] = np.arange(self.i.size)
        if symmetric:
            self._where[self.j, self.i] = np.arange(self.i.size)
        self.size = self.i.size
        self.shape = problem.grid.shape
        self.mask = problem.mask()
        self.n_data = u1.shape[0] * u2.shape[0] if self.mask is None else int(self.mask.sum())
        self._mix: Floats | None = None
        if self.mask is not None:
            self._weigh(self.mask)
        self._pairs: dict[int, tuple[Any, Any, Any]] = {}

    def _weigh(self, mask: NDArray[np.bool_]) -> None:
        """min over c of ``||mask * (U c - S)||^2 = ||R c - y||^2 + const``, with ``R^T R = U^T mask U``."""
        basis = self.u1[:, self.i][:, None, :] * self.u2[:, self.j][None, :, :]
        if self.symmetric:
            basis = 0.5 * (basis + basis.transpose(1, 0, 2)) * self.weight
        basis = basis[mask]
        values, vectors = np.linalg.eigh(basis.T @ basis)
        kept = values > 1e-12 * values[-1]
        root, vectors = np.sqrt(values[kept]), vectors[:, kept]
        # Turned so that the rows of A are orthogonal again.
        turn, self.scale, _ = np.linalg.svd(root[:, None] * vectors.T * self.scale, full_matrices=False)
        self._mix = turn.T @ (root[:, None] * vectors.T)
        self._unmix = vectors / root @ turn
        self.size = self.scale.size

    def to(self, like: Any) -> Compression:
        """The same, for arrays of the library and on the device of ``like`` (NumPy, PyTorch, CuPy)."""
        xp, moved = array_namespace(like), copy(self)
        for name, value in vars(self).items():
            if isinstance(value, np.ndarray):
                setattr(moved, name, xp.asarray(value, device=device(like)))
        moved._pairs = {}
        return moved

    def project(self, signals: NDArray[Any]) -> tuple[Floats, Floats]:
        """Compressed data of (N, B1, B2) signals.

        Returns
        -------
        y : (N, M)
        outside : (N,)
            Squared norm of the part of the signal that no f can reach.
        """
        xp = array_namespace(signals)
        signals = xp.astype(signals, xp.float64)
        if self.mask is not None:
            signals = xp.where(self.mask, signals, 0.0)
        y = self._pick(self.u1.T @ signals @ self.u2)
        if self._mix is not None:
            y = y @ self._unmix
        outside = xp.sum(signals**2, axis=(1, 2)) - xp.sum(y**2, axis=1)
        return y, xp.clip(outside, 0.0, None)

    def _pick(self, c: Any) -> Any:
        """Those elements of (N, r1, r2) that are kept, (N, pairs)."""
        if self.symmetric:
            c = 0.5 * (c + c.mT)
        xp = array_namespace(c)
        n, r1, r2 = c.shape
        return xp.take(xp.reshape(c, (n, r1 * r2)), self.i * r2 + self.j, axis=1) * self.weight

    def apply(self, f: Floats) -> Floats:
        """``A f``: (N, D1, D2) -> (N, M)."""
        y = self._pick(self.w1 @ f @ self.w2.T)
        return y if self._mix is None else y @ self._mix.T

    def adjoint(self, y: Floats) -> Floats:
        """``A^T y``: (N, M) -> (N, D1, D2)."""
        xp = array_namespace(y)
        if self._mix is not None:
            y = y @ self._mix
        padded = xp.concat([y / self.weight, xp.zeros_like(y[:, :1])], axis=1)
        coefficients = xp.take(padded, xp.reshape(self._where, (-1,)), axis=1)
        return self.w1.T @ xp.reshape(coefficients, (y.shape[0], *self._where.shape)) @ self.w2

    def gram(self, weights: Floats, leading: int | None = None) -> Floats:
        """``A diag(weights) A^T`` of the leading rows: (N, D1, D2) -> (N, leading, leading), all by default.

        With ``symmetric`` the weights are, too.
        """
        leading = self.size if leading is None else leading
        # Weighted by a mask, a row is a mixture of all pairs.
        pairs = leading if self._mix is None else len(self.i)
        if pairs not in self._pairs:
            self._pairs[pairs] = self._pair_products(pairs)
        p1, p2, at = self._pairs[pairs]
        xp = array_namespace(weights)
        n = weights.shape[0]
        products = xp.reshape(p1 @ weights @ p2.T, (n, p1.shape[0] * p2.shape[0]))
        g = xp.reshape(xp.take(products, at[0], axis=1), (n, pairs, pairs))
        if self.symmetric:
            g = g + xp.reshape(xp.take(products, at[1], axis=1), g.shape)
            g = g * (0.5 * self.weight[:pairs, None] * self.weight[:pairs])
        return g if self._mix is None else self._mix[:leading] @ g @ self._mix[:leading].T

    def _pair_products(self, pairs: int) -> tuple[Any, Any, Any]:
        """Products of rows of w1 (and of w2), each unordered two once, and where among them the Gram matrix lies.

        With ``f = f^T`` a row stands for a pair and for its mirror image: their product is at a second place.
        """
        xp = array_namespace(self.w1)
        i, j = self.i[:pairs], self.j[:pairs]

        def products(w: Any) -> Any:
            a, b = xp.nonzero(xp.tril(xp.ones((w.shape[0], w.shape[0]))))
            return xp.take(w, a, axis=0) * xp.take(w, b, axis=0)

        def place(p: Any, q: Any) -> Any:
            large, small = xp.maximum(p[:, None], q[None, :]), xp.minimum(p[:, None], q[None, :])
            return large * (large + 1) // 2 + small

        r1, r2 = int(xp.max(j if self.symmetric else i)) + 1, int(xp.max(j)) + 1
        p1, p2 = products(self.w1[:r1]), products(self.w2[:r2])
        mirrored = [(i, i, j, j), (i, j, j, i)] if self.symmetric else [(i, i, j, j)]
        at = [xp.reshape(place(a, b) * p2.shape[0] + place(c, d), (-1,)) for a, b, c, d in mirrored]
        return p1, p2, at

    def matrix(self) -> Floats:
        """A itself, (M, D1 * D2), for solvers that want one."""
        rows = self.w1[self.i][:, :, None] * self.w2[self.j][:, None, :]
        if self.symmetric:
            rows = 0.5 * (rows + rows.mT) * self.weight[:, None, None]
        a = rows.reshape(len(rows), -1)
        return a if self._mix is None else self._mix @ a

    @cached_property
    def columns(self) -> Floats:
        """The transpose of A, (D1 * D2, M), each cell's column in one piece of memory: for solvers that pick cells."""
        return np.ascontiguousarray(self.matrix().T)


def noise_sd(problem: Problem, signals: NDArray[Any], rtol: float = 1e-4) -> Floats:
    """Noise SD of (N, B1, B2) signals, from the part of them that no distribution explains, (N,).

    NaN where the acquisition has no points to spare.
    """
    compression = Compression(problem, rtol)
    _, outside = compression.project(signals)
    spare = compression.n_data - compression.size
    return np.sqrt(outside / spare) if spare > 0 else np.full(len(outside), np.nan)


def has_spare_data(problem: Problem) -> bool:
    """Whether there are more data than the kernel has singular values, so that :func:`noise_sd` has an answer."""
    return bool(np.isfinite(noise_sd(problem, np.ones((1, *problem.acquisition.signal_shape[1:])))).all())
