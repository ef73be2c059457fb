"""The weight of a penalty, chosen from the data along a path of values.

Each rule takes the path as arrays (A, N), alpha ascending, N cases, and returns the index of the chosen alpha for
each case, (N,). An index at either end says that the path was too short: callers flag it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dexsy_bench.problem import Floats

Indices = NDArray[np.intp]

INFLATION = 1.4


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
    return np.argmin(np.where(left > 0, score, np.inf), axis=0)


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
    explained = residual <= n_data * sigma**2
    last = explained.shape[0] - 1 - np.argmax(explained[::-1], axis=0)
    return np.where(explained.any(axis=0), last, 0)
