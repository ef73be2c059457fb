"""Non-negative least squares with a quadratic penalty on neighbouring cells, by block principal pivoting.

    min over f >= 0 of  1/2 ||A f - y||^2 + alpha/2 ||L f||^2

Guess which cells are free (f > 0) and which are held at 0, solve for the free ones, exchange every cell whose sign
is wrong, repeat; at the solution no sign is wrong (Judice & Pires, Comput. Oper. Res. 21, 587, 1994; Kim & Park, SIAM
J. Sci. Comput. 33, 3261, 2011). Should the number of wrong signs stop falling, projected Newton steps with a line
search (Bertsekas, SIAM J. Control Optim. 20, 221, 1982) take over.

On the free cells ``L^T L = R`` is a narrow band, and A has few rows: the minimum is
``R^-1 A^T (alpha + A R^-1 A^T)^-1 y``, a banded factor and a small dense one. Rows of A far below alpha are left out of
it until the signs have settled, and then come in by conjugate gradients.

Arrays may be of any library that array_api_compat knows (NumPy, PyTorch on any device); A goes along by
:meth:`~dexsy_bench.numerics.compression.Compression.to`. Alphas of a path are NumPy's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from array_api_compat import array_namespace, device

from dexsy_bench.numerics import certificate, dual_newton
from dexsy_bench.numerics.alpha_path import Node, node
from dexsy_bench.numerics.compression import Compression
from dexsy_bench.numerics.dual_newton import Solution
from dexsy_bench.numerics.free_cells import FreeCells, Penalty, free_cells
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

SHORTEST = 1e-12
"""Steps are not halved beyond this: the direction is not one of descent, but for rounding."""

LEADING = 3e-4
"""Rows of A with a squared norm below this multiple of alpha are left out at first."""

RESIDUAL = 1e-12
"""Conjugate gradients end at this residual, relative to ``A^T y`` on the free cells, or after so many steps."""

STEPS = 50

START, START_POWER = 0.1, 0.8
"""The first guess is the order-0 solution at this multiple of this power of alpha, and the cells next to it: about as
wide, for kernels that are 1 at b = 0, and rather too few cells than too many, which take longer to settle."""

START_LEAST = 1e-9
"""But not below this multiple of the largest squared row norm of A, where order 0 takes longer than it saves."""

WALK_ROUNDS = 8
"""Rounds of exchange at most at each alpha of a path."""

WALK_DESCENT = 2
"""Rounds of descent at most where that was not enough, as it can be at the smallest alphas: the misfit is within some
percent of the solution's from the start."""

FEW_WRONG = 0.06
"""Share of the free cells with a wrong sign at which what rules look at is close enough to choose by."""


class Found(NamedTuple):
    """Of N cases: f and the cells to free next (N, D1, D2), whether it is settled, and rounds, (N,)."""

    f: Floats
    free: Any
    settled: Any
    rounds: Any


