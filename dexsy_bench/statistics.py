"""How far to trust a mean: bootstrap intervals. Arrays in, numbers out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from dexsy_bench.problem import Floats

RESAMPLES = 10_000
LEVEL = 0.95


class Intervals(NamedTuple):
    """Means of G samples with the ends of their intervals, each (G,)."""

    mean: Floats
    low: Floats
    high: Floats


def bootstrap_means(
    samples: Sequence[ArrayLike], *, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0
) -> Intervals:
    """Mean of each sample with its bias-corrected and accelerated (BCa) bootstrap interval.

    Samples of equal size share their resamples, so that one matrix product serves them all and
    the result for a sample does not depend on which others are given.

    Parameters
    ----------
    samples : sequence of G vectors
        Finite numbers; the vectors may differ in length.
    level : float
        Confidence level.
    resamples : int
        Bootstrap resamples.
    seed : int
        Of the resamples; the same numbers come out at every call.

    Returns
    -------
    Intervals
        NaN ends where a sample has a single value, NaN means where it has none.

    Raises
    ------
    ValueError
        If a value is NaN or infinite: what is left out must be counted by the caller.

    Notes
    -----
    BCa is second-order accurate: with the skewed errors of a few cases it covers better than
    percentiles. Efron, J. Am. Stat. Assoc. 82, 171 (1987); as in `scipy.stats.bootstrap`.
    """
    vectors = [np.asarray(sample, dtype=np.float64).ravel() for sample in samples]
    if any(not np.isfinite(vector).all() for vector in vectors):
        raise ValueError("bootstrap_means takes finite values only")
    mean, low, high = np.full((3, len(vectors)), np.nan)
    sizes = np.array([vector.size for vector in vectors], dtype=int)
    for n in np.unique(sizes[sizes > 0]):
        same_size = np.flatnonzero(sizes == n)
        for members in np.array_split(same_size, range(256, same_size.size, 256)):  # bounds the memory
            x = np.stack([vectors[i] for i in members])
            mean[members] = x.mean(axis=1)
            if n > 1:
                low[members], high[members] = _bca(x, level, resamples, seed)
    return Intervals(mean, low, high)


def _bca(x: Floats, level: float, resamples: int, seed: int) -> tuple[Floats, Floats]:
    """Ends of the BCa interval of each row's mean, x (G, n)."""
    centred = x - x.mean(axis=1, keepdims=True)
    spread = np.abs(centred).max(axis=1)
    scale = np.where(spread > 0, spread, 1.0)[:, None]
    centred = centred / scale  # of order 1: cubes neither vanish nor overflow
    centred[spread <= 1e-14 * np.abs(x).max(axis=1)] = 0.0  # a constant sample, up to rounding
    shifts = np.concatenate([centred @ w.T for w in _resampling_weights(x.shape[1], resamples, seed)], axis=1)
    shifts[np.abs(shifts) < 1e-12] = 0.0  # a resample with the mean itself counts as a tie
    below = ((shifts < 0).mean(axis=1) + (shifts <= 0).mean(axis=1)) / 2
    bias = ndtri(np.clip(below, 0.5 / resamples, 1 - 0.5 / resamples))
    variance = (centred**2).sum(axis=1)
    acceleration = (centred**3).sum(axis=1) / (6 * np.where(variance > 0, variance, 1.0) ** 1.5)
    shifts.sort(axis=1)
    ends = []
    for tail in ((1 - level) / 2, (1 + level) / 2):
        z = bias + ndtri(tail)
        adjusted = ndtr(bias + z / (1 - acceleration * z))
        ends.append(_quantile(shifts, adjusted))
    low, high = (x.mean(axis=1) + end * scale[:, 0] for end in ends)
    return low, high


def _quantile(ordered: Floats, level: Floats) -> Floats:
    """One quantile a row, by linear interpolation; ordered (G, R), level (G,)."""
    position = level * (ordered.shape[1] - 1)
    left = np.floor(position).astype(int)
    right = np.minimum(left + 1, ordered.shape[1] - 1)
    rows = np.arange(len(ordered))
    part = position - left
    return np.asarray((1 - part) * ordered[rows, left] + part * ordered[rows, right])


def _resampling_weights(n: int, resamples: int, seed: int) -> Iterator[Floats]:
    """How often each of n values is drawn in each resample, over n: blocks (R, n) of limited memory."""
    rng = np.random.default_rng([seed, n])
    block = max(1, 4_000_000 // n)
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        drawn = rng.integers(n, size=(rows, n)) + n * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n) / n
