"""The parts of the page put together, and written as one file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import pandas as pd

from dexsy_bench import bounds
from dexsy_bench.errors import UserError
from dexsy_bench.metrics import METRICS
from dexsy_bench.plots import marks, told_apart
from dexsy_bench.registry import Registry
from dexsy_bench.reporting import figures, provenance
from dexsy_bench.reporting.changes import changes
from dexsy_bench.reporting.drawing import ALL, Drawing, number, numbers, shown_first, snr_name, text_mark
from dexsy_bench.reporting.encoding import packed_text
from dexsy_bench.reporting.explorer import explore
from dexsy_bench.reporting.learning import learning_curves, metrics_of
from dexsy_bench.reporting.standings import Track, agreement, standings, winners

STANDING = [
    "scenario", "snr", "metric", "label", "family", "told", "tuning", "reference", "rank", "tied", "rank_low",
    "rank_high", "ranked", "why", "mean", "low", "high", "scored", "asked", "failures", "seconds",
]  # fmt: skip
"""The columns of the standings on the page."""


@dataclass(frozen=True, eq=False)
class Content:
    """What a page is made of.

    Attributes
    ----------
    run : Path
        The results folder.
    rows : DataFrame
        With labels.
    manifest : mapping
    registry : Registry
    metrics : tuple of str
        The first is shown first.
    beside : DataFrame or None
        Rows of scenarios that stress is compared with, with labels.
    other : DataFrame or None
        Rows of an earlier run, with labels.
    other_name : str
        What it is called.
    curves : DataFrame
        Lines of learning curves.
    explored : int
        Cases of each cell to look at.
    limit : float
        Seconds that computing an estimate again may take.
    """

    run: Path
    rows: pd.DataFrame
    manifest: Mapping[str, Any]
    registry: Registry
    metrics: tuple[str, ...]
    beside: pd.DataFrame | None = None
    other: pd.DataFrame | None = None
    other_name: str = ""
    curves: pd.DataFrame = field(default_factory=pd.DataFrame)
    explored: int = 4
    limit: float = 10.0


def page(content: Content, title: str, track: Track) -> str:
    """The whole page, as HTML.

    Parameters
    ----------
    content : Content
    title : str
    track : callable
        Told of the work as it is done.

    Returns
    -------
    str
        HTML that names no other file and asks for nothing.
    """
    rows, metrics = content.rows, content.metrics
    every_row = rows if content.beside is None else pd.concat([rows, content.beside], ignore_index=True)
    table = standings(rows, metrics, track)
    of = marks(every_row)
    of = told_apart(of, shown_first(table, metrics[0], of))
    table = table.reindex(columns=STANDING)
    baseline = set(every_row["scenario"]) - set(rows["scenario"])
    stress = figures.stress_table(every_row[every_row["label"].isin(rows["label"])], metrics, baseline)
    calibration = figures.calibration_table(rows)
    tau = agreement(rows, metrics)
    changed = None if content.other is None else changes(rows, content.other, metrics)
    cases = explore(
        content.run, rows, metrics, content.manifest, content.registry, content.explored, content.limit, track
    )
    drawings: dict[str, Drawing] = {
        **dict(figures.metric_snr(table, metrics, of)),
        **dict(figures.accuracy_time(table, of)),
        **dict(figures.stress(stress, of, baseline)),
        **dict(figures.calibration(calibration, of)),
        **dict(learning_curves(content.curves, metrics_of(content.curves))),
    }
    tables = {
        "standings": table, "rows": _plain(rows, metrics), "stress": stress, "calibration": calibration,
        "learning": content.curves, "agreement": tau.rename_axis("metric").reset_index(), "changes": changed,
    }  # fmt: skip
    data = {
        "metrics": {name: _metric(name) for name in metrics},
        "families": sorted(set(rows["family"])),
        "marks": {label: text_mark(of[label]) | {"family": family} for label, family in _families(rows)},
        "standings": json.loads(table.to_json(orient="split", index=False, double_precision=6)),
        "cells": _cells(rows),
        "rows": _columns(rows, metrics),
        "changes": None if changed is None else json.loads(changed.to_json(orient="records", double_precision=8)),
        "explorer": cases,
        "drawings": drawings,
    }  # fmt: skip
    return _rendered(
        title=title,
        content=content,
        data=packed_text(json.dumps(data, ensure_ascii=False, separators=(",", ":"))),
        csv={
            name: packed_text(frame.to_csv(index=False))
            for name, frame in tables.items()
            if frame is not None and len(frame)
        },
        kinds={key.split("/")[0] for key in drawings},
        winners=winners(table),
        tau=tau,
        METRICS=METRICS,
        baseline=sorted(baseline),
        bounds=bounds,
        scenarios=provenance.scenarios(content.manifest),
        history=provenance.history(content.manifest),
        packages=provenance.packages(content.manifest),
        weights=provenance.weights(rows, content.registry),
        levels=[snr_name(snr) for snr in sorted(rows["snr"].unique())],
        names=sorted(rows["scenario"].unique()),
        counts=dict(rows["status"].value_counts()),
        rows_count=len(rows),
        case_counts=rows.groupby("label")["case"].nunique(),
    )


def check_writable(path: Path) -> None:
    """Raise UserError, before any work is done, if the page cannot be written there."""
    with _explained(path), TemporaryFile(dir=_made(path.parent)):
        pass


def write(html: str, path: Path) -> None:
    """Write the page, whole or not at all.

    Raises
    ------
    UserError
        If the disk refuses.
    """
    partial = path.with_name(f".{path.name}.tmp")
    with _explained(path):
        _made(path.parent)
        try:
            partial.write_text(html, encoding="utf-8")
            partial.replace(path)
        except OSError:
            partial.unlink(missing_ok=True)
            raise


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}; choose another file with --out") from error


def _metric(name: str) -> dict[str, Any]:
    metric = METRICS[name]
    return {"label": metric.label, "wish": metric.wish, "better": metric.better, "definition": metric.definition}


def _families(rows: pd.DataFrame) -> Any:
    return rows[["label", "family"]].drop_duplicates("label").sort_values("label").itertuples(index=False)


def _plain(rows: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """The rows with what the page shows of them."""
    head = ["label", "family", "told", "tuning", "scenario", "snr", "case", "status", "reason"]
    return rows[[*head, *metrics, "seconds"]]


def _cells(rows: pd.DataFrame) -> list[list[str]]:
    """[scenario, SNR] of every cell."""
    cells = rows[["scenario", "snr"]].drop_duplicates().sort_values(["scenario", "snr"])
    return [[str(scenario), snr_name(snr)] for scenario, snr in cells.itertuples(index=False)]


def _columns(rows: pd.DataFrame, metrics: Sequence[str]) -> dict[str, Any]:
    """The scores of single cases, by column, for the plot of their spread."""
    scored = rows[rows["status"] == "ok"]
    names = {column: sorted(scored[column].unique()) for column in ("label", "scenario")}
    places = {column: pd.Categorical(scored[column], known).codes.tolist() for column, known in names.items()}
    return {
        "names": names,
        **places,
        "snr": scored["snr"].map(snr_name).tolist(),
        "case": scored["case"].tolist(),
        **{name: numbers(scored[name], 4) for name in metrics},
    }  # fmt: skip


def _rendered(**given: Any) -> str:
    """The template with the libraries in it."""
    import itables
    import plotly
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("dexsy_bench.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates = resources.files("dexsy_bench.reporting") / "templates"
    html = resources.files(itables) / "html"
    return environment.get_template("report.html").render(
        style=(templates / "report.css").read_text(encoding="utf-8"),
        script="".join((templates / name).read_text(encoding="utf-8") for name in ("report.js", "cases.js")),
        table_style=(html / "dt_bundle.css").read_text(encoding="utf-8"),
        table_script=_inline((html / "dt_bundle.js").read_text(encoding="utf-8")),
        plot_script=_inline((resources.files(plotly) / "package_data" / "plotly.min.js").read_text(encoding="utf-8")),
        ALL=ALL,
        number=number,
        **given,
    )


def _inline(script: str) -> str:
    """A script that its own text cannot end early."""
    return script.replace("</script", "<\\/script").replace("<!--", "<\\!--")
