"""Non-negative least squares with a quadratic penalty on neighbouring cells, by block principal pivoting.

    min over f >= 0 of  1/2 ||A f - y||^2 + alpha/2 ||L f||^2

Guess which cells are free (f > 0) and which are held at 0, solve for the free ones, exchange every cell whose sign
is wrong, repeat; at the solution no sign is wrong (Judice & Pires, Comput. Oper. Res. 21, 587, 1994; Kim & Park, SIAM
J. Sci. Comput. 33, 3261, 2011). Should the number of wrong signs stop falling, projected Newton steps with a line
search (Bertsekas, SIAM J. Control Optim. 20, 221, 1982) take over.

On the free cells ``L^T L = R`` is a narrow band, and A has few rows: the minimum is
``R^-1 A^T (alpha + A R^-1 A^T)^-1 y``, a banded Cholesky factor and a small dense one. Rows of A far below alpha are
left out of it until the signs have settled, and then come in by conjugate gradients.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dexsy_bench.numerics import dual_newton, roughness
from dexsy_bench.numerics.alpha_path import Node, node
from dexsy_bench.numerics.compression import Compression
from dexsy_bench.numerics.dual_newton import Solution
from dexsy_bench.numerics.roughness import Roughness
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

LEADING = 3e-4
"""Rows of A with a squared norm below this multiple of alpha are left out at first."""

START = 0.03
"""The first guess is the order-0 solution at this multiple of alpha, and the cells next to it: too few settle sooner
than too many."""

START_LEAST = 1e-9
"""But not below this multiple of the largest squared row norm of A, where order 0 takes longer than it saves."""

WALK_ROUNDS = 8
"""Rounds of exchange at most at each alpha of a path."""

WALK_DESCENT = 12
"""Rounds of descent at most where that was not enough, as it can be at the smallest alphas."""

FEW_WRONG = 0.06
"""Share of the free cells with a wrong sign at which what rules look at is close enough to choose by."""


class Penalty(Protocol):
    """The matrix ``L^T L`` of a penalty: a narrow band, and definite on any cells."""

    def apply(self, f: Floats) -> Floats:
        """``L^T L f``, (D1, D2)."""

    def banded(self, free: NDArray[np.bool_]) -> tuple[Floats, NDArray[np.intp]]:
        """On the free cells (D1, D2): lower bands as LAPACK wants them, and the cells' flat indices in that order."""


class FreeSystem:
    """``(alpha L^T L + A^T A) x = A^T y`` on the free cells of one case.

    Parameters
    ----------
    a : Compression
    leading : int
        Rows of A in the preconditioner.
    alpha : float
    penalty : Penalty
    free : (D1, D2) of bool
    """

    def __init__(self, a: Compression, leading: int, alpha: float, penalty: Penalty, free: NDArray[np.bool_]) -> None:
        from scipy.linalg import lapack

        self.a, self.alpha, self.free = a, alpha, free
        self.bands, self.cells = penalty.banded(free)
        self.factor, info = lapack.dpbtrf(self.bands, lower=1)
        if info != 0:
            raise np.linalg.LinAlgError(f"a penalty of {type(penalty).__name__} is not positive definite")
        self.half, _ = lapack.dtbtrs(self.factor, a.columns[self.cells, :leading], uplo="L")
        self.gram = self.half.T @ self.half
        self.cholesky, _ = lapack.dpotrf(self.gram + alpha * np.eye(leading), lower=1)

    def leading(self, y: Floats) -> Floats:
        """The solution with the leading rows alone."""
        from scipy.linalg import lapack

        dual, _ = lapack.dpotrs(self.cholesky, y[: len(self.gram)], lower=1)
        x, _ = lapack.dtbtrs(self.factor, self.half @ dual, uplo="L", trans="T")
        return np.asarray(x)

    def exact(self, y: Floats, rtol: float = 1e-12, max_steps: int = 50) -> Floats:
        """The solution with all rows, by conjugate gradients preconditioned with the leading ones."""
        x = self.leading(y)
        r = self._adjoint(y - self._apply(x)) - self._smooth(x)
        enough = rtol * np.linalg.norm(self._adjoint(y))
        p: Floats = np.zeros_like(x)
        rho = 1.0
        for _ in range(max_steps):
            if np.linalg.norm(r) <= enough:
                break
            z = self._precondition(r)
            rho, previous = float(r @ z), rho
            p = z + rho / previous * p
            q = self._smooth(p) + self._adjoint(self._apply(p))
            step = rho / (p @ q)
            x, r = x + step * p, r - step * q
        return x

    def _apply(self, x: Floats) -> Floats:
        return self.a.apply(self.place(x)[None])[0]

    def _adjoint(self, y: Floats) -> Floats:
        return self.a.adjoint(y[None]).ravel()[self.cells]

    def _smooth(self, x: Floats) -> Floats:
        from scipy.linalg.blas import dsbmv

        return np.asarray(dsbmv(self.bands.shape[0] - 1, self.alpha, self.bands, x, lower=1))

    def _precondition(self, r: Floats) -> Floats:
        from scipy.linalg import lapack

        half, _ = lapack.dtbtrs(self.factor, r, uplo="L")
        weak, _ = lapack.dpotrs(self.cholesky, self.half.T @ half, lower=1)
        x, _ = lapack.dtbtrs(self.factor, half - self.half @ weak, uplo="L", trans="T")
        return np.asarray(x) / self.alpha

    def place(self, x: Floats) -> Floats:
        """The cells on the grid, (D1, D2)."""
        f = np.zeros(self.free.shape)
        f.ravel()[self.cells] = x
        return f