@dataclass(frozen=True, eq=False)
class Cases:
    """N cases, each at an alpha of its own: the quadratic, its minimum over free cells, and the ways to the solution.

    Attributes
    ----------
    a : Compression
    y : (N, M)
    alpha : (N,)
    penalty : Penalty
    scale : (N, 1, 1)
        ``max |A^T y|``, or 1 where that is 0.
    leading : (N,)
        Number of rows of A that are not far below alpha, one at least.
    cells : FreeCells
        What is factored, and at which places of it these cases are.
    places : (N,)
    """

    a: Compression
    y: Floats
    alpha: Floats
    penalty: Penalty
    scale: Floats
    leading: Any
    cells: FreeCells
    places: Any

    @classmethod
    def new(cls, a: Compression, y: Floats, alpha: float | Floats, penalty: Penalty) -> Cases:
        """No cell of which is free yet; alpha may be one for all."""
        xp = array_namespace(y)
        each = xp.zeros_like(y[:, 0]) + alpha
        leading = xp.clip(xp.sum(xp.astype(a.scale**2 > LEADING * each[:, None], xp.int64), axis=1), 1, None)
        largest = xp.max(xp.abs(a.adjoint(y)), axis=(1, 2), keepdims=True)
        scale, cells = xp.where(largest > 0, largest, 1.0), free_cells(a, int(xp.max(leading)), y)
        return cls(a, y, each, penalty, scale, leading, cells, xp.arange(len(y), device=device(y)))

    def of(self, rows: Any) -> Cases:
        """Some of them."""
        return replace(
            self,
            y=self.y[rows],
            alpha=self.alpha[rows],
            penalty=self.penalty.of(rows),
            scale=self.scale[rows],
            leading=self.leading[rows],
            places=self.places[rows],
        )

    # The quadratic ----------------------------------------------------------------------------

    def head(self, y: Floats) -> Floats:
        """y (N, M) with 0 for the rows of A that are far below alpha."""
        xp = array_namespace(y)
        return xp.where(xp.arange(y.shape[1], device=device(y)) < self.leading[:, None], y, 0.0)

    def smooth(self, f: Floats) -> Floats:
        """``alpha L^T L f``."""
        return self.alpha[:, None, None] * self.penalty.apply(f)

    def gradient(self, f: Floats, exact: bool = True) -> Floats:
        """Gradient of the objective; if not exact, of the leading rows alone."""
        # The residual is taken first: it is small, and so is its rounding.
        residual = self.a.apply(f) - self.y
        return self.a.adjoint(residual if exact else self.head(residual)) + self.smooth(f)

    def objective(self, f: Floats) -> Floats:
        """Twice the objective, (N,)."""
        return _sum((self.a.apply(f) - self.y) ** 2) + _sum(f * self.smooth(f))

    # Its minimum over free cells ----------------------------------------------------------------

    def minimum(self, free: Any, exact: bool = True) -> Floats:
        """The minimiser with the other cells held at 0, whatever its signs; if not exact, of the leading rows alone."""
        xp = array_namespace(self.y)
        self.cells.free(self.places, self.penalty, free, self.leading)
        gram = self.cells.gram[self.places]
        size = gram.shape[1]
        inner = gram + self.alpha[:, None, None] * xp.eye(size, dtype=gram.dtype, device=device(gram))
        dual = xp.linalg.solve(inner, self.head(self.y)[:, :size, None])[:, :, 0]
        x = self.cells.solve(self.places, self._adjoint(dual))
        return self._refine(x, free, inner) if exact else x

    def _refine(self, x: Floats, free: Any, inner: Floats) -> Floats:
        """With all rows, from the minimum with the leading ones: conjugate gradients preconditioned by these."""
        xp = array_namespace(x)
        inside = xp.astype(free, x.dtype)
        alpha, size = self.alpha[:, None, None], inner.shape[1]

        def precondition(r: Floats) -> Floats:
            smoothed = self.cells.solve(self.places, r)
            # Solved for each time: an inverse is the less accurate the smaller alpha is.
            dual = xp.linalg.solve(inner, self.head(self.a.apply(smoothed))[:, :size, None])[:, :, 0]
            return (smoothed - self.cells.solve(self.places, self._adjoint(dual))) / alpha

        enough = RESIDUAL**2 * _sum((inside * self.a.adjoint(self.y)) ** 2)
        r, p, rho = -inside * self.gradient(x), xp.zeros_like(x), xp.ones_like(enough)
        for _ in range(STEPS):
            going = _sum(r * r) > enough
            if not xp.any(going):
                break
            z = precondition(r)
            rho, before = xp.where(going, _sum(r * z), 1.0), rho
            p = z + (rho / before)[:, None, None] * p
            q = inside * (self.smooth(p) + self.a.adjoint(self.a.apply(p)))
            step = xp.where(going, rho / xp.where(going, _sum(p * q), 1.0), 0.0)[:, None, None]
            x, r = x + step * p, r - step * q
        return x

    def _adjoint(self, dual: Floats) -> Floats:
        """``A^T c`` of the leading rows alone."""
        xp = array_namespace(dual)
        rest = xp.zeros((len(dual), self.y.shape[1] - dual.shape[1]), dtype=dual.dtype, device=device(dual))
        return self.a.adjoint(xp.concat([dual, rest], axis=1))

    # The ways to the solution -------------------------------------------------------------------

    def wrong(self, x: Floats, free: Any, exact: bool) -> Any:
        """Cells with a sign that the solution does not have: free and negative, or held with a falling objective."""
        xp = array_namespace(x)
        negative = x < -SIGN_TOLERANCE * xp.max(x, axis=(1, 2), keepdims=True)
        return xp.where(free, negative, self.gradient(x, exact) < -KKT_TOLERANCE * self.scale)

    def exchange(self, free: Any, max_rounds: Any, *, exact: bool, few: float = 0.0) -> Found:
        """Exchange all wrong signs at once, while their number falls.

        A case is settled when no more than a few are wrong, as a share of the cells that are free. If not exact, the
        leading rows alone count. Rounds are given for all, or for each, (N,).
        """
        xp = array_namespace(self.y)
        found = _nothing(self.y, xp.asarray(free, copy=True))
        todo, left = xp.arange(len(free), device=device(free)), self
        fewest = xp.full_like(todo, free.shape[1] * free.shape[2] + 1)
        patience, last = xp.full_like(todo, PATIENCE), xp.zeros_like(todo) + max_rounds
        for done in range(1, int(xp.max(last)) + 1):
            x = left.minimum(free, exact)
            wrong = left.wrong(x, free, exact)
            count = _count(wrong)
            settled = count <= few * _count(free)
            patience = xp.where(count < fewest, PATIENCE, patience - 1)
            fewest = xp.minimum(count, fewest)
            found.f[todo] = xp.where(settled[:, None, None], xp.clip(x, 0.0, None), x)
            free = free ^ (wrong & ~settled[:, None, None])
            found.free[todo], found.settled[todo] = free, settled
            found.rounds[todo] += 1
            going = ~settled & (patience >= 0) & (done < last)
            if not xp.any(going):
                break
            if not xp.all(going):
                todo, fewest, patience, last, free = (each[going] for each in (todo, fewest, patience, last, free))
                left = left.of(going)
        return found

    def descend(self, f: Floats, max_rounds: Any) -> Found:
        """Projected Newton steps: slower, but the objective falls at each, so that no set of free cells comes again."""
        xp = array_namespace(f)
        found = _nothing(f, f > 0)
        found.f[...] = f
        last = xp.zeros_like(found.rounds) + max_rounds
        todo = xp.nonzero(last > 0)[0]
        f, last, left = f[todo], last[todo], self.of(todo)
        gradient = left.gradient(f)
        for done in range(1, int(xp.max(last)) + 1 if len(todo) > 0 else 1):
            f, moved = left.search(f, left.newton(f, gradient), gradient)
            gradient = left.gradient(f)
            solved = moved & (left.kkt(f, gradient) <= 10 * KKT_TOLERANCE)
            found.f[todo], found.free[todo], found.settled[todo] = f, f > 0, solved
            found.rounds[todo] += 1
            going = moved & ~solved & (done < last)
            if not xp.any(going):
                break
            todo, f, gradient, last, left = todo[going], f[going], gradient[going], last[going], left.of(going)
        return found

    def kkt(self, f: Floats, gradient: Floats) -> Floats:
        """Largest violation of the optimality conditions relative to ``max |A^T y|``, (N,)."""
        return certificate.violation(f, gradient) / self.scale[:, 0, 0]

    def newton(self, f: Floats, gradient: Floats) -> Floats:
        """The minimum over the cells that are not at 0, or should not be, from which no step is cut short at once."""
        xp = array_namespace(f)
        # Cells next to 0 that should be there would cut every step short.
        small = xp.max(f, axis=(1, 2)) * xp.clip(self.kkt(f, gradient), None, NEXT_TO_ZERO)
        free = (f > small[:, None, None]) | (gradient < -KKT_TOLERANCE * self.scale)
        x = self.minimum(free)
        while xp.any(blocked := free & (f == 0) & (x < 0)):
            free = free & ~blocked
            some = xp.any(blocked, axis=(1, 2))
            x[some] = self.of(some).minimum(free[some])
        return x

    def search(self, f: Floats, x: Floats, gradient: Floats) -> tuple[Floats, Any]:
        """From f towards x, steps halved until the objective decreases enough (Armijo), and whether there is such."""
        xp = array_namespace(f)
        new, now = xp.asarray(f, copy=True), self.objective(f)
        trying, step = xp.arange(len(f), device=device(f)), 1.0
        while len(trying) > 0 and step >= SHORTEST:
            start = f[trying]
            trial = xp.clip(start + step * (x[trying] - start), 0.0, None)
            promised = 2 * ARMIJO * _sum(gradient[trying] * (trial - start))
            # Next to the solution the objective is flat to rounding.
            enough = self.of(trying).objective(trial) <= now[trying] * (1 + 1e-14) + promised
            new[trying[enough]] = trial[enough]
            trying, step = trying[~enough], 0.5 * step
        moved = xp.ones(len(f), dtype=xp.bool, device=device(f))
        moved[trying] = False
        return new, moved

    def solve(self, free: Any, max_rounds: int) -> Found:
        """The solution, from these cells; all rounds count."""
        first = self.exchange(free, max_rounds - 1, exact=False)
        found = self.exchange(first.free, max_rounds - first.rounds, exact=True)
        rounds = first.rounds + found.rounds
        return self._finish(found._replace(rounds=rounds), max_rounds - rounds)

    def settle(self, free: Any) -> Found:
        """About the solution, from these cells: enough to know what rules look at."""
        found = self._finish(self.exchange(free, WALK_ROUNDS, exact=False, few=FEW_WRONG), WALK_DESCENT)
        self.cells.free(self.places, self.penalty, found.free, self.leading)
        return found

    def _finish(self, found: Found, max_rounds: Any) -> Found:
        """Descend where the exchange has not settled, from the solution of order 0 that is next to this one."""
        some = ~found.settled
        if array_namespace(some).any(some):
            left, rounds = self.of(some), (0 * found.rounds + max_rounds)[some]
            start = dual_newton.solve(self.a, left.y, _start(self.a, left.alpha), loose=True)
            last = left.descend(start.f, rounds)
            for whole, part in zip(found, last._replace(rounds=found.rounds[some] + last.rounds), strict=True):
                whole[some] = part
        return found


