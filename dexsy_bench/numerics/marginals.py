"""Operators for fits to data and marginals at once, and for the marginals themselves.

    min over f >= 0 of  1/2 ||A f - y||^2 + alpha/2 ||f||^2 + weight/2 (||f 1 - m1||^2 + ||f^T 1 - m2||^2)

Row and column sums are linear in f, as the data are. Stacked below A, scaled by ``sqrt(weight)``, they make it order-0
Tikhonov again, with D1 + D2 more data: :func:`dexsy_bench.numerics.dual_newton.solve` takes these operators as it takes
a :class:`~dexsy_bench.numerics.compression.Compression`.
"""

from __future__ import annotations

import numpy as np

from dexsy_bench.numerics.compression import Compression
from dexsy_bench.problem import Floats


class Line:
    """A one-dimensional kernel, compressed by its singular values: ``y = A m`` with m (N, D).

    Parameters
    ----------
    kernel : (B, D)
        Rows of points that were not sampled left out.
    rtol : float
        Singular values at most `rtol` times the largest are left out.
    """

    def __init__(self, kernel: Floats, rtol: float = 1e-7) -> None:
        u, s, v = np.linalg.svd(kernel, full_matrices=False)
        kept = s > rtol * s[0]
        self.u, self.a, self.scale = u[:, kept], s[kept, None] * v[kept], s[kept]
        self.size = int(kept.sum())

    def project(self, signals: Floats) -> tuple[Floats, Floats]:
        """Compressed data (N, M) of signals (N, B), and the squared norm of what they leave out, (N,)."""
        y = signals @ self.u
        return y, np.maximum((signals**2).sum(axis=1) - (y**2).sum(axis=1), 0.0)

    def apply(self, m: Floats) -> Floats:
        """``A m``: (N, D) -> (N, M)."""
        return m @ self.a.T

    def adjoint(self, y: Floats) -> Floats:
        """``A^T y``: (N, M) -> (N, D)."""
        return y @ self.a

    def gram(self, weights: Floats, leading: int | None = None) -> Floats:
        """``A diag(weights) A^T`` of the leading rows: (N, D) -> (N, leading, leading)."""
        a = self.a[:leading]
        return (a * weights[:, None, :]) @ a.T


class WithMarginals:
    """A of a `Compression` with ``sqrt(weight)`` times the row sums and the column sums of f below it.

    Parameters
    ----------
    compression : Compression
    weight : float
        Of the squared deviation from the marginals.
    """

    def __init__(self, compression: Compression, weight: float) -> None:
        self.data, self.root = compression, np.sqrt(weight)
        d1, d2 = compression.shape
        self.ends = np.cumsum([compression.size, d1, d2])
        self.size = int(self.ends[-1])
        # Not the norms of the rows, which overlap, but a bound on them: none is small enough to be left out.
        self.scale = np.full(self.size, compression.scale.max())
        matrix = compression.matrix().reshape(-1, d1, d2)
        self.by_row, self.by_column = matrix.transpose(1, 0, 2).copy(), matrix.transpose(2, 0, 1).copy()

    def stack(self, y: Floats, m1: Floats, m2: Floats) -> Floats:
        """Data (N, M) and marginals (N, D1), (N, D2) as one right-hand side."""
        return np.concatenate([y, self.root * m1, self.root * m2], axis=1)

    def apply(self, f: Floats) -> Floats:
        """(N, D1, D2) -> (N, M + D1 + D2)."""
        return self.stack(self.data.apply(f), f.sum(axis=2), f.sum(axis=1))

    def adjoint(self, y: Floats) -> Floats:
        """(N, M + D1 + D2) -> (N, D1, D2)."""
        c, r1, r2 = np.split(y, self.ends[:-1], axis=1)
        return self.data.adjoint(c) + self.root * (r1[:, :, None] + r2[:, None, :])

    def gram(self, weights: Floats, leading: int | None = None) -> Floats:
        """``A diag(weights) A^T``, from its blocks: (N, D1, D2) -> (N, leading, leading), all rows by default."""
        n, (m, one, two) = len(weights), self.ends
        rows, columns = np.arange(m, one), np.arange(one, two)
        g = np.zeros((n, two, two))
        g[:, :m, :m] = self.data.gram(weights)
        # Cells of one row of f, all cases at once: (M, D2) @ (D2, N) for each of the D1 rows.
        g[:, :m, m:one] = self.root * (self.by_row @ weights.transpose(1, 2, 0)).transpose(2, 1, 0)
        g[:, :m, one:] = self.root * (self.by_column @ weights.transpose(2, 1, 0)).transpose(2, 1, 0)
        g[:, m:one, one:] = self.root**2 * weights
        g[:, rows, rows] = self.root**2 * weights.sum(axis=2)
        g[:, columns, columns] = self.root**2 * weights.sum(axis=1)
        upper = np.triu_indices(two, 1)
        g[:, upper[1], upper[0]] = g[:, upper[0], upper[1]]
        return g[:, :leading, :leading]


def degrees_of_freedom(a: Line | WithMarginals, f: Floats, alpha: float, data: int) -> Floats:
    """How many f, a solution at alpha, takes from the first `data` rows: trace of the influence matrix there, (N,)."""
    hessian, diagonal = a.gram((f > 0).astype(np.float64)), np.arange(a.size)
    hessian[:, diagonal, diagonal] += alpha
    return data - alpha * np.trace(np.linalg.inv(hessian)[:, :data, :data], axis1=1, axis2=2)
