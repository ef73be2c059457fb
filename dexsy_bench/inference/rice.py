"""The density of measured magnitudes, and of magnitudes divided by one of them.

A magnitude m of a signal s in complex Gaussian noise of SD sigma a channel follows Rice's law

    p(m | s) = m / sigma^2  exp(-(m^2 + s^2) / (2 sigma^2))  I0(m s / sigma^2) .

The benchmark, like most experimenters, divides all magnitudes by the first, m_0 = S(0,0). Of the n values x = m / m_0
that leaves, the first is 1; given m_0 the others have the density ``m_0^(n-1) prod p(m_0 x_i | s_i)``, where the power
of m_0 is the Jacobian of the division. Since m_0 is not kept, it is one more unknown, the amplitude.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from array_api_compat import array_namespace, is_torch_array

from dexsy_bench.physics import Array
from dexsy_bench.problem import Floats

GAUSSIAN_FROM = 40.0
"""s / sigma from which what is left of Rice's law in its information no longer changes."""


def log_density(m: Array, s: Array, sigma: float) -> Array:
    """``log p(m | s)`` of Rice's law, elementwise; m and sigma positive, s at least 0."""
    xp = array_namespace(m, s)
    variance = sigma * sigma
    # log I0(z) = z + log i0e(z): nothing overflows, and the squares become that of the difference.
    return xp.log(m / variance) - (m - s) ** 2 / (2 * variance) + xp.log(_i0e(m * s / variance))


def log_likelihood(x: Array, s: Array, amplitude: Array, sigma: float) -> Array:
    """Log density of a normalised signal, given the magnitude by which it was divided.

    Parameters
    ----------
    x : (n,)
        Measured points, the first of them S(0,0) = 1.
    s : (..., n)
        Clean signal there, 1 at S(0,0).
    amplitude : (...)
        m_0, positive: the magnitude that was measured at S(0,0), relative to the clean one.
    sigma : float
        Noise SD per channel, positive.

    Returns
    -------
    (...) array.
    """
    xp = array_namespace(s)
    each = log_density(amplitude[..., None] * x, s, sigma)
    return xp.sum(each, axis=-1) + (x.shape[-1] - 1) * xp.log(amplitude)


def score(m: Floats, s: Floats, sigma: float) -> tuple[Floats, Floats]:
    """Derivatives of ``log p(x | s, a)``, x = m / a, by s and by log a; elementwise, s of either sign."""
    from scipy.special import i0e, i1e

    z = m * s / sigma**2
    ratio = i1e(z) / i0e(z)
    return (m * ratio - s) / sigma**2, 2 - (m / sigma) ** 2 + z * ratio


def information(s: Floats, sigma: float) -> tuple[Floats, Floats, Floats]:
    """Expected information on s and log a in one datum x = m / a.

    The mean over x of the products of the two derivatives in :func:`score`. For s far above sigma these are those of a
    Gaussian, ``1, -s, s^2 + 7/2`` in units of sigma; at s = 0 a datum says nothing of s.

    Parameters
    ----------
    s : (...)
        Clean signal, of either sign.
    sigma : float
        Noise SD per channel, positive.

    Returns
    -------
    on s, shared, on log a
        Arrays (...): of a symmetric 2 x 2 matrix, the first diagonal element, the other one, the second.
    """
    nu = np.abs(s) / sigma
    at, on_s, shared, on_a = _information_table()
    return (
        np.interp(nu, at, on_s) / sigma**2,
        np.sign(s) * (np.interp(nu, at, shared) - nu) / sigma,
        np.interp(nu, at, on_a) + nu**2,
    )


@lru_cache(maxsize=1)
def _information_table() -> tuple[Floats, Floats, Floats, Floats]:
    """s in units of sigma, and there the information, less ``0, -s, s^2``: by quadrature over the magnitude."""
    nodes, weights = np.polynomial.legendre.leggauss(80)
    at = GAUSSIAN_FROM * np.linspace(0, 1, 601) ** 2
    low, high = np.maximum(at - 9, 0), at + 9
    m = ((high + low)[:, None] + (high - low)[:, None] * nodes) / 2
    density = np.exp(log_density(m, at[:, None], 1.0)) * weights * (high - low)[:, None] / 2
    of_s, of_a = score(m, at[:, None], 1.0)
    mean = density.sum(axis=1)
    return (
        at,
        (density * of_s**2).sum(axis=1) / mean,
        (density * of_s * of_a).sum(axis=1) / mean + at,
        (density * of_a**2).sum(axis=1) / mean - at**2,
    )


def _i0e(z: Array) -> Array:
    """Bessel function I0, times exp(-z)."""
    if is_torch_array(z):
        import torch

        return torch.special.i0e(z)
    from scipy.special import i0e

    return i0e(z)
