"""What a run shows while it runs: the standings and a bar on a terminal, a line a cell elsewhere."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Column, Table
from rich.text import Text

from dexsy_bench.jobs import Job
from dexsy_bench.rows import Row, count_by_status
from dexsy_bench.standings import METRIC, Standing, Standings

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

AROUND = 8
"""Lines of a terminal that the standings leave to what is above and below them."""

WIDE = 72
"""Columns of a terminal that the comparison with the first one fits in."""


class Progress:
    """Counts cases and shows how methods stand; use as a context manager.

    Parameters
    ----------
    todo : sequence of Job
        Those to compute.
    held : sequence of Job
        Those that are finished already.
    console : rich.console.Console
        A live table where it can be redrawn, else lines.
    """

    def __init__(self, todo: Sequence[Job], held: Sequence[Job], console: Console) -> None:
        self._console = console
        self._done = sum(job.stop - job.start for job in held)
        self._total = self._done + sum(job.stop - job.start for job in todo)
        self._left = Counter(map(str, todo))
        self._rows: dict[str, list[Row]] = defaultdict(list)
        self._running: list[str] = []
        self._told: set[tuple[str, str, str]] = set()
        self._standings = Standings([*held, *todo])
        self._bar = _bar(console)
        self._task = self._bar.add_task("starting", total=self._total, completed=self._done)
        self.live = (
            Live(get_renderable=self._shown, console=console, refresh_per_second=2, vertical_overflow="crop")
            if console.is_interactive
            else None
        )

    def __enter__(self) -> Progress:
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.live:
            self.live.stop()

    def known(self, job: Job, rows: Sequence[Row]) -> None:
        """The rows of a job that was finished before."""
        self._standings.add(job.label, rows)

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
        self._standings.add(job.label, rows)
        self._tell_failures(job, rows)
        self._rows[name] += rows
        self._left[name] -= 1
        if self._left[name] == 0 and not self.live:
            self._say(f"[{self._done}/{self._total}] {name}: {self._summary(name)}")
        self._describe()

    def _shown(self) -> RenderableType:
        """The standings, as many as the terminal is high, over the bar."""
        rows = self._console.height - AROUND
        standings = self._standings.order()
        if rows < 1 or not standings:
            return self._bar
        return Group(table(standings, self._standings.waiting, rows, self._console.width), self._bar)

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


def _bar(console: Console) -> Bar:
    """What is being done, cases, and the time; on a narrow terminal without what explains itself."""
    name = TextColumn(
        "{task.description}", markup=False, table_column=Column(ratio=3, no_wrap=True, overflow="ellipsis")
    )
    if console.width < WIDE:
        return Bar(name, MofNCompleteColumn(), TextColumn("left"), TimeRemainingColumn(), console=console, expand=True)
    bar = BarColumn(bar_width=None, table_column=Column(ratio=2))
    times = TimeElapsedColumn(), TextColumn("· left"), TimeRemainingColumn()
    return Bar(name, bar, MofNCompleteColumn(), TextColumn("cases ·"), *times, console=console, expand=True)


def table(standings: Sequence[Standing], waiting: int, rows: int, width: int) -> Group:
    """How methods stand.

    Parameters
    ----------
    standings : sequence of Standing
        In their order.
    waiting : int
        Methods that have not begun.
    rows : int
        Most methods to show.
    width : int
        Of the terminal.
    """
    compared = width >= WIDE
    shown = Table(box=None, pad_edge=False, header_style="bold")
    shown.add_column("so far", no_wrap=True, overflow="ellipsis", min_width=12)
    for heading in ("cases", METRIC, *(["against the first"] if compared else []), "failed"):
        shown.add_column(heading, justify="right", no_wrap=True)
    for number, one in enumerate(standings[:rows]):
        difference = "" if number == 0 or not np.isfinite(one.difference) else f"{one.difference:+.4f}"
        shown.add_row(
            Text(one.label + (" (reference)" if one.reference else "")),
            f"{one.done}/{one.asked}",
            f"{one.mean:.4f}" if np.isfinite(one.mean) else "–",
            *([difference] if compared else []),
            Text(str(one.failed), "red") if one.failed else "",
            style="" if one.level and not one.reference else "dim",
        )
    left = [(max(0, len(standings) - rows), "more"), (waiting, "not begun")]
    note = f"provisional: {METRIC} is the mean over the cases so far, low is good"
    if compared:
        note += "; against the first: over the cases that both have; dim: lacks some of them"
    lines = [", ".join(f"{count} {what}" for count, what in left if count), note]
    return Group(shown, Text("\n".join(filter(None, lines)), "dim", no_wrap=False, overflow="fold"))


def _duration(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds >= 1 else f"{seconds * 1e3:.3g} ms"
