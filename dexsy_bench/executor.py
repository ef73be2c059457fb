"""Jobs on a crew of local processes, each of which can be killed at any moment at the cost of one job.

A process serves one method: what a method leaks, prints or breaks in its process cannot reach another's
rows. Not a pool of the standard library, which is broken as a whole when one process dies, nor pebble's,
which learns of a process that ended with status 0 only when its time is up (tried: version 5.2.3).
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import wait

from dexsy_bench.errors import UserError
from dexsy_bench.jobs import Job
from dexsy_bench.machine import worker_environment
from dexsy_bench.rows import Outcome, Status, failed
from dexsy_bench.worker import Setup, serve


class WorkerStartError(UserError):
    """A worker process died before it began anything: the fault is not a method's."""


@dataclass(frozen=True)
class Began:
    """A worker has taken the job; its time runs."""

    job: Job


@dataclass(frozen=True)
class Finished:
    """The job's rows are there, whatever became of it."""

    job: Job
    outcome: Outcome


def execute(jobs: Sequence[Job], workers: int, timeout: float, setup: Setup) -> Generator[Began | Finished, None, None]:
    """Run jobs, so many at once, in the order given; close the iterator to stop them all.

    Parameters
    ----------
    jobs : sequence of Job
    workers : int
        Processes.
    timeout : float
        Seconds that a job may take, the start of its process not counted.
    setup : Setup
        What each process is told.

    Raises
    ------
    WorkerStartError
        If processes cannot be started.
    """
    queue = deque(jobs)
    idle: list[_Worker] = []
    busy: list[_Worker] = []
    try:
        while queue or busy:
            while queue and len(busy) < workers:
                busy.append(_take(idle, queue.popleft(), setup))
            _wait(busy, timeout)
            for worker in list(busy):
                for event in worker.events(timeout):
                    yield event
                    if isinstance(event, Finished):
                        busy.remove(worker)
                        idle.append(worker)
    finally:
        for worker in (*busy, *idle):
            worker.stop()


def _take(idle: list[_Worker], job: Job, setup: Setup) -> _Worker:
    """An idle worker of the job's method, or a new one in place of another's."""
    for worker in idle:
        if worker.job.method == job.method and worker.usable:
            idle.remove(worker)
            worker.give(job)
            return worker
    if idle:
        idle.pop().stop()
    return _Worker(job, setup)


def _wait(busy: Sequence[_Worker], timeout: float) -> None:
    """Sleep until a worker says something, dies, or is out of time."""
    deadlines = [worker.began + timeout for worker in busy if worker.began is not None]
    until = max(0.0, min(deadlines) - time.monotonic()) if deadlines else None
    wait([thing for worker in busy for thing in (worker.connection, worker.process.sentinel)], until)


class _Worker:
    """A process and the job it has."""

    def __init__(self, job: Job, setup: Setup) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, setup), name="dexsy-bench worker")
        with worker_environment(), _uninterrupted():
            self.process.start()
        theirs.close()
        self._log = setup.log
        self._fresh = True
        self._spent = False
        self.give(job)

    def give(self, job: Job) -> None:
        self.job = job
        self.began: float | None = None
        with suppress(OSError):  # it is dead: `events` will find out
            self.connection.send(job)

    @property
    def usable(self) -> bool:
        """Whether it can take another job."""
        return not self._spent and self.process.is_alive()

    def events(self, timeout: float) -> Iterator[Began | Finished]:
        """What there is to tell of its job, without waiting."""
        gone = not self.process.is_alive()  # asked first: what it said before its death is still read below
        while self.connection.poll():
            try:
                outcome = self.connection.recv()
            except (EOFError, OSError):
                gone = True
                break
            if outcome is None:
                self.began = time.monotonic()
                self._fresh = False
                yield Began(self.job)
            else:
                # A process that ran out of memory may still hold it.
                self._spent = any(row["status"] == "oom" for row in outcome.rows)
                yield Finished(self.job, outcome)
                return
        if gone:
            self.process.join()
            if self._fresh:
                raise WorkerStartError(
                    f"a worker process ended with status {self.process.exitcode} before it began; see {self._log}"
                )
            yield self._lost(*self._cause_of_death())
        elif self.began is not None and time.monotonic() - self.began >= timeout:
            yield self._lost("timeout", f"no answer within {timeout:g} s")

    def _lost(self, status: Status, reason: str) -> Finished:
        self._spent = True
        self.stop()
        return Finished(self.job, Outcome(failed(self.job, status, reason)))

    def _cause_of_death(self) -> tuple[Status, str]:
        code = self.process.exitcode or 0
        if code == -9:
            return "oom", "worker was killed (SIGKILL), as the system does when memory runs out"
        if code < 0:
            return "error", f"worker died ({signal.Signals(-code).name}); see {self._log.name}"
        return "error", f"worker left with exit status {code}; see {self._log.name}"

    def stop(self) -> None:
        """Kill it, and whatever it started."""
        if self.process.is_alive() and self.process.pid is not None:
            if hasattr(os, "killpg"):
                with suppress(OSError):  # not yet the leader of its group
                    os.killpg(self.process.pid, signal.SIGKILL)
            self.process.kill()
        self.process.join()
        self.connection.close()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Keep Ctrl-C, which a terminal sends to all, from processes that start in the body."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
