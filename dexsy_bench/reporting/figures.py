"""The interactive plots that rows alone make, as plotly.js takes them, and the tables behind them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from dexsy_bench.leaderboard import leaderboard
from dexsy_bench.metrics import METRICS
from dexsy_bench.plots import Mark, pareto_front
from dexsy_bench.plots.style import order
from dexsy_bench.problem import Floats
from dexsy_bench.reporting.drawing import (
    ALL,
    Drawing,
    axis,
    error_bar,
    layout,
    metric_axis,
    numbers,
    shown_first,
    symbol,
    trace,
)

Marks = dict[str, Mark]


def metric_snr(table: pd.DataFrame, metrics: Sequence[str], of: Marks) -> Iterator[tuple[str, Drawing]]:
    """``snr/METRIC/SCENARIO``: the mean with its interval against SNR."""
    cells = table[table["snr"] != ALL]
    for (metric, scenario), part in cells.groupby(["metric", "scenario"], sort=False):
        levels = sorted(part["snr"].unique(), key=_level)
        place = {snr: float(_level(snr)) for snr in levels}
        finite = [value for value in place.values() if np.isfinite(value)]
        beyond = 10 * max(finite, default=1.0)  # where a noiseless signal stands on a logarithmic axis
        place = {snr: value if np.isfinite(value) else beyond for snr, value in place.items()}
        first = shown_first(table, str(metric), of)
        traces = []
        for label, line in _by_label(part, of):
            line = line.assign(at=line["snr"].map(place)).sort_values("at")
            traces.append(
                trace(
                    label, of[label], line["family"].iloc[0], label in first,
                    mode="lines+markers", x=numbers(line["at"]), y=numbers(line["mean"]),
                    error_y=error_bar(line["mean"], line["low"], line["high"], of[label].colour),
                    hovertemplate="%{fullData.name}<br>SNR %{x}: %{y:.4g}<extra></extra>",
                )
            )  # fmt: skip
        ticks = {"tickvals": numbers(list(place.values())), "ticktext": list(place)}
        x = axis("SNR of S(0,0)", log=True) | ticks
        del x["dtick"]
        shown = part[part["label"].isin(first)]
        yield (
            f"snr/{metric}/{scenario}",
            {
                "data": traces,
                "layout": layout(xaxis=x, yaxis=metric_axis(str(metric), shown["mean"])),
            },
        )


def _level(snr: str) -> float:
    return {"noiseless": np.inf, "unknown": 1.0}.get(snr) or float(snr)


def _by_label(part: pd.DataFrame, of: Marks) -> Iterator[tuple[str, pd.DataFrame]]:
    groups = {str(label): lines for label, lines in part.groupby("label")}
    for label in order(groups, of):
        yield label, groups[label]


def accuracy_time(table: pd.DataFrame, of: Marks) -> Iterator[tuple[str, Drawing]]:
    """``time/METRIC/SCENARIO/SNR``: the mean against the median time of an inversion, with the Pareto front."""
    for (metric, scenario, snr), part in table.groupby(["metric", "scenario", "snr"], sort=False):
        part = part[(part["seconds"] > 0) & part["mean"].notna()]
        if part.empty:
            continue
        traces = [_front(part, str(metric))]
        for label, line in _by_label(part, of):
            row = line.iloc[0]
            hollow = {} if row["ranked"] or of[label].reference else {"symbol": f"{symbol(of[label])}-open"}
            point = trace(
                label, of[label], row["family"], True,
                mode="markers", x=numbers([row["seconds"]]), y=numbers([row["mean"]]),
                error_y=error_bar([row["mean"]], [row["low"]], [row["high"]], of[label].colour),
                hovertemplate="%{fullData.name}<br>%{x:.3g} s a case: %{y:.4g}<extra></extra>",
            )  # fmt: skip
            point["marker"] |= {"size": 10} | hollow
            traces.append(point)
        yield (
            f"time/{metric}/{scenario}/{snr}",
            {
                "data": traces,
                "layout": layout(
                    xaxis=axis("median seconds of a case", log=True) | {"dtick": 1, "exponentformat": "power"},
                    yaxis=metric_axis(str(metric), part["mean"]),
                ),
            },
        )


def _front(part: pd.DataFrame, metric: str) -> dict[str, Any]:
    """The Pareto front of the ranked methods, as a step line."""
    fair = pareto_front(part.assign(complete=part["ranked"]), metric)
    return {
        "type": "scatter", "mode": "lines", "name": "Pareto front of the ranked", "meta": "",
        "x": numbers(fair["seconds"]), "y": numbers(fair["mean"]), "hoverinfo": "skip",
        "line": {"color": "#999", "width": 1.5, "shape": "hv", "dash": "dot"},
    }  # fmt: skip


def stress_table(rows: pd.DataFrame, metrics: Sequence[str], baseline: Collection[str]) -> pd.DataFrame:
    """The mean of each scenario and method, and how it stands to the mean over the scenarios of the baseline.

    Returns
    -------
    DataFrame
        `metric`, `scenario`, `label`, `family`, `mean`, `complete`, `baseline` (the mean there) and `relative`: the
        ratio of the means where 0 is perfect, else their difference; NaN without a baseline.
    """
    board = leaderboard(rows, metrics, by=["scenario"])[["metric", "scenario", "label", "family", "mean", "complete"]]
    board["baseline"] = board["relative"] = np.nan
    if baseline:
        core = leaderboard(rows[rows["scenario"].isin(list(baseline))], metrics, by=())
        means = core.set_index(["metric", "label"])["mean"]
        board["baseline"] = means.reindex(pd.MultiIndex.from_frame(board[["metric", "label"]])).to_numpy()
        ratio = board["metric"].map(lambda name: METRICS[name].better == "low")
        board["relative"] = np.where(ratio, board["mean"] / board["baseline"], board["mean"] - board["baseline"])
    return board[~board["scenario"].isin(list(baseline))] if baseline else board


def stress(table: pd.DataFrame, of: Marks, baseline: Collection[str]) -> Iterator[tuple[str, Drawing]]:
    """``stress/METRIC``: scenario by method; with a baseline, how the mean there is multiplied or shifted."""
    for metric, part in table.groupby("metric", sort=False):
        value = "relative" if baseline else "mean"
        if baseline:  # methods that the baseline has alone tell nothing
            part = part[part["label"].isin(part.loc[part["mean"].notna(), "label"])]
        wide = part.pivot(index="label", columns="scenario", values=value)
        labels = order(wide.index, of)[::-1]
        z = wide.loc[labels]
        ratio = METRICS[str(metric)].better == "low"
        values = z.to_numpy(dtype=float)
        text = [[_cell(v, baseline and ratio, bool(baseline)) for v in line] for line in values]
        colour = np.log2(values) if baseline and ratio else values
        yield f"stress/{metric}", {
            "data": [
                {
                    "type": "heatmap", "x": list(z.columns), "y": labels,
                    "z": [numbers(line, 4) for line in colour], "text": text,
                    "texttemplate": "%{text}", "xgap": 1, "ygap": 1, "textfont": {"size": 11},
                    "hovertemplate": "%{y}<br>%{x}: %{text}<extra></extra>",
                    **_colours(str(metric), colour, bool(baseline)),
                }
            ],
            "layout": layout(
                xaxis={"side": "top", "tickangle": -35, "automargin": True},
                yaxis={"automargin": True, "tickfont": {"size": 11}},
                height=140 + 22 * len(labels),
            ),
        }  # fmt: skip


def _cell(value: float, ratio: Any, relative: bool) -> str:
    if not np.isfinite(value):
        return "–"
    return f"× {value:.2g}" if ratio else f"{value:+.2g}" if relative else f"{value:.2g}"


BLUE_TO_RED = [[0, "#2166ac"], [0.25, "#92c5de"], [0.5, "#f7f7f7"], [0.75, "#f4a582"], [1, "#b2182b"]]
WHITE_TO_BLUE = [[0, "#f7fbff"], [0.5, "#6baed6"], [1, "#08306b"]]


def _colours(metric: str, values: Floats, relative: bool) -> dict[str, Any]:
    """Two-sided from better (blue) to worse (red) around the baseline; one-sided without."""
    finite = values[np.isfinite(values)]
    worse_up = METRICS[metric].better != "high"
    bar = {"thickness": 12, "title": {"text": _bar_title(metric, relative), "side": "right"}}
    if relative:
        end = float(np.abs(finite).max(initial=0.0)) or 1.0
        return {"colorscale": BLUE_TO_RED, "reversescale": not worse_up, "zmin": -end, "zmax": end, "colorbar": bar}
    return {"colorscale": WHITE_TO_BLUE, "reversescale": False, "colorbar": bar}


def _bar_title(metric: str, relative: bool) -> str:
    if not relative:
        return METRICS[metric].label
    return f"log2 of the ratio of {metric}" if METRICS[metric].better == "low" else f"change of {metric}"


NOMINAL = {"coverage_50": 50, "coverage_80": 80, "coverage_95": 95}
"""Per cent that intervals claim, by the metric that counts how often they hold."""


def calibration_table(rows: pd.DataFrame) -> pd.DataFrame:
    """How often intervals hold the true exchanged fraction: each coverage by scenario (or ``all``) and method."""
    columns = ["scenario", "label", "family", "metric", "nominal", "mean", "low", "high", "scored"]
    known = [name for name in NOMINAL if name in rows and rows[name].notna().any()]
    if not known:
        return pd.DataFrame(columns=columns)
    with_samples = rows[rows["label"].isin(rows.loc[rows[known[0]].notna(), "label"])]
    boards = [leaderboard(with_samples, known, by=["scenario"])]
    if rows["scenario"].nunique() > 1:
        boards.append(leaderboard(with_samples, known, by=()).assign(scenario=ALL))
    board = pd.concat(boards, ignore_index=True)
    board["nominal"] = board["metric"].map(NOMINAL)
    return board[columns]


def calibration(table: pd.DataFrame, of: Marks) -> Iterator[tuple[str, Drawing]]:
    """``calibration/SCENARIO``: observed against nominal coverage."""
    for scenario, part in table.groupby("scenario"):
        traces: list[dict[str, Any]] = [
            {"type": "scatter", "mode": "lines", "x": [0, 100], "y": [0, 100], "name": "as claimed", "meta": "",
             "line": {"color": "#999", "dash": "dot", "width": 1.5}, "hoverinfo": "skip"}
        ]  # fmt: skip
        for label, line in _by_label(part, of):
            line = line.sort_values("nominal")
            percent = {name: 100 * line[name].to_numpy(dtype=float) for name in ("mean", "low", "high")}
            traces.append(
                trace(
                    label, of[label], line["family"].iloc[0], True, mode="lines+markers", x=numbers(line["nominal"]),
                    y=numbers(percent["mean"]), error_y=error_bar(**percent, colour=of[label].colour),
                    hovertemplate="%{fullData.name}<br>%{x} % intervals hold in %{y:.0f} %<extra></extra>",
                )
            )  # fmt: skip
        yield (
            f"calibration/{scenario}",
            {
                "data": traces,
                "layout": layout(
                    xaxis=axis("nominal coverage (%)", range=[0, 101]),
                    yaxis=axis("cases within the interval (%)", range=[0, 103]),
                ),
            },
        )
