"""What a run shows while it runs: a bar on a terminal, a line a cell elsewhere."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from dexsy_bench.jobs import Job
from dexsy_bench.rows import Row, count_by_status

if TYPE_CHECKING:
    from rich.console import Console


class Progress:
    """Counts cases; use as a context manager.

    Parameters
    ----------
    todo : sequence of Job
        Those to compute.
    held : sequence of Job
        Those that are finished already.
    console : rich.console.Console
    """

    def __init__(self, todo: Sequence[Job], held: Sequence[Job], console: Console) -> None:
        self._console = console
        self._done = sum(job.stop - job.start for job in held)
        self._total = self._done + sum(job.stop - job.start for job in todo)
        self._left = Counter(map(str, todo))
        self._rows: dict[str, list[Row]] = defaultdict(list)
        self._running: list[str] = []
        self._told: set[tuple[str, str, str]] = set()
        self._bar = Bar(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("cases ·"),
            TimeElapsedColumn(),
            TextColumn("· left"),
            TimeRemainingColumn(),
            console=console,
            expand=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("starting", total=self._total, completed=self._done)

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def began(self, job: Job) -> None:
        """A worker has taken the job."""
        self._running.append(str(job))
        self._describe()

    def finished(self, job: Job, rows: Sequence[Row]) -> None:
        """The job's rows are in the store."""
        name = str(job)
        if name in self._running:
            self._running.remove(name)
        self._done += len(rows)
        self._tell_failures(job, rows)
        self._rows[name] += rows
        self._left[name] -= 1
        if self._left[name] == 0 and not self._console.is_terminal:
            self._say(f"[{self._done}/{self._total}] {name}: {self._summary(name)}")
        self._describe()

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _describe(self) -> None:
        names = list(dict.fromkeys(self._running)) or ["done" if self._done == self._total else "starting"]
        others = f" and {len(names) - 1} more" if len(names) > 1 else ""
        self._bar.update(self._task, completed=self._done, description=names[0] + others)

    def _tell_failures(self, job: Job, rows: Sequence[Row]) -> None:
        """One line for each new reason of a method; other numbers do not make it new."""
        for row in rows:
            what = (job.label, row["status"], re.sub(r"\d[\d.e+-]*", "#", row["reason"]))
            if row["status"] != "ok" and what not in self._told:
                self._told.add(what)
                self._say(f"{job}, case {row['case']}: {row['status']} ({row['reason']})")

    def _summary(self, name: str) -> str:
        rows = self._rows.pop(name)
        text = ", ".join(f"{n} {status}" for status, n in count_by_status(rows).items())
        seconds = [row["seconds"] for row in rows if row["status"] == "ok"]
        return text + (f", {_duration(sum(seconds) / len(seconds))} each" if seconds else "")


def _duration(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds >= 1 else f"{seconds * 1e3:.3g} ms"
