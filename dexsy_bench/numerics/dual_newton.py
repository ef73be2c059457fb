"""Non-negative order-0 Tikhonov, a batch at a time, by semismooth Newton on its dual.

    min over f >= 0 of  1/2 ||A f - y||^2 + alpha/2 ||f||^2

Its solution is ``f = max(0, A^T c)`` where c, of the length of y, minimises the smooth convex

    phi(c) = 1/2 ||max(0, A^T c)||^2 + alpha/2 ||c||^2 - c.y .

phi is piecewise quadratic, so Newton with a line search ends after finitely many steps (Butler, Reeds, Dawson, SIAM
J. Numer. Anal. 18, 381, 1981; Venkataramanan et al. 2002). Its gradient is a certificate: the duality gap of f is
exactly ``1/2 ||grad phi||^2``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dexsy_bench.numerics.compression import Compression
from dexsy_bench.problem import Floats

GAP_TOLERANCE = 1e-13
"""Relative duality gap at which a case counts as solved."""

STEP = 10.0
"""Ratio of neighbouring alphas on the way down to one without a guess."""

TOP = 1e-9
"""From this multiple of the largest squared singular value on, a start from scratch is good enough."""


@dataclass(frozen=True, eq=False)
class Solution:
    """Solutions of N cases at one alpha.

    Attributes
    ----------
    f : (N, D1, D2)
    misfit, penalty : (N,)
        ``||A f - y||^2`` and ``||L f||^2``; the objective is half of misfit + alpha * penalty.
    dof : (N,)
        Degrees of freedom: trace of the influence matrix on the support of f.
    kkt : (N,)
        Residual of the optimality conditions relative to ``max |A^T y|``.
    iterations, converged : (N,)
    warm : array
        What the solver can start from at a neighbouring alpha.
    """

    f: Floats
    misfit: Floats
    penalty: Floats
    dof: Floats
    kkt: Floats
    iterations: NDArray[np.int64]
    converged: NDArray[np.bool_]
    warm: Floats


def solve(a: Compression, y: Floats, alpha: float, warm: Floats | None = None, max_iterations: int = 300) -> Solution:
    """Solve N cases at one alpha.

    Parameters
    ----------
    a : Compression
        The operator A.
    y : (N, M)
        Compressed data.
    alpha : float
        Weight of the penalty, positive.
    warm : (N, M), optional
        c of a neighbouring problem; without it the solver comes down to a small alpha a decade at a time.
    """
    n = len(y)
    c = _start(a, y, alpha) if warm is None else warm.copy()
    f = np.maximum(a.adjoint(c), 0.0)
    gradient = a.apply(f) + alpha * c - y
    dof = np.full(n, np.inf)  # unless it converges
    iterations = np.zeros(n, dtype=np.int64)
    converged = np.zeros(n, dtype=bool)
    todo = np.arange(n)
    for _ in range(max_iterations + 1):
        hessian = a.gram((f[todo] > 0).astype(np.float64))
        diagonal = np.arange(a.size)
        hessian[:, diagonal, diagonal] += alpha
        solved = _gap(gradient[todo]) <= GAP_TOLERANCE * _objective(a, f[todo], y[todo], alpha)
        if solved.any():
            done = todo[solved]
            converged[done] = True
            dof[done] = a.size - alpha * np.trace(np.linalg.inv(hessian[solved]), axis1=1, axis2=2)
            todo, hessian = todo[~solved], hessian[~solved]
        if todo.size == 0:
            break
        step = -np.linalg.solve(hessian, gradient[todo][:, :, None])[:, :, 0]
        c[todo], f[todo], gradient[todo] = _line_search(a, y[todo], alpha, c[todo], f[todo], gradient[todo], step)
        iterations[todo] += 1
    misfit = ((a.apply(f) - y) ** 2).sum(axis=1)
    scale = np.abs(a.adjoint(y)).max(axis=(1, 2))
    kkt = np.abs(a.adjoint(gradient)).max(axis=(1, 2)) / np.where(scale > 0, scale, 1.0)
    return Solution(f, misfit, (f**2).sum(axis=(1, 2)), dof, kkt, iterations, converged, c)


def _start(a: Compression, y: Floats, alpha: float) -> Floats:
    top = TOP * a.scale.max() ** 2
    if alpha >= top:
        return y / (alpha + a.scale.max() ** 2)
    return solve(a, y, min(STEP * alpha, top)).warm


def _gap(gradient: Floats) -> Floats:
    return 0.5 * (gradient**2).sum(axis=1)


def _objective(a: Compression, f: Floats, y: Floats, alpha: float) -> Floats:
    return 0.5 * ((a.apply(f) - y) ** 2).sum(axis=1) + 0.5 * alpha * (f**2).sum(axis=(1, 2))


def _line_search(
    a: Compression, y: Floats, alpha: float, c: Floats, f: Floats, gradient: Floats, step: NDArray[Any]
) -> tuple[Floats, Floats, Floats]:
    """Halve the steps of those cases whose phi does not decrease enough (Armijo)."""

    def phi(f: Floats, c: Floats, rows: NDArray[np.intp]) -> Floats:
        return 0.5 * (f**2).sum(axis=(1, 2)) + (c * (0.5 * alpha * c - y[rows])).sum(axis=1)

    everyone = np.arange(len(y))
    slope = (gradient * step).sum(axis=1)
    start = phi(f, c, everyone)
    new_c, new_f = c.copy(), f.copy()
    length, trying = 1.0, everyone
    for _ in range(30):
        trial = c[trying] + length * step[trying]
        trial_f = np.maximum(a.adjoint(trial), 0.0)
        value = phi(trial_f, trial, trying)
        # Near the solution phi is flat to rounding; the full Newton step is right there.
        enough = value <= start[trying] + 1e-4 * length * slope[trying] + 1e-14 * np.abs(start[trying])
        new_c[trying[enough]], new_f[trying[enough]] = trial[enough], trial_f[enough]
        trying = trying[~enough]
        if trying.size == 0:
            break
        length *= 0.5
    return new_c, new_f, a.apply(new_f) + alpha * new_c - y
