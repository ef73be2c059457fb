"""Not only the mean: how the errors of a method are spread over the cases."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dexsy_bench.leaderboard import badness, check_metrics, with_labels
from dexsy_bench.metrics import METRICS
from dexsy_bench.plots.style import Mark, label_outer, marks, metric_axis, panels, snr_text, styled


def distribution(rows: pd.DataFrame, metric: str = "js", of: dict[str, Mark] | None = None) -> Figure:
    """Box (quartiles, median; whiskers 5-95 %) and every case of a metric, method by method.

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
        Methods from the best median (over all panels) down, references last. A count on the right,
        such as 14/16, says where cases have no value.
    """
    rows = with_labels(rows)
    of = of or marks(rows)
    check_metrics(rows, [metric])
    rows = rows.assign(value=rows[metric].where((rows["status"] == "ok") & np.isfinite(rows[metric])))
    median = rows.groupby("label")["value"].median()
    worth = pd.Series(badness(metric, median), index=median.index)
    labels = sorted(median.index, key=lambda name: (of[name].reference, np.nan_to_num(worth[name], nan=np.inf), name))
    parts = [panel for _, panel in rows.groupby(["scenario", "snr"], dropna=False)]
    with styled():
        figure, grid = panels(len(parts), (2.7, 0.3 * len(labels) + 0.9), margin=(2.0, 0.6))
        for axes, panel in zip(grid, parts, strict=True):
            for place, label in enumerate(labels):
                _points(axes, panel[panel["label"] == label], place, of[label], panel["case"].nunique())
            sns.boxplot(
                panel, x="value", y="label", order=labels, whis=(5, 95), showfliers=False, fill=False,
                color="#222222", linewidth=1, width=0.55, capwidths=0, medianprops={"linewidth": 2}, zorder=3, ax=axes,
            )  # fmt: skip
            axes.set_ylabel("")
            axes.set_title(snr_text(panel["snr"].iloc[0]))
        for axes in grid:
            metric_axis(axes, metric, rows["value"], vertical=False)
            axes.set_yticks(range(len(labels)), [f"{n} (reference)" if of[n].reference else n for n in labels])
            axes.set_ylim(len(labels) - 0.5, -0.5)
            axes.grid(visible=False, axis="y")
            axes.tick_params(axis="y", length=0)
            if (target := METRICS[metric].target) is not None:
                axes.axvline(target, color="#666666", linewidth=0.8, zorder=1)
        label_outer(grid)
        key = Line2D([], [], color="#444444", label="box: quartiles and median; whiskers: 5-95 %; points: cases")
        figure.legend(handles=[key], loc="outside lower center", handlelength=0, handletextpad=0)
        figure.suptitle(" · ".join(sorted(rows["scenario"].unique())), fontsize=10)
    return figure


def _points(axes: Axes, rows: pd.DataFrame, place: int, mark: Mark, asked: int) -> None:
    values = rows["value"].dropna().to_numpy(dtype=float)
    if values.size < asked:
        axes.annotate(
            f"{values.size}/{asked}", (1, place), xycoords=("axes fraction", "data"), xytext=(2, 0),
            textcoords="offset points", ha="left", va="center", fontsize=7, color="#666666",
        )  # fmt: skip
    if not values.size:
        return
    jitter = np.random.default_rng(0).uniform(-0.22, 0.22, values.size)
    axes.scatter(values, place + jitter, s=9, color=mark.colour, alpha=0.6, linewidth=0, zorder=2)
