"""Learning curves of the networks, where their training left some."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from dexsy_bench.metrics import METRICS
from dexsy_bench.plots.style import COLOURS
from dexsy_bench.reporting.drawing import Drawing, axis, layout, metric_axis, numbers, snr_name

SHAPES = (("circle", "solid"), ("square", "dot"), ("diamond", "dashdot"), ("triangle-up", "longdash"))
"""Marker and dash of each training; the SNR has the colour."""
IDENTITY = ("cases", "seconds", "scenario", "snr")


def curves_of(run: Path, given: Sequence[Path]) -> pd.DataFrame:
    """Lines of the learning curves in the folders given; else those in RUN/training and beside RUN in training.

    Returns
    -------
    DataFrame
        `training` (the name of the file, or of its folder where `train` wrote it), `cases`, `seconds`, `scenario`,
        `snr` and metrics; empty where there are none.
    """
    folders = given or [run / "training", run.resolve().parent / "training"]
    files = [file for folder in folders for file in ([folder] if folder.is_file() else sorted(folder.rglob("*.csv")))]
    found = [
        pd.read_csv(file).assign(training=file.parent.name if file.stem == "learning_curve" else file.stem)
        for file in files
        if _is_curve(file)
    ]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=["training", *IDENTITY])


def _is_curve(file: Path) -> bool:
    with file.open(newline="", encoding="utf-8", errors="replace") as lines:
        return tuple(next(csv.reader(lines), ()))[: len(IDENTITY)] == IDENTITY


def learning_curves(lines: pd.DataFrame, metrics: Sequence[str]) -> Iterator[tuple[str, Drawing]]:
    """``learning/METRIC/SCENARIO``: validation scores against training cases, a line each training and SNR.

    Lines at 0 cases, with which `train --against` compares, are drawn level, across the plot.
    """
    for metric in metrics:
        if metric not in lines or lines.empty:
            continue
        for scenario, part in lines.groupby("scenario"):
            last = part["cases"].max()
            trainings = list(part.loc[part["cases"] > 0, "training"].unique())
            levels = sorted(part["snr"].unique())
            traces = []
            for (training, snr), line in part.groupby(["training", "snr"], sort=False):
                line = line.sort_values("cases")
                level = training not in trainings
                first = part.loc[part["cases"] > 0, "cases"].min()
                which = levels.index(snr) % len(COLOURS)
                x = [first, last] if level else line["cases"]
                y = [line[metric].iloc[-1]] * 2 if level else line[metric]
                symbol, dash = ("circle", "dash") if level else SHAPES[trainings.index(training) % len(SHAPES)]
                shape = {"color": COLOURS[which], "width": 1.6, "dash": dash}
                mark = {"symbol": symbol, "color": COLOURS[which], "size": 6}
                traces.append(
                    {"type": "scatter", "mode": "lines" if level else "lines+markers", "meta": "",
                     "name": f"{training}, SNR {snr_name(snr)}", "x": numbers(x), "y": numbers(y), "line": shape,
                     "marker": mark, "legendgroup": str(training)}
                )  # fmt: skip
            yield (
                f"learning/{metric}/{scenario}",
                {
                    "data": traces,
                    "layout": layout(
                        xaxis=axis("training cases seen", log=True), yaxis=metric_axis(metric, part[metric])
                    ),
                },
            )


def metrics_of(lines: pd.DataFrame) -> list[str]:
    """The metrics that the curves hold."""
    return [name for name in METRICS if name in lines]
