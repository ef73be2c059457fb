"""Whether stated uncertainty is right: intervals and scores of posterior samples (methods that return them)."""

from __future__ import annotations

import numpy as np

from dexsy_bench.metrics.base import Context, Family, Metric
from dexsy_bench.metrics.exchange import compartment_masses, splits_between
from dexsy_bench.problem import Floats, Grid

LEVELS = (0.5, 0.8, 0.95)
"""Coverage that is stated, and wanted."""

WIDEST = LEVELS[-1]


def interval(draws: Floats, level: float) -> tuple[Floats, Floats]:
    """Ends of the central interval of that level, of draws (..., P).

    One more draw lies in it with that probability: quantile q is the draw of rank q (P + 1) (Weibull),
    or the outermost where P is too small for the level.
    """
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=-1, method="weibull")
    return low, high


def covered(truth: Floats, draws: Floats, level: float) -> Floats:
    """1 where the central interval of draws (..., P) holds the truth (...), else 0."""
    low, high = interval(draws, level)
    return np.asarray((low <= truth) & (truth <= high), dtype=np.float64)


def crps(truth: Floats, draws: Floats) -> Floats:
    """Continuous ranked probability score, ``E|X - x| - 1/2 E|X - X'|``.

    Over pairs of different draws, so that its mean does not depend on their number (Ferro, Q. J. R. Meteorol. Soc.
    140, 1917, 2014); without spread it is the absolute error.

    Parameters
    ----------
    truth : (M,)
    draws : (M, P)

    Returns
    -------
    (M,)
    """
    n = draws.shape[-1]
    error = np.abs(draws - truth[..., None]).mean(axis=-1)
    if n < 2:
        return np.asarray(error)
    # Sorted, draw i is the larger one of i pairs and the smaller one of n - 1 - i.
    weights = 2 * np.arange(n) - (n - 1)
    spread = (np.sort(draws, axis=-1) * weights).sum(axis=-1) / (n * (n - 1))
    return np.asarray(error - spread)


def energy_score(truth: Floats, draws: Floats) -> Floats:
    """The same for vectors, with Euclidean distances: truth (M, K), draws (M, P, K) -> (M,).

    Gneiting & Raftery, J. Am. Stat. Assoc. 102, 359 (2007).
    """
    n = draws.shape[1]
    error = np.linalg.norm(draws - truth[:, None], axis=-1).mean(axis=-1)
    if n < 2:
        return np.asarray(error)
    squares = (draws**2).sum(axis=-1)
    distances = squares[:, :, None] + squares[:, None, :] - 2 * draws @ np.swapaxes(draws, 1, 2)
    spread = np.sqrt(np.maximum(distances, 0.0)).sum(axis=(1, 2)) / (n * (n - 1))
    return np.asarray(error - spread / 2)


def exchange_quantities(f: Floats, grid: Grid, splits: Floats) -> tuple[Floats, Floats, Floats]:
    """What an exchange experiment is for: exchanged fraction, and fraction and diffusivity of each compartment.

    Parameters
    ----------
    f : (M, D1, D2)
        Distributions.
    grid : Grid
    splits : (C - 1,) or (M, C - 1)
        Borders between compartments in units of D, ascending.

    Returns
    -------
    exchanged : (M,)
        Mass in different compartments along the two axes.
    fractions : (M, C)
        Mass of each compartment, the mean of both axes.
    positions : (M, C)
        Its mean log10 D, over both axes; the middle of the grid where it has no mass.
    """
    masses = compartment_masses(f, grid, splits)
    moments = np.zeros((*f.shape[:-2], splits.shape[-1] + 1))
    total = np.zeros_like(moments)
    for d, marginal in ((grid.d1, f.sum(axis=-1)), (grid.d2, f.sum(axis=-2))):
        which = (d[:, None] > splits[..., None, :]).sum(axis=-1)
        member = np.asarray(which[..., None] == np.arange(splits.shape[-1] + 1), dtype=np.float64)
        moments += np.squeeze((marginal * np.log10(d))[..., None, :] @ member, axis=-2)
        total += np.squeeze(marginal[..., None, :] @ member, axis=-2)
    middle = (grid.log_d1[0] + grid.log_d1[-1]) / 2
    positions = np.where(total > 0, moments, middle) / np.where(total > 0, total, 1.0)
    exchanged = masses.sum(axis=(-1, -2)) - np.trace(masses, axis1=-2, axis2=-1)
    return exchanged, total / 2, positions


def _score(f: Floats, f_hat: Floats, context: Context) -> dict[str, Floats]:
    columns = {metric.name: np.full(len(f), np.nan) for metric in FAMILY.metrics}
    samples = context.samples
    if samples is None:
        return columns
    columns["energy"] = energy_score(f.reshape(len(f), -1), samples.reshape(*samples.shape[:2], -1))
    if context.centres is not None and context.centres.shape[1] > 1:
        grid, splits = context.problem.grid, splits_between(context.centres)
        exchanged, fractions, positions = exchange_quantities(f, grid, splits)
        drawn = [exchange_quantities(draws, grid, at) for draws, at in zip(samples, splits, strict=True)]
        exchanged_draws = np.stack([x for x, _, _ in drawn])
        for level in LEVELS:
            columns[f"coverage_{100 * level:.0f}"] = covered(exchanged, exchanged_draws, level)
        columns["crps"] = crps(exchanged, exchanged_draws)
        for name, truth, part in (("coverage_fractions", fractions, 1), ("coverage_positions", positions, 2)):
            draws = np.stack([np.swapaxes(each[part], 0, 1) for each in drawn])  # (M, C, P)
            columns[name] = covered(truth, draws, WIDEST).mean(axis=-1)
    return columns


FAMILY = Family(
    _score,
    (
        *(
            Metric(
                f"coverage_{100 * level:.0f}",
                f"Coverage of {level:.0%} intervals",
                "",
                level,
                f"Share of cases whose exchanged fraction lies in the central {level:.0%} interval of the samples.",
                pairs=False,
            )
            for level in LEVELS
        ),
        Metric(
            "coverage_fractions",
            f"Coverage of {WIDEST:.0%} intervals of fractions",
            "",
            WIDEST,
            f"Share of compartments whose volume fraction lies in the central {WIDEST:.0%} interval of the samples.",
            pairs=False,
        ),
        Metric(
            "coverage_positions",
            f"Coverage of {WIDEST:.0%} intervals of positions",
            "",
            WIDEST,
            f"Share of compartments whose mean log10 D lies in the central {WIDEST:.0%} interval of the samples.",
            pairs=False,
        ),
        Metric(
            "crps",
            "CRPS of the exchanged fraction",
            "",
            "low",
            "Continuous ranked probability score of the exchanged fraction; the absolute error without spread.",
        ),
        Metric(
            "energy",
            "Energy score",
            "",
            "low",
            "Mean distance of the samples of f to the truth, less half of that between samples; Euclidean, over cells.",
        ),
    ),
)
