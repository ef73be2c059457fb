"""How far a non-negative f is from satisfying the optimality conditions of a penalised fit."""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace

from dexsy_bench.numerics.compression import Compression


def kkt(a: Compression, y: Any, f: Any, penalty_gradient: Any = 0.0) -> Any:
    """Largest violation of the conditions of ``min over f >= 0 of 1/2 ||A f - y||^2 + penalty(f)``, (N,).

    That is the gradient where f > 0 and its negative part where f = 0, relative to ``max |A^T y|``. At 0 f is the
    minimum, if the penalty is convex. It is computed from f alone, whatever solver f came from.

    Parameters
    ----------
    a : Compression
    y : (N, M)
        Compressed data.
    f : (N, D1, D2)
    penalty_gradient : (N, D1, D2) or 0
    """
    xp = array_namespace(y)
    gradient = a.adjoint(a.apply(f) - y) + penalty_gradient
    scale = xp.max(xp.abs(a.adjoint(y)), axis=(1, 2))
    return violation(f, gradient) / xp.where(scale > 0, scale, 1.0)


def violation(f: Any, gradient: Any) -> Any:
    """Of these conditions, at f >= 0 with that gradient of the objective, (N,)."""
    xp = array_namespace(f)
    return xp.max(xp.where(f > 0, xp.abs(gradient), xp.clip(-gradient, 0.0, None)), axis=(1, 2))
