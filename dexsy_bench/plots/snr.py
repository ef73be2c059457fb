"""How a metric falls with noise: one panel a scenario, one line a method."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from dexsy_bench.leaderboard import leaderboard, with_labels
from dexsy_bench.metrics import METRICS
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
)
from dexsy_bench.problem import Floats


def snr(
    rows: pd.DataFrame,
    metric: str = "js",
    of: dict[str, Mark] | None = None,
    look: Look = PAPER,
    shown: Collection[str] | None = None,
) -> Figure:
    """Mean and 95 % bootstrap interval of a metric against SNR.

    Parameters
    ----------
    rows : DataFrame
        One row a case and method.
    metric : str
        A key of METRICS.
    of : dict, optional
        Marks by label; derived from the rows if not given.
    look : Look
        Type and width.
    shown : collection of str, optional
        Labels to name; the means of the others are thin grey lines. All if not given.

    Returns
    -------
    Figure
        A panel for each scenario, with shared axes. A hollow point is a mean that lacks cases.

    Raises
    ------
    PlotError
        If no SNR is known.
    """
    rows = with_labels(rows)
    of = of or marks(rows)
    board = leaderboard(rows, [metric])
    board = board[board["mean"].notna() & board["snr"].notna()]
    if board.empty:
        raise PlotError("the SNR of these cases is not known, so nothing can be drawn against it")
    full = board if shown is None else board[board["label"].isin(list(shown))]
    others = board.drop(full.index)
    scenarios = sorted(board["scenario"].unique())
    labels = order(full["label"].unique(), of)
    position = _positions(board["snr"].unique())
    with styled(look):
        figure, grid = panels(len(scenarios), look)
        for axes, scenario in zip(grid, scenarios, strict=True):
            for _, line in others[others["scenario"] == scenario].groupby("label"):
                _joined(axes, line, position, color=OTHERS, linewidth=pt(0.6), zorder=1)
            here = full[full["scenario"] == scenario]
            for number, label in enumerate(labels):
                _line(axes, here[here["label"] == label], position, _dodge(number, len(labels)), of[label])
            axes.set_title(scenario)
        for axes in grid:
            metric_axis(axes, metric, board["mean"])
            if axes.get_yscale() == "log":  # an interval of few cases may reach orders of magnitude down
                axes.set_ylim(bottom=max(axes.get_ylim()[0], board["mean"].min() / 3))
            if (target := METRICS[metric].target) is not None:
                axes.axhline(target, color="#666666", linewidth=pt(0.8), zorder=1)
            _snr_axis(axes, position)
        label_outer(grid)
        handles = [handle(label, of[label], line=True) for label in labels]
        if not full["complete"].all():
            handles.append(hollow_handle())
        if len(others):
            handles.append(Line2D([], [], color=OTHERS, linewidth=pt(0.6), label="other methods"))
        footer(figure, look, "; ".join(filter(None, [MEANS, note(rows, metric, shown)])), handles)
    return figure


def _positions(levels: Floats) -> dict[float, float]:
    """Where each SNR stands on the axis; noiseless a little right of the rest."""
    finite = np.sort(levels[np.isfinite(levels)])
    places = {float(level): float(level) for level in finite}
    if np.isinf(levels).any():
        places[float("inf")] = float(finite[-1] * 3) if finite.size else 1.0
    return places


def _dodge(number: int, count: int) -> float:
    """Factor that sets methods side by side, so that intervals do not hide each other."""
    return float(10 ** (0.16 / max(count, 13) * (number - (count - 1) / 2)))


def _joined(axes: Axes, points: pd.DataFrame, position: dict[float, float], dodge: float = 1.0, **style: Any) -> None:
    """A line through the means, without the noiseless one."""
    points = points[np.isfinite(points["snr"])].sort_values("snr")
    axes.plot(points["snr"].map(position).to_numpy(dtype=float) * dodge, points["mean"].to_numpy(), **style)


def _line(axes: Axes, points: pd.DataFrame, position: dict[float, float], dodge: float, mark: Mark) -> None:
    _joined(axes, points, position, dodge, color=mark.colour, linestyle=mark.dash, zorder=2)
    row: Any
    for row in points.itertuples():
        mean_mark(axes, position[row.snr] * dodge, row, mark, hollow=not row.complete)


def _snr_axis(axes: Axes, position: dict[float, float]) -> None:
    text: dict[float, str] = {}
    room = 0.11 * np.log10(max(position.values()) / min(position.values()))
    for level, place in sorted(position.items(), reverse=True):
        far = not text or np.log10(min(named for named in text if text[named]) / place) > room
        text[place] = ("∞" if np.isinf(level) else f"{level:g}") if far else ""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(sorted(text)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda place, _: text.get(place, "")))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("SNR at b = 0")
    if len(text) == 1:
        axes.set_xlim(min(text) / 2, min(text) * 2)
