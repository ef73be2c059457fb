"""What accuracy costs: a metric against seconds per inversion, with the Pareto front."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from dexsy_bench.leaderboard import badness, leaderboard, with_labels
from dexsy_bench.plots.style import (
    Mark,
    PlotError,
    handle,
    hollow_handle,
    label_outer,
    legend_beside,
    marks,
    metric_axis,
    order,
    panels,
    snr_text,
    styled,
)

FRONT = "#A0A0A0"


def accuracy_time(rows: pd.DataFrame, metric: str = "js", of: dict[str, Mark] | None = None) -> Figure:
    """Mean of a metric (with its interval) against the median seconds per inversion in a batch.

    Parameters
    ----------
    rows : DataFrame
        Rows of one scenario; a panel for each SNR.
    metric : str
        A key of METRICS.
    of : dict, optional
        Marks by label; derived from the rows if not given.

    Returns
    -------
    Figure
        The line joins the methods that no other beats in both: complete ones, no references.
    """
    rows = with_labels(rows)
    of = of or marks(rows)
    board = leaderboard(rows, [metric])
    board = board[board["mean"].notna() & (board["seconds"] > 0)]
    if board.empty:
        raise PlotError("no method has both a mean and a time, so nothing can be drawn against time")
    parts = [panel for _, panel in board.groupby(["scenario", "snr"], dropna=False)]
    labels = order(board["label"].unique(), of)
    with styled():
        figure, grid = panels(len(parts), (2.9, 2.9), margin=(2.4, 0.6))
        for axes, panel in zip(grid, parts, strict=True):
            _panel(axes, panel, metric, of)
            axes.set_title(snr_text(panel["snr"].iloc[0]))
        for axes in grid:
            metric_axis(axes, metric, board[["mean", "low", "high"]].to_numpy())
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(numticks=5))
            axes.xaxis.set_major_formatter(EngFormatter("s"))
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.set_xlabel("time per inversion")
        label_outer(grid)
        front = Line2D([], [], color=FRONT, linewidth=3, alpha=0.5, label="Pareto front")
        handles = [*(handle(label, of[label], line=False) for label in labels), front]
        if not board["complete"].all():
            handles.append(hollow_handle())
        legend_beside(figure, handles)
        figure.suptitle(" · ".join(sorted(board["scenario"].unique())), fontsize=10)
    return figure


def _panel(axes: Axes, panel: pd.DataFrame, metric: str, of: dict[str, Mark]) -> None:
    row: Any
    for row in panel.itertuples():
        mark = of[row.label]
        known = not np.isnan(row.low)
        axes.errorbar(
            row.seconds, row.mean, yerr=[[row.mean - row.low], [row.high - row.mean]] if known else None,
            color=mark.colour, marker=mark.marker, markersize=5.5, elinewidth=1, linestyle="none", zorder=3,
            markerfacecolor=mark.colour if row.complete else "white",
        )  # fmt: skip
    front = pareto_front(panel, metric)
    axes.step(front["seconds"], front["mean"], where="post", color=FRONT, linewidth=3, alpha=0.5, zorder=1)


def pareto_front(board: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The complete, non-reference methods that no other beats in time and accuracy, fastest first."""
    fair = board[board["complete"] & (board["family"] != "reference")]
    fair = fair.assign(badness=badness(metric, fair["mean"])).sort_values(["seconds", "badness"])
    before = fair["badness"].cummin().shift(fill_value=np.inf)
    return fair[fair["badness"] < before].drop(columns="badness")
