"""Non-negative least squares with a squared curvature penalty whose weight differs from cell to cell.

    min over f >= 0 of  1/2 ||A f - y||^2 + 1/2 sum_i weights_i (L f)_i^2

L is the five-point Laplacian, f being 0 outside the grid. Block principal pivoting: guess which cells are free, find
the minimum over them whatever its signs, exchange every cell whose sign is wrong. Should the number of wrong signs stop
falling, one cell at a time is exchanged until it does, which ends after finitely many rounds (Judice & Pires, Comput.
Oper. Res. 21, 587, 1994; Kim & Park, SIAM J. Sci. Comput. 33, 3261, 2011).

With Z = P^-1 A^T on the free cells, ``P = L^T W L``, the minimum over them is ``Z (1 + A Z)^-1 y``: one banded
Cholesky factor, as many right-hand sides as y is long, and a dense system of that size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dexsy_bench.numerics import certificate
from dexsy_bench.numerics.banded import BandedCholesky
from dexsy_bench.numerics.compression import Compression
from dexsy_bench.problem import Floats

PATIENCE = 3
"""Rounds without fewer wrong signs before the exchange goes on one cell at a time."""

SIGN_TOLERANCE = 1e-10
"""A free cell is negative beyond this fraction of the largest one: above it is rounding."""

KKT_TOLERANCE = 1e-12
"""A cell at 0 is set free beyond this gradient, relative to ``max |A^T y|``."""

REFINEMENTS = 2
"""Corrections of the solution of a linear system by its own residual."""


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
class Solution:
    """Solution of one case.

    Attributes
    ----------
    f : (D1, D2)
    objective : float
        Of the compressed data.
    kkt : float
        Residual of the optimality conditions relative to ``max |A^T y|``.
    iterations : int
    converged : bool
    """

    f: Floats
    objective: float
    kkt: float
    iterations: int
    converged: bool


class Operators:
    """What all cases of a problem share: A, and L as a sparse matrix.

    Parameters
    ----------
    a : Compression
    """

    def __init__(self, a: Compression) -> None:
        from scipy.sparse import csc_array, kron

        self.a, self.matrix, self.shape = a, a.matrix(), a.shape
        one, two = (np.eye(n, k=1) - 2 * np.eye(n) + np.eye(n, k=-1) for n in a.shape)
        self.l = csc_array(kron(csc_array(one), np.eye(a.shape[1])) + kron(np.eye(a.shape[0]), csc_array(two)))

    def bands(self, weights: Floats, free: NDArray[np.bool_]) -> Floats:
        """``L^T W L`` restricted to the free cells (D1, D2), as the lower bands that LAPACK wants."""
        of_free: Any = self.l[:, np.flatnonzero(free)]
        p = (of_free.T @ (of_free * weights.ravel()[:, None])).tocoo()
        below = p.row - p.col
        kept = below >= 0
        bands = np.zeros((int(below.max()) + 1, of_free.shape[1]))
        bands[below[kept], p.col[kept]] = p.data[kept]
        return bands


def solve(operators: Operators, y: Floats, weights: Floats, guess: Floats, max_rounds: int = 500) -> Solution:
    """Solve one case.

    Parameters
    ----------
    operators : Operators
    y : (M,)
        Compressed data.
    weights : (D1, D2)
        Positive.
    guess : (D1, D2)
        Its positive cells are free at first.
    """
    case = _Case(operators, y, weights)
    free, fewest, patience = guess > 0, guess.size + 1, PATIENCE
    rounds = 0
    while rounds < max_rounds:
        rounds += 1
        x = case.minimum(free)
        wrong = np.where(free, x < -SIGN_TOLERANCE * x.max(), case.gradient(x) < -KKT_TOLERANCE * case.scale)
        count = int(wrong.sum())
        if count == 0:
            break
        fewest, patience = (count, PATIENCE) if count < fewest else (fewest, patience - 1)
        if patience < 0:
            wrong.ravel()[: np.flatnonzero(wrong)[-1]] = False
        free = free ^ wrong
    f = np.maximum(x, 0.0)
    kkt = certificate.kkt(operators.a, y[None], f[None], case.penalty_gradient(f)[None])
    return Solution(f, case.objective(f), float(kkt[0]), rounds, count == 0)


class _Case:
    def __init__(self, operators: Operators, y: Floats, weights: Floats) -> None:
        self.operators, self.a, self.y, self.weights = operators, operators.a, y, weights
        self.scale = float(np.abs(self.a.adjoint(y[None])).max()) or 1.0

    def penalty_gradient(self, f: Floats) -> Floats:
        return laplacian(self.weights * laplacian(f))

    def gradient(self, f: Floats) -> Floats:
        return self.a.adjoint(self.a.apply(f[None]) - self.y)[0] + self.penalty_gradient(f)

    def objective(self, f: Floats) -> float:
        residual = self.a.apply(f[None]) - self.y
        return 0.5 * float((residual**2).sum() + (self.weights * laplacian(f) ** 2).sum())

    def minimum(self, free: NDArray[np.bool_]) -> Floats:
        """The minimiser with the other cells held at 0, whatever its signs."""
        from scipy.linalg import cho_factor, cho_solve

        x = np.zeros(free.shape)
        if not free.any():
            return x
        a = self.operators.matrix[:, free.ravel()]
        factor = BandedCholesky(self.operators.bands(self.weights, free))
        z = factor.solve(a.T)
        small = cho_factor(np.eye(len(a)) + a @ z)
        x[free] = z @ cho_solve(small, self.y)
        for _ in range(REFINEMENTS):
            smooth = factor.solve(-self.gradient(x)[free])
            x[free] += smooth - z @ cho_solve(small, a @ smooth)
        return x
