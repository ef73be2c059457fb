"""Results folders: read, joined, compared, drawn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dexsy_bench.api.arguments import Folder, paths, several
from dexsy_bench.errors import UserError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


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


def _rows(of: Any, scenarios: Any, snr: Any, cases: int | None) -> pd.DataFrame:
    """The labelled rows that are meant."""
    from dexsy_bench import leaderboard

    if cases is not None and cases < 1:
        raise UserError(f"--cases {cases}: at least one case is needed")

    rows = load_run(of) if isinstance(of, (str, Path)) else leaderboard.with_labels(of)
    return leaderboard.select(rows, several(scenarios), several(snr), cases=cases)


def _check_by(columns: Sequence[str]) -> None:
    for column in columns:
        if column not in ("scenario", "snr"):
            raise UserError(f"--by {column}: there are scenario, snr")


def merge(*runs: Folder, out: Folder, add: bool = False) -> Path:
    """Join results folders in a new one (`add`: in one that holds results), or refuse with the reason.

    See :func:`dexsy_bench.merging.merge`, which also tells what became of the shards.
    """
    from dexsy_bench import merging

    return merging.merge(paths(runs), Path(out), add=add).path


def table(
    run: Any,
    metrics: Sequence[str] = (),
    by: Sequence[str] = ("scenario", "snr"),
    sort: str | None = None,
    *,
    scenarios: Sequence[str] = (),
    snr: float | Sequence[float] = (),
    cases: int | None = None,
) -> pd.DataFrame:
    """Means with 95 % intervals, cases scored, failures and time: :func:`dexsy_bench.leaderboard.leaderboard`.

    Without `metrics`, those of the default table that some row has a value of; `by` empty or `all`: one block.
    """
    from dexsy_bench import leaderboard

    rows = _rows(run, scenarios, snr, cases)
    blocks = () if several(by) == ("all",) else several(by)
    return leaderboard.leaderboard(rows, several(metrics) or leaderboard.default_metrics(rows), blocks, sort)


def compare(
    run: Any,
    method: str,
    against: Sequence[str] = (),
    metrics: Sequence[str] = ("js", "kl", "w1"),
    *,
    scenarios: Sequence[str] = (),
    snr: float | Sequence[float] = (),
    cases: int | None = None,
) -> pd.DataFrame:
    """A method against the best of others on the same cases: :func:`dexsy_bench.comparison.compare`."""
    from dexsy_bench import comparison

    return comparison.compare(_rows(run, scenarios, snr, cases), method, several(against), several(metrics))


def ranks(
    run: Any,
    metrics: Sequence[str] = ("js",),
    by: Sequence[Literal["scenario", "snr"]] = (),
    *,
    scenarios: Sequence[str] = (),
    snr: float | Sequence[float] = (),
    cases: int | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Methods, best first, of which those that no test separates share a rank: :func:`dexsy_bench.ranking.rank`.

    Returns
    -------
    DataFrame
        A ranking for each metric, in each scenario or at each SNR if `by` says so: the columns of `by`, `metric`, and
        those of :func:`dexsy_bench.ranking.rank`. Left out is a metric that no case there has a value of.
    """
    import pandas as pd

    from dexsy_bench import leaderboard, ranking

    rows, columns = _rows(run, scenarios, snr, cases), list(dict.fromkeys(several(by)))
    _check_by(columns)
    names = list(dict.fromkeys(several(metrics)))
    leaderboard.check_metrics(rows, names)
    groups = rows.groupby(columns, sort=True, dropna=False) if columns else [((), rows)]
    rankings = [
        ranking.rank(part, name, seed=seed).assign(**dict(zip(columns, key, strict=True)), metric=name)
        for key, part in groups
        for name in names
        if leaderboard.has_values(part, name)
    ]
    found = pd.concat(rankings, ignore_index=True)
    return found[[*columns, "metric", *found.columns.drop([*columns, "metric"])]]


def choosing(
    run: Any,
    method: str,
    option: str = "alpha",
    metric: str = "js",
    by: Literal["snr", "scenario"] = "snr",
    *,
    scenarios: Sequence[str] = (),
    snr: float | Sequence[float] = (),
    cases: int | None = None,
) -> pd.DataFrame:
    """What rules that pick a weight lose against the best one: :func:`dexsy_bench.weight_rules.losses`."""
    from dexsy_bench import weight_rules

    _check_by([by])
    return weight_rules.losses(_rows(run, scenarios, snr, cases), method, option, metric, by)


def plot(
    run: Folder,
    *kinds: str,
    metric: str = "js",
    style: Literal["paper", "talk"] = "paper",
    width: float | None = None,
    scenarios: Sequence[str] = (),
    snr: float | Sequence[float] = (),
    cases: int | None = None,
    methods: Sequence[str] = (),
    top: int | None = None,
    shown_cases: int | Sequence[int] = (),
    limit: float = 60.0,
    beside: Folder | Sequence[Folder] = (),
    include: Folder | Sequence[Folder] = (),
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
    scenarios, snr, cases, methods, top, shown_cases, limit
        Which rows and cases: as of :func:`dexsy_bench.figures.figures`.
    beside : sequence of Path
        Results folders whose rows are added, save in the gallery.
    include : sequence of Path
        Methods of your own, for the gallery.

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
            scenarios=several(scenarios),
            snr=several(snr),
            cases=cases,
            methods=several(methods),
            top=top,
            beside=paths(beside),
            shown_cases=several(shown_cases),
            limit=limit,
            include=paths(include),
        )
    )


def report(
    run: Folder,
    out: Folder | None = None,
    *,
    title: str | None = None,
    metrics: Sequence[str] = (),
    cases: int | None = None,
    explore: int = 4,
    limit: float = 10.0,
    beside: Folder | Sequence[Folder] = (),
    against: Folder | None = None,
    training: Folder | Sequence[Folder] = (),
    include: Folder | Sequence[Folder] = (),
) -> Path:
    """Write the page of a results folder: :func:`dexsy_bench.reporting.report.write_report`. Returns its path."""
    from dexsy_bench.reporting.report import write_report

    return write_report(
        Path(run),
        None if out is None else Path(out),
        title=title,
        metrics=several(metrics),
        cases=cases,
        explore=explore,
        limit=limit,
        beside=paths(beside),
        against=None if against is None else Path(against),
        training=paths(training),
        include=paths(include),
    )
