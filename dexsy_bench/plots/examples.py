"""Single cases with what each method makes of them: read back where estimates were kept, else inverted again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dexsy_bench.jobs import Cell, Job, plan
from dexsy_bench.leaderboard import badness, with_labels
from dexsy_bench.method import Inverter
from dexsy_bench.metrics import METRICS
from dexsy_bench.plots.look import PlotError
from dexsy_bench.problem import Problem
from dexsy_bench.registry import Registry, UnknownName
from dexsy_bench.scenario import Cases, CaseSource, Scenario
from dexsy_bench.store import load_estimate

LIMIT = 60.0
"""Seconds: a method that took longer for a case is not run again for a picture."""


@dataclass(frozen=True, eq=False)
class Example:
    """One case, and what each method made of it.

    Attributes
    ----------
    scenario, snr, case
        Its name.
    problem : Problem
    cases : Cases
        That case alone, N = 1.
    estimates : dict
        (T, D1, D2) by label.
    scores : dict
        The metrics of each estimate, by label, as the rows have them: a kept estimate is rounded.
    reasons : dict
        By label, why there is no estimate.
    """

    scenario: str
    snr: float
    case: int
    problem: Problem
    cases: Cases
    estimates: dict[str, NDArray[Any]] = field(default_factory=dict)
    scores: dict[str, Mapping[str, float]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)


def typical_case(rows: pd.DataFrame, metric: str = "js") -> int:
    """The case of median difficulty: by the metric's mean over methods (no references) and SNR levels."""
    ok = rows[(rows["status"] == "ok") & np.isfinite(rows[metric])]
    fair = ok[ok["family"] != "reference"]
    fair = ok if fair.empty else fair
    if fair.empty:
        raise PlotError(f"no case has a value of {metric}, so none can be called typical; name one with --case")
    mean = fair.groupby("case")[metric].mean()
    ordered = mean.index[np.argsort(badness(metric, mean), kind="stable")]
    return int(ordered[(len(ordered) - 1) // 2])


def source_of_rows(manifest: Mapping[str, Any], scenario: str, registry: Registry) -> tuple[CaseSource, Path | None]:
    """Where the cases of a run came from (and the folder, if one): the manifest knows, else the registry."""
    defined = manifest.get("scenarios", {}).get(scenario)
    if defined is None:
        return registry.scenario(scenario), None
    if "folder" in defined:
        from dexsy_bench.folder import Folder

        path = Path(defined["folder"])
        return Folder.read(path), path
    return Scenario(**defined), None


def example(
    rows: pd.DataFrame,
    source: CaseSource,
    snr: float,
    case: int,
    registry: Registry,
    *,
    run: Path | None = None,
    data: Path | None = None,
    limit: float = LIMIT,
) -> Example:
    """One case of a scenario with the estimates of all methods in the rows.

    Parameters
    ----------
    rows : DataFrame
        Rows of that scenario.
    source : CaseSource
        The scenario, or folder of cases.
    snr, case
        Which.
    registry : Registry
        Where the methods are.
    run : Path, optional
        A results folder that may hold kept estimates.
    data : Path, optional
        The folder that the source is.
    limit : float
        Methods that took more seconds for a case are left out.

    Raises
    ------
    PlotError
        If the rows hold no such case.
    """
    rows = with_labels(rows)
    labels = sorted(rows["label"].unique())
    here = rows[(rows["case"] == case) & ((rows["snr"] == snr) | (rows["snr"].isna() & np.isnan(snr)))]
    if here.empty:
        known = sorted(rows["case"].unique())
        raise PlotError(f"no case {case} of {source.name} at SNR {snr:g}; there are {known[0]} to {known[-1]}")
    found = Example(source.name, snr, case, source.problem(snr), source.cases(case, case + 1, snr))
    kept = run if run is not None and any((run / "estimates").glob("*.safetensors")) else None
    fill(found, here, Cell(source, snr, case, case + 1, data), registry, kept, limit)
    measured = here.set_index("label").filter(items=list(METRICS))
    found.scores.update({label: measured.loc[label].astype(float).to_dict() for label in found.estimates})
    found.reasons.update({label: "not run on this case" for label in labels if label not in set(here["label"])})
    return found


def fill(shown: Example, rows: pd.DataFrame, cell: Cell, registry: Registry, kept: Path | None, limit: float) -> None:
    """Put into an example what each method makes of it, or why there is nothing.

    Parameters
    ----------
    shown : Example
    rows : DataFrame
        Of that case, with labels.
    cell : Cell
        That case alone.
    registry : Registry
    kept : Path or None
        A results folder with kept estimates, which are taken first.
    limit : float
        Methods that took more seconds are not run again.
    """
    for label, row in rows.set_index("label").sort_index().iterrows():
        label = str(label)
        stored = load_estimate(kept, label, shown.scenario, shown.snr, shown.case) if kept else None
        if stored is None and (reason := _refusal(row, limit)):
            shown.reasons[label] = reason
            continue
        try:
            shown.estimates[label] = _inverted(label, cell, shown, registry) if stored is None else stored
        except UnknownName:
            shown.reasons[label] = "not installed here; run with --keep-estimates"
        except Exception as error:  # whatever a method raises: the others are still worth a look
            shown.reasons[label] = f"fails now: {error}"


def _refusal(row: pd.Series[Any], limit: float) -> str:
    """Why a method is not run again, or an empty text."""
    if row["status"] != "ok":
        return f"{row['status']}: {row['reason']}" if row["reason"] else str(row["status"])
    if row["seconds"] > limit:
        return f"took {row['seconds']:.0f} s a case; show it with --limit {2 * row['seconds']:.0f}"
    return ""


def _inverted(label: str, cell: Cell, case: Example, registry: Registry) -> NDArray[Any]:
    """The method's distribution (T, D1, D2), with the options (tuned ones too) that `run` gives it."""
    job: Job = plan(registry, [registry.select(label)], [cell])[0]
    options = registry.make_options(job.method, {**dict(job.given), **dict(job.tuned)})
    inverter = Inverter(registry.method(job.method), options, case.problem)
    return np.asarray(inverter(np.asarray(case.cases.noisy)).distributions[0])
