"""What an acquisition can know: Cramer-Rao bounds against SNR, one panel a quantity."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from dexsy_bench.plots.look import styled
from dexsy_bench.plots.style import COLOURS, MARKERS, plain_log_ticks

NEUTRAL = "#222222"
WIDE = 3
"""Panels side by side."""

TITLES = {
    "position": "Position of a compartment",
    "width": "Width of a compartment (SD)",
    "fraction": "Fraction of a compartment",
    "initial fraction": "Fraction at the first encoding",
    "exchanged fraction": "Exchanged fraction",
    "exchange rate": "Exchange rate",
}
MANY = 4
"""More lines than that in a panel, as of mixing times, go without bands and without the SD in the prior."""

ROOM = 3.0
"""The axis of a bound ends at this multiple of the SD in the prior: above it, nothing is known."""


def limits(table: pd.DataFrame, title: str = "", precision: float | None = None) -> Figure:
    """Median and 10-90 % band of Cramer-Rao bounds against SNR.

    Parameters
    ----------
    table : DataFrame
        As from :func:`dexsy_bench.inference.limits.limits`.
    title : str
        Above all panels.
    precision : float, optional
        Drawn as a line in each panel.

    Returns
    -------
    Figure
        A panel for each quantity, log-log, a line for each compartment (or mixing time). Dashed: the SD that the
        quantity has in the family, before any signal.
    """
    kinds = list(dict.fromkeys(table["quantity"]))
    wide = min(len(kinds), WIDE)
    tall = -(-len(kinds) // wide)
    with styled():
        figure = Figure(figsize=(2.9 * wide + 0.3, 2.5 * tall + 0.9), layout="constrained")
        axes = list(figure.subplots(tall, wide, sharex=True, squeeze=False).flat)
        for unused in axes[len(kinds) :]:
            unused.set_visible(False)
        for number, (panel, kind) in enumerate(zip(axes, kinds, strict=False)):
            part = table[table["quantity"] == kind]
            _panel(panel, part, precision)
            panel.set_title(TITLES[kind])
            unit = part["unit"].iloc[0]
            panel.set_ylabel(f"least SD ({unit})" if unit else "least SD")
            panel.tick_params(labelbottom=True)
            if number + wide >= len(kinds):
                panel.set_xlabel("SNR at b = 0")
        handles: list[Any] = [
            Line2D([], [], color="#666666", marker="o", markersize=4, label="median over draws"),
            Patch(color="#666666", alpha=0.2, linewidth=0, label="10-90 % of draws"),
            Line2D([], [], color="#666666", linestyle=(0, (4, 2)), linewidth=1, label="SD before any signal"),
        ]
        if precision is not None:
            handles.append(Line2D([], [], color="#999999", linewidth=0.8, label=f"precision {precision:g}"))
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
        if title:
            figure.suptitle(title, fontsize=10)
    return figure


def _panel(axes: Axes, part: pd.DataFrame, precision: float | None) -> None:
    names = list(dict.fromkeys(part["of"]))
    crowded = len(names) > MANY
    axes.set_xscale("log")
    axes.set_yscale("log")
    for number, name in enumerate(names):
        line = part[part["of"] == name].sort_values("snr")
        colour = _colour(number, len(names))
        snr, ends = line["snr"].to_numpy(), line[["low", "median", "high"]].to_numpy()
        shown = np.where(np.isfinite(ends), ends, 1e9)  # an infinite bound leaves the panel
        if not crowded:
            axes.fill_between(snr, shown[:, 0], shown[:, 2], color=colour, alpha=0.1, linewidth=0)
            axes.plot(snr, shown[:, [0, 2]], color=colour, linewidth=0.5, alpha=0.7)
        axes.plot(snr, shown[:, 1], color=colour, marker=MARKERS[number % len(MARKERS)], markersize=4, linewidth=1.3,
                  label=name)  # fmt: skip
        if not crowded:
            axes.axhline(line["prior_sd"].iloc[0], color=colour, linestyle=(0, (4, 2)), linewidth=0.9, zorder=1.5)
    if precision is not None:
        axes.axhline(precision, color="#999999", linewidth=0.8, zorder=1)
    lowest = part["median" if crowded else "low"].to_numpy()
    finite = lowest[np.isfinite(lowest)]
    top = ROOM * part["prior_sd"].max()
    low = min(finite.min(initial=top) / 1.5, top / 30)
    axes.set_ylim(low, top)
    plain_log_ticks(axes.yaxis, top / low, room=100)
    levels = np.sort(part["snr"].unique())
    axes.xaxis.set_major_locator(FixedLocator(list(levels)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    if len(levels) == 1:
        axes.set_xlim(levels[0] / 2, levels[0] * 2)
    if crowded:
        axes.legend(fontsize=6, loc="center left", bbox_to_anchor=(1, 0.5), handlelength=1.6)
    elif len(names) > 1:
        axes.legend(fontsize=7, loc="lower left", handlelength=1.6)


def _colour(number: int, count: int) -> Any:
    if count == 1:
        return NEUTRAL
    return COLOURS[number] if count <= len(COLOURS) else mpl.colormaps["viridis"](0.9 * number / (count - 1))
