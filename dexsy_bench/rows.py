"""The results of a job: one row a case, whatever happened. docs/results.md describes the columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dexsy_bench.jobs import Job

Status = Literal["ok", "error", "timeout", "oom", "invalid", "unsupported"]
STATUSES: tuple[Status, ...] = ("ok", "error", "timeout", "oom", "invalid", "unsupported")

TEXT = ("method", "options", "family", "bound", "told", "tuning", "scenario", "status", "reason")
WHOLE = ("case", "batch")
DIAGNOSTICS = ("objective", "kkt", "iterations", "converged", "alpha", "alpha_at_edge", "sigma")
COST = ("seconds", "seconds_alone", "setup_seconds", "peak_memory_mb", "forward_calls", "batch")

Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a job gave.

    Attributes
    ----------
    rows : list of dict
        One a case, in order.
    estimates : (n, T, D1, D2) or None
        The valid estimates, kept on request.
    cases : tuple of int
        The n cases that they are of.
    """

    rows: list[Row]
    estimates: NDArray[Any] | None = None
    cases: tuple[int, ...] = ()


@cache
def metric_names() -> tuple[str, ...]:
    """The metrics and what else is read off, in the order of their columns."""
    from dexsy_bench.metrics import METRICS, READINGS

    return (*METRICS, *READINGS)


@cache
def columns() -> tuple[str, ...]:
    """All columns that every results folder has, in order; other diagnostics follow them."""
    identity = ("method", "options", "family", "bound", "told", "tuning", "scenario", "snr", "case", "status", "reason")
    return (*identity, *metric_names(), *DIAGNOSTICS, *COST)


def blank(job: Job, case: int, status: Status, reason: str = "") -> Row:
    """The row of a case with nothing measured yet."""
    row: Row = dict.fromkeys(columns(), np.nan)
    row |= {"method": job.method, "options": job.options, "family": job.family, "bound": job.bound}
    row |= {"told": job.told, "tuning": job.tuning, "scenario": job.scenario, "snr": job.snr, "case": case}
    row |= {"status": status, "reason": reason, "batch": job.stop - job.start}
    return row


def failed(job: Job, status: Status, reason: str) -> list[Row]:
    """The rows of a job that gave nothing."""
    return [blank(job, case, status, reason) for case in range(job.start, job.stop)]


def one_line(text: str, limit: int = 300) -> str:
    """A reason that fits a table cell."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def count_by_status(rows: Sequence[Row]) -> dict[str, int]:
    """How many rows have each status, in the order of STATUSES, zeros left out."""
    counts = {status: sum(row["status"] == status for row in rows) for status in STATUSES}
    return {status: n for status, n in counts.items() if n}
