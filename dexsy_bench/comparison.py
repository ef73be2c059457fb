"""One method against others on the same cases: paired differences, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from dexsy_bench.leaderboard import TableError, check_metrics, choices, with_labels
from dexsy_bench.metrics import METRICS, Metric
from dexsy_bench.problem import Floats
from dexsy_bench.statistics import LEVEL, RESAMPLES, bootstrap_means
from dexsy_bench.tables import Block, Cell, name_of

CELL = ["scenario", "snr"]
NOTES = (
    f"difference: mean over the paired cases, with its {LEVEL:.0%} bootstrap interval (BCa, {RESAMPLES:,} resamples of "
    "the pairs). Bold: the interval excludes 0 in favour of the method. ratio: of the two means.",
    "against: the best of the others by its mean in that cell and metric. pairs: cases both were scored on / asked.",
)


def compare(
    rows: pd.DataFrame, label: str, against: Sequence[str] = (), metrics: Sequence[str] = ("js", "kl", "w1")
) -> pd.DataFrame:
    """A method against the best of others, cell by cell and metric by metric, on the cases that both were scored on.

    The best other one is chosen by the mean in that very cell, which favours the others: a
    difference that excludes zero is one from whichever of them happened to do best.

    Parameters
    ----------
    rows : DataFrame
        As :func:`dexsy_bench.store.load_rows` returns them.
    label : str
        The method, as ``resunet_xl[size=s]``.
    against : sequence of str
        Labels; all classical methods where none is given.
    metrics : sequence of str
        Keys of :data:`dexsy_bench.metrics.METRICS`.

    Returns
    -------
    DataFrame
        One row a scenario, SNR and metric: ``mean`` of the method and ``against_mean`` of ``against``, their
        ``ratio`` (NaN where a target is best); ``difference`` (method less other; of distances from the target) with
        ``low`` and ``high``, the 95 % BCa interval over paired cases; ``pairs`` of ``asked`` cases, NaN where there
        are none; ``verdict``: `better`, `worse`, or `open` where the interval holds 0.

    Raises
    ------
    TableError
        If a label or metric is not in the rows.
    """
    check_metrics(rows, metrics)
    for metric in metrics:
        if not METRICS[metric].pairs:
            raise TableError(f"{metric} cannot be compared case by case: its mean alone says something; see `table`")
    rows = with_labels(rows)
    known = list(rows["label"].unique())
    for name in (label, *against):
        if name not in known:
            raise TableError(f"no method {name} in these results{choices(name, known)}")
    others = list(against) or sorted(rows.loc[rows["family"] == "classical", "label"].unique())
    others = [name for name in others if name != label]
    if not others:
        raise TableError(f"nothing to compare {label} with: name a method with --against")

    records: list[dict[str, Any]] = []
    samples: list[Floats] = []
    for (scenario, snr), cell in rows.groupby(CELL, sort=True, dropna=False):
        asked = cell["case"].nunique()
        for metric in metrics:
            values = cell.pivot(index="case", columns="label", values=metric)
            found = _pairs(values, label, others, METRICS[metric])
            record = {"scenario": scenario, "snr": snr, "metric": metric, "label": label, "asked": asked}
            records.append(record | found[0])
            samples.append(found[1])
    result = pd.DataFrame(records)
    result["difference"], result["low"], result["high"] = bootstrap_means(samples)
    sign = np.where(result["metric"].map(lambda name: METRICS[name].better) == "high", -1, 1)
    ends = np.sort(sign[:, None] * result[["low", "high"]].to_numpy(dtype=float), axis=1)
    result["verdict"] = np.select([ends[:, 1] < 0, ends[:, 0] > 0], ["better", "worse"], "open")
    return result


def _pairs(values: pd.DataFrame, label: str, others: Sequence[str], metric: Metric) -> tuple[dict[str, Any], Floats]:
    """The record of one cell and metric, and the differences of its pairs."""
    ours = values.get(label, pd.Series(np.nan, values.index)).to_numpy(dtype=float)
    best = None
    for name in others:
        theirs = values.get(name, pd.Series(np.nan, values.index)).to_numpy(dtype=float)
        both = np.isfinite(ours) & np.isfinite(theirs)
        if not both.any():
            continue
        loss = metric.badness(theirs[both]).mean()
        # A method that answered on fewer cases is not the best of them for that.
        if best is None or (-both.sum(), loss) < best[0]:
            best = ((-both.sum(), loss), name, both, theirs)
    if best is None:
        empty = {"against": "", "mean": np.nan, "against_mean": np.nan, "ratio": np.nan, "pairs": 0}
        return empty, np.empty(0)
    _, name, both, theirs = best
    mean, other = ours[both].mean(), theirs[both].mean()
    pairs = {"against": name, "mean": mean, "against_mean": other, "ratio": np.nan}
    if metric.target is None and other:
        pairs["ratio"] = mean / other
    x, y = (v[both] if metric.target is None else metric.badness(v[both]) for v in (ours, theirs))
    return pairs | {"pairs": int(both.sum())}, x - y


def blocks(pairs: pd.DataFrame) -> list[Block]:
    """One table a metric, a line for each cell."""
    header = ("scenario", "SNR", "mean", "against", "its mean", "ratio", "difference", "pairs")
    made = []
    for metric, lines in pairs.groupby("metric", sort=False):
        title = f"{lines['label'].iloc[0]} · {metric} {METRICS[str(metric)].arrow}"
        made.append(Block(title, header, tuple(_line(row) for row in lines.itertuples()), ()))
    return made


def _line(row: Any) -> tuple[Cell, ...]:
    cell = (Cell(row.scenario), Cell(name_of("snr", row.snr).removeprefix("SNR ")))
    pairs = Cell(f"{row.pairs}/{row.asked}")
    if not row.pairs:
        return (*cell, *[Cell("–")] * 5, pairs)
    difference = f"{row.difference:+.4f}"
    if np.isfinite(row.low):
        difference += f" ({row.low:+.4f} to {row.high:+.4f})"
    means = (Cell(f"{row.mean:.4f}"), Cell(row.against), Cell(f"{row.against_mean:.4f}"), _ratio(row.ratio))
    return (*cell, *means, Cell(difference, bold=row.verdict == "better"), pairs)


def _ratio(value: float) -> Cell:
    return Cell("–" if np.isnan(value) else f"{value:.2f}")
