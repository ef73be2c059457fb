"""Non-negative Tikhonov with a roughness penalty (order 1 or 2) by block principal pivoting.

    min over f >= 0 of  1/2 ||A f - y||^2 + alpha/2 ||L f||^2

Guess which cells are free (f > 0) and which are held at 0, solve for the free ones, exchange every cell whose sign
is wrong, repeat; at the solution no sign is wrong (Judice & Pires, Comput. Oper. Res. 21, 587, 1994; Kim & Park, SIAM
J. Sci. Comput. 33, 3261, 2011). Should the number of wrong signs stop falling, projected Newton steps with a line
search (Bertsekas, SIAM J. Control Optim. 20, 221, 1982) take over.

On the free cells ``L^T L = R`` is a narrow band, and A has few rows: the minimum is
``R^-1 A^T (alpha + A R^-1 A^T)^-1 y``, a banded Cholesky factor and a small dense one. Rows of A far below alpha are
left out of it until the signs have settled, and then come in by conjugate gradients.

Since alpha stands in the small factor alone, the alpha that has a given misfit is found in the same rounds as the free
cells: each takes the root of ``||alpha (alpha + A R^-1 A^T)^-1 y||^2`` (Hebden 1973; More, Lect. Notes Math. 630, 105,
1978) over the cells that are free by then.
"""

from __future__ import annotations

from typing import Any

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

LEADING = 3e-4
"""Rows of A with a squared norm below this multiple of alpha are left out at first."""

START = 0.1
"""The first guess is the order-0 solution at this multiple of alpha, and the cells next to it: too few settle sooner
than too many."""

START_LEAST = 1e-9
"""But not below this multiple of the largest squared row norm of A, where order 0 takes longer than it saves."""

LOOSE_ROUNDS = 2
"""Rounds of a loose solution that has a neighbour to start from. It is the minimum over the cells that are free by
then, as it is: its misfit and penalty differ from the exact ones less than those of its positive part."""

FEW_WRONG = 0.03
"""Share of the free cells with a wrong sign at which the misfit is close enough to choose alpha by."""

SETTLED = 0.05
"""Change of log alpha in a round at which it has settled."""

REACH = 10.0
"""Factor by which alpha moves in a round at most: the free cells are those of the last one."""

MEET_FROM = 0.75
"""Where between the ends, by logarithm, the search of an alpha starts: smooth solutions lie in the upper half."""

MEET_ROUNDS = 20
"""Rounds in the search of an alpha."""


class FreeSystem:
    """``(alpha L^T L + A^T A) x = A^T y`` on the free cells of one case.

    Parameters
    ----------
    a : Compression
    leading : int
        Rows of A in the preconditioner.
    order : int
    free : (D1, D2) of bool
    """

    def __init__(self, a: Compression, leading: int, order: int, free: NDArray[np.bool_]) -> None:
        from scipy.linalg import lapack

        self.a, self.free = a, free
        self.bands, self.cells = roughness.banded(free, order)
        self.factor, info = lapack.dpbtrf(self.bands, lower=1)
        if info != 0:
            raise np.linalg.LinAlgError(f"the roughness penalty of order {order} is not positive definite")
        self.half, _ = lapack.dtbtrs(self.factor, a.columns[self.cells, :leading], uplo="L")
        self.gram = self.half.T @ self.half

    def weigh(self, alpha: float) -> None:
        """Factorise for an alpha."""
        from scipy.linalg import lapack

        self.alpha = alpha
        self.cholesky, _ = lapack.dpotrf(self.gram + alpha * np.eye(len(self.gram)), lower=1)

    def leading(self, y: Floats) -> Floats:
        """The solution with the leading rows alone."""
        from scipy.linalg import lapack

        x, _ = lapack.dtbtrs(self.factor, self.half @ self._dual(y), uplo="L", trans="T")
        return np.asarray(x)

    def _dual(self, y: Floats) -> Floats:
        """The residual over alpha, in the leading rows."""
        from scipy.linalg import lapack

        residual, _ = lapack.dpotrs(self.cholesky, y[: len(self.gram)], lower=1)
        return np.asarray(residual)

    def meet(self, y: Floats, limit: float, low: float, high: float) -> float:
        """The alpha between low and high at which the misfit of the leading solution is the limit, or the end next."""
        from scipy.optimize import brentq

        def excess(log_alpha: float) -> float:
            self.weigh(float(np.exp(log_alpha)))
            residual = self.alpha * self._dual(y)
            return float(residual @ residual + beyond - limit)

        beyond = float((y[len(self.gram) :] ** 2).sum())
        ends = float(np.log(low)), float(np.log(high))
        if excess(ends[0]) >= 0:
            return low
        if excess(ends[1]) <= 0:
            return high
        return float(np.exp(brentq(excess, *ends, xtol=SETTLED / 10)))

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

    def dof(self) -> float:
        """Trace of the influence matrix, but for components far below alpha."""
        weighted = self.gram + self.alpha * np.eye(len(self.gram))
        return float(len(weighted) - self.alpha * np.trace(np.linalg.inv(weighted)))


