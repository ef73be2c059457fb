"""Penalties that are sums of norms, by a primal-dual interior-point method, one case at a time.

    min over x, with f >= 0 a part of it, of  1/2 ||A f - y||^2 + sum over groups g of w_g ||(G x)_g||

At a barrier mu, with a vector p_g in the ball of radius w_g for each norm and lambda > 0 for f >= 0, the solution obeys

    A^T (A f - y) + (G^T p)_f = lambda,   f lambda = mu,   t_g p_g = w_g (G x)_g,

where ``t_g = (mu + sqrt(mu^2 + w_g^2 ||(G x)_g||^2)) / w_g`` follows from the barrier of the cone
``||(G x)_g|| < t_g``. Newton's method is applied to these, the product of t and p kept as it is: so linearised it
converges from afar, where that of the primal alone does not (Chan, Golub, Mulet, SIAM J. Sci. Comput. 20, 1964, 1999;
Wright, Primal-Dual Interior-Point Methods, SIAM 1997). Each step solves ``(A^T A + S) dx = r`` with S sparse: A has few
rows, so that S is factorised and A follows by Woodbury's identity.

It stops by a certificate: a point of the dual that is admissible, whose value no objective is below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from dexsy_bench.numerics.compression import Compression
from dexsy_bench.numerics.l1_dual import dual_value
from dexsy_bench.problem import Floats

Groups = list[Floats]
"""Arrays (components of a group, ...): each position of the latter axes is a group."""

REDUCTION = 0.1
"""The barrier is set to that share of the present complementarity, if the last step was long."""

SHORT, CAUTION = 0.3, 1.0
"""After a step shorter than the first the barrier is set to the second share: that brings it back to the centre."""

REFINEMENTS = 1
"""Corrections of a step by its own residual: Woodbury's identity loses digits where S is nearly singular."""

ROUNDING = 1e-14
"""Complementarity is at least that share of the objective."""

FLAT = 1e-3
"""Share of the misfit that the barrier begins with, beside the penalty."""

TO_BOUNDARY = 0.98
"""Share of the way to the boundary that a step goes at most."""


class System(Protocol):
    """S, factorised."""

    def solve(self, r: Floats) -> Floats:
        """``S^-1 r``, of the shape of x."""
        ...

    def capacitance(self, a: Compression, rows: Floats) -> Floats:
        """``A (S^-1)_ff A^T``, (M, M), with A given as its rows (M, D1, D2) too."""
        ...


class SumOfNorms(Protocol):
    """A penalty; x is (parts, D1, D2), f its first part."""

    parts: int
    weights: tuple[float, ...]

    def groups(self, x: Floats) -> Groups:
        """``G x``."""
        ...

    def adjoint(self, p: Groups) -> Floats:
        """``G^T p``, of the shape of x."""
        ...

    def ceiling(self, p: Groups, radii: list[float]) -> Floats:
        """``(G^T p)_f`` of an admissible p near the given one: within the balls, and 0 in all other parts of x."""
        ...

    def system(self, h: list[Floats], diagonal: Floats) -> System:
        """``G^T H G`` with `diagonal` added on f; each h is (components, components, ...)."""
        ...


@dataclass(frozen=True, eq=False)
class Point:
    """Where one case ended: x (parts, D1, D2), misfit ``||A f - y||^2``, penalty without the weight, duality gap."""

    x: Floats
    misfit: float
    penalty: float
    gap: float
    iterations: int
    converged: bool


