"""Signals as another measurement of the same specimen would have given them: the parametric bootstrap."""

from __future__ import annotations

import numpy as np
from scipy.special import i0e, i1e

from dexsy_bench.physics import normalise, rician
from dexsy_bench.problem import Floats

ROUNDS = 20
"""Of the fixed point of :func:`noise_sd`, which gains a digit in some three of them."""


def replicates(predicted: Floats, sigma: float, n: int, random: np.random.Generator) -> Floats:
    """n measured signals (n, B1, B2) of one clean signal (B1, B2): Rician, divided by their own S(0,0)."""
    clean = np.repeat(normalise(predicted)[None], n, axis=0)
    return np.asarray(normalise(rician(clean, random.standard_normal((2, *clean.shape)), sigma)))


def noise_sd(spread: float, predicted: Floats) -> float:
    """Noise SD per channel, from the SD of magnitudes about their mean.

    Where the signal is below the noise, magnitudes scatter less than either channel: by 0.655 sigma without any
    signal. The sigma is sought at which the mean variance over all points is the one observed.

    Parameters
    ----------
    spread : float
        Observed SD, over all points.
    predicted : (...)
        Clean signal at those points.
    """
    sigma = spread
    for _ in range(ROUNDS):
        sigma = spread / np.sqrt(relative_variance(predicted / max(sigma, np.finfo(float).tiny)).mean())
    return float(sigma)


def relative_variance(snr: Floats) -> Floats:
    """Variance of a Rician magnitude over sigma^2, for s / sigma: 0.43 at 0, 1 far above it."""
    low, high = np.minimum(snr, 50.0), np.maximum(snr, 50.0)
    x = 0.25 * low**2
    mean = np.sqrt(np.pi / 2) * ((1 + 2 * x) * i0e(x) + 2 * x * i1e(x))
    # Far up, 2 + s^2 and the squared mean agree to all digits; there a series is exact enough.
    return np.where(snr < 50, 2 + low**2 - mean**2, 1 - 0.5 / high / high)
