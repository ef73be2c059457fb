"""Ranks, means and failures in every scope that the page can show: all cells, a scenario, an SNR, a single cell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from dexsy_bench import ranking
from dexsy_bench.leaderboard import FAILURES
from dexsy_bench.metrics import METRICS
from dexsy_bench.reporting.drawing import ALL, snr_name

Scope = tuple[str, str, pd.DataFrame]
"""Scenario and SNR as the page names them, or ALL, and the rows there."""

Track = Callable[[Sequence[Any], str], Iterable[Any]]
"""Passes items on and shows how far it got."""


def scopes(rows: pd.DataFrame) -> list[Scope]:
    """All cells, each scenario, each SNR over the scenarios that have it, each cell; none twice."""
    by_scenario, by_snr = rows["scenario"].nunique() > 1, rows["snr"].nunique(dropna=False) > 1
    found: list[Scope] = [(ALL, ALL, rows)]
    if by_scenario:
        found += [(str(name), ALL, part) for name, part in rows.groupby("scenario")]
    if by_snr:
        found += [(ALL, snr_name(snr), part) for snr, part in rows.groupby("snr", dropna=False)]
    if by_scenario and by_snr:
        cells = rows.groupby(["scenario", "snr"], dropna=False)
        found += [(str(scenario), snr_name(snr), part) for (scenario, snr), part in cells]
    return found


def standings(rows: pd.DataFrame, metrics: Sequence[str], track: Track) -> pd.DataFrame:
    """One row a scope, metric and method, best first.

    Parameters
    ----------
    rows : DataFrame
        With labels, one row a case and method.
    metrics : sequence of str
        Those that cannot be ranked in a scope, since no row there has a value, are left out of it.
    track : callable
        Told of the scopes as they are ranked.

    Returns
    -------
    DataFrame
        `scenario`, `snr` (as the page names them, or ``all``), `metric`, the columns of
        :func:`dexsy_bench.ranking.rank`, `tied` (another method shares the rank), `told`, `tuning`, `seconds` (median
        of a case), `failures` (in words).
    """
    made = [part for scope in track(scopes(rows), "ranking") for part in _scope(scope, metrics)]
    return pd.concat(made, ignore_index=True)


def _scope(scope: Scope, metrics: Sequence[str]) -> Iterator[pd.DataFrame]:
    scenario, snr, rows = scope
    about = pd.DataFrame(_about(rows))
    for metric in metrics:
        if not np.isfinite(rows.loc[rows["status"] == "ok", metric].to_numpy(dtype=float)).any():
            continue
        table = ranking.rank(rows, metric)
        table["tied"] = table["rank"].duplicated(keep=False) & table["ranked"]
        table = table.merge(about, on="label", how="left")
        yield table.assign(scenario=scenario, snr=snr, metric=metric)


def _about(rows: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """What does not depend on the metric."""
    asked = len(rows[["scenario", "snr", "case"]].drop_duplicates())
    for label, part in rows.groupby("label"):
        counts = {name: int((part["status"] == name).sum()) for name in FAILURES}
        counts["not run"] = asked - len(part) + counts.pop("missing")
        yield {
            "label": label,
            "told": ", ".join(sorted(set(part["told"]) - {""})),
            "tuning": ", ".join(sorted(set(part["tuning"]) - {""})),
            "seconds": part.loc[part["status"] == "ok", "seconds"].median(),
            "failures": ", ".join(f"{count} {name}" for name, count in counts.items() if count),
        }


def winners(table: pd.DataFrame) -> dict[str, list[str]]:
    """By metric, the methods that share the first rank over all cells."""
    first = table[(table["scenario"] == ALL) & (table["snr"] == ALL) & (table["rank"] == 1)]
    return {str(metric): list(part["label"]) for metric, part in first.groupby("metric", sort=False)}


def agreement(rows: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Kendall's tau-b between the orders that the metrics give, over all cells."""
    return ranking.agreement(rows, [name for name in metrics if METRICS[name].pairs])
