"""Results folders: read, joined, compared, drawn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

Folder = Path | str


def load_run(path: Folder) -> pd.DataFrame:
    """The rows of a results folder, one a case and method; docs/results.md describes the columns.

    Parameters
    ----------
    path : Path

    Returns
    -------
    DataFrame
        ``label`` first (``tikhonov[order=0]``), then :func:`dexsy_bench.rows.columns`, then other diagnostics;
        sorted by scenario, SNR, method, options and case. A column that an older run lacks is NaN.

    Raises
    ------
    StoreError
        If it is not a results folder, holds no rows, or is damaged.
    """
    from dexsy_bench.leaderboard import with_labels
    from dexsy_bench.store import load_rows

    rows = with_labels(load_rows(path))
    return rows[["label", *rows.columns.drop("label")]]


def _rows(of: Any, scenarios: Sequence[str] = (), snr: Sequence[float] = (), cases: int | None = None) -> pd.DataFrame:
    """The labelled rows that are meant."""
    from dexsy_bench import leaderboard

    rows = load_run(of) if isinstance(of, (str, Path)) else leaderboard.with_labels(of)
    return leaderboard.select(rows, scenarios, snr, cases=cases)


def merge(*runs: Folder, out: Folder, add: bool = False) -> Path:
    """Join results folders in a new one (`add`: in one that holds results), or refuse with the reason.

    See :func:`dexsy_bench.merging.merge`, which also tells what became of the shards.
    """
    from dexsy_bench import merging

    return merging.merge([Path(path) for path in runs], Path(out), add=add).path


def table(
    run: Any,
    metrics: Sequence[str] = (),
    by: Sequence[str] = ("scenario", "snr"),
    sort: str | None = None,
    *,
    scenarios: Sequence[str] = (),
    snr: Sequence[float] = (),
    cases: int | None = None,
) -> pd.DataFrame:
    """Means with 95 % intervals, cases scored, failures and time: :func:`dexsy_bench.leaderboard.leaderboard`.

    Without `metrics`, those of the default table that some row has a value of.
    """
    from dexsy_bench import leaderboard

    rows = _rows(run, scenarios, snr, cases)
    return leaderboard.leaderboard(rows, metrics or leaderboard.default_metrics(rows), by, sort)


def compare(
    run: Any,
    method: str,
    against: Sequence[str] = (),
    metrics: Sequence[str] = ("js", "kl", "w1"),
    *,
    scenarios: Sequence[str] = (),
    snr: Sequence[float] = (),
    cases: int | None = None,
) -> pd.DataFrame:
    """A method against the best of others on the same cases: :func:`dexsy_bench.comparison.compare`."""
    from dexsy_bench import comparison

    return comparison.compare(_rows(run, scenarios, snr, cases), method, against, metrics)


def ranks(
    run: Any,
    metric: str = "js",
    *,
    scenarios: Sequence[str] = (),
    snr: Sequence[float] = (),
    cases: int | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Methods, best first, of which those that no test separates share a rank: :func:`dexsy_bench.ranking.rank`."""
    from dexsy_bench import ranking

    return ranking.rank(_rows(run, scenarios, snr, cases), metric, seed=seed)


def choosing(
    run: Any,
    method: str,
    option: str = "alpha",
    metric: str = "js",
    by: Literal["snr", "scenario"] = "snr",
    *,
    scenarios: Sequence[str] = (),
    snr: Sequence[float] = (),
    cases: int | None = None,
) -> pd.DataFrame:
    """What rules that pick a weight lose against the best one: :func:`dexsy_bench.weight_rules.losses`."""
    from dexsy_bench import weight_rules

    return weight_rules.losses(_rows(run, scenarios, snr, cases), method, option, metric, by)


def plot(
    run: Folder,
    *kinds: str,
    metric: str = "js",
    style: Literal["paper", "talk"] = "paper",
    width: float | None = None,
    beside: Sequence[Folder] = (),
    include: Sequence[Folder] = (),
    **selection: Any,
) -> dict[str, Figure]:
    """Figures of a results folder, by the name of their files; :func:`dexsy_bench.plots.save` writes one.

    Parameters
    ----------
    run : Path
    kinds : str
        As `dexsy-bench plot` names them; all if none is named, save those that cannot be drawn of this run.
    metric : str
        What the figures show.
    style : {'paper', 'talk'}
        9 pt type as printed, or 20 pt for slides.
    width : float, optional
        In mm.
    beside : sequence of Path
        Results folders whose rows are added, save in the gallery.
    include : sequence of Path
        Methods of your own, for the gallery.
    **selection
        Of :func:`dexsy_bench.figures.figures`: `scenarios`, `snr`, `cases`, `methods`, `top`, `shown_cases`, `limit`.

    Raises
    ------
    UserError
        If a kind that is named cannot be drawn, or none can.
    """
    from dexsy_bench import figures, plots

    return dict(
        figures.figures(
            Path(run),
            kinds,
            metric=metric,
            look=plots.Look(style, width),
            beside=[Path(path) for path in beside],
            include=[Path(path) for path in include],
            **selection,
        )
    )


def report(run: Folder, out: Folder | None = None, **options: Any) -> Path:
    """Write the page of a results folder: :func:`dexsy_bench.reporting.report.write_report`. Returns its path."""
    from dexsy_bench.reporting.report import write_report

    return write_report(Path(run), None if out is None else Path(out), **options)
