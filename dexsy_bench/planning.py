"""What a run is asked for -- a suite or scenarios, methods, SNR levels, cases -- as jobs and a manifest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dexsy_bench.errors import UserError
from dexsy_bench.folder import Folder
from dexsy_bench.jobs import Cell, Job, plan
from dexsy_bench.machine import describe, revision
from dexsy_bench.registry import Registry, Selection
from dexsy_bench.runner import Settings, Summary, run
from dexsy_bench.scenario import Scenario
from dexsy_bench.store import Store

if TYPE_CHECKING:
    from rich.console import Console

USUAL = "quick"
"""The suite that is run where nothing is named."""


class RunError(UserError):
    """Options that leave no job, or contradict each other."""


@dataclass(frozen=True)
class Request:
    """A run that can begin.

    Attributes
    ----------
    name : str
        Of the suite, scenarios or folder: what its results folder is called where nothing else is said.
    selections : list of Selection
    cells : list of Cell
    jobs : list of Job
    """

    name: str
    selections: list[Selection]
    cells: list[Cell]
    jobs: list[Job]

    def carry_out(
        self, folder: Path, settings: Settings, console: Console, command: str, warn: Callable[[str], None] = print
    ) -> Summary:
        """Compute into a results folder what it lacks, and note there how it was made: by that command."""
        with Store(folder, warn) as store:
            if settings.cache != "only":
                store.write_manifest(*manifest(self.name, self.selections, self.cells, command))
            return run(self.jobs, store, settings, console)


def request(
    registry: Registry,
    suite: str | None = None,
    scenarios: Sequence[str] = (),
    methods: Sequence[str] = (),
    snr: Sequence[float] = (),
    cases: int | None = None,
    data: Path | None = None,
    warn: Callable[[str], None] = print,
) -> Request:
    """What these options mean; each takes the place of its part of the suite.

    Parameters
    ----------
    registry : Registry
    suite : str, optional
        USUAL, where no scenarios are named either.
    scenarios, methods : sequence of str
        Methods as in ``tikhonov[order=0]``; none: the suite's, else all.
    snr : sequence of float
    cases : int, optional
        Of each cell; the suite's, else those of USUAL.
    data : Path, optional
        The folder that brings the cases.
    warn : callable
        Told of methods that cannot be loaded.

    Raises
    ------
    UserError
        If a name is not known, or options contradict each other.
    """
    if cases is not None and cases < 1:
        raise RunError(f"-n {cases}: at least one case is needed")
    name, cells = cells_of(registry, suite, scenarios, snr, cases, data)
    whole = data is None and (suite is not None or not scenarios)  # a suite, or a part of one
    asked = registry.suite(suite or USUAL) if whole else None
    for slow in asked.fewer if asked is not None else ():
        registry.method(slow)  # a name that is not known is said so
    selections = selections_of(registry, methods, asked.methods if asked is not None else None, warn)
    fewer = asked.fewer if asked is not None and cases is None else {}
    jobs = [job for s in selections for job in plan(registry, [s], first_cases(cells, fewer.get(s.name)))]
    return Request(name, selections, cells, jobs)


def cells_of(
    registry: Registry,
    suite_name: str | None,
    scenarios: Sequence[str],
    levels: Sequence[float],
    cases: int | None,
    data: Path | None,
) -> tuple[str, list[Cell]]:
    """The name of the results folder and the cells that the options mean.

    A suite gives scenarios, SNR levels and cases; each option takes the place of its part. Scenarios
    named without a suite have their own SNR levels and as many cases as the quick suite.
    """
    if data is not None:
        return folder_cells(data, cases, bool(suite_name or scenarios or levels))
    suite = registry.suite(suite_name or USUAL)
    chosen = [registry.scenario(name) for name in dict.fromkeys(scenarios or suite.scenarios)]
    for level in levels:
        if not level > 0:
            raise RunError(f"--snr {level:g}: must be positive; inf means no noise")
    apart = bool(scenarios) and suite_name is None
    cells = [
        Cell(scenario, level, 0, cases or suite.cases)
        for scenario in chosen
        for level in dict.fromkeys(levels or (scenario.snr if apart or suite.snr is None else suite.snr))
    ]
    return "+".join(scenario.name for scenario in chosen) if apart else suite.name, cells


def first_cases(cells: Sequence[Cell], count: int | None) -> list[Cell]:
    """The cells with that many cases at most."""
    if count is None:
        return list(cells)
    return [replace(cell, stop=min(cell.stop, cell.start + count)) for cell in cells]


def folder_cells(data: Path, cases: int | None, others: bool) -> tuple[str, list[Cell]]:
    """The one cell of a folder of cases."""
    if others:
        raise RunError("--data brings its own cases; leave out SUITE, --scenario and --snr")
    folder = Folder.read(data)
    count = len(folder.numbers)
    if cases is not None and cases > count:
        raise RunError(f"-n {cases}: {data} holds {count} cases")
    first = folder.numbers.start
    return folder.path.name, [Cell(folder, folder.snr, first, first + (cases or count), folder.path)]


def selections_of(
    registry: Registry, texts: Sequence[str], usual: Sequence[str] | None, warn: Callable[[str], None]
) -> list[Selection]:
    """The methods that were named; else the usual ones and those included; else all, with their default variants."""
    selections = [registry.select(text) for text in texts or usual or ()]
    names = [] if texts else registry.method_names if usual is None else registry.included_methods
    for name in names:
        try:
            selections += registry.variants(name)
        except UserError as error:  # a broken plugin costs its own rows only
            warn(f"{name} is left out: {error}")
    return list(dict.fromkeys(selections))


def manifest(
    name: str, selections: Sequence[Selection], cells: Sequence[Cell], command: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Definitions for ``manifest.json``, and the entry for its history that says how this run is made."""
    asked = [
        {"scenario": cell.source.name, "snr": f"{cell.snr:g}", "start": cell.start, "stop": cell.stop} for cell in cells
    ]
    entry = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "suite": name,
        "methods": [selection.label for selection in selections],
        "cells": asked,
        "revision": revision(),
        "machine": describe(),
    }
    return {"scenarios": {cell.source.name: definition(cell) for cell in cells}}, entry


def definition(cell: Cell) -> Any:
    """All that defines the cases: the scenario's fields, or where the folder is if no scenario makes them."""
    origin = cell.source.problem(cell.snr).prior
    if isinstance(origin, Scenario) and origin.name == cell.source.name:
        return origin.model_dump(mode="json")
    return {"folder": str(cell.data), "digest": cell.source.digest}
