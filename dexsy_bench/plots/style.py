"""What all figures share: one mark a method, in every figure; axes of metrics; files."""

from __future__ import annotations

import hashlib
import math
import textwrap
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from dexsy_bench.metrics import METRICS
from dexsy_bench.plots.look import PAPER, Look, PlotError, pt, styled
from dexsy_bench.statistics import LEVEL

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#332288", "#882255")
"""Distinct under the common colour-vision deficiencies: Okabe & Ito without yellow, two dark ones of P. Tol."""
REFERENCE_COLOURS = ("#4D4D4D", "#8C8C8C", "#B3B3B3")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p", "<", ">", "h", "*", "d", "8")
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)))
REFERENCE_DASH = (0, (1, 1))
OTHERS = "#BDBDBD"
"""Methods that are not named."""

FORMATS = ("png", "svg", "pdf")


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


def told_apart(of: dict[str, Mark], named: Collection[str]) -> dict[str, Mark]:
    """Marks with which no two of the methods that a figure names share a colour, as long as there are colours.

    Of those that share one, the first by name keeps it; the others take one that is free, and another marker where
    somebody has theirs in it. All other marks stay as they are.
    """
    found = dict(of)
    keepers = {of[label].colour: label for label in sorted(named, reverse=True) if not of[label].reference}
    free = [colour for colour in COLOURS if colour not in keepers]
    for label in sorted(named):
        mark = of[label]
        if mark.reference or keepers[mark.colour] == label or not free:
            continue
        taken = {colour: {other.marker for other in found.values() if other.colour == colour} for colour in free}
        colour = min(free, key=lambda colour: mark.marker in taken[colour])
        free.remove(colour)
        marker = next((marker for marker in (mark.marker, *MARKERS) if marker not in taken[colour]), mark.marker)
        found[label] = replace(mark, colour=colour, marker=marker)
    return found


def _preferred(label: str, what: str, choices: Sequence[str], used: Counter[str]) -> str:
    start = hashlib.sha256(f"{what}:{label}".encode()).digest()[0]
    in_turn = [choices[(start + step) % len(choices)] for step in range(len(choices))]
    choice = min(in_turn, key=lambda option: used[option])
    used[choice] += 1
    return choice


def panels(
    count: int,
    look: Look,
    *,
    ratio: float = 0.9,
    around: float = 5.5,
    least: float = 12.0,
    beside: float = 5.0,
    columns: int | None = None,
    shared: bool = True,
) -> tuple[Figure, list[Axes]]:
    """A figure of that many panels, as many side by side as are legible; lengths in units of the type.

    Parameters
    ----------
    count : int
    look : Look
    ratio, around : float
        Height of a panel over its width, and what titles and labels add to it.
    least : float
        Least width of a panel.
    beside : float
        What labels on the left of the first panel take.
    columns : int, optional
        Default width, in columns of a page: one for a single panel, else two.
    shared : bool
        Whether all panels have the same axes.

    Raises
    ------
    PlotError
        If not even one panel fits the width.
    """
    columns = columns or min(count, 2)
    look.need(least + beside, "this figure")
    room = look.ems(columns) - beside
    lines = math.ceil(count / max(1, int(room / least)))
    across = math.ceil(count / lines)
    tall = lines * (ratio * room / across + around) + 1.5
    figure = Figure(figsize=(look.inches(columns), tall * look.em), layout="constrained")
    pad = 0.35 * look.em
    figure.get_layout_engine().set(w_pad=pad, h_pad=pad)  # type: ignore[call-arg, union-attr]
    grid = figure.subplots(lines, across, sharex=shared, sharey=shared, squeeze=False)
    for unused in grid.flat[count:]:
        unused.set_visible(False)
    return figure, list(grid.flat[:count])


def label_outer(axes: Sequence[Axes]) -> None:
    """Leave the labels to the panels on the left and to the lowest of each column, be the last line full or not."""
    across = axes[0].get_gridspec().ncols  # type: ignore[union-attr]
    for number, panel in enumerate(axes):
        left, lowest = number % across == 0, number + across >= len(axes)
        panel.tick_params(labelleft=left, labelbottom=lowest)
        panel.yaxis.label.set_visible(left)
        panel.xaxis.label.set_visible(lowest)


def full_name(label: str, mark: Mark) -> str:
    """The label, with a word where it is a reference."""
    return f"{label} (reference)" if mark.reference else label


def handle(label: str, mark: Mark, *, line: bool) -> Line2D:
    """A legend entry."""
    return Line2D(
        [],
        [],
        color=mark.colour,
        marker=mark.marker,
        linestyle=mark.dash if line else "none",
        label=full_name(label, mark),
    )


