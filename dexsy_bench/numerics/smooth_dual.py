"""Fits with a separable, strictly convex penalty, a batch at a time, by damped Newton on their smooth dual.

    min over f of  1/2 ||A f - y||^2 + alpha * sum h(f)

Its solution is ``f = psi'(A^T c)``, with ``psi`` the convex conjugate of h, where c, of the length of y, minimises

    phi(c) = sum psi(A^T c) + alpha/2 ||c||^2 - c.y .

Whatever the penalty, there are as many unknowns as compressed data, the Hessian ``A diag(psi'') A^T + alpha`` keeps
the Kronecker structure, and the gradient is a certificate: the duality gap of f is exactly ``1/2 ||grad phi||^2``
(Fenchel duality: Rockafellar, Convex Analysis, 1970, section 31).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dexsy_bench.numerics.compression import Compression
from dexsy_bench.problem import Floats

Rows = NDArray[np.intp]

HALVINGS = 30

NEGLIGIBLE = 1e-2
"""Rows of A whose part of the Hessian is at most that share of alpha are left out of it."""


class Conjugate(Protocol):
    """``psi``, summed over the cells, and its first two derivatives, at z (n, D1, D2) of the cases in `rows` (n,)."""

    def __call__(self, z: Floats, rows: Rows) -> tuple[Floats, Floats, Floats]:
        """(n,), (n, D1, D2), (n, D1, D2)."""
        ...


@dataclass(frozen=True, eq=False)
class DualSolution:
    """Where the Newton iteration of N cases ended.

    Attributes
    ----------
    c : (N, M)
    f : (N, D1, D2)
        ``psi'(A^T c)``.
    gap : (N,)
        Duality gap.
    dof : (N,)
        Degrees of freedom: trace of the influence matrix, the derivative of ``A f`` by y, in the rows of A that are
        not negligible; infinite where it did not converge.
    iterations, converged : (N,)
    """

    c: Floats
    f: Floats
    gap: Floats
    dof: Floats
    iterations: NDArray[np.int64]
    converged: NDArray[np.bool_]


def minimise(
    a: Compression,
    y: Floats,
    alpha: Floats,
    conjugate: Conjugate,
    c: Floats,
    tolerance: float,
    max_iterations: int = 200,
) -> DualSolution:
    """Minimise phi for N cases.

    Parameters
    ----------
    a : Compression
        The operator A.
    y : (N, M)
        Compressed data.
    alpha : (N,)
        Weights of the penalty, positive.
    conjugate : Conjugate
        Of a penalty ``h >= 0``.
    c : (N, M)
        Where to start.
    tolerance : float
        Duality gap, relative to the objective, at which a case counts as solved.
    """
    c = c.copy()
    everyone = np.arange(len(y))
    psi, f, curvature = conjugate(a.adjoint(c), everyone)
    gradient = a.apply(f) + alpha[:, None] * c - y
    dof = np.full(len(y), np.inf)
    iterations = np.zeros(len(y), dtype=np.int64)
    converged = np.zeros(len(y), dtype=bool)
    todo = everyone
    for _ in range(max_iterations + 1):
        fit = gradient[todo] - alpha[todo, None] * c[todo]  # A f - y
        height = (c[todo] * (fit + y[todo])).sum(axis=1) - psi[todo]  # sum h(f): Fenchel's inequality is tight at f
        objective = 0.5 * (fit**2).sum(axis=1) + alpha[todo] * np.maximum(height, 0.0)
        solved = _gap(gradient[todo]) <= tolerance * objective
        hessian = _hessian(a, curvature[todo], alpha[todo])
        leading = hessian.shape[1]
        if solved.any():
            done = todo[solved]
            converged[done] = True
            dof[done] = leading - alpha[done] * np.trace(np.linalg.inv(hessian[solved]), axis1=1, axis2=2)
            todo, hessian = todo[~solved], hessian[~solved]
        if todo.size == 0:
            break
        step = -gradient[todo] / alpha[todo, None]
        step[:, :leading] = -np.linalg.solve(hessian, gradient[todo][:, :leading, None])[:, :, 0]
        slope = (gradient[todo] * step).sum(axis=1)
        start, along = a.adjoint(c[todo]), a.adjoint(step)
        value = psi[todo] + _quadratic(c[todo], y[todo], alpha[todo])
        length, trying = 1.0, np.arange(todo.size)
        for _ in range(HALVINGS):
            rows = todo[trying]
            new_c = c[rows] + length * step[trying]
            new_psi, new_f, new_curvature = conjugate(start[trying] + length * along[trying], rows)
            new_value = new_psi + _quadratic(new_c, y[rows], alpha[rows])
            # Armijo's rule. Near the solution phi is flat to rounding; the full Newton step is right there.
            enough = new_value <= value[trying] + 1e-4 * length * slope[trying] + 1e-14 * np.abs(value[trying])
            taken = rows[enough]
            c[taken], psi[taken] = new_c[enough], new_psi[enough]
            f[taken], curvature[taken] = new_f[enough], new_curvature[enough]
            trying = trying[~enough]
            if trying.size == 0:
                break
            length *= 0.5
        gradient[todo] = a.apply(f[todo]) + alpha[todo, None] * c[todo] - y[todo]
        iterations[todo] += 1
    return DualSolution(c, f, _gap(gradient), dof, iterations, converged)


def _hessian(a: Compression, curvature: Floats, alpha: Floats) -> Floats:
    """Of phi in the leading rows of A, (N, leading, leading); in the others it is alpha, but for a small share."""
    steepest = (curvature.max(axis=(1, 2)) / alpha).max()
    leading = max(1, int((a.scale**2 * steepest > NEGLIGIBLE).sum()))
    hessian = a.gram(curvature, leading)
    diagonal = np.arange(leading)
    hessian[:, diagonal, diagonal] += alpha[:, None]
    return hessian


def _gap(gradient: Floats) -> Floats:
    return 0.5 * (gradient**2).sum(axis=1)


def _quadratic(c: Floats, y: Floats, alpha: Floats) -> Floats:
    """``alpha/2 ||c||^2 - c.y``."""
    return (c * (0.5 * alpha[:, None] * c - y)).sum(axis=1)
