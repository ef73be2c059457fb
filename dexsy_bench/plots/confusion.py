"""How many peaks are found of how many there are, one panel a method."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from dexsy_bench.leaderboard import with_labels
from dexsy_bench.plots.columns import with_values
from dexsy_bench.plots.look import PAPER, Look, pt, styled
from dexsy_bench.plots.selection import note, only
from dexsy_bench.plots.style import (
    Mark,
    broken,
    footer,
    full_name,
    label_outer,
    marks,
    order,
    panels,
    scenarios_text,
    snr_text,
)

TRUE, FOUND = "peaks_true", "peaks_found"
WHY = "older runs did not count the peaks; run again with this version of dexsy-bench"
BEYOND = 4
"""Counts that far above the largest true one share a column."""


def confusion_matrix(true: pd.Series[float], found: pd.Series[float], most: int) -> pd.DataFrame:
    """Share of the cases of each true number (rows) with each number found (columns, without gaps); rows sum to 1.

    Counts are whole; means over mixing times are rounded. Column `most` holds all counts from there on.
    """
    rows, columns = true.round().astype(int), found.round().astype(int).clip(upper=most)
    table = pd.crosstab(rows, columns, normalize="index")
    ends = min(columns.min(), rows.min()), max(columns.max(), rows.max())
    return table.reindex(columns=range(ends[0], ends[1] + 1), fill_value=0.0)


def confusion(
    rows: pd.DataFrame,
    metric: str = "js",
    of: dict[str, Mark] | None = None,
    look: Look = PAPER,
    shown: Collection[str] | None = None,
) -> Figure:
    """True against found number of peaks: percent of the cases of each true number.

    Parameters
    ----------
    rows : DataFrame
        One row a case and method, of any scenarios and SNR levels: they are pooled.
    metric : str
        What `shown` was chosen by, for the text below.
    of : dict, optional
        Marks by label; derived from the rows if not given.
    look : Look
        Type and width.
    shown : collection of str, optional
        Labels; all if not given.

    Returns
    -------
    Figure
        A panel for each method on one scale; frames where the numbers agree.

    Raises
    ------
    PlotError
        If no row has counts of peaks.
    """
    about, rows = note(rows, metric, shown), only(rows, shown)
    of = of or marks(with_labels(rows))
    known = with_values(rows, (TRUE, FOUND), WHY)
    labels = order(known["label"].unique(), of)
    asked = len(rows.drop_duplicates(["scenario", "snr", "case"]))
    most = int(known[TRUE].round().max()) + BEYOND  # of all methods: their columns hold the same counts
    every = confusion_matrix(known[TRUE], known[FOUND], most)
    numbers = known.drop_duplicates(["scenario", "snr", "case"])[TRUE].round().value_counts()
    beyond = bool(known[FOUND].round().max() > most)
    least = max(1.25 * len(every.columns) + 1, 8.0)
    with styled(look):
        figure, grid = panels(
            len(labels), look, ratio=0, around=1.6 * len(every) + 5.5, least=least, beside=5, columns=2
        )
        for axes, label in zip(grid, labels, strict=True):
            part = known[known["label"] == label]
            table = confusion_matrix(part[TRUE], part[FOUND], most).reindex(columns=every.columns, fill_value=0.0)
            _panel(axes, table.reindex(every.index), beyond=beyond)  # white: no case of that number was solved
            axes.set_yticks(range(len(every)), [f"{count} ({numbers[count]})" for count in every.index])
            lost = f", {len(part)}/{asked} cases" if len(part) < asked else ""
            axes.set_title(broken(full_name(label, of[label])) + lost, fontsize=pt(8))
            axes.set(xlabel="peaks found", ylabel="true")
        label_outer(grid)
        text = "percent of the cases of each true number (how many); frame: the right number"
        footer(figure, look, "; ".join(filter(None, [text, about])))
        levels = ", ".join(snr_text(snr).removeprefix("SNR ") for snr in sorted(rows["snr"].unique()))
        figure.suptitle(scenarios_text(rows) + f", SNR {levels}")
    return figure


def _panel(axes: Axes, table: pd.DataFrame, *, beyond: bool) -> None:
    shares = table.to_numpy(dtype=float)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (i, j), share in np.ndenumerate(shares):
        if share >= 0.005:
            axes.text(
                j, i, f"{100 * share:.0f}", ha="center", va="center", fontsize=pt(7),
                color="white" if share > 0.55 else "black",
            )  # fmt: skip
        if table.index[i] == table.columns[j]:
            axes.add_patch(Rectangle((j - 0.5, i - 0.5), 1, 1, fill=False, edgecolor="#222222", linewidth=pt(1)))
    names = [str(count) for count in table.columns]
    axes.set_xticks(range(len(names)), [*names[:-1], names[-1] + "+" * beyond])
    axes.grid(visible=False)
    axes.tick_params(length=0)
