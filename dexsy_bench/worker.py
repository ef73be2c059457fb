"""One job in a process of its own: regenerate the cases, prepare, invert, validate, time, score."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dexsy_bench.jobs import Job, source_of
from dexsy_bench.machine import forget_peak_memory, peak_memory_mb
from dexsy_bench.method import Estimate, InvalidEstimate, Inverter, Unsupported
from dexsy_bench.problem import Acquisition, Grid, Problem
from dexsy_bench.registry import Registry
from dexsy_bench.rows import DIAGNOSTICS, Outcome, Row, Status, blank, columns, failed, one_line
from dexsy_bench.scenario import Cases, CaseSource

ALONE_BUDGET = 10.0
"""Seconds: after a batch that took longer, no case is inverted alone, save where it holds case 0."""


@dataclass(frozen=True)
class Setup:
    """What a worker process is told when it starts.

    Attributes
    ----------
    parent : int
        The process to die with.
    log : Path
        Where its output goes.
    memory : int or None
        Most bytes it may allocate.
    keep_below : int
        Outcomes carry the distributions of cases with lower numbers.
    """

    parent: int
    log: Path
    memory: int | None = None
    keep_below: int = 0


# The process -------------------------------------------------------------------------------


def serve(connection: Connection, setup: Setup) -> None:
    """Answer each job with None when it begins and its Outcome when it ends, until the other end closes."""
    settle(setup)
    load_scoring()
    with contextlib.suppress(EOFError):
        while True:
            job = connection.recv()
            with contextlib.suppress(OSError):
                print(f"[{job}, cases {job.start}-{job.stop - 1}]")
            connection.send(None)
            connection.send(work(job, setup.keep_below))


def load_scoring() -> None:
    """Score something small, so that the libraries for it count neither as a method's time nor as its memory."""
    from dexsy_bench.metrics import score

    grid = Grid.log(0.1, 10.0, 8)
    b = np.linspace(0.0, 1.0, 8)
    f = np.full((1, 1, *grid.shape), 1 / 64)
    signal = np.ones((1, 1, b.size, b.size))
    score(Cases(f, signal, signal, {}), f, Problem(grid, Acquisition(b, b), sigma=0.1))


def settle(setup: Setup) -> None:
    """Make this process one that a terminal does not interrupt, a crash explains, and a dead parent takes along."""
    with contextlib.suppress(OSError):
        log = os.open(setup.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(log, 1)
        os.dup2(log, 2)
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "setsid"):
        os.setsid()  # a group of its own, so that what a method starts is stopped with it
    _die_with(setup.parent)
    if setup.memory is not None and sys.platform != "win32":
        import resource

        limit = resource.RLIMIT_DATA if sys.platform == "linux" else resource.RLIMIT_AS
        with contextlib.suppress(OSError, ValueError):  # macOS may refuse
            resource.setrlimit(limit, (setup.memory, setup.memory))


