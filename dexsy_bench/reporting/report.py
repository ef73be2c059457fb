"""`dexsy-bench report` and :func:`dexsy_bench.report`: from what was asked for to the file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dexsy_bench import leaderboard
from dexsy_bench.errors import UserError
from dexsy_bench.joining import check_definitions, join_rows
from dexsy_bench.metrics import METRICS
from dexsy_bench.registry import Registry
from dexsy_bench.reporting import learning, page
from dexsy_bench.reporting.standings import Track
from dexsy_bench.store import load_manifest, load_rows

if TYPE_CHECKING:
    import pandas as pd


def write_report(
    run: Path,
    out: Path | None = None,
    *,
    title: str | None = None,
    metrics: Sequence[str] = (),
    cases: int | None = None,
    explore: int = 4,
    limit: float = 10.0,
    beside: Sequence[Path] = (),
    against: Path | None = None,
    training: Sequence[Path] = (),
    include: Sequence[Path] = (),
    track: Track = lambda items, what: items,
) -> Path:
    """Write the page of a results folder.

    Parameters
    ----------
    run : Path
    out : Path, optional
        The file; ``RUN/report.html`` if not given.
    title : str, optional
        Heading; the folder's name if not given.
    metrics : sequence of str
        What the page shows, the first one first; those of the table, js first, if none is named.
    cases : int, optional
        Only cases 0 to cases - 1 of each cell.
    explore : int
        Cases of each cell to look at.
    limit : float
        Methods that took more seconds for a case are not run again for it; kept estimates are shown always.
    beside : sequence of Path
        Results that the stress map compares with.
    against : Path, optional
        An earlier run, to mark what has changed.
    training : sequence of Path
        Learning curves (CSV) or folders of them; RUN/training and RUN/../training if none is named.
    include : sequence of Path
        Methods of your own.
    track : callable
        Told of the work as it is done.

    Returns
    -------
    Path
        Of the file.

    Raises
    ------
    UserError
        If something that was asked for is not there, or the file cannot be written.
    """
    whole = leaderboard.with_labels(load_rows(run))
    path = out or run / "report.html"
    page.check_writable(path)
    rows = leaderboard.select(whole, cases=cases)
    shown = _metrics(rows, metrics)
    joined = join_rows(run, whole, beside)
    baseline = joined[~joined["scenario"].isin(whole["scenario"])]
    if beside and baseline.empty:
        raise UserError("--with names results that hold no scenario besides those of RUN, so stress has no baseline")
    earlier = None
    if against is not None:
        check_definitions([run, against])
        earlier = leaderboard.select(leaderboard.with_labels(load_rows(against)), cases=cases)
    for file in training:
        if not file.exists():
            raise UserError(f"--training {file}: there is no such file or folder")
    content = page.Content(
        run=run,
        rows=rows,
        manifest=load_manifest(run) if (run / "manifest.json").exists() else {},
        registry=Registry(include),
        metrics=shown,
        beside=leaderboard.select(baseline, cases=cases) if beside else None,
        other=earlier,
        other_name=str(against or ""),
        curves=learning.curves_of(run, training),
        explored=explore,
        limit=limit,
    )
    page.write(page.page(content, title or f"dexsy-bench: {run.resolve().name}", track), path)
    return path


def _metrics(rows: pd.DataFrame, asked: Sequence[str]) -> tuple[str, ...]:
    """What the page shows: what was asked for, else js and the others of the table that some row has."""
    chosen = tuple(dict.fromkeys(asked or sorted(leaderboard.default_metrics(rows), key=lambda name: name != "js")))
    leaderboard.check_metrics(rows, chosen)
    for name in chosen:
        if not METRICS[name].pairs:
            raise UserError(
                f"--metric {name}: methods cannot be ranked by it, for its mean alone says something; the page shows "
                "calibration in a plot of its own"
            )
    return chosen
