"""What the interactive plots share: numbers fit for JSON, the marks of the methods, axes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from dexsy_bench.metrics import METRICS
from dexsy_bench.plots import TOP
from dexsy_bench.plots.style import Mark, snr_text

Trace = dict[str, Any]
Drawing = dict[str, Any]
"""``{"data": [traces], "layout": {...}}``, as plotly.js takes it."""

SYMBOLS = {
    "o": "circle", "s": "square", "^": "triangle-up", "D": "diamond", "v": "triangle-down", "P": "cross", "X": "x",
    "p": "pentagon", "<": "triangle-left", ">": "triangle-right", "h": "hexagon2", "*": "star", "d": "diamond-tall",
    "8": "octagon",
}  # fmt: skip
"""Markers of matplotlib, as plotly names them."""

ALL = "all"
"""A scope over all scenarios, or all SNR levels."""


def number(value: Any, digits: int = 5) -> float | None:
    """A number for JSON, to so many digits; None where it is not finite."""
    value = float(value)
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None


def numbers(values: Any, digits: int = 5) -> list[float | None]:
    """Numbers for JSON."""
    return [number(value, digits) for value in np.ravel(np.asarray(values, dtype=float))]


def snr_name(snr: Any) -> str:
    """How the page's filters name an SNR: `30`, `noiseless`."""
    return snr_text(float(snr)).removeprefix("SNR ")


def symbol(mark: Mark) -> str:
    """The marker as plotly names it."""
    return SYMBOLS.get(mark.marker, "circle")


def text_mark(mark: Mark) -> dict[str, str]:
    """A mark for a line of text: its colour, and its outline as an SVG path within a unit square around 0."""
    from matplotlib.markers import MarkerStyle

    style = MarkerStyle(mark.marker)
    outline = style.get_path().transformed(style.get_transform())
    points = max(map(np.asarray, outline.to_polygons()), key=len)
    points = 0.5 * points / np.abs(points).max()
    return {"colour": mark.colour, "path": "M" + "L".join(f"{x:.2f},{-y:.2f}" for x, y in points) + "Z"}


def dash(mark: Mark) -> str:
    """The dash of a mark in the terms of plotly, in pixels."""
    if isinstance(mark.dash, str):
        return "solid"
    return ",".join(f"{2 * length:g}px" for length in mark.dash[1])


def trace(label: str, mark: Mark, family: str, shown: bool, **given: Any) -> Trace:
    """Points of a method, with the mark that it has everywhere; hidden until its name is clicked unless shown."""
    return {
        "type": "scatter",
        "name": f"{label} (reference)" if mark.reference else label,
        "meta": family,
        "visible": True if shown else "legendonly",
        "marker": {"color": mark.colour, "symbol": symbol(mark), "size": 8},
        "line": {"color": mark.colour, "width": 1.6, "dash": dash(mark)},
        **given,
    }


def error_bar(mean: Any, low: Any, high: Any, colour: str) -> dict[str, Any]:
    """The interval around a mean; no bar where it is not known."""
    mean, low, high = (np.asarray(values, dtype=float) for values in (mean, low, high))
    up, down = (np.nan_to_num(numbers_or_nan) for numbers_or_nan in (high - mean, mean - low))
    return {
        "type": "data", "symmetric": False, "array": numbers(up), "arrayminus": numbers(down),
        "color": colour, "thickness": 1, "width": 3,
    }  # fmt: skip


def metric_axis(metric: str, values: Any) -> dict[str, Any]:
    """The axis of a metric; log-scaled where it is an error that spans more than a factor of 5."""
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values)]
    log = METRICS[metric].better != "high" and values.size and values.min() > 0 and values.max() > 5 * values.min()
    return axis(f"{METRICS[metric].label}<br>({METRICS[metric].wish})", log=bool(log))


def axis(title: str, *, log: bool = False, **given: Any) -> dict[str, Any]:
    """An axis with its title."""
    ticks = {"dtick": "D2", "exponentformat": "power"} if log else {}
    return {
        "title": {"text": title}, "type": "log" if log else "linear", "automargin": True, "zeroline": False,
        "gridcolor": "#e6e6e6", "linecolor": "#666", "ticks": "outside", **ticks, **given,
    }  # fmt: skip


def layout(**given: Any) -> dict[str, Any]:
    """What all plots look like."""
    return {
        "font": {"family": "system-ui, sans-serif", "size": 13, "color": "#1a1a1a"},
        "paper_bgcolor": "#fff", "plot_bgcolor": "#fff", "margin": {"l": 60, "r": 10, "t": 10, "b": 50},
        "hovermode": "closest", **given,
    }  # fmt: skip


def shown_first(standings: pd.DataFrame, metric: str, of: Mapping[str, Mark], count: int = TOP) -> set[str]:
    """The labels that plots show at first: the best by rank over all cells, and the references."""
    here = standings[(standings["metric"] == metric) & (standings["scenario"] == ALL) & (standings["snr"] == ALL)]
    best = here[here["ranked"]].sort_values(["rank", "mean"])["label"].head(count)
    return {*best, *(label for label, mark in of.items() if mark.reference)} if len(best) else set(of)