def solve(
    a: Compression,
    rows: Floats,
    y: Floats,
    weight: float,
    penalty: SumOfNorms,
    start: Floats,
    tolerance: float,
    max_iterations: int = 80,
) -> Point:
    """Solve one case.

    Parameters
    ----------
    a : Compression
        The operator A.
    rows : (M, D1, D2)
        A as a matrix.
    y : (M,)
        Compressed data.
    weight : float
        Of the penalty, positive.
    penalty : SumOfNorms
    start : (D1, D2)
        Positive everywhere, and best a good fit: the barrier begins at its penalty, and little of its misfit.
    tolerance : float
        Duality gap, relative to the objective, at which it counts as solved.
    """
    radii = [weight * w for w in penalty.weights]
    x = np.stack([start] * penalty.parts)
    g = penalty.groups(x)
    p = [np.zeros_like(part) for part in g]
    cones = start.size + sum(part[0].size for part in g)
    # A flat start has next to no penalty.
    multiplier = (_norms(g, radii) + FLAT * ((a.apply(start[None]) - y) ** 2).sum()) / start.size / start
    step = 1.0
    best_dual = -np.inf
    for iteration in range(max_iterations + 1):
        f = x[0]
        residual = a.apply(f[None]) - y
        misfit, size = float((residual**2).sum()), _norms(g, radii)
        objective = 0.5 * misfit + size
        best_dual = max(best_dual, float(dual_value(a, y[None], penalty.ceiling(p, radii), -residual)[0]))
        gap = objective - best_dual
        point = Point(x, misfit, size / weight, gap, iteration, gap <= tolerance * objective)
        if point.converged or iteration == max_iterations:
            return point
        complementarity = (f * multiplier).sum() + size - sum(float((u * v).sum()) for u, v in zip(p, g, strict=True))
        complementarity = max(complementarity, ROUNDING * objective)
        barrier = (REDUCTION if step > SHORT else CAUTION) * complementarity / cones
        pulled, curvature = zip(
            *(_linearise(u, v, r, barrier) for u, v, r in zip(g, p, radii, strict=True)), strict=True
        )
        try:
            system = penalty.system(list(curvature), multiplier / f)
            capacitance = cho_factor(np.eye(a.size) + system.capacitance(a, rows))
        except np.linalg.LinAlgError:  # rounding has the last word
            return point
        slope = penalty.adjoint(list(pulled))
        slope[0] += a.adjoint(residual)[0] - barrier / f
        dx = np.zeros_like(x)
        for _ in range(1 + REFINEMENTS):
            product = penalty.adjoint(_times(curvature, penalty.groups(dx)))
            product[0] += a.adjoint(a.apply(dx[:1]))[0] + multiplier / f * dx[0]
            part = system.solve(-slope - product)
            correction = np.zeros_like(x)
            correction[0] = a.adjoint(cho_solve(capacitance, a.apply(part[:1])[0])[None])[0]
            dx += part - system.solve(correction)
        dg = penalty.groups(dx)
        dp = [v + hd - u for v, hd, u in zip(pulled, _times(curvature, dg), p, strict=True)]
        d_multiplier = barrier / f - multiplier - multiplier / f * dx[0]
        primal = _reach(f, dx[0])
        dual = min(_reach(multiplier, d_multiplier), *(_within(u, d, r) for u, d, r in zip(p, dp, radii, strict=True)))
        x = x + primal * dx
        g = penalty.groups(x)
        p = [u + dual * d for u, d in zip(p, dp, strict=True)]
        multiplier = multiplier + dual * d_multiplier
        step = min(primal, dual)
    raise AssertionError("unreachable")


def _times(h: Sequence[Floats], g: Groups) -> Groups:
    return [np.einsum("ij...,j...->i...", matrix, part) for matrix, part in zip(h, g, strict=True)]


def _norms(g: Groups, radii: list[float]) -> float:
    return sum(r * float(np.sqrt((part**2).sum(axis=0)).sum()) for part, r in zip(g, radii, strict=True))


def _linearise(g: Floats, p: Floats, radius: float, barrier: float) -> tuple[Floats, Floats]:
    """``p = radius g / t`` at g, and its derivative with the present p in the product t p, made symmetric."""
    root = np.sqrt(barrier**2 + radius**2 * (g**2).sum(axis=0))
    t, rise = (barrier + root) / radius, radius * g / root
    products = p[:, None] * rise[None]
    identity = np.eye(len(g)).reshape(len(g), len(g), *[1] * (g.ndim - 1))
    return radius * g / t, (radius * identity - 0.5 * (products + products.swapaxes(0, 1))) / t


def _reach(value: Floats, step: Floats) -> float:
    """How far a step may go, 1 at most, for value + step to stay positive."""
    falling = step < 0
    return min(1.0, TO_BOUNDARY * float((value[falling] / -step[falling]).min(initial=np.inf)))


def _within(p: Floats, step: Floats, radius: float) -> float:
    """How far a step may go, 1 at most, for each group of p + step to stay within the ball."""
    square, along = (step**2).sum(axis=0), (p * step).sum(axis=0)
    room = np.maximum(radius**2 - (p**2).sum(axis=0), 0.0)
    pace = np.maximum(np.sqrt(along**2 + square * room) + along, TO_BOUNDARY * room + np.finfo(np.float64).tiny)
    return min(1.0, TO_BOUNDARY * float((room / pace).min()))
