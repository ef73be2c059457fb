"""What accuracy costs: a metric against seconds per inversion, with the Pareto front."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from dexsy_bench.leaderboard import badness, leaderboard, with_labels
from dexsy_bench.plots.look import PAPER, Look, PlotError, pt, styled
from dexsy_bench.plots.selection import note
from dexsy_bench.plots.style import (
    MEANS,
    OTHERS,
    Mark,
    footer,
    handle,
    hollow_handle,
    label_outer,
    marks,
    mean_mark,
    metric_axis,
    order,
    panels,
    scenarios_text,
    snr_text,
)

FRONT = "#A0A0A0"


def pareto(
    rows: pd.DataFrame,
    metric: str = "js",
    of: dict[str, Mark] | None = None,
    look: Look = PAPER,
    shown: Collection[str] | None = None,
) -> Figure:
    """Mean of a metric (with its interval) against the median seconds per inversion in a batch.

    Parameters
    ----------
    rows : DataFrame
        Rows of one scenario; a panel for each SNR.
    metric : str
        A key of METRICS.
    of : dict, optional
        Marks by label; derived from the rows if not given.
    look : Look
        Type and width.
    shown : collection of str, optional
        Labels to name, besides those on a front; the others are grey dots. All if not given.

    Returns
    -------
    Figure
        The line joins the methods that no other beats in both: complete ones, no references.

    Raises
    ------
    PlotError
        If no method has both a mean and a time.
    """
    rows = with_labels(rows)
    of = of or marks(rows)
    board = leaderboard(rows, [metric])
    board = board[board["mean"].notna() & (board["seconds"] > 0)]
    if board.empty:
        raise PlotError("no method has both a mean and a time, so nothing can be drawn against time")
    parts = [panel for _, panel in board.groupby(["scenario", "snr"], dropna=False)]
    fronts = [pareto_front(panel, metric) for panel in parts]
    every = set(board["label"])
    full = every if shown is None else every & {*shown, *pd.concat(fronts)["label"]}
    labels = order(full, of)
    with styled(look):
        figure, grid = panels(len(parts), look, ratio=0.65, least=16)
        for axes, panel, front in zip(grid, parts, fronts, strict=True):
            _panel(axes, panel, front, {label: of[label] for label in labels})
            axes.set_title(snr_text(panel["snr"].iloc[0]))
        for axes in grid:
            metric_axis(axes, metric, board[["mean", "low", "high"]].to_numpy())
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(numticks=4))
            axes.xaxis.set_major_formatter(EngFormatter("s", sep="\N{THIN SPACE}"))
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.set_xlabel("time per inversion")
        label_outer(grid)
        handles = [handle(label, of[label], line=False) for label in labels]
        if not board[board["label"].isin(labels)]["complete"].all():
            handles.append(hollow_handle())
        if full < every:
            handles.append(Line2D([], [], color=OTHERS, marker=".", linestyle="none", label="other methods"))
        handles.append(Line2D([], [], color=FRONT, linewidth=pt(3), alpha=0.5, label="Pareto front of all methods"))
        about = note(rows, metric, full) and note(rows, metric, shown, "those on a front")
        footer(figure, look, "; ".join(filter(None, [MEANS, about])), handles)
        figure.suptitle(scenarios_text(board))
    return figure


def _panel(axes: Axes, panel: pd.DataFrame, front: pd.DataFrame, of: dict[str, Mark]) -> None:
    row: Any
    for row in panel.itertuples():
        if row.label not in of:
            axes.plot(row.seconds, row.mean, color=OTHERS, marker=".", zorder=2)
            continue
        mean_mark(axes, row.seconds, row, of[row.label], hollow=not row.complete, size=5)
    axes.step(front["seconds"], front["mean"], where="post", color=FRONT, linewidth=pt(3), alpha=0.5, zorder=1)


def pareto_front(board: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The complete, non-reference methods that no other beats in time and accuracy, fastest first."""
    fair = board[board["complete"] & (board["family"] != "reference")]
    fair = fair.assign(badness=badness(metric, fair["mean"])).sort_values(["seconds", "badness"])
    before = fair["badness"].cummin().shift(fill_value=np.inf)
    return fair[fair["badness"] < before].drop(columns="badness")
