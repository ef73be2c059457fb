"""`dexsy-bench plot`: the figures of a results folder."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dexsy_bench.cli.table import Cases, Levels, Run, Scenarios
from dexsy_bench.errors import UserError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from dexsy_bench.plots import Mark

    Marks = dict[str, Mark]
    Maker = tuple[str, Callable[[], Figure]]
    """Name of a figure, and what draws it."""

KINDS = {
    "gallery": "signal, truth and every method's estimate of a case, with the peaks",
    "snr": "mean and interval against SNR",
    "time": "accuracy against time, with the Pareto front",
    "distribution": "the spread over cases, method by method",
    "stress": "scenario by scenario, where each method fails and whether its signal residual reveals it",
}
ABOUT = ("title", "why", "snr", "folder")
"""What a manifest tells of a scenario that does not define its cases; a folder has a digest besides."""


def plot(
    run: Run,
    kind: Annotated[
        list[str] | None, typer.Argument(help="Any of gallery, snr, time, distribution, stress. Default: all of them.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder of the figures. Default: RUN/figures.")
    ] = None,
    metric: Annotated[str, typer.Option("--metric", help="What the figures show.")] = "js",
    scenario: Scenarios = None,
    snr: Levels = None,
    cases: Cases = None,
    method: Annotated[
        list[str] | None,
        typer.Option("--method", "-m", help="Only this method, as in 'tikhonov[order=0]'; may be repeated."),
    ] = None,
    beside: Annotated[
        list[Path] | None,
        typer.Option(
            "--with",
            help="Add the rows of this results folder, save in the gallery; may be repeated. In `stress`, scenarios "
            "that RUN has not stand first, for comparison.",
        ),
    ] = None,
    case: Annotated[
        list[int] | None,
        typer.Option(
            "--case", min=0, help="Case of the gallery; may be repeated. Default: the one of median difficulty."
        ),
    ] = None,
    formats: Annotated[str, typer.Option("--format", help="Any of png, svg, pdf, with commas.")] = "png,svg",
    limit: Annotated[
        float, typer.Option("--limit", min=0, help="Gallery: leave methods out that took more seconds for a case.")
    ] = 60.0,
    include: Annotated[
        list[Path] | None, typer.Option("--include", help="Where `run` found methods of your own; may be repeated.")
    ] = None,
) -> None:
    """Draw figures of a results folder as PNG and SVG (with editable text).

    The gallery shows each scenario's case of median difficulty at every SNR. It reads estimates that
    `run --keep-estimates` stored, and inverts again where there are none.

    `stress` has a line for each scenario: the mean of the metric on the left and, on the right, the
    residual between measured and explained signal, in units of the noise. A method that is wrong where its
    residual is about 1 gives no sign of it. What a method declined or failed is noted beside it.

        dexsy-bench plot results/quick
        dexsy-bench plot results/core gallery --scenario two_compartment --case 3 --case 7 --snr 100
        dexsy-bench plot results/core snr time --metric w1 --format pdf
        dexsy-bench plot results/stress stress --with results/core -m tikhonov -m nnls
    """
    for name in kind or ():
        if name not in KINDS:
            raise UserError(_unknown(name))

    from dexsy_bench import leaderboard, plots
    from dexsy_bench.store import load_rows

    own = leaderboard.with_labels(load_rows(run))
    every_row = _joined(run, own, beside or ())
    of = plots.marks(every_row)  # from all rows, so that a selection does not change the colours
    rows = leaderboard.select(every_row, scenario or (), snr or (), method or (), cases)
    leaderboard.check_metrics(rows, [metric])
    baseline = set(rows["scenario"]) - set(own["scenario"])
    folder = out or run / "figures"
    wanted = [name.strip() for name in formats.split(",")]
    makers = [
        maker
        for chosen in dict.fromkeys(kind or KINDS)
        for maker in (
            _gallery(run, rows[rows.index.isin(own.index)], metric, of, case, limit, include or ())
            if chosen == "gallery"
            else _plain(chosen, rows, metric, of, baseline)
        )
    ]
    drawn = 0
    for name, draw in makers:
        try:
            figure = draw()
        except UserError as error:  # one figure that cannot be made costs no other
            typer.echo(f"skipped {name}: {error}", err=True)
            continue
        for path in plots.save(figure, folder, name, wanted):
            typer.echo(f"wrote {path}")
        drawn += 1
    if not drawn:
        raise UserError("no figure could be drawn, for the reasons above")


def _unknown(name: str) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, KINDS, n=1)
    hint = f" (did you mean '{close[0]}'?)" if close else ""
    return f"no figure '{name}'{hint}; there are: " + "; ".join(f"{key}: {text}" for key, text in KINDS.items())


def _joined(run: Path, own: pd.DataFrame, others: Sequence[Path]) -> pd.DataFrame:
    """The rows of RUN, as they are indexed, and those of other folders; a row that is there twice, once."""
    import pandas as pd

    from dexsy_bench import leaderboard
    from dexsy_bench.metrics import METRICS
    from dexsy_bench.store import load_rows

    if not others:
        return own
    known = _definitions(run)
    parts = [own]
    for folder in others:
        for name, definition in _definitions(folder).items():
            if known.setdefault(name, definition) != definition:
                raise UserError(
                    f"{folder} was run with another definition of {name}: its rows cannot stand beside {run}"
                )
        parts.append(leaderboard.with_labels(load_rows(folder)))
    case = ["label", *leaderboard.CASE_COLUMNS]
    rows = pd.concat(parts, ignore_index=True).drop_duplicates([*case, "status", *METRICS])
    twice = rows[rows.duplicated(case)]
    if len(twice):
        first = twice.iloc[0]
        raise UserError(
            f"{first['label']} has different results for case {first['case']} of {first['scenario']} at SNR "
            f"{first['snr']:g} in {', '.join(map(str, (run, *others)))}: leave one out"
        )
    return rows


def _definitions(run: Path) -> dict[str, dict[str, Any]]:
    """What defines the cases of each scenario of a run, as its manifest knows."""
    from dexsy_bench.store import load_manifest

    manifest = load_manifest(run) if (run / "manifest.json").exists() else {}
    return {
        name: {key: value for key, value in definition.items() if key not in ABOUT}
        for name, definition in manifest.get("scenarios", {}).items()
    }


def _plain(kind: str, rows: pd.DataFrame, metric: str, of: Marks, baseline: Collection[str]) -> Iterator[Maker]:
    """The figures of a kind that rows alone make."""
    from dexsy_bench import plots

    if kind == "snr":
        yield f"snr-{metric}", partial(plots.metric_snr, rows, metric, of)
        return
    if kind == "stress":
        yield f"stress-{metric}", partial(plots.stress, rows, metric, of, baseline)
        return
    draw = {"time": plots.accuracy_time, "distribution": plots.distribution}[kind]
    for scenario, part in rows.groupby("scenario"):
        yield f"{kind}-{metric}-{scenario}", partial(draw, part, metric, of)


def _gallery(
    run: Path,
    rows: pd.DataFrame,
    metric: str,
    of: Marks,
    cases: Sequence[int] | None,
    limit: float,
    include: Sequence[Path],
) -> Iterator[Maker]:
    """A figure a scenario and case, with a line of panels for each SNR."""
    from rich.console import Console
    from rich.progress import track
    from threadpoolctl import threadpool_limits

    from dexsy_bench import plots
    from dexsy_bench.plots import examples
    from dexsy_bench.plots.style import order
    from dexsy_bench.registry import Registry
    from dexsy_bench.store import load_manifest

    registry = Registry(include)
    manifest = load_manifest(run) if (run / "manifest.json").exists() else {}
    console = Console(stderr=True)

    def draw(part: pd.DataFrame, scenario: str, case: int) -> Figure:
        source, data = examples.source_of_rows(manifest, scenario, registry)
        levels = track(
            sorted(part["snr"].unique()),
            f"{scenario}, case {case}",
            console=console,
            disable=not console.is_terminal,
        )
        with threadpool_limits(1):  # as in the workers: small solves on several threads wait for each other
            shown = [
                examples.example(part, source, level, case, registry, run=run, data=data, limit=limit)
                for level in levels
            ]
        return plots.gallery(shown, order(part["label"].unique(), of), metric)

    for name, part in rows.groupby("scenario"):
        for case in cases or [examples.typical_case(part, metric)]:
            yield f"gallery-{name}-case{case}", partial(draw, part, str(name), case)
