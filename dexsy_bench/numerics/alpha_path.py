"""Misfit, penalty and degrees of freedom along a path of alphas, from a few of them.

Over the cells that are free at some alpha, all three depend on the Gram matrix ``G = A R^-1 A^T`` alone, with
``R = L^T L`` on those cells: with ``c = (alpha + G)^-1 y``,

    ||A f - y||^2 = alpha^2 c.c        ||L f||^2 = c.G c        dof = tr G (alpha + G)^-1

So do the derivatives of the first two by alpha, as long as no cell is freed or held, and where one is they hardly bend.
A few nodes, with values and slopes, then stand for the whole path.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device
from numpy.typing import NDArray

from dexsy_bench.numerics.alpha import Curves
from dexsy_bench.problem import Floats


@dataclass(frozen=True, eq=False)
class Node:
    """The minima of N cases over the cells that are free at one alpha.

    Attributes
    ----------
    misfit, penalty, dof : (N,)
    misfit_slope, penalty_slope : (N,)
        Derivatives of their logarithms by that of alpha.
    warm : (N, ...)
        What the solver can start from at a neighbouring alpha.
    iterations : (N,)
        That it took to find those cells.
    """

    misfit: Floats
    penalty: Floats
    dof: Floats
    misfit_slope: Floats
    penalty_slope: Floats
    warm: Any
    iterations: NDArray[np.intp]


def node(gram: Floats, alpha: float, y: Floats, warm: Any, iterations: NDArray[np.intp]) -> Node:
    """Of N cases, gram (N, L, L) and y (N, M), at one alpha; components beyond the leading L are all misfit."""
    xp = array_namespace(y)
    leading = gram.shape[1]
    inverse = xp.linalg.inv(gram + alpha * xp.eye(leading, device=device(y)))
    head, tail = y[:, :leading], y[:, leading:]
    c = (inverse @ head[:, :, None])[:, :, 0]
    q = (inverse @ c[:, :, None])[:, :, 0]
    square, falling = xp.linalg.vecdot(c, c), xp.linalg.vecdot(c, c - alpha * q)
    tiny = xp.finfo(y.dtype).tiny
    misfit = xp.clip(alpha**2 * square + xp.linalg.vecdot(tail, tail), tiny, None)
    penalty = xp.clip(xp.linalg.vecdot(c, (gram @ c[:, :, None])[:, :, 0]), tiny, None)
    return Node(
        misfit,
        penalty,
        leading - alpha * xp.linalg.trace(inverse),
        2 * alpha**2 * falling / misfit,
        -2 * alpha * falling / penalty,
        warm,
        iterations,
    )


def curves(alphas: Floats, indices: NDArray[np.intp], nodes: list[Node], outside: Floats, n_data: int) -> Curves:
    """The whole path of alphas (A,) from its nodes, whose `indices` ascend from the first to the last.

    Logarithms of misfit and penalty are cubics between nodes, by their slopes (Hermite); degrees of freedom, which
    jump where a cell is freed or held, are monotone ones by their values (PCHIP).
    """
    from scipy.interpolate import CubicHermiteSpline, PchipInterpolator

    x = np.log(alphas)

    def between(name: str) -> Floats:
        values, slopes = (np.stack([getattr(n, f"{name}{part}") for n in nodes]) for part in ("", "_slope"))
        return np.asarray(np.exp(CubicHermiteSpline(x[indices], np.log(values), slopes)(x)))

    dof = PchipInterpolator(x[indices], np.stack([n.dof for n in nodes]))(x)
    return Curves(between("misfit"), dof, outside, n_data, between("penalty"), alphas)
