"""Two runs compared: which method changed beyond noise on the cases that both have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from dexsy_bench.errors import UserError
from dexsy_bench.leaderboard import CASE_COLUMNS, badness, leaderboard
from dexsy_bench.metrics import METRICS

KEYS = ["label", *CASE_COLUMNS]


class ChangesError(UserError):
    """Two runs that cannot be compared."""


def changes(rows: pd.DataFrame, other: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Paired differences of this run less the other, method by method, over the cells that both have.

    Parameters
    ----------
    rows, other : DataFrame
        With labels.
    metrics : sequence of str
        Those that can be compared case by case are.

    Returns
    -------
    DataFrame
        One row a label and metric: `mean` and `before` over the paired cases, each cell with the same weight;
        `difference` in badness (positive: worse than before) with its 95% interval `low`, `high`, specimens resampled;
        `pairs`; `lost` and `gained` (cases scored in one run alone); `verdict`: better, worse, same (every case is
        equal), open (the interval holds 0), new, gone.

    Raises
    ------
    ChangesError
        If no case of any method is in both.
    """
    paired = rows.merge(other, on=KEYS, suffixes=("", "_before"))
    if paired.empty:
        raise ChangesError("the two runs have no method and case in common, so there is nothing to compare")
    found = [_metric(paired, name) for name in metrics if METRICS[name].pairs]
    alone = pd.DataFrame(list(_alone(rows, other)), columns=["label", "metric", "verdict"])
    return pd.concat([*found, alone], ignore_index=True)


def _metric(paired: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The differences of one metric: the mean of a table whose scores are differences."""
    now, before = (
        paired[metric + end].where(paired["status" + end] == "ok").astype(float).to_numpy() for end in ("", "_before")
    )
    both = np.isfinite(now) & np.isfinite(before)
    difference = np.asarray(badness(metric, now) - badness(metric, before))
    records = []
    labels = paired["label"].to_numpy()
    for label in sorted(set(labels)):
        at = np.flatnonzero(labels == label)
        scored = at[both[at]]
        record: dict[str, Any] = {
            "label": label, "metric": metric, "pairs": scored.size,
            "gained": int((np.isfinite(now[at]) & ~np.isfinite(before[at])).sum()),
            "lost": int((~np.isfinite(now[at]) & np.isfinite(before[at])).sum()),
        }  # fmt: skip
        if scored.size:
            here = paired.iloc[scored]
            record |= {"mean": _mean(here, now[scored]), "before": _mean(here, before[scored])}
            board = leaderboard(here.assign(**{metric: difference[scored]}), [metric], by=()).iloc[0]
            record |= {"difference": board["mean"], "low": board["low"], "high": board["high"]}
            record["verdict"] = _verdict(difference[scored], board["low"], board["high"])
        else:
            record["verdict"] = "open"
        records.append(record)
    return pd.DataFrame(records)


def _mean(rows: pd.DataFrame, values: Any) -> float:
    """Mean over the cells, each with the same weight, of the mean over its cases."""
    cells = rows.assign(value=values).groupby(["scenario", "snr"], dropna=False)["value"].mean()
    return float(cells.mean())


def _verdict(difference: Any, low: float, high: float) -> str:
    if not np.any(difference):
        return "same"
    return "worse" if low > 0 else "better" if high < 0 else "open"


def _alone(rows: pd.DataFrame, other: pd.DataFrame) -> Iterator[tuple[str, str, str]]:
    here, there = set(rows["label"]), set(other["label"])
    yield from ((label, "", "new") for label in sorted(here - there))
    yield from ((label, "", "gone") for label in sorted(there - here))
