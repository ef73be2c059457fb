"""`dexsy-bench plot`: the figures of a results folder."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from dexsy_bench.cli.table import Cases, Levels, Run, Scenarios
from dexsy_bench.figures import KINDS, check_kinds


class Styles(StrEnum):
    """What a figure is for."""

    paper = "paper"
    talk = "talk"


def plot(
    run: Run,
    kind: Annotated[list[str] | None, typer.Argument(help=f"Any of {', '.join(KINDS)}. Default: all of them.")] = None,
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
    top: Annotated[
        int | None,
        typer.Option(
            "--top",
            min=1,
            help="Name only the best N methods (by the mean of --metric over all cells) and the references. Default: 8 "
            "if there are more than 12 methods and -m names none, but all of them in stress, ranks and calibration.",
        ),
    ] = None,
    style: Annotated[
        Styles,
        typer.Option("--style", help="paper: 9 pt type as printed; talk: 20 pt type and bolder lines, for slides."),
    ] = Styles.paper,
    width: Annotated[
        float | None,
        typer.Option(
            "--width",
            min=40,
            max=1000,
            help="Width in mm, such as that of a column: 85 or 178. Default: 178 (talk: 310), or 85 (talk: 160) for "
            "snr and pareto with a single panel.",
        ),
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
    """Draw figures of a results folder as PNG, SVG (with editable text) or PDF, at the size they are to be printed.

    The gallery shows each scenario's case of median difficulty at every SNR. It reads estimates that
    `run --keep-estimates` stored, and inverts again where there are none.

    `stress` has a line for each scenario: the mean of the metric on the left and, on the right, the
    residual between measured and explained signal, in units of the noise. A method that is wrong where its
    residual is about 1 gives no sign of it. What a method declined or failed is noted beside it.

    Every method has the same colour and marker in all figures. With more than a dozen methods, `snr` and `pareto`
    show the others in grey, `gallery`, `errors`, `confusion` and `exchange` leave them out; --top and -m choose.

        dexsy-bench plot results/quick
        dexsy-bench plot results/core gallery --scenario two_compartment --case 3 --case 7 --snr 100
        dexsy-bench plot results/core snr pareto --metric w1 --format pdf --width 178
        dexsy-bench plot results/core ranks errors --cases 32 --style talk --format svg
        dexsy-bench plot results/stress stress --with results/core -m tikhonov -m nnls
    """
    check_kinds(kind or ())
    from dexsy_bench import figures, plots

    wanted = [name.strip() for name in formats.split(",")]
    plots.check_formats(wanted)
    look = plots.Look(style.value, width)
    drawings = figures.figures(
        run,
        kind or (),
        metric=metric,
        look=look,
        scenarios=scenario or (),
        snr=snr or (),
        cases=cases,
        methods=method or (),
        top=top,
        beside=beside or (),
        shown_cases=case or (),
        limit=limit,
        include=include or (),
        skipped=lambda name, reason: typer.echo(f"skipped {name}: {reason}", err=True),
    )
    for name, figure in drawings:
        for path in plots.save(figure, out or run / "figures", name, wanted, look):
            typer.echo(f"wrote {path}")
