"""L1-penalised least squares over f >= 0, a batch at a time, by proximal points.

    min over f >= 0 of  1/2 ||A f - y||^2 + weight * sum(f)

The dual is not smooth, but that of each proximal step

    f <- argmin over f >= 0 of  1/2 ||A f - y||^2 + weight * sum(f) + eps/2 ||f - f_old||^2

is: there f = max(0, f_old + (A^T c - weight) / eps), with c the residual. The steps converge to the solution for any
eps, the faster the smaller it is (Rockafellar, SIAM J. Control Optim. 14, 877, 1976), while Newton's method on the
dual wants one that falls slowly: it does from step to step. With weight 0 it is non-negative least squares.

The certificate is a point of the dual, ``max of c.y - ||c||^2 / 2 subject to A^T c <= weight``: c, moved along the
first data point, whose kernel is positive in every cell, until it is admissible.
"""

from __future__ import annotations

import numpy as np

from dexsy_bench.numerics import smooth_dual
from dexsy_bench.numerics.compression import Compression
from dexsy_bench.numerics.weighted import Fit
from dexsy_bench.problem import Floats

FIRST, RATIO, LAST = 1e-5, 30.0, 3e-15
"""eps falls from the first to the last by that ratio; all are relative to the largest squared singular value."""

WARM = 1e-7
"""Where eps starts from with a solution of a neighbouring weight."""

INNER = 1e-10
"""Relative duality gap of the proximal steps."""

MAX_STEPS = 40


def solve(a: Compression, y: Floats, weight: Floats, warm: Floats | None, tolerance: float) -> Fit:
    """Solve N cases: see :meth:`dexsy_bench.numerics.weighted.WeightedFit.solve`; `warm` is f and c, side by side."""
    cells = int(np.prod(a.shape))
    f, c = np.zeros((len(y), *a.shape)), np.zeros_like(y)
    if warm is not None:
        f, c = warm[:, :cells].reshape(f.shape).copy(), warm[:, cells:].copy()
    size = a.scale.max() ** 2
    eps = (FIRST if warm is None else WARM) * size
    misfit, penalty, gap = (np.zeros(len(y)) for _ in range(3))
    iterations = np.zeros(len(y), dtype=np.int64)
    converged = np.zeros(len(y), dtype=bool)
    todo = np.arange(len(y))
    for _ in range(MAX_STEPS):
        found = _step(a, y[todo], weight[todo], f[todo], c[todo], eps)
        f[todo], c[todo] = found.f, found.c
        iterations[todo] += found.iterations
        misfit[todo] = ((a.apply(found.f) - y[todo]) ** 2).sum(axis=1)
        penalty[todo] = found.f.sum(axis=(1, 2))
        objective = 0.5 * misfit[todo] + weight[todo] * penalty[todo]
        gap[todo] = objective - dual_value(a, y[todo], weight[todo, None, None], found.c)
        solved = gap[todo] <= tolerance * objective
        converged[todo[solved]] = True
        todo = todo[~solved]
        if todo.size == 0:
            break
        eps = max(eps / RATIO, LAST * size)
    support = (f > 0).sum(axis=(1, 2)).astype(np.float64)  # Zou, Hastie & Tibshirani, Ann. Stat. 35, 2173, 2007
    state = np.concatenate([f.reshape(len(y), -1), c], axis=1)
    return Fit(f, misfit, penalty, support, gap, iterations, converged, state)


def _step(a: Compression, y: Floats, weight: Floats, old: Floats, c: Floats, eps: float) -> smooth_dual.DualSolution:
    """One proximal step from `old`."""

    def conjugate(z: Floats, rows: smooth_dual.Rows) -> tuple[Floats, Floats, Floats]:
        f = np.maximum(old[rows] + (z - weight[rows, None, None]) / eps, 0.0)
        return 0.5 * eps * (f**2 - old[rows] ** 2).sum(axis=(1, 2)), f, (f > 0) / eps

    return smooth_dual.minimise(a, y, np.ones(len(y)), conjugate, c, INNER)


def dual_value(a: Compression, y: Floats, ceiling: Floats, c: Floats) -> Floats:
    """``c.y - ||c||^2 / 2`` (N,) at the c, moved until ``A^T c <= ceiling`` in every cell."""
    first = np.zeros((1, len(a.u1), len(a.u2)))
    first[0, 0, 0] = 1.0
    ray, _ = a.project(first)
    excess = np.maximum((a.adjoint(c) - ceiling) / a.adjoint(ray), 0.0).max(axis=(1, 2))
    c = c - excess[:, None] * ray
    return (c * (y - 0.5 * c)).sum(axis=1)