class Case:
    """One case at one alpha: gradient and objective of the quadratic, and its minimum over a set of free cells.

    With ``exact`` off, the rows of A beyond the leading ones are left out of everything.
    """

    def __init__(self, a: Compression, y: Floats, alpha: float, order: int) -> None:
        self.a, self.y, self.alpha, self.order = a, y, alpha, order
        self.leading = self._leading(alpha)
        self.scale = float(np.abs(a.adjoint(y[None])).max()) or 1.0
        self.system: FreeSystem | None = None
        self.rounds, self.exact = 0, True

    def _leading(self, alpha: float) -> int:
        # At least one: LAPACK writes beyond empty arrays.
        return max(1, int((self.a.scale**2 > LEADING * alpha).sum()))

    def gradient(self, f: Floats) -> Floats:
        """Gradient of the objective, (D1, D2)."""
        # The residual is taken first: it is small, and so is its rounding.
        residual = self.a.apply(f[None]) - self.y
        if not self.exact:
            residual[:, self.leading :] = 0.0
        return self.a.adjoint(residual)[0] + self.alpha * roughness.apply(f[None], self.order)[0]

    def objective(self, f: Floats) -> float:
        """Twice the objective."""
        misfit = ((self.a.apply(f[None]) - self.y) ** 2).sum()
        return float(misfit + self.alpha * (f * roughness.apply(f[None], self.order)[0]).sum())

    def minimum(self, free: NDArray[np.bool_]) -> Floats:
        """The minimiser with the other cells held at 0, whatever its signs."""
        if not free.any():  # LAPACK writes beyond empty arrays.
            self.system = None
            return np.zeros(free.shape)
        if self.system is None or (self.system.free != free).any():
            self.system = FreeSystem(self.a, self.leading, self.order, free)
            self.system.weigh(self.alpha)
        return self.system.place((self.system.exact if self.exact else self.system.leading)(self.y))

    def wrong(self, x: Floats, free: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Cells with a sign that the solution does not have: free and negative, or held with a falling objective."""
        return np.where(free, x < -SIGN_TOLERANCE * x.max(), self.gradient(x) < -KKT_TOLERANCE * self.scale)

    def exchange(self, free: NDArray[np.bool_], max_rounds: int) -> tuple[Floats, NDArray[np.bool_], bool]:
        """Exchange all wrong signs at once, while their number falls: f, the cells to free next, converged."""
        fewest, patience = free.size + 1, PATIENCE
        f = np.zeros(free.shape)
        for _ in range(max_rounds):
            self.rounds += 1
            x = f = self.minimum(free)
            wrong = self.wrong(x, free)
            count = int(wrong.sum())
            if count == 0:
                return np.maximum(x, 0.0), free, True
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

    def meet(self, limit: float, low: float, high: float, free: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Move alpha between low and high to where the misfit is the limit: the cells that are free there, roughly."""
        self.exact = False
        for _ in range(MEET_ROUNDS):
            if not free.any():  # no alpha makes a difference
                self.alpha = high if float(self.y @ self.y) <= limit else low
                break
            self.rounds += 1
            before = self.alpha
            near, far = max(low, before / REACH), min(high, before * REACH)
            self.leading = self._leading(near)
            self.system = FreeSystem(self.a, self.leading, self.order, free)
            self.alpha = self.system.meet(self.y, limit, near, far)
            self.system.weigh(self.alpha)
            wrong = self.wrong(self.minimum(free), free)
            if wrong.sum() <= FEW_WRONG * free.sum() and abs(np.log(self.alpha / before)) <= SETTLED:
                break
            free = free ^ wrong
        return free

    def solve(self, free: NDArray[np.bool_], loose: bool, max_rounds: int) -> tuple[Floats, NDArray[np.bool_], bool]:
        """f, the cells to free next, converged."""
        self.exact = False
        f, free, converged = self.exchange(free, max_rounds)
        if not loose:
            self.exact = True
            f, free, converged = self.exchange(free, max_rounds - self.rounds)
            if not converged:
                f, converged = self.descend(np.maximum(f, 0.0), max_rounds - self.rounds)
                free = f > 0
        return f, free, converged

    def dof(self) -> float:
        """Degrees of freedom of the last minimum."""
        return 0.0 if self.system is None else self.system.dof()


def solve(
    a: Compression,
    y: Floats,
    alpha: float | Floats,
    warm: Any = None,
    *,
    order: int,
    loose: bool = False,
    dof: bool = False,
    max_rounds: int = 300,
) -> Solution:
    """Solve N cases; parameters and result as in :func:`dexsy_bench.numerics.dual_newton.solve`.

    ``warm``, (N, D1, D2) of bool, are cells to free first. A path of loose solutions is
    better walked from small alphas to large ones: cells are freed faster than held.
    """
    alpha = np.broadcast_to(np.asarray(alpha, dtype=np.float64), len(y))
    if loose and warm is not None:
        max_rounds = LOOSE_ROUNDS
    if warm is None:
        warm = _guess(a, y, alpha)
    cases = [Case(a, y[n], alpha[n], order) for n in range(len(y))]
    solved = [case.solve(warm[n], loose, max_rounds) for n, case in enumerate(cases)]
    f, free, converged = (np.stack(column) for column in zip(*solved, strict=True))
    misfit = ((a.apply(f) - y) ** 2).sum(axis=1)
    penalty = (f * roughness.apply(f, order)).sum(axis=(1, 2))
    rounds = np.array([case.rounds for case in cases])
    return Solution(
        f, misfit, penalty, rounds, converged, free, np.array([case.dof() for case in cases]) if dof else None
    )


def meet(
    a: Compression, y: Floats, limit: Floats, low: float, high: float, *, order: int
) -> tuple[Floats, NDArray[np.bool_], NDArray[np.intp]]:
    """The alphas at which N cases have a given misfit, for about as much as one solution.

    The misfit grows with alpha. It is that of the leading rows, over cells of which a few have a wrong sign: enough to
    tell between alphas a factor of two apart.

    Parameters
    ----------
    a, y, order
        As in :func:`solve`.
    limit : (N,)
        ``||A f - y||^2`` to meet.
    low, high : float
        The ends: what is returned where the misfit is larger, or smaller, on the whole way between them.

    Returns
    -------
    alpha : (N,)
    warm : (N, D1, D2) of bool
        What :func:`solve` can start from there.
    rounds : (N,)
    """
    first = float(low ** (1 - MEET_FROM) * high**MEET_FROM)
    warm = _guess(a, y, np.full(len(y), first))
    cases = [Case(a, row, first, order) for row in y]
    free = [case.meet(float(limit[n]), low, high, warm[n]) for n, case in enumerate(cases)]
    return np.array([case.alpha for case in cases]), np.stack(free), np.array([case.rounds for case in cases])


def _guess(a: Compression, y: Floats, alpha: Floats) -> NDArray[np.bool_]:
    """Cells to free first without a neighbour to start from."""
    from scipy.ndimage import binary_dilation

    first = np.maximum(START * alpha, START_LEAST * a.scale[0] ** 2)
    start = dual_newton.solve(a, y, first, loose=True).f > 0
    return np.asarray(binary_dilation(start, np.ones((1, 3, 3), dtype=bool)))
