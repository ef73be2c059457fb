"""The weight of a penalty, chosen from the data along a path of values.

Each rule takes the path as arrays (A, N), alpha ascending, N cases, and returns the index of the chosen alpha for
each case, (N,). An index at either end says that the path was too short: callers flag it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dexsy_bench.problem import Floats

Indices = NDArray[np.intp]

INFLATION = 1.4
EVEN_ODDS = 0.5
HEEL = 0.1


@dataclass(frozen=True, eq=False)
class Curves:
    """What the rules look at, along a path of A alphas for N cases.

    Attributes
    ----------
    misfit : (A, N)
        Squared residual norm of the compressed data.
    dof : (A, N)
        Trace of the influence matrix.
    outside : (N,)
        Squared norm of the part of the data that no f reaches.
    n_data : int
    penalty : (A, N), optional
        What alpha multiplies: for `lcurve`.
    alphas : (A,), optional
        Ascending: for `brd`.
    """

    misfit: Floats
    dof: Floats
    outside: Floats
    n_data: int
    penalty: Floats | None = None
    alphas: Floats | None = None


@dataclass(eq=False)
class Choice:
    """Alphas of N cases.

    Attributes
    ----------
    alpha : (N,)
    at_edge : (N,)
        Whether an end of the path made the choice.
    warm : (N, ...) or None
        What a solver can start from there.
    iterations : (N,)
        That the choice took.
    """

    alpha: Floats
    at_edge: NDArray[np.bool_]
    warm: Any
    iterations: NDArray[np.intp]


def fixed(alpha: float, n: int) -> Choice:
    """The same alpha for N cases, not chosen from anything."""
    return Choice(np.full(n, alpha), np.zeros(n, dtype=bool), None, np.zeros(n, dtype=np.intp))


def chosen(path: Floats, index: Indices, warm: Any, iterations: NDArray[np.intp], margin: int = 0) -> Choice:
    """Those of a path (A,) at an index for each case; an end is within `margin` of the first or the last."""
    at_edge = (index <= margin) | (index >= len(path) - 1 - margin)
    return Choice(path[index], at_edge, warm, iterations)


def choose(rule: str, along: Curves, sigma: Floats | None = None) -> Indices:
    """What a rule says, by its name; `discrepancy` wants the noise SD of each case, (N,)."""
    residual = along.misfit + along.outside
    if rule == "ftest":
        return ftest(residual, along.dof, along.n_data)
    if rule == "gcv":
        return gcv(residual, along.dof, along.n_data)
    if rule == "lcurve" and along.penalty is not None:
        return lcurve(along.misfit, along.penalty)
    if rule == "brd" and along.alphas is not None:
        return brd(along.misfit, along.alphas)
    if rule == "discrepancy" and sigma is not None:
        return discrepancy(residual, sigma, along.n_data)
    raise ValueError(f"no rule {rule!r}, or not with what is known along this path")


def ftest(residual: Floats, dof: Floats, n_data: int) -> Indices:
    """Largest alpha that fits as well as the least regularised solution, by an F test at even odds.

    With ``V_0`` the residual at the first alpha of the path and ``V`` that at a larger one, ``(V - V_0) / V_0 *
    (n - dof) / dof`` is compared with the median of F(dof, n - dof): the rule of CONTIN (Provencher, Comput. Phys.
    Commun. 27, 213, 1982). A misfit that no distribution explains, such as that of the noise floor of magnitude data,
    is in V_0 as well and does not count.

    Parameters
    ----------
    residual : (A, N)
        Squared residual norm over all data.
    dof : (A, N)
        Trace of the influence matrix; that at the first alpha counts.
    n_data : int
    """
    from scipy.special import fdtri

    taken = np.clip(dof[0], 1.0, n_data - 1.0)
    median = fdtri(taken, n_data - taken, EVEN_ODDS)
    return _last(residual <= residual[0] * (1 + median * taken / (n_data - taken)))


def gcv(residual: Floats, dof: Floats, n_data: int) -> Indices:
    """Generalised cross-validation: least ``n ||r||^2 / (n - 1.4 dof)^2``.

    Golub, Heath, Wahba (Technometrics 21, 215, 1979), with degrees of freedom counted 1.4-fold, which keeps the rule
    from following the noise (Kim & Gu, J. R. Stat. Soc. B 66, 337, 2004).

    Parameters
    ----------
    residual : (A, N)
        Squared residual norm over all data.
    dof : (A, N)
        Trace of the influence matrix.
    n_data : int
    """
    left = n_data - INFLATION * dof
    score = n_data * residual / np.where(left > 0, left, np.nan) ** 2
    # Where nothing is left to judge by, the fit is one to the noise.
    score = np.where(left > 0, score, np.inf)
    # Of scores that are equal but for rounding, the first.
    return np.argmax(score <= score.min(axis=0) * (1 + 1e-12), axis=0)


def lcurve(residual: Floats, penalty: Floats) -> Indices:
    """Corner of the L-curve: largest curvature of (log residual, log penalty), traversed with rising alpha.

    Curvature is that of the circle through three neighbouring points, signed: the corner turns left, since the curve
    falls before it and runs to the right behind it. The two ends have none, so the corner is never there unless no
    point turns left, in which case the end with the smaller residual is returned, to be flagged (Hansen & O'Leary,
    SIAM J. Sci. Comput. 14, 1487, 1993).

    Parameters
    ----------
    residual : (A, N)
        Squared residual norm of the compressed data: the part of the noise that no alpha touches would flatten the
        corner.
    penalty : (A, N)
        ``||L f||^2``.
    """
    floor = np.finfo(np.float64).tiny
    x, y = 0.5 * np.log(np.maximum(residual, floor)), 0.5 * np.log(np.maximum(penalty, floor))
    ax, ay = np.diff(x, axis=0), np.diff(y, axis=0)
    bx, by = x[2:] - x[:-2], y[2:] - y[:-2]
    twice_area = ax[:-1] * ay[1:] - ay[:-1] * ax[1:]
    sides = np.hypot(ax[:-1], ay[:-1]) * np.hypot(ax[1:], ay[1:]) * np.hypot(bx, by)
    curvature = np.full(x.shape, -np.inf)
    curvature[1:-1] = 2 * twice_area / np.maximum(sides, floor)
    corner = np.argmax(curvature, axis=0)
    return np.where(curvature.max(axis=0) > 0, corner, 0)


def discrepancy(residual: Floats, sigma: Floats, n_data: int) -> Indices:
    """Largest alpha whose residual is still explained by noise of that SD: ``||r||^2 <= n sigma^2`` (Morozov 1966).

    Parameters
    ----------
    residual : (A, N)
        Squared residual norm over all data.
    sigma : (N,)
        Noise SD.
    n_data : int
    """
    return _last(residual <= explained(sigma, n_data))


def explained(sigma: Floats, n_data: int) -> Floats:
    """Squared residual norm that noise of that SD explains, (N,)."""
    return n_data * sigma**2


def brd(residual: Floats, alphas: Floats) -> Indices:
    """Heel of the S-curve of Butler, Reeds and Dawson: where ``d log ||r|| / d log alpha`` passes 0.1.

    The residual hardly depends on a small alpha, and grows with a large one: the largest alpha before it does (Butler,
    Reeds, Dawson, SIAM J. Numer. Anal. 18, 381, 1981; the slope as in Song et al., J. Magn. Reson. 154, 261, 2002).
    Their other rule, ``alpha = sqrt(M) sigma / ||c||``, is that of :func:`discrepancy` on the M compressed data, since
    ``alpha c`` is the residual.

    Parameters
    ----------
    residual : (A, N)
        Squared residual norm of the compressed data.
    alphas : (A,)
    """
    chi = 0.5 * np.log(np.maximum(residual, np.finfo(np.float64).tiny))
    slope = np.diff(chi, axis=0) / np.diff(np.log(alphas))[:, None]
    # Down from the steepest step: a ripple of the flat part is no heel.
    step, steepest = np.arange(len(slope))[:, None], np.argmax(slope, axis=0)
    below = np.where((slope <= HEEL) & (step < steepest), step + 1, 0).max(axis=0)
    return np.where(slope.max(axis=0) > HEEL, below, len(alphas) - 1)


def _last(true: NDArray[np.bool_]) -> Indices:
    """Index of the last alpha for which it holds; 0 where it holds for none."""
    last = true.shape[0] - 1 - np.argmax(true[::-1], axis=0)
    return np.where(true.any(axis=0), last, 0)
