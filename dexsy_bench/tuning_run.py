"""Hyper-parameters of many cells at once, each in a process of its own, and stored as they are found."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from dexsy_bench import tuning
from dexsy_bench.errors import UserError
from dexsy_bench.machine import cores, worker_environment
from dexsy_bench.registry import Registry, Selection
from dexsy_bench.tuning import Entry
from dexsy_bench.worker import Setup, settle


@dataclass(frozen=True)
class Search:
    """What is to be tuned.

    Attributes
    ----------
    selection : Selection
        With options that say ``tuned``.
    cells : tuple of (scenario, SNR)
    path : Path
        The file that holds the values.
    include : tuple of Path
    """

    selection: Selection
    cells: tuple[tuple[str, float], ...]
    path: Path
    include: tuple[Path, ...] = ()


def search(
    method: str, scenarios: Sequence[str], snr: Sequence[float], out: Path, include: Sequence[Path] = ()
) -> Search:
    """A search that can begin: of a method on these scenarios, at these SNRs or all of each scenario's own.

    Raises
    ------
    UserError
        If a name is not known, an SNR not positive, or the folder `out` cannot be written.
    """
    for level in snr:
        if not level > 0:
            raise UserError(f"--snr {level:g}: must be positive; inf means no noise")
    registry = Registry(include)
    selection = tuning.with_tuned(registry.select(method), registry)
    cells = tuple((name, level) for name in scenarios for level in snr or registry.scenario(name).snr)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror or error}") from error
    return Search(selection, cells, out / f"{selection.name}.toml", tuple(include))


def entries(
    what: Search, cases: int = 16, budget: int = 12, metric: str = "js", jobs: int | None = None
) -> Generator[Entry, None, None]:
    """Tune on validation cases, and yield what was found for each cell once it is stored.

    Parameters
    ----------
    what : Search
    cases, budget : int
        Validation cases, and values tried on all of them.
    metric : str
    jobs : int, optional
        Processes; by default the physical cores.

    Raises
    ------
    UserError
        If a process died, or the file cannot be written.
    """
    setup = Setup(parent=os.getpid(), log=Path(os.devnull))
    with (
        worker_environment(),
        ProcessPoolExecutor(jobs or cores(), multiprocessing.get_context("spawn"), settle, (setup,)) as pool,
    ):
        pending = [
            pool.submit(_tune_cell, what.selection, what.include, name, level, cases, budget, metric)
            for name, level in what.cells
        ]
        try:
            for finished in as_completed(pending):
                entry = finished.result()
                try:
                    tuning.write(what.path, [entry])
                except OSError as error:
                    raise UserError(f"cannot write {what.path}: {error.strerror or error}") from error
                yield entry
        except BaseException as error:
            for worker in multiprocessing.active_children():  # else the pool would wait for what they are at
                worker.kill()
            if isinstance(error, BrokenProcessPool):
                raise UserError(
                    f"a process that tuned {what.selection.label} died; was there enough memory?"
                ) from error
            raise


def _tune_cell(
    selection: Selection, include: tuple[Path, ...], scenario: str, snr: float, cases: int, budget: int, metric: str
) -> Entry:
    """One cell, in a process of its own."""
    registry = Registry(include)
    return tuning.tune(selection, registry, registry.scenario(scenario), snr, cases=cases, budget=budget, metric=metric)