def solve(
    a: Compression, y: Floats, alpha: float | Floats, warm: Any = None, *, order: int, max_rounds: int = 300
) -> Solution:
    """Solve N cases of Tikhonov of order 1 or 2.

    Parameters and result are those of :func:`dexsy_bench.numerics.dual_newton.solve`, but that ``warm``, (N, D1, D2) of
    bool, are cells to free first.
    """
    cases = Cases.new(a, y, alpha, Roughness(order))
    if warm is None:
        warm = _near(dual_newton.solve(a, y, _start(a, cases.alpha), loose=True))
    found = cases.solve(warm, max_rounds)
    misfit, penalty = _sum((a.apply(found.f) - y) ** 2), _sum(found.f * cases.penalty.apply(found.f))
    return Solution(found.f, misfit, penalty, found.rounds, found.settled, found.free)


def walk(a: Compression, y: Floats, alphas: Floats, *, order: int) -> Iterator[Node]:
    """What rules choose by, for all cases at each of alphas, ascending; the largest first."""
    for alpha, start in zip(alphas[::-1], dual_newton.follow(a, y, _start(a, alphas)), strict=True):
        cases = Cases.new(a, y, float(alpha), Roughness(order))
        found = cases.settle(_near(start))
        yield node(cases.cells.gram, float(alpha), y, found.free, start.iterations + found.rounds)


