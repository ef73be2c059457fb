"""`dexsy-bench ranks`: which methods are better, as far as tests can tell."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from dexsy_bench.cli.table import Cases, Layout, Levels, Out, Run, Scenarios, emit, layout_of


class Column(StrEnum):
    """What methods can be ranked within."""

    scenario = "scenario"
    snr = "snr"


def ranks(
    run: Run,
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", help="What to rank by; several stand side by side. Default: js."),
    ] = None,
    by: Annotated[
        list[Column] | None,
        typer.Option("--by", help="Rank in each scenario, or at each SNR, on its own; may be repeated."),
    ] = None,
    scenario: Scenarios = None,
    snr: Levels = None,
    cases: Cases = None,
    layout: Layout = None,
    out: Out = None,
) -> None:
    """Rank the methods; those that paired tests cannot separate share a rank.

    All methods inverted the same cases, so they are compared case by case. In the order of their means, a method
    that is shown to be worse than some method of the current rank opens the next. A method that failed, declined or
    was not run on some cases is listed with the reason and not ranked: `--cases` makes runs of unequal length
    comparable. docs/ranking.md has the rules.

    Several metrics give several rankings; Kendall's tau says how far they agree, and a note whether the winner
    depends on the metric.

        dexsy-bench ranks results/core --cases 32
        dexsy-bench ranks results/core --cases 32 --metric js --metric w1 --metric topk
        dexsy-bench ranks results/core --cases 32 --by scenario --out ranks.tex
    """
    import pandas as pd

    from dexsy_bench import leaderboard, rank_tables, ranking
    from dexsy_bench.store import load_rows
    from dexsy_bench.tables import name_of

    rows = leaderboard.select(load_rows(run), scenario or (), snr or (), cases=cases)
    metrics, columns = list(dict.fromkeys(metric or ["js"])), [column.value for column in dict.fromkeys(by or [])]
    leaderboard.check_metrics(rows, metrics)
    groups = rows.groupby(columns, sort=True, dropna=False) if columns else [((), rows)]
    blocks, remarks, parts, notes = [], [], [], []
    for key, part in groups:
        where: dict[str, Any] = dict(zip(columns, key, strict=True))
        about = " · ".join(name_of(column, value) for column, value in where.items())
        rankings = {name: ranking.rank(part, name) for name in metrics if leaderboard.has_values(part, name)}
        remarks += [f"{about}: no case has a value of {name}." for name in metrics if name not in rankings]
        if not rankings:
            continue
        blocks += rank_tables.blocks(rankings, about)
        found = [rank_tables.winners(rankings), *rank_tables.too_few(rankings)]
        remarks += [f"{about}: {text}" if about else text for text in found if text]
        notes += rank_tables.notes(rankings)
        parts += [table.assign(**where, metric=name) for name, table in rankings.items()]
    data = pd.concat(parts)[[*columns, "metric", *parts[0].columns.drop([*columns, "metric"])]]
    emit(data, blocks, [*remarks, *dict.fromkeys(notes)], layout_of(layout, out), out)
