"""What a rule that chooses a weight from the data loses against the weight that was best for that very case."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from dexsy_bench.leaderboard import TableError, check_metrics, choices, with_labels
from dexsy_bench.metrics import METRICS
from dexsy_bench.registry import split_options
from dexsy_bench.statistics import LEVEL, bootstrap_means
from dexsy_bench.tables import Block, Cell, name_of

ORACLE, FIXED = "oracle", "best fixed"
"""The best value for each case, which takes the truth to know, and the best single value for all cases of a block."""

NOTES = (
    f"Loss: mean of the metric less that of the oracle, which takes for each case the value that was best for it, with "
    f"its {LEVEL:.0%} BCa bootstrap interval over paired cases. The oracle knows the truth: it is no method, and shows "
    "its own mean.",
    f"{FIXED}: the one value that does best over all cases of a column, chosen with the truth as well. Losses are "
    "against the values that were run: a rule that looks between them may come out below zero.",
    "†: the rule has no score for some of the cases; the mean over the others compares with no other.",
)


def losses(rows: pd.DataFrame, method: str, option: str, metric: str = "js", by: str = "snr") -> pd.DataFrame:
    """Loss of each rule against the oracle.

    Rows of the method whose option is a number are the candidates; the others, rules. Rows that differ in other
    options make groups of their own, each with its oracle.

    Parameters
    ----------
    rows : DataFrame
        As :func:`dexsy_bench.store.load_rows` returns them.
    method, option : str
        Such as ``tikhonov`` and ``alpha``.
    metric : str
        Key of :data:`dexsy_bench.metrics.METRICS`, of which low is good.
    by : str
        ``snr`` or ``scenario``: what makes a column.

    Returns
    -------
    DataFrame
        One row a group (``group``: the other options), rule (``rule``) and value of `by`: ``mean``, ``loss`` with
        ``low`` and ``high`` (zero for the oracle itself), ``cases``.

    Raises
    ------
    TableError
        If a row or the metric is missing, or there are no candidates.
    """
    check_metrics(rows, [metric])
    if METRICS[metric].better != "low":
        raise TableError(f"{metric} is not one of which low is good")
    known = rows["method"].unique()
    if method not in known:
        raise TableError(f"no method {method} in these results{choices(method, known)}")
    rows = with_labels(rows[rows["method"] == method])
    parsed = [_without(options, option) for options in rows["options"].fillna("")]
    rows = rows.assign(group=[rest for rest, _ in parsed], value=[value for _, value in parsed])
    records: list[dict[str, Any]] = []
    samples = []
    for (group, place), part in rows.groupby(["group", by], sort=True, dropna=False):
        table = part.pivot_table(index=["scenario", "snr", "case"], columns="value", values=metric, dropna=False)
        numbers = [value for value in table if _is_number(str(value))]
        # A case that one candidate lacks has no oracle.
        table = table.dropna(subset=numbers) if numbers else table[:0]
        if table.empty:
            continue
        best = table[numbers].min(axis=1)
        fixed = table[numbers].mean().idxmin()
        rules = {str(value) or "default": table[value] for value in table if value not in numbers}
        for rule, scores in {**rules, FIXED: table[fixed], ORACLE: best}.items():
            loss = (scores - best).dropna()
            about = {"group": group, "rule": rule, by: place, "mean": scores.mean(), "cases": loss.size}
            records.append(about | {"value": fixed if rule == FIXED else ""})
            # A specimen returns at every SNR: what is resampled is specimens.
            samples.append(loss.groupby(level=["scenario", "case"]).mean().to_numpy(dtype=float))
    if not records:
        raise TableError(f"no rows with numbers for {option} to choose from: run {method}[{option}=0.1] and others")
    result = pd.DataFrame(records)
    result["loss"], result["low"], result["high"] = bootstrap_means(samples)
    return result


def blocks(found: pd.DataFrame, method: str, metric: str, by: str = "snr") -> list[Block]:
    """One table a group: a line for each rule, the one that loses least first, and a column for each SNR."""
    made = []
    for group, part in found.groupby("group", sort=True):
        places = sorted(part[by].unique())
        lines = {str(rule): rows.set_index(by) for rule, rows in part.groupby("rule")}
        whole = lines[ORACLE]["cases"]
        rules = [rule for rule in lines if rule not in (FIXED, ORACLE)]
        complete = {(r, p): lines[r]["cases"].get(p, 0) == whole[p] for r in rules for p in places}
        ranked = sorted(rules, key=lambda r: (not all(complete[r, p] for p in places), lines[r]["loss"].mean()))
        best = {p: min((lines[r]["loss"][p] for r in rules if complete[r, p]), default=np.inf) for p in places}
        header = ("rule", *(name_of(by, place) for place in places))
        title = f"{method}[{group!s}]" if group else method
        made.append(
            Block(
                f"{title} · loss in {metric} against the best value for each case",
                header,
                tuple((Cell(r), *(_loss(lines[r], p, best[p], complete[r, p]) for p in places)) for r in ranked),
                (
                    (Cell(FIXED), *(_fixed(lines[FIXED], place) for place in places)),
                    (Cell(f"{ORACLE} ({metric})"), *(Cell(f"{lines[ORACLE]['mean'][p]:.4f}") for p in places)),
                ),
            )
        )
    return made


def _loss(line: pd.DataFrame, place: Any, best: float, complete: bool) -> Cell:
    if place not in line.index or not np.isfinite(line["loss"][place]):
        return Cell("–")
    loss, low, high = (line[name][place] for name in ("loss", "low", "high"))
    spread = f" ({low:.4f} to {high:.4f})" if np.isfinite(low) else ""
    return Cell(f"{loss:.4f}{spread}" if complete else f"{loss:.4f}{spread}†", bold=bool(complete and loss == best))


def _fixed(line: pd.DataFrame, place: Any) -> Cell:
    return Cell(f"{line['loss'][place]:.4f} ({float(line['value'][place]):.3g})")


def _without(options: str, option: str) -> tuple[str, str]:
    """The options without one, and its value; both as text, empty where it is not given."""
    parts = split_options(options) if options else []
    value = [part.partition("=")[2] for part in parts if part.partition("=")[0] == option]
    return ",".join(part for part in parts if part.partition("=")[0] != option), "".join(value)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
