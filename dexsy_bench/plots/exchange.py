"""Whether the exchanged fraction comes out: recovered against true, one panel a method."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from dexsy_bench.leaderboard import with_labels
from dexsy_bench.metrics import READINGS
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

TRUE, FOUND = "exchange_true", "exchange_found"
WHY = "it needs two compartments or more whose centres are known, and a run of this version of dexsy-bench"
NORMAL = 1.96
"""Standard deviations that hold 95 % of a normal distribution."""
IDENTITY: dict[str, Any] = {"linestyle": "-", "color": "#8C8C8C"}
BIAS: dict[str, Any] = {"linestyle": "-", "color": "#222222"}
LIMITS: dict[str, Any] = {"linestyle": (0, (4, 2)), "color": "#222222"}


class Agreement(NamedTuple):
    """Of n pairs: correlation, mean difference (found - true) and its 95 % limits of agreement; NaN if undefined."""

    r: float
    bias: float
    low: float
    high: float
    n: int


def agreement(true: ArrayLike, found: ArrayLike) -> Agreement:
    """Pearson's r, and bias with limits of agreement ``bias -/+ 1.96 SD`` of the differences.

    Bland & Altman, Lancet 327, 307 (1986). r is NaN where one side does not vary, the limits are with n = 1.
    """
    x, y = np.asarray(true, dtype=float), np.asarray(found, dtype=float)
    difference = y - x
    varies = x.size > 1 and np.ptp(x) > 1e-12 and np.ptp(y) > 1e-12
    bias = float(difference.mean())
    spread = NORMAL * float(difference.std(ddof=1)) if x.size > 1 else np.nan
    return Agreement(
        float(np.corrcoef(x, y)[0, 1]) if varies else np.nan, bias, bias - spread, bias + spread, int(x.size)
    )


def exchange(
    rows: pd.DataFrame,
    metric: str = "js",
    of: dict[str, Mark] | None = None,
    look: Look = PAPER,
    shown: Collection[str] | None = None,
) -> Figure:
    """Recovered against true exchanged fraction, with the identity line, bias and limits of agreement.

    Parameters
    ----------
    rows : DataFrame
        Rows of one scenario and SNR.
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
        A panel for each method, with the same equal axes; above it r, bias, limits and n of the cases asked.

    Raises
    ------
    PlotError
        If no row has an exchanged fraction.
    """
    about, rows = note(rows, metric, shown), only(rows, shown)
    of = of or marks(with_labels(rows))
    known = with_values(rows, (TRUE, FOUND), WHY)
    labels = order(known["label"].unique(), of)
    asked = rows["case"].nunique()
    top = 1.05 * float(known[[TRUE, FOUND]].to_numpy().max()) or 1.0
    with styled(look):
        figure, grid = panels(len(labels), look, ratio=1, around=5.8, least=10, beside=3, columns=2)
        for axes, label in zip(grid, labels, strict=True):
            part = known[known["label"] == label]
            _panel(axes, part, of[label], asked)
            axes.set_title(f"{broken(full_name(label, of[label]))}\n\n", linespacing=1.05, fontsize=pt(8))
            axes.set(xlim=(0, top), ylim=(0, top), xlabel="true", ylabel="recovered")
            axes.set_box_aspect(1)
        label_outer(grid)
        handles = [
            Line2D([], [], linewidth=pt(0.9), label=text, **style)
            for style, text in ((IDENTITY, "identity"), (BIAS, "bias"), (LIMITS, "95% limits of agreement"))
        ]
        text = f"{READINGS[FOUND].title} against the true one; r, bias [limits of agreement], cases"
        footer(figure, look, "; ".join(filter(None, [text, about])), handles)
        figure.suptitle(scenarios_text(rows) + f", {snr_text(rows['snr'].iloc[0])}")
    return figure


def _panel(axes: Axes, part: pd.DataFrame, mark: Mark, asked: int) -> None:
    found = agreement(part[TRUE], part[FOUND])
    ends = np.array([0.0, 1.0])
    lines = [(0.0, IDENTITY), (found.bias, BIAS), (found.low, LIMITS), (found.high, LIMITS)]
    for offset, style in lines:
        axes.plot(ends, ends + offset, linewidth=pt(0.9), zorder=1, **style)
    axes.plot(
        part[TRUE], part[FOUND], linestyle="none", color=mark.colour, marker=mark.marker, markersize=pt(3.4), alpha=0.7,
        markeredgewidth=0, zorder=2,
    )  # fmt: skip
    r = "–" if np.isnan(found.r) else f"{found.r:.2f}"
    lost = f"/{asked}" if found.n < asked else ""
    axes.annotate(
        f"r {r}, n {found.n}{lost}\n{found.bias:+.3f} [{found.low:+.3f}, {found.high:+.3f}]".replace("-", "−"),
        (0.5, 1), xytext=(0, pt(2)), xycoords="axes fraction", textcoords="offset points", ha="center", va="bottom",
        fontsize=pt(7), linespacing=1.05,
    )  # fmt: skip