class Case:
    """One case at one alpha: gradient and objective of the quadratic, and its minimum over a set of free cells.

    Where ``exact`` is off, as it is for a while in :meth:`solve` and :meth:`gram`, gradient and minimum leave out the
    rows of A beyond the leading ones.
    """

    def __init__(self, a: Compression, y: Floats, alpha: float, penalty: Penalty) -> None:
        self.a, self.y, self.alpha, self.penalty = a, y, alpha, penalty
        # At least one: LAPACK writes beyond empty arrays.
        self.leading = max(1, int((a.scale**2 > LEADING * alpha).sum()))
        self.scale = float(np.abs(a.adjoint(y[None])).max()) or 1.0
        self.system: FreeSystem | None = None
        self.rounds, self.exact = 0, True

    def gradient(self, f: Floats) -> Floats:
        """Gradient of the objective, (D1, D2)."""
        # The residual is taken first: it is small, and so is its rounding.
        residual = self.a.apply(f[None]) - self.y
        if not self.exact:
            residual[:, self.leading :] = 0.0
        return self.a.adjoint(residual)[0] + self.alpha * self.penalty.apply(f)

    def objective(self, f: Floats) -> float:
        """Twice the objective."""
        misfit = ((self.a.apply(f[None]) - self.y) ** 2).sum()
        return float(misfit + self.alpha * (f * self.penalty.apply(f)).sum())

    def minimum(self, free: NDArray[np.bool_]) -> Floats:
        """The minimiser with the other cells held at 0, whatever its signs."""
        if not free.any():  # LAPACK writes beyond empty arrays.
            self.system = None
            return np.zeros(free.shape)
        if self.system is None or (self.system.free != free).any():
            self.system = FreeSystem(self.a, self.leading, self.alpha, self.penalty, free)
        return self.system.place((self.system.exact if self.exact else self.system.leading)(self.y))

    def wrong(self, x: Floats, free: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Cells with a sign that the solution does not have: free and negative, or held with a falling objective."""
        return np.where(free, x < -SIGN_TOLERANCE * x.max(), self.gradient(x) < -KKT_TOLERANCE * self.scale)

    def exchange(
        self, free: NDArray[np.bool_], max_rounds: int, few: float = 0.0
    ) -> tuple[Floats, NDArray[np.bool_], bool]:
        """Exchange all wrong signs at once, while their number falls: f, the cells to free next, converged.

        That is when no more than a few are wrong, as a share of those that are free.
        """
        fewest, patience = free.size + 1, PATIENCE
        f = np.zeros(free.shape)
        for _ in range(max_rounds):
            self.rounds += 1
            f = self.minimum(free)
            wrong = self.wrong(f, free)
            count = int(wrong.sum())
            if count <= few * free.sum():
                return np.maximum(f, 0.0), free, True
            free = free ^ wrong
            fewest, patience = (count, PATIENCE) if count < fewest else (fewest, patience - 1)
            if patience < 0:
                break
        return f, free, False

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
                if self.objective(trial) <= now * (1 + 1e-14) + promised:
                    break
                step *= 0.5
                if step < 1e-12:  # not a direction of descent: too ill-conditioned for this
                    return f, False
            f = trial
            gradient = self.gradient(f)
            if self.kkt(f, gradient) <= KKT_TOLERANCE * 10:
                return f, True
        return f, False

    def kkt(self, f: Floats, gradient: Floats) -> float:
        """Largest violation of the optimality conditions relative to ``max |A^T y|``."""
        return float(np.abs(np.where(f > 0, gradient, np.minimum(gradient, 0.0))).max() / self.scale)

    def solve(self, free: NDArray[np.bool_], max_rounds: int) -> tuple[Floats, NDArray[np.bool_], bool]:
        """f, the cells that are free, converged."""
        self.exact = False
        f, free, converged = self.exchange(free, max_rounds - 1)
        self.exact = True
        f, free, converged = self.exchange(free, max_rounds - self.rounds)
        if not converged:
            f, converged = self.descend(np.maximum(f, 0.0), max_rounds - self.rounds)
            free = f > 0
        return f, free, converged

    def gram(self, free: NDArray[np.bool_]) -> tuple[Floats, NDArray[np.bool_]]:
        """``A R^-1 A^T`` of the leading rows over about the cells that are free at the solution, and these cells."""
        self.exact = False
        f, free, settled = self.exchange(free, WALK_ROUNDS, FEW_WRONG)
        self.exact = True
        if not settled:
            f, _ = self.descend(np.maximum(f, 0.0), WALK_DESCENT)
            free = f > 0
            self.minimum(free)
        return np.zeros((self.leading, self.leading)) if self.system is None else self.system.gram, free


def solve(
    a: Compression, y: Floats, alpha: float | Floats, warm: Any = None, *, order: int, max_rounds: int = 300
) -> Solution:
    """Solve N cases of Tikhonov of order 1 or 2.

    Parameters and result are those of :func:`dexsy_bench.numerics.dual_newton.solve`, but that ``warm``, (N, D1, D2) of
    bool, are cells to free first.
    """
    alpha = np.broadcast_to(np.asarray(alpha, dtype=np.float64), len(y))
    if warm is None:
        warm = _near(dual_newton.solve(a, y, _start(a, alpha), loose=True))
    cases = [Case(a, y[n], alpha[n], Roughness(order)) for n in range(len(y))]
    solved = [case.solve(warm[n], max_rounds) for n, case in enumerate(cases)]
    f, free, converged = (np.stack(column) for column in zip(*solved, strict=True))
    misfit = ((a.apply(f) - y) ** 2).sum(axis=1)
    penalty = (f * roughness.apply(f, order)).sum(axis=(1, 2))
    return Solution(f, misfit, penalty, np.array([case.rounds for case in cases]), converged, free)


def walk(a: Compression, y: Floats, alphas: Floats, *, order: int) -> Iterator[Node]:
    """What rules choose by, for all cases at each of alphas, ascending; the largest first."""
    for alpha, start in zip(alphas[::-1], dual_newton.follow(a, y, _start(a, alphas)), strict=True):
        cases = [Case(a, row, float(alpha), Roughness(order)) for row in y]
        found = [case.gram(free) for case, free in zip(cases, _near(start), strict=True)]
        grams, warm = (np.stack(column) for column in zip(*found, strict=True))
        rounds = np.array([case.rounds for case in cases])
        yield node(grams, float(alpha), y, warm, start.iterations + rounds)


def _start(a: Compression, alpha: Floats) -> Floats:
    """Alphas of order 0 whose solutions are next to those of these."""
    return np.maximum(START * alpha, START_LEAST * a.scale[0] ** 2)


def _near(start: Solution) -> NDArray[np.bool_]:
    """Cells to free first: those of the start, and the ones next to them."""
    from scipy.ndimage import binary_dilation

    return np.asarray(binary_dilation(start.f > 0, np.ones((1, 3, 3), dtype=bool)))
