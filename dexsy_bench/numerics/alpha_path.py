"""Misfit, penalty and degrees of freedom along a path of alphas, from a few of them.

Over the cells that are free at some alpha, all three depend on the Gram matrix ``G = A R^-1 A^T`` alone, with
``R = L^T L`` on those cells: with ``c = (alpha + G)^-1 y``,

    ||A f - y||^2 = alpha^2 c.c        ||L f||^2 = c.G c        dof = tr G (alpha + G)^-1

So do the derivatives of the first two by alpha, for as long as no cell is freed or held. A few nodes, with values and
slopes, stand for the whole path. Cells are freed and held all along it: between nodes 1.6 decades apart the misfit is
off by some percent, which is less than what rules tell apart.

Nodes may be arrays of any library that array_api_compat knows; alphas, and what rules look at, are NumPy's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, to_device
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
    inverse = xp.linalg.inv(gram + alpha * xp.eye(leading, dtype=y.dtype, device=device(y)))
    head, tail = y[:, :leading], y[:, leading:]
    c = (inverse @ head[:, :, None])[:, :, 0]
    q = (inverse @ c[:, :, None])[:, :, 0]
    image = (gram @ c[:, :, None])[:, :, 0]
    tiny = xp.finfo(y.dtype).tiny
    misfit = xp.clip(alpha**2 * xp.linalg.vecdot(c, c) + xp.linalg.vecdot(tail, tail), tiny, None)
    penalty = xp.clip(xp.linalg.vecdot(c, image), tiny, None)
    falling = xp.linalg.vecdot(q, image)  # c.c - alpha c.q, but for rounding
    return Node(
        misfit,
        penalty,
        leading - alpha * xp.linalg.trace(inverse),
        2 * alpha**2 * falling / misfit,
        -2 * alpha * falling / penalty,
        warm,
        iterations,
    )


def gather(walk: Iterator[Node], count: int, limit: Floats | None = None) -> list[Node]:
    """Nodes of `count` alphas, ascending, from a walk that yields that of the largest first.

    With a limit (N,) the walk ends where no misfit is above it: at smaller alphas none is, either. They are taken to be
    as the last one, for which no rule but that of the limit should ask.
    """
    nodes: list[Node] = []
    for found in walk:
        nodes.insert(0, found)
        if limit is not None and bool((found.misfit <= limit).all()):
            break
    last = nodes[0]
    level = replace(last, misfit_slope=0 * last.misfit, penalty_slope=0 * last.misfit, iterations=0 * last.iterations)
    return [level] * (count - len(nodes)) + nodes


def curves(alphas: Floats, indices: NDArray[np.intp], nodes: list[Node], outside: Floats, n_data: int) -> Curves:
    """The whole path of alphas (A,) from its nodes, whose `indices` ascend from the first to the last.

    Logarithms of misfit and penalty are cubics between nodes, by their slopes (Hermite); degrees of freedom, which
    jump where a cell is freed or held, are monotone ones by their values (PCHIP).
    """
    from scipy.interpolate import CubicHermiteSpline, PchipInterpolator

    x = np.log(alphas)

    def column(name: str) -> Floats:
        return np.stack([np.asarray(to_device(getattr(node, name), "cpu")) for node in nodes])

    def between(name: str) -> Floats:
        spline = CubicHermiteSpline(x[indices], np.log(column(name)), column(f"{name}_slope"))
        return np.asarray(np.exp(spline(x)))

    dof = PchipInterpolator(x[indices], column("dof"))(x)
    return Curves(between("misfit"), dof, outside, n_data, between("penalty"), alphas)
