"""Not only the mean: how the errors of a method are spread over the cases."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dexsy_bench.leaderboard import badness, check_metrics
from dexsy_bench.metrics import METRICS
from dexsy_bench.plots.look import PAPER, Look, pt, styled
from dexsy_bench.plots.selection import note, only
from dexsy_bench.plots.style import (
    Mark,
    broken,
    footer,
    full_name,
    label_outer,
    marks,
    metric_axis,
    panels,
    scenarios_text,
    snr_text,
)

BOX = "box: quartiles and median; whiskers: 5-95 %; points: cases"


def errors(
    rows: pd.DataFrame,
    metric: str = "js",
    of: dict[str, Mark] | None = None,
    look: Look = PAPER,
    shown: Collection[str] | None = None,
) -> Figure:
    """Box (quartiles, median; whiskers 5-95 %) and every case of a metric, method by method.

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
        Labels; all if not given.

    Returns
    -------
    Figure
        Methods from the best median (over all panels) down, references last. A count on the right,
        such as 14/16, says where cases have no value.
    """
    about, rows = note(rows, metric, shown), only(rows, shown)
    of = of or marks(rows)
    check_metrics(rows, [metric])
    rows = rows.assign(value=rows[metric].where((rows["status"] == "ok") & np.isfinite(rows[metric])))
    median = rows.groupby("label")["value"].median()
    worth = pd.Series(badness(metric, median), index=median.index)
    labels = sorted(median.index, key=lambda name: (of[name].reference, np.nan_to_num(worth[name], nan=np.inf), name))
    names = [broken(full_name(label, of[label]), 26) for label in labels]
    beside = 0.45 * max(len(line) for name in names for line in name.split("\n"))
    parts = [panel for _, panel in rows.groupby(["scenario", "snr"], dropna=False)]
    unit = METRICS[metric].unit and f"({METRICS[metric].unit})"
    with styled(look):
        figure, grid = panels(
            len(parts), look, ratio=0, around=1.8 * len(labels) + 6, least=10, beside=beside, columns=2
        )
        for axes, panel in zip(grid, parts, strict=True):
            for place, label in enumerate(labels):
                _points(axes, panel[panel["label"] == label], place, of[label], panel["case"].nunique())
            sns.boxplot(
                panel, x="value", y="label", order=labels, whis=(5, 95), showfliers=False, fill=False, color="#222222",
                linewidth=pt(0.8), width=0.55, capwidths=0, medianprops={"linewidth": pt(1.8)}, zorder=3, ax=axes,
            )  # fmt: skip
            axes.set_ylabel("")
            axes.set_title(snr_text(panel["snr"].iloc[0]))
        for axes in grid:
            metric_axis(axes, metric, rows["value"], vertical=False)
            axes.set_xlabel(" ".join(filter(None, [metric, unit])))  # the panels are narrow; the title says it in full
            axes.set_yticks(range(len(labels)), names)
            axes.set_ylim(len(labels) - 0.5, -0.5)
            axes.grid(visible=False, axis="y")
            axes.tick_params(axis="y", length=0)
            if (target := METRICS[metric].target) is not None:
                axes.axvline(target, color="#666666", linewidth=pt(0.8), zorder=1)
        label_outer(grid)
        footer(figure, look, "; ".join(filter(None, [BOX, about])))
        figure.suptitle(f"{scenarios_text(rows)}\n{METRICS[metric].title} ({METRICS[metric].wish})")
    return figure


def _points(axes: Axes, rows: pd.DataFrame, place: int, mark: Mark, asked: int) -> None:
    values = rows["value"].dropna().to_numpy(dtype=float)
    if values.size < asked:
        axes.annotate(
            f"{values.size}/{asked}", (1, place), xycoords=("axes fraction", "data"), xytext=(2, 0),
            textcoords="offset points", ha="left", va="center", fontsize=pt(7), color="#666666",
        )  # fmt: skip
    if not values.size:
        return
    jitter = np.random.default_rng(0).uniform(-0.22, 0.22, values.size)
    axes.scatter(values, place + jitter, s=pt(3) ** 2, color=mark.colour, alpha=0.6, linewidth=0, zorder=2)
