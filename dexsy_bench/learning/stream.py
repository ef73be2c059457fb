"""Training cases, drawn as they are consumed: nothing is stored, and no case is ever seen twice."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from dexsy_bench import seeds
from dexsy_bench.errors import UserError
from dexsy_bench.folder import Folder
from dexsy_bench.problem import Problem
from dexsy_bench.scenario import Scenario, make_cases

if TYPE_CHECKING:
    import torch

Batch = tuple["torch.Tensor", "torch.Tensor"]
"""Signals (N, B1, B2) and the distributions behind them (N, D1, D2), float32."""


class Stream(Protocol):
    """An endless, numbered sequence of batches: the same number is the same batch."""

    @property
    def problem(self) -> Problem:
        """Grid, acquisition and kernel of every case."""

    @property
    def description(self) -> dict[str, object]:
        """For the model card."""

    def batch(self, number: int, size: int, device: torch.device) -> Batch:
        """Batch ``number`` of ``size`` cases, on the device; N is ``size`` times the number of mixing times."""


@dataclass(frozen=True)
class ScenarioStream:
    """Cases of several scenarios in equal shares, at SNRs drawn log-uniformly.

    Attributes
    ----------
    scenarios : sequence of Scenario
        Of the same grid, acquisition and kernel.
    snr : (low, high)
    noisy : bool
        False: signals without noise.

    Raises
    ------
    UserError
        If the scenarios differ in grid, acquisition or kernel, or leave points out.
    """

    scenarios: Sequence[Scenario]
    snr: tuple[float, float] = (10.0, 2000.0)
    noisy: bool = True

    def __post_init__(self) -> None:
        first, *others = self.scenarios
        for other in others:
            if (other.grid, other.acquisition, other.kernel) != (first.grid, first.acquisition, first.kernel):
                raise UserError(
                    f"{other.name} has another grid, acquisition or kernel than {first.name}: "
                    "one network is trained on one inverse problem"
                )
        _need_every_point(first.name, self.problem)
        if not 0 < self.snr[0] <= self.snr[1] < math.inf:
            raise UserError(f"SNR {self.snr[0]:g} to {self.snr[1]:g}: needs 0 < low <= high, both finite")

    @property
    def problem(self) -> Problem:
        """Grid, acquisition and kernel; neither sigma nor prior."""
        return self.scenarios[0].problem(math.inf).told(frozenset())

    @property
    def description(self) -> dict[str, object]:
        """For the model card."""
        return {
            "scenarios": [scenario.name for scenario in self.scenarios],
            "scenario_digests": [scenario.digest for scenario in self.scenarios],
            "snr": list(self.snr) if self.noisy else "inf",
        }

    def batch(self, number: int, size: int, device: torch.device) -> Batch:
        """From the number alone, so that a resumed training sees what comes next."""
        import torch

        # Counted, not hashed: a CPU's generator takes 32 bits of its seed, and among 100,000 hashes some would agree.
        origin = int(seeds.generator("training", "batch").integers(2**32))
        generator = torch.Generator(device)
        generator.manual_seed((origin + number) % 2**32)

        # Which scenario gets the odd cases of a batch takes turns.
        shares = [len(range(i, size, len(self.scenarios))) for i in range(len(self.scenarios))]
        turn = number % len(self.scenarios)
        parts = []
        for scenario, n in zip(self.scenarios, shares[turn:] + shares[:turn], strict=True):
            shape = scenario.problem(math.inf).acquisition.signal_shape
            uniforms = torch.rand(n, scenario.family.n_uniforms, generator=generator, device=device)
            normals = torch.randn(2, n, *shape, generator=generator, device=device)
            low, high = map(math.log, self.snr)
            snr = torch.exp(low + (high - low) * torch.rand(n, generator=generator, device=device))
            cases = make_cases(scenario.family, self.problem, uniforms, normals, 1 / snr)
            parts.append((cases.noisy if self.noisy else cases.clean, cases.distributions))
        signals, f = (torch.cat([part.flatten(0, 1) for part in side]) for side in zip(*parts, strict=True))
        return signals, f


class FolderStream:
    """Cases of a generated folder, drawn at random again and again.

    Parameters
    ----------
    path : Path
    noisy : bool
        False: signals without noise.
    held : int
        Cases at its end that are not trained on but held for validation; at most a tenth of all.

    Raises
    ------
    UserError
        If they are test or validation cases, which nothing may be trained on, there are fewer than two, or
        points are left out.
    """

    def __init__(self, path: Path, noisy: bool = True, held: int = 0) -> None:
        self.folder = Folder.read(path)
        dataset = path / "dataset.json"
        purpose = json.loads(dataset.read_text(encoding="utf-8"))["purpose"] if dataset.exists() else "training"
        if purpose != "training":
            raise UserError(
                f"{path} holds {purpose} cases, which nothing may be trained on; make training cases with "
                "`dexsy-bench generate SCENARIO --purpose training`"
            )
        _need_every_point(str(path), self.folder.known)
        numbers = self.folder.numbers
        if len(numbers) < 2:
            raise UserError(f"{path} holds one case; training needs at least two")
        self.held = numbers[len(numbers) - min(held, max(1, len(numbers) // 10)) :]
        self.numbers = numbers[: len(numbers) - len(self.held)]
        self.noisy = noisy

    @property
    def problem(self) -> Problem:
        """Grid, acquisition and kernel; neither sigma nor prior."""
        return self.folder.known.told(frozenset())

    @property
    def description(self) -> dict[str, object]:
        """For the model card."""
        return {"data": self.folder.name, "digest": self.folder.digest, "cases": len(self.numbers), "noisy": self.noisy}

    def batch(self, number: int, size: int, device: torch.device) -> Batch:
        """Drawn with replacement; each case is read when it is needed, so that a folder may exceed memory."""
        import torch

        drawn = seeds.generator("training", "folder", number).choice(self.numbers, size)
        cases = [self.folder.cases(case, case + 1, self.folder.snr) for case in drawn]
        signals = np.concatenate([(case.noisy if self.noisy else case.clean)[0] for case in cases])
        f = np.concatenate([case.distributions[0] for case in cases])
        return (
            torch.as_tensor(signals, dtype=torch.float32, device=device),
            torch.as_tensor(f, dtype=torch.float32, device=device),
        )


def _need_every_point(name: str, problem: Problem) -> None:
    if any(problem.mask(t) is not None for t in range(problem.acquisition.n_mixing)):
        raise UserError(f"{name} has a sampling mask, and networks are trained on signals that were sampled everywhere")
