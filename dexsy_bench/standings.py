"""How methods stand while a run goes on, compared on the cases that they have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dexsy_bench.jobs import Job
from dexsy_bench.rows import Row

METRIC = "js"
"""What a table is sorted by where nothing else is asked for; low is good."""


@dataclass(frozen=True)
class Standing:
    """A method so far.

    Attributes
    ----------
    label : str
    reference : bool
        It knows the truth, or nothing: it never leads.
    done, asked : int
        Cases.
    failed : int
        Cases that gave no valid estimate.
    mean : float
        Of the metric, over its scored cases; NaN without any.
    difference : float
        Mean of its score less the leader's, over the cases that both were scored on; NaN without any.
    level : bool
        It has a score in every case that the leader has.
    """

    label: str
    reference: bool
    done: int
    asked: int
    failed: int
    mean: float
    difference: float
    level: bool


class Standings:
    """The scores of a run's methods as they come in.

    A run computes one method after the other, so means over what is there stand on different cases, of which some
    are easier. Hence the leader is, of the methods with the most scored cases, the one with the best mean; the others
    are ordered by their mean difference from it on the cases that both have; and those that lack some of its cases,
    because they failed or are not done, come after all that have them, however lucky they were so far.

    Parameters
    ----------
    jobs : sequence of Job
        All that were asked for.
    """

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._labels = {label: number for number, label in enumerate(dict.fromkeys(job.label for job in jobs))}
        cases = dict.fromkeys(_name(job.scenario, job.snr, case) for job in jobs for case in range(job.start, job.stop))
        self._cases = {name: number for number, name in enumerate(cases)}
        self._reference = np.zeros(len(self._labels), dtype=bool)
        self._asked = np.zeros(len(self._labels), dtype=int)
        for job in jobs:
            self._reference[self._labels[job.label]] = job.family == "reference"
            self._asked[self._labels[job.label]] += job.stop - job.start
        shape = len(self._labels), len(self._cases)
        self._scores, self._done, self._failed = np.full(shape, np.nan), np.zeros(shape, bool), np.zeros(shape, bool)

    def add(self, label: str, rows: Sequence[Row]) -> None:
        """Count rows of a method."""
        for row in rows:
            at = self._labels[label], self._cases[_name(row["scenario"], row["snr"], row["case"])]
            self._done[at], self._failed[at] = True, row["status"] != "ok"
            self._scores[at] = row[METRIC] if row["status"] == "ok" else np.nan

    @property
    def waiting(self) -> int:
        """Methods without any row."""
        return int((~self._done.any(axis=1)).sum())

    def order(self) -> list[Standing]:
        """The methods that have begun: those level with the leader, others, references; in each the best first."""
        if not self._done.any():
            return []
        scores = self._scores.copy()  # a job may end while this is drawn
        there = np.isfinite(scores)
        count = there.sum(axis=1)
        mean = _mean(np.where(there, scores, 0.0), there)
        eligible = np.where(self._reference, -1, count)
        if not (self._done.any(axis=1) & ~self._reference).any():  # there are references alone
            eligible = count
        leader = int(np.lexsort((mean, -eligible))[0])
        both = there & there[leader]
        difference = _mean(np.where(both, scores - scores[leader], 0.0), both)
        level = both.sum(axis=1) == count[leader]
        found = [
            Standing(
                label, bool(self._reference[i]), int(self._done[i].sum()), int(self._asked[i]),
                int(self._failed[i].sum()), float(mean[i]), float(difference[i]), bool(level[i]),
            )
            for label, i in self._labels.items()
            if self._done[i].any()
        ]  # fmt: skip
        return sorted(found, key=lambda one: (one.reference, not one.level, np.nan_to_num(one.difference, nan=np.inf)))


def _name(scenario: str, snr: float, case: int) -> tuple[str, str, int]:
    """A case, to look it up by: the SNR as text, for one that is not known is NaN, which does not equal itself."""
    return scenario, f"{snr:g}", int(case)


def _mean(values: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Of each row, over what is there, the rest being 0; NaN where nothing is."""
    count = there.sum(axis=1)
    return np.where(count > 0, values.sum(axis=1) / np.maximum(count, 1), np.nan)
