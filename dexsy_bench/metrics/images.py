"""Image metrics: the distribution as a picture. Their data range is max f."""

from __future__ import annotations

import numpy as np

from dexsy_bench.metrics.base import Context, Family, Metric
from dexsy_bench.problem import Floats

WINDOW = 7
"""Cells along the side of the SSIM window."""


def psnr(f: Floats, f_hat: Floats) -> Floats:
    """``10 log10((max f)^2 / mean((f_hat - f)^2))`` in dB, of (M, D1, D2); infinite where they are equal."""
    mse = ((f_hat - f) ** 2).mean(axis=(-1, -2))
    with np.errstate(divide="ignore"):
        return np.asarray(10 * np.log10(f.max(axis=(-1, -2)) ** 2 / mse))


def nmse(f: Floats, f_hat: Floats) -> Floats:
    """``|f_hat - f|^2 / |f|^2`` of (M, D1, D2)."""
    return np.asarray(((f_hat - f) ** 2).sum(axis=(-1, -2)) / (f**2).sum(axis=(-1, -2)))


def ssim(f: Floats, f_hat: Floats) -> Floats:
    """Mean structural similarity (Wang et al., IEEE Trans. Image Process. 13, 2004).

    As scikit-image's ``structural_similarity``: uniform 7 x 7 windows that lie within the grid,
    sample covariance, K1 = 0.01, K2 = 0.03.

    Parameters
    ----------
    f, f_hat : (M, D1, D2)

    Returns
    -------
    (M,)
        NaN on grids with fewer than 7 values.
    """
    from scipy.ndimage import uniform_filter

    if min(f.shape[-2:]) < WINDOW:
        return np.full(len(f), np.nan)
    inside = slice(WINDOW // 2, -(WINDOW // 2))

    def mean(image: Floats) -> Floats:
        return np.asarray(uniform_filter(image, WINDOW, axes=(-2, -1))[..., inside, inside])

    peak = f.max(axis=(-1, -2), keepdims=True)
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    sample = WINDOW**2 / (WINDOW**2 - 1)
    x, y = mean(f), mean(f_hat)
    variances = sample * (mean(f * f) - x * x + mean(f_hat * f_hat) - y * y)
    covariance = sample * (mean(f * f_hat) - x * y)
    similarity = (2 * x * y + c1) * (2 * covariance + c2) / ((x * x + y * y + c1) * (variances + c2))
    return np.asarray(similarity.mean(axis=(-1, -2)))


def _score(f: Floats, f_hat: Floats, context: Context) -> dict[str, Floats]:
    return {"psnr": psnr(f, f_hat), "ssim": ssim(f, f_hat), "nmse": nmse(f, f_hat)}


FAMILY = Family(
    _score,
    (
        Metric(
            "psnr", "Peak signal-to-noise ratio", "dB", "high", "Squared maximum of the truth over mean square error."
        ),
        Metric("ssim", "Structural similarity", "", "high", "Mean structural similarity in 7 x 7 windows, at most 1."),
        Metric(
            "nmse", "Normalised square error", "", "low", "Sum of squared errors over the sum of squares of the truth."
        ),
    ),
)
