"""`dexsy-bench plot`: the figures of a results folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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
}


def plot(
    run: Annotated[Path, typer.Argument(help="A results folder, as `dexsy-bench run --out` writes it.")],
    kind: Annotated[
        list[str] | None, typer.Argument(help="Any of gallery, snr, time, distribution. Default: all of them.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder of the figures. Default: RUN/figures.")
    ] = None,
    metric: Annotated[str, typer.Option("--metric", help="What the figures show.")] = "js",
    scenario: Annotated[
        list[str] | None, typer.Option("--scenario", "-s", help="Only this scenario; may be repeated.")
    ] = None,
    snr: Annotated[list[float] | None, typer.Option("--snr", help="Only this SNR; may be repeated.")] = None,
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

        dexsy-bench plot results/quick
        dexsy-bench plot results/core gallery --scenario two_compartment --case 3 --case 7 --snr 100
        dexsy-bench plot results/core snr time --metric w1 --format pdf
    """
    for name in kind or ():
        if name not in KINDS:
            raise UserError(_unknown(name))

    from dexsy_bench import leaderboard, plots
    from dexsy_bench.store import load_rows

    every_row = leaderboard.with_labels(load_rows(run))
    of = plots.marks(every_row)  # from all rows, so that a selection does not change the colours
    rows = leaderboard.select(every_row, scenario or (), snr or ())
    leaderboard.check_metrics(rows, [metric])
    folder = out or run / "figures"
    wanted = [name.strip() for name in formats.split(",")]
    makers = [
        maker
        for chosen in dict.fromkeys(kind or KINDS)
        for maker in (
            _gallery(run, rows, metric, of, case, limit, include or ())
            if chosen == "gallery"
            else _plain(chosen, rows, metric, of)
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


def _plain(kind: str, rows: pd.DataFrame, metric: str, of: Marks) -> Iterator[Maker]:
    """The figures of a kind that rows alone make."""
    from dexsy_bench import plots

    if kind == "snr":
        yield f"snr-{metric}", partial(plots.metric_snr, rows, metric, of)
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
