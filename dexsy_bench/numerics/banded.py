"""Cholesky factors of banded matrices, and forward substitution for many right-hand sides at once."""

from __future__ import annotations

import numpy as np
from scipy.linalg import cho_solve_banded, cholesky_banded
from scipy.linalg.blas import dtrsm

from dexsy_bench.problem import Floats

RIDGE = 1e-15
"""Added to the diagonal, relative to its largest element: below is rounding."""


class BandedCholesky:
    """``S = L L^T`` from the lower bands of S, (bandwidth + 1, n), row k holding the k-th diagonal below the main one.

    LAPACK substitutes one right-hand side after another; :meth:`forward` cuts L into square blocks as wide as the band,
    on each of which all of them pass through two matrix products.

    Raises
    ------
    numpy.linalg.LinAlgError
        If S is not positive definite.
    """

    def __init__(self, bands: Floats) -> None:
        bands = bands.copy()
        bands[0] += RIDGE * bands[0].max()
        self.factor = cholesky_banded(bands, lower=True, overwrite_ab=True, check_finite=False)

    def solve(self, b: Floats) -> Floats:
        """``S^-1 b`` for b (n,), or for several, (n, m)."""
        return np.asarray(cho_solve_banded((self.factor, True), b, check_finite=False))

    def forward(self, b: Floats) -> Floats:
        """``L^-1 B`` for B (n, m)."""
        bandwidth, n = self.factor.shape[0] - 1, self.factor.shape[1]
        size = max(bandwidth, 1)
        blocks = -(-n // size)
        columns = np.zeros((blocks * size, bandwidth + 1))
        columns[:n] = self.factor.T
        columns[n:, 0] = 1.0
        panels = np.zeros((blocks, 2 * size, size))
        column = np.arange(size)[:, None]
        panels[:, column + np.arange(bandwidth + 1), column] = columns.reshape(blocks, size, bandwidth + 1)
        x = np.zeros((blocks, size, b.shape[1]))
        x.reshape(-1, b.shape[1])[:n] = b
        for k in range(blocks):
            if k > 0:
                x[k] -= panels[k - 1, size:] @ x[k - 1]
            x[k] = dtrsm(1.0, panels[k, :size], x[k], lower=1)
        return x.reshape(-1, b.shape[1])[:n]
