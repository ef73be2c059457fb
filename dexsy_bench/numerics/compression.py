"""The data projected on the leading singular vectors of the kernel, which is all of them that carries signal.

``S = K1 f K2^T`` with ``K = U diag(s) V^T`` on either side. The products ``s1_i s2_j`` fall by six decades
within some hundred pairs (i, j); keeping those pairs alone turns 4096 data into about a hundred and loses
nothing above a stated relative tolerance (Venkataramanan, Song, Hurlimann, IEEE Trans. Signal Process. 50, 1017,
2002). The kernel stays a Kronecker product throughout: nothing here is larger than (pairs, D1 * D2).
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dexsy_bench.problem import Floats, Problem


class Compression:
    """The compressed problem ``y = A f``, for all signals of one mixing time of a problem.

    Parameters
    ----------
    problem : Problem
        Its first mixing time is used. With a sampling mask the projection becomes a small weighted
        least-squares problem, and A keeps its form up to a (pairs, pairs) factor.
    rtol : float
        Pairs with ``s1_i s2_j`` at most ``rtol`` times the largest are left out.

    Attributes
    ----------
    size : int
        Number of pairs kept, M: the length of y.
    n_data : int
        Number of signal points.
    """

    def __init__(self, problem: Problem, rtol: float = 1e-7) -> None:
        u1, s1, v1 = np.linalg.svd(problem.k1, full_matrices=False)
        u2, s2, v2 = np.linalg.svd(problem.k2, full_matrices=False)
        products = np.outer(s1, s2)
        self.i, self.j = np.nonzero(products > rtol * products[0, 0])
        r1, r2 = self.i.max() + 1, self.j.max() + 1
        self.u1, self.u2 = u1[:, :r1], u2[:, :r2]
        self.w1, self.w2 = s1[:r1, None] * v1[:r1], s2[:r2, None] * v2[:r2]
        self.scale = products[self.i, self.j]
        self.size = self.i.size
        self.shape = problem.grid.shape
        self.mask = problem.mask()
        self.n_data = u1.shape[0] * u2.shape[0] if self.mask is None else int(self.mask.sum())
        self._mix: Floats | None = None
        if self.mask is not None:
            # min over c of ||mask * (U c - S)||^2 = ||R c - y||^2 + const, with R^T R = U^T mask U.
            basis = (self.u1[:, self.i][:, None, :] * self.u2[:, self.j][None, :, :])[self.mask]
            values, vectors = np.linalg.eigh(basis.T @ basis)
            kept = values > 1e-12 * values[-1]
            self._mix = np.sqrt(values[kept])[:, None] * vectors[:, kept].T
            self._unmix = vectors[:, kept] / np.sqrt(values[kept])
            self.size = int(kept.sum())

    def project(self, signals: NDArray[Any]) -> tuple[Floats, Floats]:
        """Compressed data of (N, B1, B2) signals.

        Returns
        -------
        y : (N, M)
        outside : (N,)
            Squared norm of the part of the signal that no f can reach.
        """
        signals = np.asarray(signals, dtype=np.float64)
        if self.mask is not None:
            signals = np.where(self.mask, signals, 0.0)
        y = (self.u1.T @ signals @ self.u2)[:, self.i, self.j]
        if self._mix is not None:
            y = y @ self._unmix
        outside = (signals**2).sum(axis=(1, 2)) - (y**2).sum(axis=1)
        return y, np.maximum(outside, 0.0)

    def apply(self, f: Floats) -> Floats:
        """``A f``: (N, D1, D2) -> (N, M)."""
        y = (self.w1 @ f @ self.w2.T)[:, self.i, self.j]
        return y if self._mix is None else y @ self._mix.T

    def adjoint(self, y: Floats) -> Floats:
        """``A^T y``: (N, M) -> (N, D1, D2)."""
        if self._mix is not None:
            y = y @ self._mix
        coefficients = np.zeros((len(y), len(self.w1), len(self.w2)))
        coefficients[:, self.i, self.j] = y
        return self.w1.T @ coefficients @ self.w2

    @cached_property
    def _pair_products(self) -> tuple[Floats, Floats, NDArray[np.intp], NDArray[np.intp]]:
        """Products of rows of w1 (and of w2), each unordered pair once, and where (m, n) finds its pair."""

        def products(w: Floats, index: NDArray[np.intp]) -> tuple[Floats, NDArray[np.intp]]:
            a, b = np.triu_indices(len(w))
            where = np.empty((len(w), len(w)), dtype=np.intp)
            where[a, b] = where[b, a] = np.arange(a.size)
            return w[a] * w[b], where[index[:, None], index[None, :]]

        p1, at1 = products(self.w1, self.i)
        p2, at2 = products(self.w2, self.j)
        return p1, p2, at1, at2

    def gram(self, weights: Floats) -> Floats:
        """``A diag(weights) A^T``: (N, D1, D2) -> (N, M, M), through the Kronecker structure."""
        p1, p2, at1, at2 = self._pair_products
        g = (p1 @ weights @ p2.T)[:, at1, at2]
        return g if self._mix is None else self._mix @ g @ self._mix.T

    def matrix(self) -> Floats:
        """A itself, (M, D1 * D2), for solvers that want one."""
        a = np.einsum("ma,mb->mab", self.w1[self.i], self.w2[self.j]).reshape(self.i.size, -1)
        return a if self._mix is None else self._mix @ a


def noise_sd(problem: Problem, signals: NDArray[Any], rtol: float = 1e-4) -> Floats:
    """Noise SD of (N, B1, B2) signals, from the part of them that no distribution explains, (N,).

    NaN where the acquisition has no points to spare.
    """
    compression = Compression(problem, rtol)
    _, outside = compression.project(signals)
    spare = compression.n_data - compression.size
    return np.sqrt(outside / spare) if spare > 0 else np.full(len(outside), np.nan)
