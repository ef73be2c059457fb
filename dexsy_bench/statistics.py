"""How far to trust a mean, and a difference: bootstrap intervals, paired tests, ranks. Arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
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
    block = max(1, 4_000_000 // n)
    for start in range(0, resamples, block):
        yield _weights(n, min(block, resamples - start), seed, start)


@lru_cache(maxsize=2)
def _weights(n: int, rows: int, seed: int, start: int) -> Floats:
    """One block, kept, because a table needs the same one again and again."""
    drawn = np.random.default_rng([seed, n, start]).integers(n, size=(rows, n)) + n * np.arange(rows)[:, None]
    return np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n) / n


# Specimens -----------------------------------------------------------------------------------


def by_specimen(values: Floats, cell: NDArray[Any], specimen: NDArray[Any]) -> tuple[Floats, Floats]:
    """One number a specimen, whose mean is the mean over cells, each with equal weight, of the cell means.

    Parameters
    ----------
    values : (L, K)
        Of L methods on K cases.
    cell, specimen : (K,)
        To which each case belongs; a specimen may return in several cells.

    Returns
    -------
    shares, influence : (L, S)
        `shares`: what a specimen adds to that mean, times S; in one cell the values, and where all cells have as many
        cases, and every specimen of a scenario returns in each of its cells, their mean over these. `influence`: the
        same less what all of its cells share, so that resampled specimens keep the weights of the cells, and
        differences between cells do not pass for noise. Where a cell has a single case, its scatter cannot be known:
        `influence` is then `shares`, and the scatter between cells stands in for it.

    Notes
    -----
    n values scatter less around their own mean than around the true one, by (n - 1) / n. Deviations within a cell of
    n cases are scaled up so that the bootstrap loses no more than with S values in one cell, where nothing is scaled:
    Davison & Hinkley, Bootstrap Methods and their Application (1997), sections 2.3 and 3.2.
    """
    cell = np.unique(cell, return_inverse=True)[1]
    specimen = np.unique(specimen, return_inverse=True)[1]
    s, count = specimen.max() + 1, np.bincount(cell)
    weight = s / (count.size * count[cell])
    mean = values @ (weight / s)

    def total(x: Floats) -> Floats:
        at = specimen + s * np.arange(len(x))[:, None]
        return np.asarray(np.bincount(at.ravel(), (x * weight).ravel(), len(x) * s).reshape(len(x), s), dtype=float)

    shares = total(values)
    if count.min() < 2:
        return shares, shares
    in_cell = np.eye(count.size)[cell] / count[cell][:, None]
    n = count[cell]
    scale = np.sqrt(n / (n - 1) * (s - 1) / s)
    return shares, total((values - (values @ in_cell)[:, cell]) * scale) + mean[:, None]


def resampled_means(influence: Floats, *, resamples: int = RESAMPLES, seed: int = 0) -> Floats:
    """Means of L methods (L, S) in R bootstrap resamples of the specimens, the same for all: (L, R)."""
    weights = _resampling_weights(influence.shape[1], resamples, seed)
    means = np.concatenate([influence @ w.T for w in weights], axis=1)
    return np.asarray(_settled(means, np.abs(influence).max(initial=0.0)))


def _settled(x: Floats, scale: Any) -> Floats:
    """Without the last digits, in which rounding parts what is equal."""
    scale = np.where(scale > 0, scale, 1.0)
    return np.asarray(np.round(x / scale, 12) * scale)


# Paired tests --------------------------------------------------------------------------------


class Comparisons(NamedTuple):
    """All pairs of L methods, each (P,), P = L (L - 1) / 2; :func:`paired_tests` tells what they are."""

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    difference: Floats
    effect: Floats
    p: Floats
    p_holm: Floats
    separated: NDArray[np.bool_]


def paired_tests(shares: Floats, means: Floats, *, level: float = LEVEL) -> Comparisons:
    """Which of L methods differ, by two tests of each pair on the same S specimens.

    The Wilcoxon signed-rank test asks which of two has the lower loss on most specimens, the bootstrap which has the
    lower mean, by which methods are ordered. Where a few bad cases set one against the other nothing is claimed: the
    p-value of a pair is the larger of the two (an intersection-union test), and the signs must agree.

    Parameters
    ----------
    shares : (L, S)
        Losses by specimen (:func:`by_specimen`).
    means : (L, R)
        Mean losses of the same methods in R resamples (:func:`resampled_means`).
    level : float
        1 less the family-wise error rate.

    Returns
    -------
    Comparisons
        For first less second: `difference` of the mean losses, `effect` as :func:`signed_rank` has it, `p`, `p_holm`
        after :func:`holm`, and whether they are `separated` at that level.

    Notes
    -----
    R resamples cannot tell p-values below 2 / R from zero: there the signed ranks decide alone. On losses of one
    sign, as those of a method that is worse on every specimen, the bootstrap is sure where a t-test is not.
    """
    first, second = np.triu_indices(len(shares), 1)
    effect, p_ranks = signed_rank(_settled(shares[first] - shares[second], np.abs(shares).max(initial=0.0)))
    lower = np.array([(means[i] < means[j]).mean() for i, j in zip(first, second, strict=True)])
    higher = np.array([(means[i] > means[j]).mean() for i, j in zip(first, second, strict=True)])
    p = np.maximum(p_ranks, np.minimum(1.0, 2 * (1 - np.maximum(lower, higher))))
    p_holm = holm(p)
    difference = (shares[first] - shares[second]).mean(axis=1)
    return Comparisons(first, second, difference, effect, p, p_holm, (p_holm <= 1 - level) & (effect * difference > 0))


def signed_rank(differences: Floats) -> tuple[Floats, Floats]:
    """Effect size and two-sided p-value of the Wilcoxon signed-rank test of each row (P, n).

    Returns
    -------
    effect : (P,)
        Matched-pairs rank-biserial correlation: (sum of positive ranks - sum of negative ranks) over their sum;
        -1 where all differences are negative, 0 where all are zero.
    p : (P,)
        Exact, ties and all, where at most 50 differences are not zero, else by the normal approximation. Zeros are
        ranked and then left out (Pratt).

    Notes
    -----
    Kerby, Compr. Psychol. 3, 11.IT.3.1 (2014); Pratt, J. Am. Stat. Assoc. 54, 655 (1959).
    """
    size = np.abs(differences)
    rank = np.where(size > 0, stats.rankdata(size, axis=1), 0.0) if size.size else size
    positive, negative = ((rank * (sign * differences > 0)).sum(axis=1) for sign in (1, -1))
    total = positive + negative
    p, few = np.ones(len(size)), (size > 0).sum(axis=1) <= 50
    for i in np.flatnonzero(few):
        doubled = tuple(np.sort(2 * rank[i][rank[i] > 0]).astype(int))  # whole numbers, though ties have half ranks
        p[i] = min(1.0, 2 * _survival(doubled)[int(2 * max(positive[i], negative[i]))])
    if not few.all():
        p[~few] = stats.wilcoxon(differences[~few], axis=1, zero_method="pratt", correction=True).pvalue
    return (positive - negative) / np.where(total > 0, total, 1.0), p


@lru_cache(maxsize=1024)
def _survival(ranks: tuple[int, ...]) -> Floats:
    """Probability that the sum of the ranks with a positive sign is at least 0, 1, ..., if signs are tossed."""
    probability = np.zeros(sum(ranks) + 1)
    probability[0] = 1.0
    for rank in ranks:
        probability[rank:] += probability[:-rank].copy()
        probability /= 2
    return np.asarray(probability[::-1].cumsum()[::-1])


def holm(p: Floats) -> Floats:
    """Holm's step-down adjustment of the p-values of a family, along the last axis.

    Scand. J. Stat. 6, 65 (1979): claims at adjusted values <= 0.05 are all true with probability >= 0.95, however
    the tests depend on each other.
    """
    order = np.argsort(p, axis=-1)
    m = p.shape[-1]
    stepped = np.maximum.accumulate(np.take_along_axis(p, order, -1) * np.arange(m, 0, -1), axis=-1)
    adjusted = np.empty_like(stepped)
    np.put_along_axis(adjusted, order, np.minimum(stepped, 1.0), -1)
    return adjusted


# Ranks ---------------------------------------------------------------------------------------


def tied_ranks(loss: Floats, tests: Comparisons) -> NDArray[np.intp]:
    """Ranks of L methods with these mean losses (L,), shared where the tests do not separate them: 1, 1, 3, ...

    From the least loss upwards, a method that is separated from any of those that share the current rank opens the
    next one, which is its place in the order. So ranks follow the means, two methods that are separated never share
    one, and no rank opens without a test that says so.
    """
    n = len(loss)
    apart = np.zeros((n, n), dtype=bool)
    apart[tests.first, tests.second] = apart[tests.second, tests.first] = tests.separated
    ranks = np.ones(n, dtype=np.intp)
    peers: list[int] = []
    for place, i in enumerate(np.argsort(loss, kind="stable")):
        if apart[i, peers].any():
            peers = []
        peers.append(i)
        ranks[i] = place + 2 - len(peers)
    return ranks


def rank_intervals(means: Floats, *, level: float = LEVEL) -> tuple[Floats, Floats]:
    """Between which positions a method's mean lies in that share of the resamples; means (L, R) -> two of (L,)."""
    first, last = stats.rankdata(means, "min", axis=0), stats.rankdata(means, "max", axis=0)
    low = np.quantile(first, (1 - level) / 2, axis=1, method="inverted_cdf")
    high = np.quantile(last, (1 + level) / 2, axis=1, method="inverted_cdf")
    return low, high
