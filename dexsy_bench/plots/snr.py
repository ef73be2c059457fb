"""How a metric falls with noise: one panel a scenario, one line a method."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from dexsy_bench.leaderboard import leaderboard, with_labels
from dexsy_bench.metrics import METRICS
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
    styled,
)
from dexsy_bench.problem import Floats


def metric_snr(rows: pd.DataFrame, metric: str = "js", of: dict[str, Mark] | None = None) -> Figure:
    """Mean and 95 % bootstrap interval of a metric against SNR.

    Parameters
    ----------
    rows : DataFrame
        One row a case and method.
    metric : str
        A key of METRICS.
    of : dict, optional
        Marks by label; derived from the rows if not given.

    Returns
    -------
    Figure
        A panel for each scenario, with shared axes. A hollow point is a mean that lacks cases.
    """
    rows = with_labels(rows)
    of = of or marks(rows)
    board = leaderboard(rows, [metric])
    board = board[board["mean"].notna() & board["snr"].notna()]
    if board.empty:
        raise PlotError("the SNR of these cases is not known, so nothing can be drawn against it")
    scenarios = sorted(board["scenario"].unique())
    with styled():
        figure, grid = panels(len(scenarios), (2.9, 2.9), margin=(2.4, 0.5))
        labels = order(board["label"].unique(), of)
        position = _positions(board["snr"].unique())
        for axes, scenario in zip(grid, scenarios, strict=True):
            here = board[board["scenario"] == scenario]
            for number, label in enumerate(labels):
                _line(axes, here[here["label"] == label], position, _dodge(number, len(labels)), of[label])
            axes.set_title(scenario)
        ends = board[["mean", "low", "high"]].to_numpy()
        for axes in grid:
            metric_axis(axes, metric, ends)
            if (target := METRICS[metric].target) is not None:
                axes.axhline(target, color="#666666", linewidth=0.8, zorder=1)
            _snr_axis(axes, position)
        label_outer(grid)
        handles = [handle(label, of[label], line=True) for label in labels]
        if not board["complete"].all():
            handles.append(hollow_handle())
        legend_beside(figure, handles)
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
    return float(10 ** (0.012 * (number - (count - 1) / 2)))


def _line(axes: Axes, points: pd.DataFrame, position: dict[float, float], dodge: float, mark: Mark) -> None:
    points = points.sort_values("snr")
    x = points["snr"].map(position).to_numpy(dtype=float) * dodge
    mean = points["mean"].to_numpy()
    finite = np.isfinite(points["snr"].to_numpy())
    axes.plot(x[finite], mean[finite], color=mark.colour, linestyle=mark.dash, linewidth=1.3, zorder=2)
    ends = np.stack([mean - points["low"].to_numpy(), points["high"].to_numpy() - mean])
    for i in range(len(points)):
        axes.errorbar(
            x[i], mean[i], yerr=None if np.isnan(ends[:, i]).any() else ends[:, i : i + 1],
            color=mark.colour, marker=mark.marker, markersize=4.5, elinewidth=1, capsize=0, linestyle="none",
            markerfacecolor=mark.colour if points["complete"].iloc[i] else "white", zorder=3,
        )  # fmt: skip


def _snr_axis(axes: Axes, position: dict[float, float]) -> None:
    text = {place: "∞" if np.isinf(level) else f"{level:g}" for level, place in position.items()}
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(list(text)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda place, _: text.get(place, "")))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("SNR at b = 0")
    if len(text) == 1:
        axes.set_xlim(min(text) / 2, min(text) * 2)
