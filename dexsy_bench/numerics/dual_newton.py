"""Non-negative order-0 Tikhonov, a batch at a time, by semismooth Newton on its dual.

    min over f >= 0 of  1/2 ||A f - y||^2 + alpha/2 ||f||^2

Its solution is ``f = max(0, A^T c)`` where c, of the length of y, minimises the smooth convex

    phi(c) = 1/2 ||max(0, A^T c)||^2 + alpha/2 ||c||^2 - c.y .

phi is piecewise quadratic, so Newton with a line search ends after finitely many steps (Butler, Reeds, Dawson, SIAM
J. Numer. Anal. 18, 381, 1981; Venkataramanan et al. 2002). Its gradient is a certificate: the duality gap of f is
exactly ``1/2 ||grad phi||^2``.

The Hessian is ``alpha + A diag(f > 0) A^T``. Rows of A whose square is far below alpha hardly change it: they are left
out, which makes it small and the steps quasi-Newton. The gradient has all rows, so that the solution is the same.

Arrays may be of any library that array_api_compat knows (NumPy, PyTorch on any device); A goes along by
:meth:`~dexsy_bench.numerics.compression.Compression.to`. Alphas of a path are NumPy's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

from array_api_compat import array_namespace, device
from numpy.typing import NDArray

from dexsy_bench.numerics.alpha_path import Node, node
from dexsy_bench.numerics.compression import Compression
from dexsy_bench.problem import Floats

GAP_TOLERANCE = 1e-13
"""Relative duality gap at which a case counts as solved."""

LOOSE_GAP = 1e-3
"""The same where it is enough to know the cells with f > 0."""

LEADING = 0.03
"""Rows of A with a squared norm below this multiple of alpha are left out of the Hessian."""

ARMIJO = 1e-4
"""Share of the decrease promised by the gradient that a step has to bring."""


@dataclass(frozen=True, eq=False)
class Solution:
    """Solutions of N cases.

    Attributes
    ----------
    f : (N, D1, D2)
    misfit, penalty : (N,)
        ``||A f - y||^2`` and ``||L f||^2``; the objective is half of misfit + alpha * penalty.
    iterations, converged : (N,)
    warm : array
        What the solver can start from at a neighbouring alpha.
    """

    f: Floats
    misfit: Floats
    penalty: Floats
    iterations: NDArray[Any]
    converged: NDArray[Any]
    warm: Any


def solve(
    a: Compression,
    y: Floats,
    alpha: float | Floats,
    warm: Floats | None = None,
    *,
    loose: bool = False,
    max_iterations: int = 300,
) -> Solution:
    """Solve N cases, each at an alpha of its own.

    Parameters
    ----------
    a : Compression
        The operator A.
    y : (N, M)
        Compressed data.
    alpha : float or (N,)
        Weight of the penalty, positive.
    warm : (N, M), optional
        ``alpha * c`` of a neighbouring problem: the residual ``y - A f``, which changes less with alpha than c does.
    loose : bool
        Solve to :data:`LOOSE_GAP` only, which is enough to tell the cells with f > 0, but for a few.
    """
    xp = array_namespace(y)
    weight: Floats = xp.zeros_like(y[:, :1]) + (xp.reshape(alpha, (-1, 1)) if hasattr(alpha, "shape") else alpha)
    leading = _leading(a, xp.min(weight))
    # Without constraint the first of these were the solution.
    start = y / (weight + a.scale**2) if warm is None else warm / weight
    best = x = _point(a, y, start)
    iterations = xp.zeros(len(y), dtype=xp.int64, device=device(y))
    converged = iterations > 0
    todo, y_left, weight_left = xp.arange(len(y), device=device(y)), y, weight
    for iteration in range(max_iterations + 1):
        gradient = x.residual + weight_left * x.c
        objective = 0.5 * _square(x.residual) + 0.5 * weight_left[:, 0] * x.square
        solved = 0.5 * _square(gradient) <= (LOOSE_GAP if loose else GAP_TOLERANCE) * objective
        if iteration == max_iterations or xp.any(solved):
            iterations[todo], converged[todo] = iteration, solved
            for whole, part in zip(best, x, strict=True):
                whole[todo] = part
            x = Point(*(part[~solved] for part in x))
            todo, gradient, y_left, weight_left = (part[~solved] for part in (todo, gradient, y_left, weight_left))
        if len(todo) == 0 or iteration == max_iterations:
            break
        hessian = _hessian(a, x.f, weight_left, leading)
        step = -gradient / (weight_left + a.scale**2)
        step[:, :leading] = -xp.linalg.solve(hessian, gradient[:, :leading, None])[:, :, 0]
        x = _line_search(a, y_left, weight_left, x, step, gradient)
    return Solution(best.f, _square(best.residual), best.square, iterations, converged, weight * best.c)


def follow(a: Compression, y: Floats, alphas: Floats) -> Iterator[Solution]:
    """Loose solutions of all cases at each of alphas, ascending; the largest first, each the start of the next."""
    warm = None
    for alpha in alphas[::-1]:
        solution = solve(a, y, float(alpha), warm, loose=True)
        warm = solution.warm
        yield solution


def walk(a: Compression, y: Floats, alphas: Floats) -> Iterator[Node]:
    """What rules choose by, for all cases at each of alphas, ascending; the largest first."""
    xp = array_namespace(y)
    for alpha, solution in zip(alphas[::-1], follow(a, y, alphas), strict=True):
        gram = a.gram(xp.astype(solution.f > 0, xp.float64), _leading(a, float(alpha)))
        yield node(gram, float(alpha), y, solution.warm, solution.iterations)


def _hessian(a: Compression, f: Floats, alpha: Floats, leading: int) -> Floats:
    xp = array_namespace(f)
    hessian = a.gram(xp.astype(f > 0, xp.float64), leading)
    diagonal = xp.arange(leading)
    hessian[:, diagonal, diagonal] += alpha
    return hessian


class Point(NamedTuple):
    """Where N cases are: c, its f and their squared norms, and ``A f - y``."""

    c: Floats
    f: Floats
    square: Floats
    residual: Floats


def _point(a: Compression, y: Floats, c: Floats) -> Point:
    xp = array_namespace(c)
    f = xp.clip(a.adjoint(c), 0.0, None)
    return Point(c, f, _square(f), a.apply(f) - y)


def _line_search(a: Compression, y: Floats, alpha: Floats, x: Point, step: Floats, gradient: Floats) -> Point:
    """Halve the steps of those cases whose phi does not decrease enough (Armijo)."""
    xp = array_namespace(y)

    def phi(x: Point, rows: Any) -> Floats:
        return 0.5 * x.square + xp.sum(x.c * (0.5 * alpha[rows] * x.c - y[rows]), axis=1)

    everyone = slice(None)
    before, slope = phi(x, everyone), xp.sum(gradient * step, axis=1)
    new = trial = _point(a, y, x.c + step)
    trying, length = xp.arange(len(y), device=device(y)), 1.0
    for _ in range(30):
        # Near the solution phi is flat to rounding; the full Newton step is right there.
        most = before[trying] + ARMIJO * length * slope[trying] + 1e-14 * xp.abs(before[trying])
        trying = trying[phi(trial, trying) > most]
        if len(trying) == 0:
            break
        length *= 0.5
        trial = _point(a, y[trying], x.c[trying] + length * step[trying])
        for whole, part in zip(new, trial, strict=True):
            whole[trying] = part
    return new


def _leading(a: Compression, alpha: float | Floats) -> int:
    """Number of rows of A that are not far below alpha, one at least."""
    return max(1, int((a.scale**2 > LEADING * alpha).sum()))


def _square(x: Floats) -> Floats:
    """Squared norms of N vectors or matrices."""
    xp = array_namespace(x)
    flat = xp.reshape(x, (x.shape[0], prod(x.shape[1:])))
    return xp.linalg.vecdot(flat, flat)
