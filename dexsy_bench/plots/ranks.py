"""Who is shown to be better: a critical-difference diagram, with a line a method."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import networkx as nx
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dexsy_bench.leaderboard import with_labels
from dexsy_bench.metrics import METRICS
from dexsy_bench.plots.look import PAPER, Look, PlotError, pt, styled
from dexsy_bench.plots.selection import note
from dexsy_bench.plots.style import (
    MEANS,
    Mark,
    broken,
    footer,
    full_name,
    marks,
    mean_mark,
    metric_axis,
    scenarios_text,
)
from dexsy_bench.ranking import pairwise, rank

LINE, AROUND = 1.8, 7.5
"""In units of the type: height of a method, and of title and axis."""
LEAST_WIDTH = 34.0
BARS = "bars join methods that no paired test separates"


def undecided(labels: Sequence[str], pairs: pd.DataFrame) -> list[list[str]]:
    """The largest sets of methods of which no two are separated, without single ones, in the order of the labels.

    Parameters
    ----------
    labels : sequence of str
        Ranked methods, best first.
    pairs : DataFrame
        As :func:`dexsy_bench.ranking.pairwise` returns them.
    """
    place = {label: number for number, label in enumerate(labels)}
    tied = pairs[~pairs["separated"].astype(bool) & pairs["a"].isin(place) & pairs["b"].isin(place)]
    graph = nx.Graph(list(tied[["a", "b"]].itertuples(index=False, name=None)))
    groups = [sorted(clique, key=place.__getitem__) for clique in nx.find_cliques(graph)]
    return sorted(groups, key=lambda group: [place[label] for label in group])


def ranks(
    rows: pd.DataFrame,
    metric: str = "js",
    of: dict[str, Mark] | None = None,
    look: Look = PAPER,
    shown: Collection[str] | None = None,
) -> Figure:
    """Means, ranks and the groups of methods that are not separated, on the same cases (Demsar 2006, turned by 90°).

    Parameters
    ----------
    rows : DataFrame
        One row a case and method.
    metric : str
        A key of METRICS that compares case by case.
    of : dict, optional
        Marks by label; derived from the rows if not given.
    look : Look
        Type and width.
    shown : collection of str, optional
        Labels to draw; the tests are of all methods either way.

    Returns
    -------
    Figure
        From the best rank down; on the right the rank with its 95 % bootstrap interval, and a bar for each largest
        set of methods of which no two are separated, with a dot at each. Below a line what has no rank: references,
        and methods that lack cases.

    Raises
    ------
    PlotError
        If fewer than two methods can be ranked, or the width does not hold them.
    TableError
        As :func:`dexsy_bench.ranking.rank`.
    """
    look.need(LEAST_WIDTH, "the figure of ranks")
    of = of or marks(with_labels(rows))
    table = rank(rows, metric)
    if table["ranked"].sum() < 2:
        raise PlotError("fewer than two methods were scored on every case, so there is nothing to rank")
    pairs = pairwise(rows, metric)
    if shown is not None:
        table = table[table["label"].isin(list(shown))]
    table = pd.concat([table[table["ranked"]], table[~table["ranked"]]], ignore_index=True)
    ranked = list(table["label"][table["ranked"]])
    columns = _columns(undecided(ranked, pairs), ranked)
    room = look.ems()
    right = min(max(0.75 * len(columns) + 6.5, 10), 0.35 * room)
    with styled(look):
        height = (LINE * len(table) + AROUND) * look.em
        figure = Figure(figsize=(look.inches(), height), layout="constrained")
        left, groups = figure.subplots(1, 2, sharey=True, width_ratios=(room - 14 - right, right))
        _means(left, table, of)
        values = table[["mean", "low", "high"]]
        metric_axis(left, metric, values, vertical=False)
        if (target := METRICS[metric].target) is not None:  # the table has distances from it
            left.set_xlabel(f"distance of {METRICS[metric].title} from {target:g}\n(lower is better)")
        left.set_yticks(range(len(table)), [broken(full_name(label, of[label]), 26) for label in table["label"]])
        left.set_ylim(len(table) - 0.5, -0.5)
        left.grid(visible=False, axis="y")
        left.tick_params(axis="y", length=0)
        _groups(groups, table, columns, 6.0 / right)
        for axes in (left, groups):
            if len(ranked) < len(table):
                axes.axhline(len(ranked) - 0.5, color="#222222", linewidth=pt(0.8), zorder=1)
        part = with_labels(rows)
        cases = len(part.drop_duplicates(["scenario", "snr", "case"]))
        figure.suptitle(scenarios_text(part) + f", {cases} cases")
        texts = [MEANS, "rank [95% interval of the mean's place]", BARS, note(rows, metric, shown)]
        footer(figure, look, "; ".join(filter(None, texts)))
    return figure


def _columns(groups: list[list[str]], ranked: list[str]) -> list[list[list[str]]]:
    """The bars in as few columns as hold them without touching: each in the first with room below its last bar."""
    place = {label: number for number, label in enumerate(ranked)}
    columns: list[list[list[str]]] = []
    for group in groups:
        free = (column for column in columns if place[column[-1][-1]] < place[group[0]])
        column = next(free, None)
        if column is None:
            columns.append(column := [])
        column.append(group)
    return columns


def _means(axes: Axes, table: pd.DataFrame, of: dict[str, Mark]) -> None:
    row: Any
    for place, row in enumerate(table.itertuples()):
        mean_mark(axes, place, row, of[row.label], vertical=False, hollow=row.scored < row.asked)


def _groups(axes: Axes, table: pd.DataFrame, columns: list[list[list[str]]], text: float) -> None:
    """Ranks in words, in that share of the width, then the bars."""
    place = {label: number for number, label in enumerate(table["label"])}
    row: Any
    for number, row in enumerate(table.itertuples()):
        if row.ranked:
            words = f"{row.rank:g} [{row.rank_low:g}, {row.rank_high:g}]"
        else:
            words = "" if row.reference else f"not ranked: {row.scored}/{row.asked}"
        axes.text(0, number, words, ha="left", va="center", fontsize=pt(7))
    step = (1 - text) / max(len(columns), 1)
    for number, column in enumerate(columns):
        x = text + (number + 0.5) * step
        for group in column:
            y = [place[label] for label in group]
            axes.plot([x, x], [y[0], y[-1]], color="#222222", linewidth=pt(1.2), solid_capstyle="butt", gid="group")
            axes.plot([x] * len(y), y, color="#222222", marker="o", markersize=pt(2.6), linestyle="none")
    axes.set_xlim(0, 1)
    axes.set_axis_off()
