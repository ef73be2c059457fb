"""`dexsy-bench compare`: a method against the best of others, on the same cases."""

from __future__ import annotations

import contextlib
from typing import Annotated

import typer

from dexsy_bench.cli.table import Cases, Layout, Levels, Out, Run, Scenarios, emit, layout_of


def compare(
    run: Run,
    method: Annotated[str, typer.Argument(help="A row of its table, such as 'tikhonov[order=0]'.")],
    against: Annotated[
        list[str] | None,
        typer.Option(help="Another row; may be repeated. Default: whichever classical method is best in a cell."),
    ] = None,
    metric: Annotated[
        list[str] | None, typer.Option("--metric", help="May be repeated. Default: js, kl and w1.")
    ] = None,
    scenario: Scenarios = None,
    snr: Levels = None,
    cases: Cases = None,
    layout: Layout = None,
    out: Out = None,
) -> None:
    """Show how a method differs from the best of others, with paired 95% bootstrap intervals.

    All methods inverted the same cases, so the difference of two is far better known than either mean.
    The best of the others is chosen in each cell by its mean there, which is generous to the others.

        dexsy-bench compare results/core 'tikhonov[order=0]' --against tikhonov
        dexsy-bench compare results/core 'resunet_xl[size=s,inputs=inverses]' --metric js
    """
    from dexsy_bench import comparison, leaderboard
    from dexsy_bench.store import load_rows

    rows = leaderboard.select(load_rows(run), scenario or (), snr or (), cases=cases)
    known = set(leaderboard.with_labels(rows)["label"])
    ours, *others = (_label(text, known) for text in (method, *(against or ())))
    pairs = comparison.compare(rows, ours, others, metric or ("js", "kl", "w1"))
    emit(pairs, comparison.blocks(pairs), comparison.NOTES, layout_of(layout, out), out)


def _label(text: str, known: set[str]) -> str:
    """The label that a selection has in a table: options in order, without those that are defaults anyway."""
    from dexsy_bench.errors import UserError
    from dexsy_bench.registry import Registry

    if text not in known:
        with contextlib.suppress(UserError):  # rows of scored predictions have no method that could be loaded
            return Registry().select(text).label
    return text
