"""`dexsy-bench run`: methods x scenarios x SNR levels into a results folder."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from dexsy_bench.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from dexsy_bench.jobs import Cell
    from dexsy_bench.registry import Registry, Selection
    from dexsy_bench.runner import Summary

INTERRUPTED = 130
INCOMPLETE = 1


class RunError(UserError):
    """Options that leave no job, or contradict each other."""


def run(
    suite: Annotated[
        str | None, typer.Argument(help="A group of scenarios; see `list suites`. Default: quick.")
    ] = None,
    scenario: Annotated[
        list[str] | None,
        typer.Option(
            "--scenario", "-s", help="Only this scenario; may be repeated. Without SUITE: at all of its SNR levels."
        ),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            "-m",
            help="Only this method, as in 'tikhonov[order=0]'; may be repeated. Default: the suite's, else every row "
            "of `list methods`.",
        ),
    ] = None,
    snr: Annotated[list[float] | None, typer.Option(help="Only this SNR (inf: no noise); may be repeated.")] = None,
    cases: Annotated[
        int | None,
        typer.Option("-n", "--cases", min=1, help="Cases of each scenario at each SNR. Default: the suite's, else 16."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Results folder. Default: results/SUITE or results/SCENARIO.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Worker processes, one thread each. Default: physical cores.")
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=0.1, max=1e6, help="Seconds that a job, 16 cases of a method, may take.")
    ] = 600.0,
    memory: Annotated[
        float | None,
        typer.Option(
            min=0.25, max=1e6, help="GiB that a worker may allocate. Default: its share of 80% of the machine."
        ),
    ] = None,
    cache: Annotated[
        Literal["use", "ignore", "only"],
        typer.Option(
            help="use: keep what is finished, failures too. ignore: compute all again. only: compute nothing, name "
            "what is missing."
        ),
    ] = "use",
    keep_estimates: Annotated[
        int,
        typer.Option(
            min=0, metavar="N", help="Store the distributions of the first N cases as well (16 kB each at 64 x 64)."
        ),
    ] = 0,
    include: Annotated[
        list[Path] | None,
        typer.Option(help="A method NAME.py, a scenario NAME.toml or a folder of them; may be repeated."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Take the cases from this folder, as `generate` writes it, not from scenarios.")
    ] = None,
) -> None:
    """Run methods on numbered cases and store a row for each.

    A run that was stopped, even killed, continues when the same command is given again: what is finished
    is not computed again. A method whose source has changed is.

        dexsy-bench run                                       # the quick suite
        dexsy-bench run core -m tikhonov -m 'tikhonov[order=0]' -n 32
        dexsy-bench run -s two_compartment --snr 100 --include my_method.py -m my_method
        dexsy-bench run core --cache ignore -m nnls           # compute nnls again, failures included
    """
    from rich.console import Console

    from dexsy_bench.jobs import plan
    from dexsy_bench.machine import cores
    from dexsy_bench.registry import Registry
    from dexsy_bench.runner import Settings
    from dexsy_bench.runner import run as run_jobs
    from dexsy_bench.store import Store

    console = Console()

    def warn(text: str) -> None:
        console.print(text, style="yellow", markup=False, highlight=False, soft_wrap=True)

    registry = Registry(include or ())
    name, cells = cells_of(registry, suite, scenario or [], snr or [], cases, data)
    whole = data is None and (suite is not None or not scenario)  # a suite, or a part of one
    asked = registry.suite(suite or "quick") if whole else None
    for slow in asked.fewer if asked is not None else ():
        registry.method(slow)  # a name that is not known is said so
    selections = selections_of(registry, method or [], asked.methods if asked is not None else None, warn)
    fewer = asked.fewer if asked is not None and cases is None else {}
    settings = Settings(
        workers=jobs or cores(),
        timeout=timeout,
        memory=None if memory is None else int(memory * 2**30),
        cache=cache,
        keep_estimates=keep_estimates,
    )
    folder = out or Path("results") / name
    planned = [job for s in selections for job in plan(registry, [s], first_cases(cells, fewer.get(s.name)))]
    try:
        with Store(folder, warn) as store:
            if cache != "only":
                store.write_manifest(*manifest(name, selections, cells))
            summary = run_jobs(planned, store, settings, console)
    except KeyboardInterrupt:
        console.print(f"\nstopped; the same command continues {folder}", highlight=False)
        raise typer.Exit(INTERRUPTED) from None
    conclude(summary, folder, console)


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
    from dexsy_bench.jobs import Cell

    if data is not None:
        return folder_cells(data, cases, bool(suite_name or scenarios or levels))
    suite = registry.suite(suite_name or "quick")
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
    from dexsy_bench.folder import Folder
    from dexsy_bench.jobs import Cell

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
    name: str, selections: Sequence[Selection], cells: Sequence[Cell]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Definitions for ``manifest.json``, and the entry for its history that says how this run is made."""
    from dexsy_bench.machine import describe, revision

    asked = [
        {"scenario": cell.source.name, "snr": f"{cell.snr:g}", "start": cell.start, "stop": cell.stop} for cell in cells
    ]
    entry = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(["dexsy-bench", *sys.argv[1:]]),
        "suite": name,
        "methods": [selection.label for selection in selections],
        "cells": asked,
        "revision": revision(),
        "machine": describe(),
    }
    return {"scenarios": {cell.source.name: definition(cell) for cell in cells}}, entry


def definition(cell: Cell) -> Any:
    """All that defines the cases: the scenario's fields, or where the folder is if no scenario makes them."""
    from dexsy_bench.scenario import Scenario

    origin = cell.source.problem(cell.snr).prior
    if isinstance(origin, Scenario) and origin.name == cell.source.name:
        return origin.model_dump(mode="json")
    return {"folder": str(cell.data), "digest": cell.source.digest}


def conclude(summary: Summary, folder: Path, console: Console) -> None:
    """Say what became of the jobs and what to type next."""

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    if summary.missing:
        for name, n in Counter(str(job) for job in summary.missing).items():
            say(f"missing: {name} ({n} jobs)")
        raise typer.Exit(INCOMPLETE)
    from dexsy_bench.rows import STATUSES

    counts = ", ".join(f"{summary.statuses[status]} {status}" for status in STATUSES if summary.statuses[status])
    reused = sum(job.stop - job.start for job in summary.reused)
    parts = [f"computed {counts}" if counts else "", f"{reused} cases were there already" if reused else ""]
    say(f"{folder}: {'; '.join(filter(None, parts))}")
    say(f"next: dexsy-bench table {folder}   or   dexsy-bench plot {folder}")
