"""Non-negative second-difference Tikhonov by block principal pivoting.

    min over f >= 0 of  1/2 ||A f - y||^2 + alpha/2 ||L f||^2

Guess which cells are free (f > 0) and which are held at 0, solve for the free ones, exchange every cell whose sign
is wrong, repeat; at the solution no sign is wrong (Judice & Pires, Comput. Oper. Res. 21, 587, 1994; Kim & Park, SIAM
J. Sci. Comput. 33, 3261, 2011). Should the number of wrong signs stop falling, projected Newton steps with a line
search (Bertsekas, SIAM J. Control Optim. 20, 221, 1982) take over.

On the free cells ``L^T L`` is a narrow band, and ``A^T A`` has rank M: the inner systems are solved by a banded
Cholesky factor of the one and the Woodbury identity for the leading part of the other, as preconditioner of a few
steps of conjugate gradients with the exact matrix.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dexsy_bench.numerics import dual_newton, roughness
from dexsy_bench.numerics.compression import Compression
from dexsy_bench.numerics.dual_newton import Solution
from dexsy_bench.problem import Floats

PATIENCE = 3
"""Rounds without fewer wrong signs before the exchange gives way to descent."""

SIGN_TOLERANCE = 1e-9
"""A free cell is negative beyond this fraction of the largest one: above it is rounding."""

KKT_TOLERANCE = 1e-12
"""A held cell should be freed beyond this gradient, relative to ``max |A^T y|``."""

NEXT_TO_ZERO = 1e-3
"""Descent takes cells for 0 below this fraction of the largest one, if their gradient would have them there."""

ARMIJO = 1e-4
"""Share of the decrease promised by the gradient that a step of descent has to bring."""


class FreeSystem:
    """``(alpha L^T L + A^T A) x = b`` on the free cells of one case.

    Parameters
    ----------
    a : Compression
    a_matrix : (M, D1 * D2)
        Its matrix.
    alpha : float
    free : (D1, D2) of bool
    """

    def __init__(self, a: Compression, a_matrix: Floats, alpha: float, free: NDArray[np.bool_]) -> None:
        from scipy.linalg import lapack

        self.a, self.free = a, free
        self.bands = alpha * roughness.banded(free)
        self.factor, info = lapack.dpbtrf(self.bands, lower=1)
        if info != 0:
            raise np.linalg.LinAlgError(f"second-difference penalty is not positive definite at alpha = {alpha:g}")
        # Components of A far below alpha are left to conjugate gradients.
        leading = np.flatnonzero((a_matrix**2).sum(axis=1) > 1e-2 * alpha)
        self.w, _ = lapack.dtbtrs(self.factor, a_matrix[leading][:, free.ravel()].T, uplo="L", overwrite_b=True)
        self.capacitance = np.eye(leading.size) + self.w.T @ self.w
        self.cholesky = np.linalg.cholesky(self.capacitance)

    def multiply(self, x: Floats) -> Floats:
        """The exact matrix times x."""
        from scipy.linalg.blas import dsbmv

        f = np.zeros((1, *self.free.shape))
        f[0, self.free] = x
        smooth = dsbmv(self.bands.shape[0] - 1, 1.0, self.bands, x, lower=1)
        return np.asarray(smooth) + self.a.adjoint(self.a.apply(f))[0, self.free]

    def precondition(self, r: Floats) -> Floats:
        """The inverse of the matrix, the weak part of A left out, times r."""
        from scipy.linalg import cho_solve, lapack

        half, _ = lapack.dtbtrs(self.factor, r[:, None], uplo="L")
        half -= self.w @ cho_solve((self.cholesky, True), self.w.T @ half)
        x, _ = lapack.dtbtrs(self.factor, half, uplo="L", trans="T")
        return np.asarray(x[:, 0])

    def solve(self, b: Floats, rtol: float = 1e-12, max_steps: int = 50) -> Floats:
        """Preconditioned conjugate gradients."""
        x = self.precondition(b)
        r = b - self.multiply(x)
        z = self.precondition(r)
        p, rho = z, r @ z
        for _ in range(max_steps):
            if np.linalg.norm(r) <= rtol * np.linalg.norm(b):
                break
            q = self.multiply(p)
            step = rho / (p @ q)
            x, r = x + step * p, r - step * q
            z = self.precondition(r)
            rho, previous = r @ z, rho
            p = z + rho / previous * p
        return x

    def dof(self) -> float:
        """Trace of the influence matrix, but for the components far below alpha (some percent at large alpha)."""
        return float(len(self.capacitance) - np.trace(np.linalg.inv(self.capacitance)))


class Case:
    """One case at one alpha: gradient and objective of the quadratic, and its minimum over a set of free cells."""

    def __init__(self, a: Compression, a_matrix: Floats, y: Floats, alpha: float) -> None:
        self.a, self.a_matrix, self.y, self.alpha = a, a_matrix, y, alpha
        self.b = a.adjoint(y[None])[0]
        self.scale = float(np.abs(self.b).max()) or 1.0

    def gradient(self, f: Floats) -> Floats:
        """Gradient of the objective, (D1, D2)."""
        # The residual is taken first: it is small, and so is its rounding.
        return self.a.adjoint(self.a.apply(f[None]) - self.y)[0] + self.alpha * roughness.apply(f[None])[0]

    def objective(self, f: Floats) -> float:
        """Twice the objective."""
        misfit = ((self.a.apply(f[None]) - self.y) ** 2).sum()
        return float(misfit + self.alpha * (f * roughness.apply(f[None])[0]).sum())

    def minimum(self, free: NDArray[np.bool_]) -> Floats:
        """The minimiser with the other cells held at 0, whatever its signs."""
        x = np.zeros(free.shape)
        # LAPACK writes beyond empty arrays.
        self.system = FreeSystem(self.a, self.a_matrix, self.alpha, free) if free.any() else None
        if self.system is not None:
            x[free] = self.system.solve(self.b[free])
        return x

    def exchange(self, f: Floats, max_rounds: int) -> tuple[Floats, bool]:
        """Exchange all wrong signs at once, while their number falls."""
        free = f > 0
        fewest, patience = free.size + 1, PATIENCE
        for _ in range(max_rounds):
            self.rounds += 1
            x = self.minimum(free)
            f = np.maximum(x, 0.0)
            wrong = np.where(free, x < -SIGN_TOLERANCE * x.max(), self.gradient(x) < -KKT_TOLERANCE * self.scale)
            count = int(wrong.sum())
            if count == 0:
                return f, True
            fewest, patience = (count, PATIENCE) if count < fewest else (fewest, patience - 1)
            if patience < 0:
                break
            free = free ^ wrong
        return f, False

    def descend(self, f: Floats, max_rounds: int) -> tuple[Floats, bool]:
        """Projected Newton steps: slower, but the objective falls at each, so that no set of free cells comes again."""
        gradient = self.gradient(f)
        for _ in range(max_rounds):
            self.rounds += 1
            # Cells next to 0 that should be there would cut every step short.
            small = f.max() * min(NEXT_TO_ZERO, self.kkt(f, gradient))
            free = (f > small) | (gradient < -KKT_TOLERANCE * self.scale)
            x = self.minimum(free)
            while (blocked := free & (f == 0) & (x < 0)).any():
                free = free & ~blocked
                x = self.minimum(free)
            now, step = self.objective(f), 1.0
            while True:
                trial = np.maximum(f + step * (x - f), 0.0)
                promised = 2 * ARMIJO * float((gradient * (trial - f)).sum())
                # Next to the solution the objective is flat to rounding.
                if self.objective(trial) <= now * (1 + 1e-14) + promised or step < 1e-12:
                    break
                step *= 0.5
            f = trial
            gradient = self.gradient(f)
            if self.kkt(f, gradient) <= KKT_TOLERANCE * 10:
                return f, True
        return f, False

    def kkt(self, f: Floats, gradient: Floats) -> float:
        """Largest violation of the optimality conditions relative to ``max |A^T y|``."""
        return float(np.abs(np.where(f > 0, gradient, np.minimum(gradient, 0.0))).max() / self.scale)

    def solve(self, guess: Floats, max_rounds: int) -> tuple[Floats, float, float, int, bool]:
        """f, KKT residual, degrees of freedom, rounds, converged."""
        self.rounds = 0
        f, converged = self.exchange(guess, max_rounds)
        if not converged:
            f, converged = self.descend(f, max_rounds - self.rounds)
        dof = 0.0 if self.system is None else self.system.dof()
        return f, self.kkt(f, self.gradient(f)), dof, self.rounds, converged


def solve(a: Compression, y: Floats, alpha: float, warm: Floats | None = None, max_rounds: int = 300) -> Solution:
    """Solve N cases at one alpha; parameters and result as in :func:`dexsy_bench.numerics.dual_newton.solve`.

    ``warm`` holds solutions f (N, D1, D2) at a neighbouring alpha, whose supports are the first guess. Without it
    the support of the order-0 solution at the same alpha serves.
    """
    a_matrix = a.matrix()
    if warm is None:
        warm = dual_newton.solve(a, y, alpha).f
    results = [Case(a, a_matrix, y[n], alpha).solve(warm[n], max_rounds) for n in range(len(y))]
    f, kkt, dof, rounds, converged = (np.array(column) for column in zip(*results, strict=True))
    misfit = ((a.apply(f) - y) ** 2).sum(axis=1)
    penalty = (f * roughness.apply(f)).sum(axis=(1, 2))
    return Solution(f, misfit, penalty, dof, kkt, rounds, converged, f)