def _start(a: Compression, alpha: Floats) -> Floats:
    """Alphas of order 0 whose solutions are next to those of these."""
    return array_namespace(alpha).clip(START * alpha**START_POWER, START_LEAST * float(a.scale[0]) ** 2, None)


def _near(start: Solution) -> Any:
    """Cells to free first: those of the start, and the eight next to each."""
    near = start.f > 0
    for axis in (1, 2):
        across = array_namespace(near).moveaxis(near, axis, 0)
        wider = array_namespace(near).asarray(across, copy=True)
        wider[1:] |= across[:-1]
        wider[:-1] |= across[1:]
        near = array_namespace(near).moveaxis(wider, 0, axis)
    return near


def _nothing(like: Floats, free: Any) -> Found:
    """Found before the first round."""
    xp = array_namespace(like)
    f = xp.zeros(free.shape, dtype=like.dtype, device=device(like))
    rounds = xp.zeros(len(f), dtype=xp.int64, device=device(like))
    return Found(f, free, rounds > 0, rounds)


def _sum(x: Any) -> Any:
    """Of each case, (N,)."""
    return array_namespace(x).sum(x, axis=tuple(range(1, x.ndim)))


def _count(cells: Any) -> Any:
    xp = array_namespace(cells)
    return xp.sum(xp.astype(cells, xp.int64), axis=(1, 2))
