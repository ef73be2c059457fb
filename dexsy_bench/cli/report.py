"""`dexsy-bench report`: a results folder as one HTML file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from dexsy_bench.cli.table import Cases, Run


def report(
    run: Run,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The file. Default: RUN/report.html.")] = None,
    title: Annotated[
        str | None, typer.Option("--title", help="Heading of the page. Default: the folder's name.")
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            help="What the page shows, this one first; may be repeated. Default: js kl w1 topk exchange residual.",
        ),
    ] = None,
    cases: Cases = None,
    explored: Annotated[int, typer.Option("--explore", min=0, help="Cases of each cell to look at: the first N.")] = 4,
    limit: Annotated[
        float,
        typer.Option(
            "--limit",
            min=0,
            help="Cases to look at: leave methods out that took more seconds for one, unless it was kept.",
        ),
    ] = 10.0,
    beside: Annotated[
        list[Path] | None,
        typer.Option(
            "--with", help="Results that the stress map compares with, such as results/core; may be repeated."
        ),
    ] = None,
    against: Annotated[
        Path | None, typer.Option("--against", help="An earlier run: mark what has changed beyond noise.")
    ] = None,
    training: Annotated[
        list[Path] | None,
        typer.Option(
            "--training", help="Learning curves (CSV), or folders of them. Default: RUN/training and RUN/../training."
        ),
    ] = None,
    include: Annotated[
        list[Path] | None, typer.Option("--include", help="Where `run` found methods of your own; may be repeated.")
    ] = None,
) -> None:
    """Write a page with the leaderboard, the cases and the plots of a results folder: one HTML file, for any browser.

    The file needs no network and no other file. Tables sort and filter; every cell of the leaderboard
    leads to its cases: signal, truth and each method's estimate with its peaks, residual and scores.

    Cases to look at are read where `run --keep-estimates N` stored them, and inverted again where not,
    which takes a while: --explore 0 leaves them out, --limit keeps slow methods from being run again.

        dexsy-bench report results/quick
        dexsy-bench report results/core --cases 32 --metric js --metric w1 --out core.html
        dexsy-bench report results/stress --with results/core
        dexsy-bench report results/quick --against results/before
    """
    from rich.console import Console
    from rich.progress import track

    from dexsy_bench.reporting.report import write_report

    console = Console(stderr=True)

    def tracked(items: Sequence[Any], what: str) -> Iterable[Any]:
        return track(items, what, console=console, disable=not console.is_terminal)

    path = write_report(
        run,
        out,
        title=title,
        metrics=metric or (),
        cases=cases,
        explore=explored,
        limit=limit,
        beside=beside or (),
        against=against,
        training=training or (),
        include=include or (),
        track=tracked,
    )
    typer.echo(f"wrote {path} ({path.stat().st_size / 1e6:.1f} MB)")
