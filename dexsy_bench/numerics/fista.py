"""Non-negative order-0 Tikhonov by accelerated projected gradients (FISTA), a batch at a time.

    min over f >= 0 of  1/2 ||A f - y||^2 + alpha/2 ||f||^2

A gradient step from an extrapolated point, and the negative part cut off (Beck & Teboulle, SIAM J. Imaging Sci. 2, 183,
2009; for 2D NMR: Teal & Eccles, Inverse Problems 31, 045010, 2015). The momentum of a case starts anew whenever the
step turns against it, which adapts to the curvature at the solution (O'Donoghue & Candes, Found. Comput. Math. 15,
715, 2015).

With ``c = (y - A f) / alpha`` and ``q = A^T c`` the duality gap of f is ``alpha (1/2 ||f - p||^2 + f.(p - q))``,
``p = max(0, q)``: no difference of large numbers, so that it certifies f down to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dexsy_bench.numerics import certificate
from dexsy_bench.numerics.compression import Compression
from dexsy_bench.problem import Floats

GAP_TOLERANCE = 1e-13
"""Relative duality gap at which a case counts as solved, the same as that of the dual Newton solver."""

EVERY = 25
"""Iterations from one look at the duality gap to the next."""


@dataclass(frozen=True, eq=False)
class Solution:
    """Where the iteration ended for each of N cases.

    Attributes
    ----------
    f : (N, D1, D2)
    objective : (N,)
        Of the compressed data.
    gap : (N,)
        Duality gap: the objective is no further than this above its minimum.
    kkt : (N,)
        Residual of the optimality conditions relative to ``max |A^T y|``.
    iterations, converged : (N,)
    """

    f: Floats
    objective: Floats
    gap: Floats
    kkt: Floats
    iterations: NDArray[np.int64]
    converged: NDArray[np.bool_]


def solve(
    a: Compression, y: Floats, alpha: float, max_iterations: int = 200_000, tolerance: float = GAP_TOLERANCE
) -> Solution:
    """Iterate from f = 0 until the duality gap is below `tolerance` times the objective, or `max_iterations` are done.

    Parameters
    ----------
    a : Compression
        The operator A.
    y : (N, M)
        Compressed data.
    alpha : float
        Weight of the penalty, positive.
    """
    n = len(y)
    f = np.zeros((n, *a.shape))
    iterations = np.zeros(n, dtype=np.int64)
    step = 1 / (a.scale.max() ** 2 + alpha)
    todo, state = np.arange(n), _State(a.adjoint(y), f)
    for iteration in range(max_iterations + 1):
        if iteration % EVERY == 0 or iteration == max_iterations:
            f[todo], iterations[todo] = state.f, iteration
            gap, objective = duality_gap(a, y[todo], alpha, state.f)
            left = gap > tolerance * objective
            todo, state = todo[left], state.of(left)
        if todo.size == 0 or iteration == max_iterations:
            break
        state.advance(a, alpha, step)
    gap, objective = duality_gap(a, y, alpha, f)
    kkt = certificate.kkt(a, y, f, alpha * f)
    return Solution(f, objective, gap, kkt, iterations, gap <= tolerance * objective)


def duality_gap(a: Compression, y: Floats, alpha: float, f: Floats) -> tuple[Floats, Floats]:
    """Duality gap and objective of any f >= 0, each (N,)."""
    residual = y - a.apply(f)
    q = a.adjoint(residual) / alpha
    p = np.maximum(q, 0.0)
    gap = alpha * (0.5 * (f - p) ** 2 + f * (p - q)).sum(axis=(1, 2))
    return gap, 0.5 * (residual**2).sum(axis=1) + 0.5 * alpha * (f**2).sum(axis=(1, 2))


class _State:
    """The cases that still run: iterate, extrapolated point and age of the momentum."""

    def __init__(self, data: Floats, f: Floats, z: Floats | None = None, age: Floats | None = None) -> None:
        self.data, self.f = data, f
        self.z = f if z is None else z
        self.age = np.ones((len(f), 1, 1)) if age is None else age

    def of(self, rows: NDArray[Any]) -> _State:
        """Some of the cases."""
        return self if rows.all() else _State(self.data[rows], self.f[rows], self.z[rows], self.age[rows])

    def advance(self, a: Compression, alpha: float, step: float) -> None:
        """One step from the extrapolated point, and the next one of those."""
        gradient = a.adjoint(a.apply(self.z)) - self.data + alpha * self.z
        new = np.maximum(self.z - step * gradient, 0.0)
        against = ((self.z - new) * (new - self.f)).sum(axis=(1, 2), keepdims=True) > 0
        age = np.where(against, 1.0, self.age)
        older = 0.5 * (1 + np.sqrt(1 + 4 * age**2))
        self.z = new + np.where(against, 0.0, (age - 1) / older) * (new - self.f)
        self.f, self.age = new, older
