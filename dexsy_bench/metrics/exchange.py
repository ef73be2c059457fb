"""What is read off a distribution about exchange: the exchanged fraction, its rate, and the exchange index."""

from __future__ import annotations

import numpy as np

from dexsy_bench.metrics.base import Context, Family, Metric, Reading
from dexsy_bench.problem import Floats, Grid

PROGRESS = (0.01, 0.99)
"""Range of 1 - exp(-k tm) from which a rate can be read; outside, exchange has not begun or is complete."""

BAND = 5
"""Cells from the diagonal up to which mass counts as not exchanged in the exchange index."""

LEAST_REST = 1e-3
"""The mass near the diagonal counts as this much at least, so that the exchange index is finite."""


def splits_between(centres: Floats) -> Floats:
    """Borders between compartments (..., C - 1): geometric means of neighbouring centres (..., C), ascending."""
    return np.sqrt(centres[..., 1:] * centres[..., :-1])


def compartment_masses(f: Floats, grid: Grid, splits: Floats) -> Floats:
    """Mass in each pair of compartments.

    Parameters
    ----------
    f : (M, D1, D2)
        Distributions.
    grid : Grid
    splits : (C - 1,) or (M, C - 1)
        Borders between compartments in units of D, ascending; a cell belongs by its own D.

    Returns
    -------
    (M, C, C)
    """

    def membership(d: Floats) -> Floats:
        compartment = (d[:, None] > splits[..., None, :]).sum(axis=-1)
        return np.asarray(compartment[..., None] == np.arange(splits.shape[-1] + 1), dtype=np.float64)

    return np.asarray(np.swapaxes(membership(grid.d1), -1, -2) @ f @ membership(grid.d2))


def exchanged_fraction(f: Floats, grid: Grid, splits: Floats) -> Floats:
    """Share of the mass that lies in different compartments along D1 and D2.

    Parameters as :func:`compartment_masses`; returns (M,).
    """
    return _off_diagonal(compartment_masses(f, grid, splits))


def _off_diagonal(masses: Floats) -> Floats:
    """Share of masses (M, C, C) in different compartments, (M,)."""
    return np.asarray(1 - np.trace(masses, axis1=-2, axis2=-1) / masses.sum(axis=(-1, -2)))


def exchange_progress(masses: Floats) -> Floats:
    """1 - exp(-k tm), read off the mass in each pair of compartments.

    Exchange at one rate k leaves ``W = diag(p) e^(-k tm) + p P^T (1 - e^(-k tm))``, where p are the
    fractions at the first encoding and P those in equilibrium. With the marginals p (rows) and q
    (columns) of W, P drops out: ``e^(-k tm) = (tr W - p.q) / (1 - p.p)``. In equilibrium, p = q,
    this is ``1 - exchanged fraction / (1 - sum p^2)``.

    Parameters
    ----------
    masses : (M, C, C)
        Each summing to 1.

    Returns
    -------
    (M,)
        0 where all mass begins in one compartment; not clipped, so beyond 0 .. 1 for some f.
    """
    p, q = masses.sum(axis=-1), masses.sum(axis=-2)
    mixed = 1 - (p * p).sum(axis=-1)
    stayed = np.trace(masses, axis1=-2, axis2=-1) - (p * q).sum(axis=-1)
    return np.asarray(np.where(mixed > 1e-12, 1 - stayed / np.maximum(mixed, 1e-12), 0.0))


def log_rate(masses: Floats) -> Floats:
    """log10(k tm) from :func:`exchange_progress`, that clipped to 0.01 .. 0.99; (M,)."""
    return np.asarray(np.log10(-np.log1p(-np.clip(exchange_progress(masses), *PROGRESS))))


def diffusion_exchange_index(f: Floats) -> Floats:
    """Mass of f (M, D1, D2) with ``|i - j| > 5`` cells over the rest; the rest taken as 0.001 at least."""
    i, j = np.indices(f.shape[-2:])
    far = (f * (np.abs(i - j) > BAND)).sum(axis=(-1, -2))
    return np.asarray(far / np.maximum(f.sum(axis=(-1, -2)) - far, LEAST_REST))


def _score(f: Floats, f_hat: Floats, context: Context) -> dict[str, Floats]:
    undefined = np.full(len(f), np.nan)
    columns = dict.fromkeys(("exchange", "exchange_k", "exchange_true", "exchange_found"), undefined) | {
        "dei": np.abs(diffusion_exchange_index(f_hat) - diffusion_exchange_index(f)),
    }
    if context.centres is not None and context.centres.shape[1] > 1:
        splits, grid = splits_between(context.centres), context.problem.grid
        true, found = (compartment_masses(g, grid, splits) for g in (f, f_hat))
        columns["exchange_true"], columns["exchange_found"] = _off_diagonal(true), _off_diagonal(found)
        columns["exchange"] = np.abs(columns["exchange_found"] - columns["exchange_true"])
        columns["exchange_k"] = np.abs(log_rate(found) - log_rate(true))
    return columns


FAMILY = Family(
    _score,
    (
        Metric(
            "exchange",
            "Exchanged fraction error",
            "",
            "low",
            "Absolute error of the mass in different compartments along D1 and D2, split between the true centres.",
        ),
        Metric(
            "exchange_k",
            "Exchange rate error",
            "decades",
            "low",
            "Absolute error of log10 k, as read off the masses of the compartments.",
        ),
        Metric(
            "dei",
            "Exchange index error",
            "",
            "low",
            "Absolute error of the diffusion exchange index: mass more than 5 cells off the diagonal over the rest.",
        ),
    ),
    (
        Reading(
            "exchange_true",
            "True exchanged fraction",
            "Mass of the truth in different compartments along D1 and D2, split between the true centres.",
        ),
        Reading("exchange_found", "Recovered exchanged fraction", "The same mass of the estimate, split as the truth."),
    ),
)
