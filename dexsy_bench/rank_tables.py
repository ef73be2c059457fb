"""Rankings as text: one metric in detail, or several side by side with their agreement."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from dexsy_bench import ranking
from dexsy_bench.metrics import METRICS
from dexsy_bench.statistics import LEVEL, RESAMPLES
from dexsy_bench.tables import Block, Cell, decimals_for, mean_and_interval

Rankings = Mapping[str, pd.DataFrame]
"""By metric, as :func:`dexsy_bench.ranking.rank` returns them."""


def blocks(rankings: Rankings, about: str) -> list[Block]:
    """The table of one metric, or the ranks of several and Kendall's tau between them; `about` goes into the titles."""
    if len(rankings) == 1:
        ((metric, table),) = rankings.items()
        return [_one(table, metric, about)]
    return [_side_by_side(rankings, about), _agreement(rankings, about)]


def _one(table: pd.DataFrame, metric: str, about: str) -> Block:
    decimals = decimals_for(table)
    reasons = bool(table.loc[~table["reference"], "why"].any())

    def line(row: Any) -> tuple[Cell, ...]:
        best = row.rank == 1
        mean = mean_and_interval(row, decimals) + ("" if row.scored == row.asked else "†")
        wins = "–" if math.isnan(row.wins) else f"{row.wins:.0%}"
        coverage = (f"{row.scored}/{row.asked}", *([row.why] if reasons else []))
        return (
            *(Cell(row.label), Cell(_number(row.rank), best), Cell(_place(row)), Cell(mean, best), Cell(wins)),
            *map(Cell, coverage),
        )

    target = METRICS[metric].target
    mean = f"{metric} {METRICS[metric].arrow}" if target is None else f"|{metric} - {target:g}| ↓"
    header = ("method", "rank", "place", mean, "wins", "cases")
    title = " · ".join(part for part in (about, METRICS[metric].title) if part)
    return _block(title, (*header, *(["not ranked"] if reasons else [])), table, line)


def _side_by_side(rankings: Rankings, about: str) -> Block:
    by_label = {metric: table.set_index("label") for metric, table in rankings.items()}

    def line(row: Any) -> tuple[Cell, ...]:
        ranks = [table.loc[row.label] for table in by_label.values()]
        texts = [f"{of['rank']:.0f} ({_place(of)})" if of["ranked"] else "–" for of in ranks]
        cells = [Cell(text, bool(of["rank"] == 1)) for text, of in zip(texts, ranks, strict=True)]
        why = _reasons(dict(zip(by_label, (of["why"] for of in ranks), strict=True)))
        return Cell(row.label), *cells, *([Cell(why)] if reasons else [])

    first = next(iter(rankings.values()))
    reasons = any(table.loc[~table["reference"], "why"].any() for table in rankings.values())
    header = ("method", *(f"{metric} {METRICS[metric].arrow}" for metric in rankings))
    title = " · ".join(part for part in (about, "rank (place) by metric") if part)
    return _block(title, (*header, *(["not ranked"] if reasons else [])), first, line)


def _reasons(why: Mapping[str, str]) -> str:
    """Why metrics do not rank a method, in one text; they are named unless all have the same reason."""
    if len(set(why.values())) == 1:
        return next(iter(why.values()))
    return "; ".join(f"{metric}: {reason}" for metric, reason in why.items() if reason)


def _agreement(rankings: Rankings, about: str) -> Block:
    tau = ranking.agreement_of(rankings)
    lines = [
        (Cell(str(metric)), *(Cell("–" if math.isnan(value) else f"{value:.2f}") for value in row))
        for metric, row in zip(tau.index, tau.to_numpy(), strict=True)
    ]
    title = " · ".join(part for part in (about, "Kendall's tau-b between the ranks") if part)
    return Block(title, ("metric", *map(str, tau.columns)), tuple(lines), ())


def _block(title: str, header: tuple[str, ...], table: pd.DataFrame, line: Any) -> Block:
    lines, references = (
        tuple(line(row) for row in table[table["reference"] == side].itertuples()) for side in (False, True)
    )
    return Block(title, header, lines, references)


def _number(rank: float) -> str:
    return "–" if math.isnan(rank) else f"{rank:.0f}"


def _place(row: Any) -> str:
    low, high = _number(row.rank_low), _number(row.rank_high)
    return low if low == high else f"{low}–{high}"


def notes(rankings: Rankings) -> list[str]:
    """What the tables mean, in sentences: only those that they need."""
    tables = list(rankings.values())
    lines = [
        "rank: methods in the order of their means; one that is shown to be worse than some method of the current rank "
        "opens the next. Shown: by a Wilcoxon signed-rank test of the differences on the same cases and by the "
        f"bootstrap of their mean (Holm's correction for all pairs, family-wise error {1 - LEVEL:.0%}). Bold: rank 1.",
        f"place: between which positions the mean stands in {LEVEL:.0%} of {RESAMPLES:,} resamples of the specimens.",
    ]
    if len(tables) == 1:
        lines.append("wins: share of comparisons won, case by case with every other ranked method, ties half.")
    if any((~table["ranked"] & ~table["reference"]).any() for table in tables):
        lines.append(
            "Only methods scored on every case are ranked: a mean over fewer (†) is not comparable. missing: not "
            "computed, as beyond the cases that a suite gives to slow methods."
        )
    if any(table["reference"].any() for table in tables):
        lines.append("Below the rule: reference methods, which know more than an experimenter; never ranked.")
    return lines


def winners(rankings: Rankings) -> str:
    """Whether the choice of the metric changes the winner, in a sentence; empty for a single metric."""
    first = {metric: list(table.loc[table["rank"] == 1, "label"]) for metric, table in rankings.items()}
    first = {metric: labels for metric, labels in first.items() if labels}
    if len(first) < 2:
        return ""
    everywhere = set.intersection(*map(set, first.values()))
    if everywhere:
        names = [label for label in next(iter(first.values())) if label in everywhere]
        return f"Of rank 1 by each of {', '.join(first)}: {_listed(names)}."
    each = "; ".join(f"{metric}: {_listed(labels)}" for metric, labels in first.items())
    return f"Which metric one believes changes the winner. Of rank 1 by {each}."


def _listed(labels: Sequence[str], most: int = 4) -> str:
    rest = len(labels) - most
    return ", ".join(labels[:most]) + (f" and {rest} more" if rest > 0 else "")


def too_few(rankings: Rankings) -> list[str]:
    """A sentence for each metric that has too few specimens for the tests to separate any two methods."""
    sentences = []
    for metric, table in rankings.items():
        specimens, methods = int(table["specimens"].iloc[0]), int(table["ranked"].sum())
        needed = fewest_specimens(methods)
        if methods > 1 and specimens < needed:
            count = "1 specimen is" if specimens == 1 else f"{specimens} specimens are"
            sentences.append(
                f"{count} too few to separate any two of {methods} methods by {metric}; it takes {needed} at least."
            )
    return sentences


def fewest_specimens(methods: int) -> int:
    """How many specimens it takes before any two of so many methods can be separated at all."""
    pairs = methods * (methods - 1) / 2
    return math.ceil(1 + math.log2(max(pairs, 1) / (1 - LEVEL)))
