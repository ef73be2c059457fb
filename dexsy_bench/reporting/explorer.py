"""Cases to look at: signal, truth and every method's estimate, with their peaks, in the page's encoding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dexsy_bench.jobs import Cell
from dexsy_bench.metrics import Peaks, find_peaks
from dexsy_bench.metrics.peaks import match
from dexsy_bench.plots.examples import Example, fill, source_of_rows
from dexsy_bench.problem import Floats, Grid, Problem
from dexsy_bench.registry import Registry
from dexsy_bench.reporting.drawing import number, numbers, snr_name
from dexsy_bench.reporting.encoding import Predictions, packed, quantised, quantised_signal
from dexsy_bench.reporting.standings import Track

LIMIT = 10.0
"""Seconds: a method that took longer for a case is not run again for the page."""


def explore(
    run: Path,
    rows: pd.DataFrame,
    metrics: Sequence[str],
    manifest: Mapping[str, Any],
    registry: Registry,
    count: int,
    limit: float,
    track: Track,
) -> dict[str, Any]:
    """The first cases of every cell.

    Parameters
    ----------
    run : Path
        The results folder; estimates that it kept are read, others computed again.
    rows : DataFrame
        With labels, one row a case and method.
    metrics : sequence of str
        The scores to show, from the rows.
    manifest : mapping
        Of the run: it defines the scenarios.
    registry : Registry
        Where the methods are.
    count : int
        Cases of each cell.
    limit : float
        A method that took more seconds for a case is not computed again.
    track : callable
        Told of the cases as they are done.

    Returns
    -------
    dict
        `problems` by scenario, `cases` by ``scenario/SNR/case``, as report.js reads them.
    """
    kept = run if any((run / "estimates").glob("*.safetensors")) else None
    problems: dict[str, Any] = {}
    cases: dict[str, Any] = {}
    here = rows[rows["case"].isin(sorted(rows["case"].unique())[:count])]
    keys = ["scenario", "snr", "case"]
    sources = {name: source_of_rows(manifest, str(name), registry) for name in here["scenario"].unique()}
    for (name, snr, case), part in track(list(here.groupby(keys, dropna=False)), "cases to look at"):
        source, data = sources[name]
        shown = Example(str(name), snr, case, source.problem(snr), source.cases(case, case + 1, snr))
        cell = Cell(source, snr, case, case + 1, data)
        fill(shown, part, cell, registry, kept, limit)
        predictions = Predictions(shown.problem)
        problems.setdefault(str(name), _problem(shown.problem, predictions))
        cases[f"{name}/{snr_name(snr)}/{case}"] = _case(shown, part, metrics, predictions)
    return {"problems": problems, "cases": cases}


def _problem(problem: Problem, predictions: Predictions) -> dict[str, Any]:
    """Axes with their names and units, and the vectors that predictions are made of."""
    kernel, acquisition, grid = problem.kernel, problem.acquisition, problem.grid
    return {
        "d1": numbers(grid.d1), "d2": numbers(grid.d2), "b1": numbers(acquisition.b1), "b2": numbers(acquisition.b2),
        "u1": [numbers(row, 9) for row in predictions.u1], "u2": [numbers(row, 9) for row in predictions.u2],
        "quantity": kernel.quantity, "quantityUnit": kernel.quantity_unit,
        "encoding": kernel.encoding, "encodingUnit": kernel.encoding_unit,
        "mixing": None if acquisition.mixing_times is None else numbers(acquisition.mixing_times),
    }  # fmt: skip


def _case(shown: Example, rows: pd.DataFrame, metrics: Sequence[str], predictions: Predictions) -> dict[str, Any]:
    """A case with its estimates: what can be read at once, and the arrays in one `blob`.

    The blob holds the coefficients of all estimates' signals (float32), the signal (uint16), the truth and the
    estimates (uint8), each with all mixing times.
    """
    grid, acquisition = shown.problem.grid, shown.problem.acquisition
    truth = np.asarray(shown.cases.distributions[0], dtype=np.float64)
    noisy = np.asarray(shown.cases.noisy[0], dtype=np.float64)
    signal, signal_scale = quantised_signal(noisy, _measured(noisy, acquisition.mask))
    fields = [quantised(f) for f in (truth, *shown.estimates.values())]
    coefficients = [predictions(f) for f in shown.estimates.values()]
    true_peaks = [_counted(peaks, shown) for peaks in find_peaks(truth, grid)]
    scores = rows.set_index("label")[list(metrics)]
    return {
        "sigma": shown.problem.sigma or None,
        "signalScale": number(signal_scale, 9),
        "truthScale": number(fields[0][1], 6),
        "peaks": [peaks.index.tolist() for peaks in true_peaks],
        "estimates": [
            {"label": label, "scale": number(scale, 6), "scores": numbers(scores.loc[label], 4)}
            | _peaks(f, true_peaks, grid)
            for (label, f), (_, scale) in zip(shown.estimates.items(), fields[1:], strict=True)
        ],
        "without": shown.reasons,
        "blob": packed([*coefficients, signal, *(q for q, _ in fields)]),
    }  # fmt: skip


def _measured(signal: Floats, mask: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    return np.isfinite(signal) if mask is None else mask & np.isfinite(signal)


def _counted(peaks: Peaks, shown: Example) -> Peaks:
    """The true peaks that an estimate is held against: as many as the square of the compartments."""
    centres = shown.cases.parameters.get("centres")
    return peaks if centres is None else peaks.strongest(np.shape(centres)[1] ** 2)


def _peaks(f: Floats, true_peaks: Sequence[Peaks], grid: Grid) -> dict[str, Any]:
    """Peaks of an estimate for each mixing time as [i, j, matched], and which true ones were found."""
    found, hit = [], []
    for peaks, truth in zip(find_peaks(f, grid), true_peaks, strict=True):
        in_truth, in_estimate, _ = match(truth, peaks.strongest(len(truth)))
        matched = np.isin(np.arange(len(peaks)), in_estimate)
        found.append([[int(i), int(j), int(ok)] for (i, j), ok in zip(peaks.index, matched, strict=True)])
        hit.append(np.isin(np.arange(len(truth)), in_truth).astype(int).tolist())
    return {"found": found, "hit": hit}
