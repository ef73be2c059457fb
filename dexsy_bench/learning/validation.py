"""How good a network is while it is trained: scores and pictures of validation cases, which nothing is trained on."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dexsy_bench.learning.weights import Score
from dexsy_bench.metrics import score
from dexsy_bench.problem import Floats, Problem
from dexsy_bench.scenario import Cases, Scenario

if TYPE_CHECKING:
    import torch
    from torch import nn

METRICS = ("kl", "js", "w1", "topk")


@dataclass(frozen=True, eq=False)
class ValidationCell:
    """Validation cases of one scenario at one SNR."""

    scenario: str
    snr: float
    problem: Problem
    cases: Cases

    @classmethod
    def of(cls, scenario: Scenario, snr: float, n: int) -> ValidationCell:
        """The first n of the validation stream."""
        return cls(scenario.name, snr, scenario.problem(snr), scenario.cases(0, n, snr, "validation"))

    def score(self, estimate: Floats) -> dict[str, Floats]:
        """`METRICS` of each case."""
        columns = score(self.cases, estimate, self.problem, only=METRICS)
        return {name: columns[name] for name in METRICS}

    def mean(self, columns: dict[str, Floats]) -> Score:
        """Means of what `score` returned."""
        means = {name: float(np.nanmean(columns[name])) for name in METRICS}
        return Score(scenario=self.scenario, snr=self.snr, cases=len(columns[METRICS[0]]), scores=means)


def estimates(network: nn.Module, cell: ValidationCell, device: torch.device) -> Floats:
    """What a network makes of a cell, (N, T, D1, D2)."""
    import torch

    noisy = np.asarray(cell.cases.noisy)
    training = network.training
    network.eval()
    with torch.inference_mode():
        signals = torch.as_tensor(noisy.reshape(-1, *noisy.shape[-2:]), dtype=torch.float32, device=device)
        f = torch.cat([network(signals[i : i + 32]) for i in range(0, len(signals), 32)]).double().cpu().numpy()
    network.train(training)
    return np.asarray((f / f.sum(axis=(-2, -1), keepdims=True)).reshape(*noisy.shape[:2], *f.shape[-2:]))


def mean(scores: Sequence[Score]) -> dict[str, float]:
    """Means over cells."""
    return {name: float(np.mean([cell.scores[name] for cell in scores])) for name in METRICS}


class LearningCurve:
    """``learning_curve.csv``: a line for each cell at each validation, appended as it is known.

    Parameters
    ----------
    path : Path
        Lines that a resumed training computes again are dropped by :meth:`rewind`.
    """

    COLUMNS = ("cases", "seconds", "scenario", "snr", *METRICS)

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, cases: int, seconds: float, scores: Sequence[Score]) -> None:
        """Add one validation."""
        new = not self.path.exists()
        with self.path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            if new:
                writer.writerow(self.COLUMNS)
            for cell in scores:
                values = [f"{cell.scores[name]:.6g}" for name in METRICS]
                writer.writerow([cases, f"{seconds:.1f}", cell.scenario, f"{cell.snr:g}", *values])

    def rewind(self, cases: int) -> None:
        """Forget what came after so many cases, and a line that was cut off when the training was killed."""
        if not self.path.exists():
            return
        with self.path.open(newline="", encoding="utf-8") as file:
            lines = [line for line in csv.reader(file) if len(line) == len(self.COLUMNS)][1:]
        partial = self.path.with_name(f".{self.path.name}")
        with partial.open("w", newline="", encoding="utf-8") as file:
            kept = [line for line in lines if int(line[0]) <= cases]
            csv.writer(file, lineterminator="\n").writerows([self.COLUMNS, *kept])
        partial.replace(self.path)

    def read(self) -> list[dict[str, Any]]:
        """Its lines."""
        with self.path.open(newline="", encoding="utf-8") as file:
            return [
                {name: value if name == "scenario" else float(value) for name, value in line.items()}
                for line in csv.DictReader(file)
            ]