def mean_mark(
    axes: Axes, place: float, row: Any, mark: Mark, *, vertical: bool = True, hollow: bool, size: float = 4.5
) -> None:
    """The `mean` of a row with its interval, `low` to `high`, at that place of the other axis."""
    ends = None if np.isnan(row.low) else [[row.mean - row.low], [row.high - row.mean]]
    where = {"x": place, "y": row.mean, "yerr": ends} if vertical else {"x": row.mean, "y": place, "xerr": ends}
    axes.errorbar(
        **where, color=mark.colour, marker=mark.marker, markersize=pt(size), elinewidth=pt(1), capsize=0,
        linestyle="none", markerfacecolor="white" if hollow else mark.colour, zorder=3,
    )  # fmt: skip


def hollow_handle() -> Line2D:
    """The legend entry of a mean that lacks cases."""
    return Line2D(
        [], [], color="#666666", marker="o", linestyle="none", markerfacecolor="white", label="hollow: mean lacks cases"
    )


MEANS = f"mean, {LEVEL:.0%} interval"


CHARACTER = 0.46
"""Width of one in the legend's type, in units of the type."""


def footer(figure: Figure, look: Look, text: str, handles: Sequence[Any] = ()) -> None:
    """Below all panels, where it hides no data: what is shown, and a legend in as many columns as fit."""
    width = figure.get_figwidth() / look.em
    title = textwrap.wrap(text, int((width - 2) / CHARACTER))  # none of an empty text
    lengths = [len(entry.get_label()) for entry in handles]
    across = next((n for n in range(len(lengths), 1, -1) if _legend_width(lengths, n) < width - 1), 1)
    figure.legend(
        handles=list(handles), title="\n".join(title), alignment="left", loc="outside lower center", ncols=across,
        handlelength=2.6, columnspacing=1.2, borderaxespad=0.2,
    )  # fmt: skip
    lines = len(title) + math.ceil(len(handles) / across)
    figure.set_figheight(figure.get_figheight() + (1.15 * lines + 1) * look.em)


def _legend_width(lengths: Sequence[int], across: int) -> float:
    """Of a legend in that many columns, which are filled one after the other."""
    columns = np.array_split(np.asarray(lengths), across)
    return float(sum(CHARACTER * column.max(initial=0) + 4.4 for column in columns))


def scenarios_text(rows: pd.DataFrame) -> str:
    """The scenarios of a figure, for its title; their number if they are many."""
    names = sorted(rows["scenario"].unique())
    return " · ".join(names) if len(names) <= 3 else f"{len(names)} scenarios"


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
    (axes.set_ylabel if vertical else axes.set_xlabel)(metric_text(metric))


def metric_text(metric: str) -> str:
    """Title of a metric, then unit and which values are better, on lines of their own."""
    about = METRICS[metric]
    return textwrap.fill(about.title, 28) + f"\n({', '.join(filter(None, [about.unit, about.wish]))})"


def plain_log_ticks(axis: Any, ratio: float, room: float) -> None:
    """Ticks such as 0.05, 0.1, 0.2 (0.03, 0.1 where the ratio of the ends leaves less room) without powers of ten."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if ratio < room else (1, 3) if ratio < room**2 else (1,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def snr_text(snr: float) -> str:
    """`SNR 30`, `noiseless`."""
    return "noiseless" if np.isinf(snr) else "SNR unknown" if np.isnan(snr) else f"SNR {snr:g}"


def broken(name: str, most: int = 20) -> str:
    """A long name on two lines: before its options, else before the word that it is a reference."""
    if len(name) <= most:
        return name
    return name.replace("[", "\n[", 1) if "[" in name else name.replace(" (", "\n(", 1)


def check_formats(formats: Sequence[str]) -> None:
    """Raise PlotError if one is not of FORMATS."""
    for form in formats:
        if form not in FORMATS:
            raise PlotError(f"no format '{form}'; there are: {', '.join(FORMATS)}")


def save(
    figure: Figure, folder: Path, name: str, formats: Sequence[str] = ("png", "svg"), look: Look = PAPER
) -> list[Path]:
    """Write ``folder/name.png``, ... in the look it was drawn in, and say which files.

    Raises
    ------
    PlotError
        If a format is not one of FORMATS, or the folder cannot be written.
    """
    check_formats(formats)
    paths = [folder / f"{name}.{form}" for form in formats]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with styled(look):
            for path in paths:
                dated = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[path.suffix[1:]]
                figure.savefig(path, metadata=dated)
    except OSError as error:
        raise PlotError(f"cannot write to {folder}: {error.strerror or error}") from error
    return paths
