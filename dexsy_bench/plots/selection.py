"""Which methods a figure shows in full when there are more than it can hold."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from dexsy_bench.leaderboard import leaderboard, with_labels
from dexsy_bench.metrics import METRICS

TOP = 8
"""As many methods, besides the references, as have colours of their own."""
MANY = 12
"""More methods than that do not fit a figure."""


def leading(rows: pd.DataFrame, metric: str, count: int | None = None) -> list[str]:
    """The best methods by a metric over all cells, in the order of the table, and the references.

    Parameters
    ----------
    rows : DataFrame
        One row a case and method.
    metric : str
        A key of METRICS.
    count : int, optional
        Methods that are no references. All if there are no more than MANY, else TOP of them, if not given.

    Returns
    -------
    list of str
        Labels from the best down, references last. A method that lacks a case comes after all that lack none,
        so that it cannot lead by the cases it likes.
    """
    board = leaderboard(rows, [metric], by=(), sort=metric).sort_values("complete", ascending=False, kind="stable")
    reference = board["family"] == "reference"
    if count is None and (~reference).sum() > MANY:
        count = TOP
    return [*board["label"][~reference].iloc[:count], *board["label"][reference]]


def only(rows: pd.DataFrame, shown: Collection[str] | None) -> pd.DataFrame:
    """The labelled rows of the methods shown (None: of all)."""
    rows = with_labels(rows)
    return rows if shown is None else rows[rows["label"].isin(list(shown))]


def note(rows: pd.DataFrame, metric: str, shown: Collection[str] | None, also: str = "") -> str:
    """For the foot of a figure: `the best 8 of 33 methods by Kullback-Leibler divergence, and references`.

    Empty if all are shown.
    """
    families = with_labels(rows).drop_duplicates("label").set_index("label")["family"]
    methods = families.index[families != "reference"]
    kept = methods if shown is None else methods.intersection(list(shown))
    if len(kept) == len(methods):
        return ""
    rest = ", ".join(filter(None, [also, "and references"]))
    return f"the best {len(kept)} of {len(methods)} methods by {METRICS[metric].title}, {rest}"
