"""`dexsy-bench choosing`: what rules that pick a weight from the data lose against the best one."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from dexsy_bench.cli.table import Cases, Layout, Levels, Out, Run, Scenarios, emit, layout_of


def choosing(
    run: Run,
    method: Annotated[str, typer.Argument(help="A method, such as tikhonov.")],
    option: Annotated[str, typer.Option(help="The option that rules choose.")] = "alpha",
    metric: Annotated[str, typer.Option(help="A metric of which low is good.")] = "js",
    by: Annotated[Literal["snr", "scenario"], typer.Option(help="What makes a column.")] = "snr",
    scenario: Scenarios = None,
    snr: Levels = None,
    cases: Cases = None,
    layout: Layout = None,
    out: Out = None,
) -> None:
    """Show what each rule that chooses a weight from the data loses against the best weight for each case.

    The run needs rows with numbers for the option (the candidates) and rows with rules, on the same cases. The best
    of the candidates for a case takes the truth to know, so it is shown as a reference and never ranked.

        dexsy-bench run core -n 32 --out alpha -m tikhonov -m 'tikhonov[alpha=gcv]' -m 'tikhonov[alpha=0.01]' -m ...
        dexsy-bench choosing alpha tikhonov
    """
    from dexsy_bench import leaderboard, weight_rules
    from dexsy_bench.store import load_rows

    rows = leaderboard.select(load_rows(run), scenario or (), snr or (), cases=cases)
    found = weight_rules.losses(rows, method, option, metric, by)
    emit(found, weight_rules.blocks(found, method, metric, by), weight_rules.NOTES, layout_of(layout, out), out)
