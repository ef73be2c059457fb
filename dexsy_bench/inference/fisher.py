"""Fisher information of normalised magnitude signals, and the Cramer-Rao bounds that follow from it.

All magnitudes are divided by one of them, which is not kept, so their common scale is unknown: one more parameter for
each mixing time, a nuisance. :mod:`dexsy_bench.inference.rice` has the information in a single magnitude.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import i0e, i1e

from dexsy_bench.inference import rice
from dexsy_bench.problem import Floats

CONDITION = 1e12
"""Eigenvalues below the largest over this, of a matrix of unit diagonal, are rounding: no information."""


def information(jacobian: Floats, signal: Floats, sigma: float, points: list[slice]) -> Floats:
    """Fisher information of normalised magnitudes about parameters and about the log scale of each mixing time.

    Parameters
    ----------
    jacobian : (N, P, n)
        Derivatives of the signal by the parameters.
    signal : (N, n)
        Clean, 1 at each S(0,0).
    sigma : float
        Noise SD per channel, positive.
    points : list of slice
        Those that share a scale, T of them, as in :class:`~dexsy_bench.inference.coordinates.Coordinates`.

    Returns
    -------
    (N, P + T, P + T)
    """
    return _assembled(jacobian, *rice.information(signal, sigma), points)


def score(jacobian: Floats, signal: Floats, magnitude: Floats, sigma: float, points: list[slice]) -> Floats:
    """Derivatives (N, P + T) of the log density of magnitudes (N, n), laid out as :func:`information`."""
    by_signal, by_scale = rice.score(magnitude, signal, sigma)
    by_parameter = (jacobian @ by_signal[:, :, None])[:, :, 0]
    return np.concatenate([by_parameter, *(by_scale[:, here].sum(axis=1)[:, None] for here in points)], axis=1)


def observed_information(
    jacobian: Floats,
    curvature: Callable[[Floats], Floats],
    signal: Floats,
    magnitude: Floats,
    sigma: float,
    points: list[slice],
) -> Floats:
    """Second derivatives (N, P + T, P + T) of minus the log density: :func:`information` is their mean over the data.

    Parameters
    ----------
    curvature : callable
        Of weights (N, n): second derivatives (N, P, P) of the sum of the signal with these weights.

    The others as in :func:`score`.
    """
    s, m = signal / sigma, magnitude / sigma
    z = m * s
    ratio = i1e(z) / i0e(z)
    slope = 1 - np.where(z > 0, ratio / np.where(z > 0, z, 1.0), 0.5) - ratio**2  # of I1 / I0
    mixed = m * ratio + m * z * slope
    second = (1 - m * m * slope) / sigma**2, -mixed / sigma, 2 * m * m - s * mixed
    out = _assembled(jacobian, *second, points)
    size = jacobian.shape[1]
    out[:, :size, :size] -= curvature((m * ratio - s) / sigma)
    return out


def _assembled(jacobian: Floats, signal: Floats, shared: Floats, scale: Floats, points: list[slice]) -> Floats:
    """Second moments or derivatives of parameters and scales, from those of each signal and its scale (N, n)."""
    size = jacobian.shape[1]
    out = np.zeros((len(signal), size + len(points), size + len(points)))
    out[:, :size, :size] = (jacobian * signal[:, None]) @ jacobian.swapaxes(1, 2)
    for t, here in enumerate(points, start=size):
        out[:, :size, t] = out[:, t, :size] = (jacobian[:, :, here] @ shared[:, here, None])[:, :, 0]
        out[:, t, t] = scale[:, here].sum(axis=1)
    return out


def without_nuisance(matrix: Floats, size: int) -> Floats:
    """Information about the first `size` parameters where the others have to be estimated too (Schur complement)."""
    a, b, c = matrix[..., :size, :size], matrix[..., :size, size:], matrix[..., size:, size:]
    return np.asarray(a - b @ np.linalg.solve(c, b.swapaxes(-1, -2)))


def bounds(matrix: Floats, gradients: Floats) -> Floats:
    """Least SD of any unbiased estimate of functions of the parameters (Cramer and Rao).

    Parameters
    ----------
    matrix : (N, P, P)
        Fisher information.
    gradients : (N, P, Q)
        Derivatives of Q functions by the parameters.

    Returns
    -------
    (N, Q)
        Infinite where a function changes along a direction of which the signal says nothing: one whose
        information, with parameters scaled to unit information each, is below 1 / CONDITION of the largest.
    """
    scale = np.sqrt(np.maximum(np.diagonal(matrix, axis1=1, axis2=2), 0.0))
    known = scale > 0
    scale = np.where(known, scale, 1.0)
    values, vectors = np.linalg.eigh(matrix / (scale[:, :, None] * scale[:, None, :]))
    along = vectors.swapaxes(1, 2) @ (gradients / scale[:, :, None])  # functions along the eigenvectors
    blind = values <= values[:, -1:] / CONDITION
    variance = (along**2 / np.where(blind, np.inf, values)[:, :, None]).sum(axis=1)
    unseen = np.linalg.norm(along * blind[:, :, None], axis=1) > 1e-6 * np.linalg.norm(along, axis=1)
    return np.asarray(np.where(unseen, np.inf, np.sqrt(variance)))
