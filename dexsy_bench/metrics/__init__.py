"""Scores of an estimate against the truth: one file a family of metrics, collected here.

``METRICS`` and ``READINGS`` describe every column for tables, plots and docs; ``score`` fills them.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dexsy_bench.metrics import calibration, divergences, exchange, images, peaks, residual, wasserstein
from dexsy_bench.metrics.base import Context, Family, Metric, Reading
from dexsy_bench.metrics.exchange import diffusion_exchange_index, exchanged_fraction, splits_between
from dexsy_bench.metrics.peaks import Peaks, find_peaks
from dexsy_bench.problem import Floats, Problem

if TYPE_CHECKING:
    from dexsy_bench.scenario import Cases

__all__ = [
    "FAMILIES",
    "METRICS",
    "READINGS",
    "Metric",
    "Peaks",
    "Reading",
    "diffusion_exchange_index",
    "exchanged_fraction",
    "find_peaks",
    "score",
    "splits_between",
]

FAMILIES: tuple[Family, ...] = (
    divergences.FAMILY,
    wasserstein.FAMILY,
    peaks.FAMILY,
    exchange.FAMILY,
    images.FAMILY,
    residual.FAMILY,
    calibration.FAMILY,
)

METRICS: dict[str, Metric] = {metric.name: metric for family in FAMILIES for metric in family.metrics}
"""Every metric, in the order of the columns."""

READINGS: dict[str, Reading] = {reading.name: reading for family in FAMILIES for reading in family.readings}
"""What else is read off truth and estimate, in the order of the columns."""


def score(
    truth: Cases,
    estimate: NDArray[Any],
    problem: Problem,
    only: Collection[str] | None = None,
    samples: NDArray[Any] | None = None,
) -> dict[str, Floats]:
    """Every metric and reading for every case.

    Parameters
    ----------
    truth : Cases
        N cases.
    estimate : (N, T, D1, D2)
        Non-negative; scaled to sum 1 in float64 before it is scored.
    problem : Problem
        With sigma, where it is known.
    only : collection of str, optional
        Leave out the families of metrics that have none of these.
    samples : (N, T, P, D1, D2), optional
        P posterior samples a case, for the metrics of calibration, which are NaN without.

    Returns
    -------
    dict of (N,) float64 arrays
        The keys of ``METRICS`` and ``READINGS``. With several mixing times each is the mean over them,
        those left out for which it is not defined; NaN where it is defined for none.

    Raises
    ------
    ValueError
        If the estimate has not the shape of the truth, is not finite, negative, or without mass.
    """
    f = np.asarray(truth.distributions, dtype=np.float64)
    f_hat = np.asarray(estimate, dtype=np.float64)
    if f_hat.shape != f.shape:
        raise ValueError(f"the estimate has shape {f_hat.shape}, the truth (N, T, D1, D2) = {f.shape}")
    if not (np.isfinite(f_hat).all() and (f_hat >= 0).all() and (f_hat.sum(axis=(-1, -2)) > 0).all()):
        raise ValueError("the estimate must be finite, non-negative and have mass in every distribution")
    n, t = f.shape[:2]
    f, f_hat = (_unit_mass(array.reshape(n * t, *f.shape[2:])) for array in (f, f_hat))
    context = Context(
        problem=problem,
        signals=np.asarray(truth.noisy, dtype=np.float64).reshape(n * t, *truth.noisy.shape[2:]),
        centres=_centres(truth, t),
        samples=None if samples is None else _unit_mass(samples.reshape(n * t, *samples.shape[2:]).astype(np.float64)),
    )
    families = [x for x in FAMILIES if only is None or any(metric.name in only for metric in x.metrics)]
    columns = {name: column for family in families for name, column in family.score(f, f_hat, context).items()}
    names = [name for name in (*METRICS, *READINGS) if name in columns]
    return {name: _mean_over_mixing_times(columns[name].reshape(n, t)) for name in names}


def _unit_mass(f: Floats) -> Floats:
    return np.asarray(f / f.sum(axis=(-1, -2), keepdims=True))


def _centres(truth: Cases, t: int) -> Floats | None:
    """Centres of the compartments, ascending, once for each mixing time; None where they are not known."""
    if "centres" not in truth.parameters:
        return None
    return np.repeat(np.sort(np.asarray(truth.parameters["centres"], dtype=np.float64), axis=1), t, axis=0)


def _mean_over_mixing_times(values: Floats) -> Floats:
    """(N, T) -> (N,), leaving NaN out."""
    defined = ~np.isnan(values)
    count = defined.sum(axis=1)
    total = np.where(defined, values, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
