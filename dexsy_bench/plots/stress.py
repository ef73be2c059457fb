"""Where each method fails, by how much, and whether its signal residual reveals it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import offset_copy

from dexsy_bench.leaderboard import FAILURES, badness, check_metrics, leaderboard
from dexsy_bench.plots.look import PAPER, Look, PlotError, pt, styled
from dexsy_bench.plots.selection import note, only
from dexsy_bench.plots.style import MEANS, Mark, footer, handle, hollow_handle, marks, mean_mark, metric_axis, order

RESIDUAL = "residual"
LEAST_WIDTH = 38.0
METHOD_HEIGHT, SCENARIO_HEIGHT, LEAST_HEIGHT, MARGIN, NOTE_HEIGHT = 0.45, 0.8, 2.4, 8.5, 0.85
"""In units of the type: what each method adds to the line of a scenario, what parts the lines, their least height,
what axes need, and what a note takes."""
RIGHT = "right, small: at each SNR; large: the geometric mean of these"
WORDS = {"unsupported": "declined", "missing": "not run"}


def stress(
    rows: pd.DataFrame,
    metric: str = "js",
    of: dict[str, Mark] | None = None,
    look: Look = PAPER,
    shown: Collection[str] | None = None,
    baseline: Collection[str] = (),
) -> Figure:
    """A metric and the signal residual, scenario by scenario and method by method.

    Left, the mean over the SNR levels of a scenario, with its 95 % bootstrap interval. Right, the
    residual in units of sigma: the median over the cases at each SNR (small), and the geometric mean
    of these medians over the SNR levels (large). Misfit that the noise does not hide grows in
    proportion to the SNR, so an arithmetic mean would show the highest SNR alone. An estimate that
    the signal does not contradict has about 1, right or wrong.

    Parameters
    ----------
    rows : DataFrame
        One row a case and method.
    metric : str
        A key of METRICS other than the residual.
    of : dict, optional
        Marks by label; derived from the rows if not given.
    look : Look
        Type and width.
    shown : collection of str, optional
        Labels; all if not given.
    baseline : collection of str
        Scenarios that stand first, above a line: what the others are compared with. A method that
        has rows in no other scenario is left out.

    Returns
    -------
    Figure
        Scenarios from the easiest down: by the best mean of a method that is no reference. A hollow
        mark is a mean that lacks cases. Beside the panels stands what each method lacks: `declined`,
        `not run`, `timeout 2/16`, ...

    Raises
    ------
    PlotError
        If the metric is the residual, or the figure is to be too narrow for both.
    TableError
        If no row has a value of the metric or of the residual, as without noise.
    """
    if metric == RESIDUAL:
        raise PlotError("the residual is on the right of this figure in any case; choose another --metric")
    check_metrics(rows, [RESIDUAL])
    look.need(LEAST_WIDTH, "the figure of stress")
    about, rows = note(rows, metric, shown), only(rows, shown)
    of = of or marks(rows)
    compared = ~rows["scenario"].isin(list(baseline))
    if compared.any():
        rows = rows[rows["label"].isin(rows["label"][compared])]
    board = leaderboard(rows, [metric], by=["scenario"])
    levels = residual_levels(rows)
    scenarios = _easiest_first(board, metric, baseline)
    labels = order(board["label"].unique(), of)
    place = {name: float(number) for number, name in enumerate(scenarios)}
    dodge = {label: (number + 0.5) / len(labels) - 0.5 for number, label in enumerate(labels)}
    line = max(METHOD_HEIGHT * len(labels) + SCENARIO_HEIGHT, LEAST_HEIGHT)
    share = METHOD_HEIGHT * len(labels) / line
    with styled(look):
        tall = (line * len(scenarios) + MARGIN) * look.em
        figure = Figure(figsize=(look.inches(), tall), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        row: Any
        for row in board.itertuples():
            y = place[row.scenario] + share * dodge[row.label]
            here = levels[(levels["scenario"] == row.scenario) & (levels["label"] == row.label)]
            mean_mark(left, y, row, of[row.label], vertical=False, hollow=not row.complete, size=3.8)
            _residuals(right, here, y, of[row.label], complete=row.complete)
        for name, part in board[~board["complete"]].groupby("scenario"):
            heights = {label: place[str(name)] + share * dodge[label] for label in part["label"]}
            _coverage(right, part, heights, of, NOTE_HEIGHT / line)
        metric_axis(left, metric, board[["mean", "low", "high"]], vertical=False)
        metric_axis(right, RESIDUAL, levels["median"], vertical=False)
        right.axvline(1, color="#666666", linewidth=pt(0.8), zorder=1)
        common = _scenario_axis((left, right), rows, scenarios, baseline)
        left.set_title(f"mean over the SNR levels\n{common}")
        right.set_title("median residual\nover cases")
        handles = [handle(label, of[label], line=False) for label in labels]
        if (~board["complete"] & board["mean"].notna()).any():
            handles.append(hollow_handle())
        footer(figure, look, "; ".join(filter(None, [f"left: {MEANS}", RIGHT, about])), handles)
    return figure


def residual_levels(rows: pd.DataFrame) -> pd.DataFrame:
    """Median residual over the scored cases of each scenario, label and SNR.

    Returns
    -------
    DataFrame
        `scenario`, `label`, `snr`, `median`, NaN where a method has no value at an SNR that others have.
    """
    known = rows[(rows["status"] == "ok") & np.isfinite(rows[RESIDUAL])]
    medians = known.groupby(["scenario", "snr", "label"], dropna=False)[RESIDUAL].median()
    table = medians.unstack("label").reindex(columns=rows["label"].unique())
    long: pd.DataFrame = table.reset_index().melt(["scenario", "snr"], var_name="label", value_name="median")
    return long


def _easiest_first(board: pd.DataFrame, metric: str, baseline: Collection[str]) -> list[str]:
    """The baseline, then the others; both by what the best method makes of them."""
    fair = board[board["family"] != "reference"]
    fair = board if fair.empty else fair
    worth = pd.Series(badness(metric, fair["mean"]), index=fair["scenario"]).groupby(level=0).min()
    return sorted(worth.index, key=lambda name: (name not in baseline, np.nan_to_num(worth[name], nan=np.inf), name))


def _residuals(axes: Axes, levels: pd.DataFrame, y: float, mark: Mark, *, complete: bool) -> None:
    """The medians at each SNR, joined, and their geometric mean where there is one at every SNR."""
    median = levels["median"].to_numpy(dtype=float)
    style: dict[str, Any] = {"color": mark.colour, "marker": mark.marker, "clip_on": False}
    axes.plot(median, np.full(median.size, y), markersize=pt(2), linewidth=pt(0.7), alpha=0.55, zorder=2, **style)
    if median.size and (median > 0).all():
        face = mark.colour if complete else "white"
        axes.plot(np.exp(np.log(median).mean()), y, markersize=pt(3.8), markerfacecolor=face, zorder=3, **style)


def _coverage(axes: Axes, rows: pd.DataFrame, heights: dict[str, float], of: dict[str, Mark], step: float) -> None:
    """On the right, what the means of a scenario lack and why, once for all methods that lack the same."""
    alike: dict[str, list[str]] = {}
    row: Any
    for row in rows.sort_values("label", key=lambda labels: labels.map(heights)).itertuples():
        alike.setdefault(_lacking(row), []).append(row.label)
    y = -np.inf
    for text, labels in alike.items():
        y = max(float(np.mean([heights[label] for label in labels])), y + step)
        for number, label in enumerate(labels):
            beside = offset_copy(
                axes.get_yaxis_transform(), axes.get_figure(root=True), x=pt(4.5 * number), units="points"
            )
            axes.plot(
                1.025, y, transform=beside, clip_on=False, color=of[label].colour, marker=of[label].marker,
                markersize=pt(3.6), markerfacecolor="white",
            )  # fmt: skip
        axes.annotate(
            text, (1.025, y), xycoords=axes.get_yaxis_transform(), xytext=(pt(4.5 * len(labels)), 0),
            textcoords="offset points", va="center_baseline", fontsize=pt(7), color="#444444", annotation_clip=False,
        )  # fmt: skip


def _lacking(row: Any) -> str:
    """`declined`, `timeout 2/16`, ..., or how many cases were scored."""
    counts = {name: getattr(row, name) for name in FAILURES}
    parts = [
        WORDS.get(name, name) + (f" {count}/{row.asked}" if count < row.asked else "")
        for name, count in counts.items() if count
    ]  # fmt: skip
    return ", ".join(parts) or f"scored {row.scored}/{row.scorable}"


def _scenario_axis(both: tuple[Axes, Axes], rows: pd.DataFrame, scenarios: list[str], baseline: Collection[str]) -> str:
    """A band for every other scenario, its SNR levels where they are not the common ones; returns these."""
    texts = {
        str(name): ", ".join("∞" if np.isinf(snr) else f"{snr:g}" for snr in sorted(part["snr"].unique()))
        for name, part in rows.groupby("scenario")
    }
    common = Counter(texts.values()).most_common(1)[0][0]
    names = [name if texts[name] == common else f"{name}\nSNR {texts[name]}" for name in scenarios]
    count = sum(name in baseline for name in scenarios)
    for axes in both:
        axes.set_yticks(range(len(scenarios)), names)
        axes.set_ylim(len(scenarios) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        for number in range(0, len(scenarios), 2):
            axes.axhspan(number - 0.5, number + 0.5, color="#F4F4F4", linewidth=0, zorder=0)
        if 0 < count < len(scenarios):
            axes.axhline(count - 0.5, color="#222222", linewidth=pt(0.8), zorder=1)
    both[1].tick_params(labelleft=False)
    return common
