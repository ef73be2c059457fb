"""Jobs -> worker processes -> store: resumes what was begun, shows progress, stops cleanly."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, get_args

from dexsy_bench.errors import UserError
from dexsy_bench.executor import Began, Finished, execute
from dexsy_bench.jobs import Job
from dexsy_bench.machine import cores, memory_share
from dexsy_bench.rows import Row
from dexsy_bench.store import Shard, Store
from dexsy_bench.worker import Setup

if TYPE_CHECKING:
    from rich.console import Console

Cache = Literal["use", "ignore", "only"]
"""`use`: finished shards are kept, failures too. `ignore`: all is computed again. `only`: nothing is computed."""


@dataclass(frozen=True)
class Settings:
    """How jobs are run.

    Attributes
    ----------
    workers : int
        Processes at once; by default the physical cores.
    timeout : float
        Seconds for a job of up to 16 cases.
    memory : int or None
        Bytes that a worker may allocate; None: its share of four fifths of the machine.
    cache : Cache
    keep_estimates : int
        Of how many cases of each cell, the first ones, the distributions are stored.

    Raises
    ------
    UserError
        If one of them makes no sense.
    """

    workers: int = field(default_factory=cores)
    timeout: float = 600.0
    memory: int | None = None
    cache: Cache = "use"
    keep_estimates: int = 0

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise UserError(f"--jobs {self.workers}: at least one worker process is needed")
        if not self.timeout > 0:
            raise UserError(f"--timeout {self.timeout:g}: must be positive")
        if self.memory is not None and self.memory <= 0:
            raise UserError(f"--memory {self.memory / 2**30:g}: must be positive")
        if self.cache not in get_args(Cache):
            raise UserError(f"--cache {self.cache}: there are {', '.join(get_args(Cache))}")
        if self.keep_estimates < 0:
            raise UserError(f"--keep-estimates {self.keep_estimates}: cannot be negative")


@dataclass
class Summary:
    """What became of the jobs that were asked for.

    Attributes
    ----------
    reused : list of Job
        Found finished.
    missing : list of Job
        Not computed, because only the cache was to be used.
    statuses : Counter
        Cases computed now, by status.
    """

    reused: list[Job] = field(default_factory=list)
    missing: list[Job] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)


def run(jobs: Sequence[Job], store: Store, settings: Settings, console: Console) -> Summary:
    """Compute the jobs that the store does not hold, and put each into it as it ends.

    Raises
    ------
    UserError
        If the disk is full or workers cannot start.
    KeyboardInterrupt
        On Ctrl-C and SIGTERM, once the workers are stopped; finished shards are in the store.
    """
    from dexsy_bench.progress import Progress

    keep_below = min((job.start for job in jobs), default=0) + settings.keep_estimates
    summary = Summary()
    todo: list[Job] = []
    for job in jobs:
        held = settings.cache != "ignore" and store.holds(Shard.of(job), keep_below)
        if held:
            summary.reused.append(job)
        else:
            start, stop = store.batch(Shard.of(job))  # whole, so that its cases are compared on equal terms
            todo.append(replace(job, start=start, stop=stop))
    if settings.cache == "only":
        summary.missing = todo
        return summary
    workers = max(1, min(settings.workers, len(todo)))
    setup = Setup(
        parent=os.getpid(),
        log=store.path / "workers.log",
        memory=settings.memory or memory_share(settings.workers),
        keep_below=keep_below,
    )
    with (
        _termination_interrupts(),
        Progress(todo, summary.reused, console) as progress,
        closing(execute(todo, workers, settings.timeout, setup)) as events,
    ):
        if progress.live:
            for job, rows in _rows_of(summary.reused, store):
                progress.known(job, rows)
        for event in events:
            match event:
                case Began(job):
                    progress.began(job)
                case Finished(job, outcome):
                    store.write(Shard.of(job), outcome, keep_below)
                    summary.statuses.update(row["status"] for row in outcome.rows)
                    progress.finished(job, outcome.rows)
    return summary


def _rows_of(jobs: Sequence[Job], store: Store) -> Iterator[tuple[Job, list[Row]]]:
    """The rows of finished jobs."""
    if not jobs:
        return
    from dexsy_bench.leaderboard import with_labels
    from dexsy_bench.store import load_rows

    rows = with_labels(load_rows(store.path))
    level = rows["snr"].map("{:g}".format)  # as text, for one that is not known is NaN, which does not equal itself
    cells = {cell: part.set_index("case") for cell, part in rows.groupby(["label", "scenario", level])}
    for job in jobs:
        part = cells[Shard.of(job).cell].loc[job.start : job.stop - 1].reset_index()
        yield job, [{str(name): value for name, value in row.items()} for row in part.to_dict("records")]


@contextmanager
def _termination_interrupts() -> Iterator[None]:
    """Let SIGTERM end the body as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