def _die_with(parent: int) -> None:
    """Leave no orphan behind when the run is killed: it would go on for as long as a method hangs."""
    if sys.platform == "linux":
        import ctypes

        set_death_signal = 1
        ctypes.CDLL(None).prctl(set_death_signal, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        return

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


# The job -----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Attempt:
    """One timed call of a method on some cases of a batch: an estimate, or why there is none."""

    positions: range
    seconds: float
    estimate: Estimate | None = None
    status: Status = "ok"
    reason: str = ""


def work(job: Job, keep_below: int = 0) -> Outcome:
    """Rows of a job, with the estimates of its cases below that number; what the method raises becomes their reason."""
    try:
        forget_peak_memory()
        ready = prepare(job)
        cases = ready.source.cases(job.start, job.stop, job.snr)
        attempts = invert(ready.inverter, cases.noisy)
        alone = seconds_alone(ready.inverter, cases.noisy, attempts, job.start == 0)
        cost = {"setup_seconds": ready.seconds, "seconds_alone": alone, "peak_memory_mb": peak_memory_mb()}
        rows = [row for tried in attempts for row in rows_of(job, ready.problem, cases, tried, cost)]
    except BaseException as error:  # in this process even SystemExit is a failure of the method
        return Outcome(failed(job, *blame(error)))
    kept = [
        (job.start + position, tried.estimate.distributions[row])
        for tried in attempts
        if tried.estimate is not None
        for row, position in enumerate(tried.positions)
        if row not in tried.estimate.refused and job.start + position < keep_below
    ]
    return Outcome(rows, np.stack([f for _, f in kept]), tuple(case for case, _ in kept)) if kept else Outcome(rows)


@dataclass(frozen=True, eq=False)
class Ready:
    """A cell's source of cases and the method made ready for it, which took so many seconds."""

    source: CaseSource
    problem: Problem
    inverter: Inverter
    seconds: float


_ready: dict[str, Ready] = {}
"""By content key; one at a time, for a cell's batches come one after the other."""


@lru_cache(maxsize=1)
def registry_of(include: tuple[Path, ...]) -> Registry:
    """The registry, made once a process."""
    return Registry(include)


def prepare(job: Job) -> Ready:
    """The job's cell made ready, or the one that is."""
    if job.key not in _ready:
        _ready.clear()
        registry = registry_of(job.include)
        source = source_of(job, registry)
        problem = source.problem(job.snr)
        options = registry.make_options(job.method, {**dict(job.given), **dict(job.tuned)})
        method = registry.method(job.method)
        began = time.perf_counter()
        inverter = Inverter(method, options, problem)
        _ready[job.key] = Ready(source, problem, inverter, time.perf_counter() - began)
    return _ready[job.key]


def invert(inverter: Inverter, signals: NDArray[Any]) -> list[Attempt]:
    """The batch in one call; where that fails, case by case, so that only bad cases are lost."""
    whole = attempt(inverter, signals, range(len(signals)))
    if len(signals) == 1 or whole.status not in ("invalid", "error"):
        return [whole]
    return [attempt(inverter, signals, range(i, i + 1)) for i in range(len(signals))]


def attempt(inverter: Inverter, signals: NDArray[Any], positions: range) -> Attempt:
    """Invert the signals at those positions."""
    began = time.perf_counter()
    try:
        estimate = inverter(signals[positions.start : positions.stop])
        for name in estimate.diagnostics:
            if name in columns() and name not in (*DIAGNOSTICS, "forward_calls"):
                raise InvalidEstimate(f"diagnostic '{name}' is a column of the results; give it another name")
    except BaseException as error:
        return Attempt(positions, time.perf_counter() - began, None, *blame(error))
    return Attempt(positions, time.perf_counter() - began, estimate)


def seconds_alone(inverter: Inverter, signals: NDArray[Any], attempts: Sequence[Attempt], first: bool) -> float:
    """Seconds that the first case takes on its own; NaN where it was not tried."""
    whole = attempts[0]
    if len(whole.positions) == 1:
        return whole.seconds
    if whole.estimate is None or (whole.seconds > ALONE_BUDGET and not first):
        return float("nan")
    alone = attempt(inverter, signals, range(1))
    return alone.seconds if alone.estimate is not None else float("nan")


def rows_of(job: Job, problem: Problem, cases: Cases, tried: Attempt, cost: dict[str, float]) -> list[Row]:
    """A row for each case of an attempt, scored where it gave an estimate that the method stands by."""
    from dexsy_bench.metrics import score

    n = len(tried.positions)
    rows = [blank(job, job.start + position, tried.status, tried.reason) for position in tried.positions]
    measured: dict[str, NDArray[Any]] = {"batch": np.full(n, n)}
    measured |= {name: np.full(n, value) for name, value in cost.items()}
    scores: dict[str, NDArray[Any]] = {}
    if tried.estimate is not None:
        measured["seconds"] = np.full(n, tried.seconds / n)
        estimate = tried.estimate
        measured |= {name: np.asarray(x, dtype=np.float64) for name, x in estimate.diagnostics.items()}
        scores = score(_part(cases, tried.positions), estimate.distributions, problem, samples=estimate.samples)
    for i, row in enumerate(rows):
        row |= {name: values[i].item() for name, values in measured.items()}
        if tried.estimate is not None and i in tried.estimate.refused:
            row |= {"status": "unsupported", "reason": one_line(tried.estimate.refused[i])}
        else:
            row |= {name: values[i].item() for name, values in scores.items()}
    return rows


def blame(error: BaseException) -> tuple[Status, str]:
    """Status and reason that an exception means; where it is a mistake in code, the log gets the traceback."""
    message = one_line(str(error))
    if isinstance(error, Unsupported):
        return "unsupported", message
    if isinstance(error, InvalidEstimate):
        return "invalid", message
    # torch has its own: OutOfMemoryError on a GPU, a plain RuntimeError on the CPU
    no_memory = type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in message
    if isinstance(error, MemoryError) or no_memory:
        return "oom", message or "out of memory"
    with contextlib.suppress(OSError):
        traceback.print_exception(error)
    return "error", f"{type(error).__name__}: {message}" if message else type(error).__name__


def _part(cases: Cases, positions: range) -> Cases:
    part = slice(positions.start, positions.stop)
    return Cases(
        cases.distributions[part],
        cases.clean[part],
        cases.noisy[part],
        {name: values[part] for name, values in cases.parameters.items()},
    )
