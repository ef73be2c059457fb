"""What all figures share: one mark a method, in every figure; axes of metrics; files."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from dexsy_bench.errors import UserError
from dexsy_bench.metrics import METRICS
from dexsy_bench.statistics import LEVEL

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#332288", "#882255")
"""Distinct under the common colour-vision deficiencies: Okabe & Ito without yellow, two dark ones of P. Tol."""
REFERENCE_COLOURS = ("#4D4D4D", "#8C8C8C", "#B3B3B3")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p", "<", ">", "h", "*", "d", "8")
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)))
REFERENCE_DASH = (0, (1, 1))

FORMATS = ("png", "svg", "pdf")
_RC: Any = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "savefig.dpi": 200,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "dexsy-bench",  # the same figure is the same file
    "pdf.fonttype": 42,
}


class PlotError(UserError):
    """A figure that cannot be made; the message says why and what to ask instead."""


@contextmanager
def styled() -> Iterator[None]:
    """The style of all figures, undone afterwards."""
    with mpl.rc_context(_RC):
        yield


@dataclass(frozen=True)
class Mark:
    """How a method is drawn, in every figure."""

    colour: str
    marker: str
    dash: Any
    reference: bool = False


def marks(rows: pd.DataFrame) -> dict[str, Mark]:
    """A mark for each label, which adding a method rarely changes for the others.

    A label prefers the place that a hash of its name gives, among the colours (then markers, then
    dashes) used least so far; references are grey and dotted.
    """
    found: dict[str, Mark] = {}
    used: Counter[str] = Counter()
    pairs = rows[["label", "family"]].drop_duplicates("label").sort_values("label")
    for label, family in pairs.itertuples(index=False):
        reference = family == "reference"
        colour = _preferred(label, "colour", REFERENCE_COLOURS if reference else COLOURS, used)
        taken = {mark.marker for mark in found.values() if mark.colour == colour}
        marker = _preferred(label, "marker", [m for m in MARKERS if m not in taken] or MARKERS, used)
        dash = REFERENCE_DASH if reference else DASHES[(used[colour] - 1) % len(DASHES)]
        found[label] = Mark(colour, marker, dash, reference)
    return found


def _preferred(label: str, what: str, choices: Sequence[str], used: Counter[str]) -> str:
    start = hashlib.sha256(f"{what}:{label}".encode()).digest()[0]
    in_turn = [choices[(start + step) % len(choices)] for step in range(len(choices))]
    choice = min(in_turn, key=lambda option: used[option])
    used[choice] += 1
    return choice


PER_LINE = 4
"""Panels side by side."""


def panels(count: int, size: tuple[float, float], margin: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    """A figure of that many panels, all with the same axes; sizes in inches."""
    wide = min(count, PER_LINE)
    tall = -(-count // wide)
    figure = Figure(figsize=(size[0] * wide + margin[0], size[1] * tall + margin[1]), layout="constrained")
    grid = figure.subplots(tall, wide, sharex=True, sharey=True, squeeze=False)
    for unused in grid.flat[count:]:
        unused.set_visible(False)
    return figure, list(grid.flat[:count])


def label_outer(axes: Sequence[Axes]) -> None:
    """Leave the labels to the panels on the left and to the lowest of each column, be the last line full or not."""
    wide = min(len(axes), PER_LINE)
    for number, panel in enumerate(axes):
        left, lowest = number % wide == 0, number + wide >= len(axes)
        panel.tick_params(labelleft=left, labelbottom=lowest)
        panel.yaxis.label.set_visible(left)
        panel.xaxis.label.set_visible(lowest)


def handle(label: str, mark: Mark, *, line: bool) -> Line2D:
    """A legend entry."""
    text = f"{label} (reference)" if mark.reference else label
    return Line2D(
        [], [], color=mark.colour, marker=mark.marker, linestyle=mark.dash if line else "none",
        markersize=5, label=text,
    )  # fmt: skip


def hollow_handle() -> Line2D:
    """The legend entry of a mean that lacks cases."""
    return Line2D(
        [], [], color="#666666", marker="o", linestyle="none", markersize=5, markerfacecolor="white",
        label="hollow: mean lacks cases",
    )  # fmt: skip


def legend_beside(figure: Figure, handles: Sequence[Any]) -> None:
    """A legend of means to the right of all axes, where it hides no data."""
    title = f"mean, {LEVEL:.0%} interval"
    figure.legend(
        handles=list(handles),
        title=title,
        title_fontsize=8,
        alignment="left",
        loc="outside right center",
        handlelength=3.2,
    )


def order(labels: Iterable[str], of: dict[str, Mark]) -> list[str]:
    """Methods by name, references last."""
    return sorted(labels, key=lambda label: (of[label].reference, label))


def metric_axis(axes: Axes, metric: str, values: Any, *, vertical: bool = True) -> None:
    """Label the axis of a metric; log-scaled where it is an error that spans more than a factor of 5."""
    axis = axes.yaxis if vertical else axes.xaxis
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values)]
    better = METRICS[metric].better
    log = better != "high" and values.size > 0 and values.min() > 0 and values.max() > 5 * values.min()
    (axes.set_yscale if vertical else axes.set_xscale)("log" if log else "linear")
    if log:
        plain_log_ticks(axis, values.max() / values.min(), room=1000 if vertical else 30)
    text = f"{METRICS[metric].label}\n({METRICS[metric].wish})"
    (axes.set_ylabel if vertical else axes.set_xlabel)(text)


def plain_log_ticks(axis: Any, ratio: float, room: float) -> None:
    """Ticks such as 0.05, 0.1, 0.2 (0.03, 0.1 where the ratio of the ends leaves less room) without powers of ten."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if ratio < room else (1, 3) if ratio < room**2 else (1,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def snr_text(snr: float) -> str:
    """`SNR 30`, `noiseless`."""
    return "noiseless" if np.isinf(snr) else "SNR unknown" if np.isnan(snr) else f"SNR {snr:g}"


def save(figure: Figure, folder: Path, name: str, formats: Sequence[str] = ("png", "svg")) -> list[Path]:
    """Write ``folder/name.png``, ... and say which files.

    Raises
    ------
    PlotError
        If a format is not one of FORMATS, or the folder cannot be written.
    """
    for form in formats:
        if form not in FORMATS:
            raise PlotError(f"no format '{form}'; there are: {', '.join(FORMATS)}")
    paths = [folder / f"{name}.{form}" for form in formats]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with styled():
            for path in paths:
                dated = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[path.suffix[1:]]
                figure.savefig(path, metadata=dated)
    except OSError as error:
        raise PlotError(f"cannot write to {folder}: {error.strerror or error}") from error
    return paths
