"""A training leg as it is asked for, the machine it runs on, and the folder that keeps what it makes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from dexsy_bench.learning.baseline import Baseline
from dexsy_bench.learning.method import LearnedMethod
from dexsy_bench.learning.stream import Stream
from dexsy_bench.learning.training import Budget, Settings, TrainingError
from dexsy_bench.learning.validation import LearningCurve, ValidationCell
from dexsy_bench.learning.weights import Weights
from dexsy_bench.machine import cpu_name

Precision = Literal["auto", "32", "bf16", "16"]
Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True)
class Machine:
    """What a leg runs on.

    Attributes
    ----------
    device : str
    devices : int
        GPUs, or processes on a CPU.
    precision : str
        `auto`: bf16 where the hardware computes in it, else fp16 on a GPU and single precision on a CPU.
    compiled : bool or None
        Whether torch compiles the network; None: on a GPU.
    """

    device: Device = "auto"
    devices: int = 1
    precision: Precision = "auto"
    compiled: bool | None = None

    def settled(self) -> Machine:
        """The same with nothing left open.

        Raises
        ------
        TrainingError
            If a GPU is asked for and there is none.
        """
        if self.device == "cuda" and not torch.cuda.is_available():
            raise TrainingError("torch finds no CUDA device here; leave --device out to train on the CPU")
        gpu = self.device == "cuda" or (self.device == "auto" and torch.cuda.is_available())
        if gpu and self.devices > torch.cuda.device_count():
            raise TrainingError(f"--devices {self.devices}: there are {torch.cuda.device_count()} GPUs here")
        precision = self.precision
        if precision == "auto":
            bf16 = torch.cuda.is_bf16_supported(False) if gpu else torch.cpu._is_avx512_bf16_supported()
            precision = "bf16" if bf16 else "16" if gpu else "32"
        return Machine(
            "cuda" if gpu else "cpu", self.devices, precision, gpu if self.compiled is None else self.compiled
        )

    @property
    def description(self) -> str:
        """For the model card."""
        if self.device == "cuda":
            return f"{self.devices} x {torch.cuda.get_device_name()}"
        processes = f"{self.devices} x " if self.devices > 1 else ""
        return f"{processes}{cpu_name()}, {torch.get_num_threads()} threads"


@dataclass(frozen=True, eq=False)
class Plan:
    """A leg: what to train, on what, for how long, what it continues, and what it is measured by.

    Attributes
    ----------
    method : type of LearnedMethod
    options : Options
        Of the method; they shape the network.
    stream : Stream
    cells : sequence of ValidationCell
    settings, budget, machine
    start : Weights or None
        Where it goes on from.
    validations : int
        How often it is validated, evenly over the budget.
    against : Baseline or None
        Another method, drawn in the learning curve.
    """

    method: type[LearnedMethod]
    options: Any
    stream: Stream
    cells: Sequence[ValidationCell]
    settings: Settings
    budget: Budget
    machine: Machine
    start: Weights | None = None
    validations: int = 10
    against: Baseline | None = None

    @property
    def description(self) -> dict[str, Any]:
        """What a resumed leg has to agree with; ``machine`` is to be settled."""
        description = {
            "method": self.method.name,
            "options": self.method.shape(self.options),
            "stream": self.stream.description,
            "settings": asdict(self.settings),
            "budget": asdict(self.budget),
            "start": None if self.start is None else self.start.digest,
            "devices": self.machine.devices,
            "precision": self.machine.precision,
            "validations": self.validations,
            "cells": [(cell.scenario, f"{cell.snr:g}", len(cell.cases.noisy)) for cell in self.cells],
            "against": None if self.against is None else self.against.label,
        }
        described: dict[str, Any] = json.loads(json.dumps(description))
        return described


class RunFolder:
    """Where a leg keeps what it makes.

    ``training.json`` says what is trained; ``checkpoints/last.ckpt`` resumes it; ``weights/`` holds the
    averaged weights; ``learning_curve.csv`` and ``.png``, ``val_examples/`` and ``tensorboard/`` show how it went;
    ``baseline.csv`` is what another method scores on the same cases; ``start/`` the weights that the leg began from.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.definition = path / "training.json"
        self.checkpoint = path / "checkpoints" / "last.ckpt"
        self.curve = LearningCurve(path / "learning_curve.csv")
        self.baseline = LearningCurve(path / "baseline.csv")
        self.examples = path / "val_examples"
        self._start = path / "start"

    @property
    def start(self) -> Weights | None:
        """The weights that the leg began from; None where it began from nothing."""
        cards = [*self._start.glob("*.toml")]
        return Weights.read(cards[0]) if cards else None

    def weights(self, shape: Mapping[str, Any]) -> Path:
        """The model card; named after the options that shape the network."""
        return self.path / "weights" / f"{'-'.join(map(str, shape.values())) or 'weights'}.toml"

    def need_vacant(self) -> None:
        """Raise unless a new leg may begin here.

        Raises
        ------
        TrainingError
            If the folder holds another training.
        """
        if self.definition.exists():
            raise TrainingError(
                f"{self.path} holds a training already: continue it with --resume {self.path}, "
                "or choose another folder with --out"
            )

    def begin(self, plan: Plan) -> None:
        """Write the definition of a new leg, and what it is measured by.

        Raises
        ------
        TrainingError
            If the folder cannot be written.
        """
        try:
            self.examples.mkdir(parents=True, exist_ok=True)
            self.checkpoint.parent.mkdir(exist_ok=True)
            if plan.against is not None:
                self.baseline.path.unlink(missing_ok=True)
                self.baseline.append(0, 0.0, plan.against.scores(plan.cells))
            shutil.rmtree(self._start, ignore_errors=True)
            if plan.start is not None:
                self._start.mkdir()
                for file in (plan.start.path, *plan.start.files):
                    shutil.copy(file, self._start)
            self.definition.write_text(json.dumps(plan.description, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise TrainingError(f"cannot write {self.path}: {error.strerror or error}") from error

    def need_unfinished(self, plan: Plan) -> None:
        """Raise unless the leg can be gone on with.

        Raises
        ------
        TrainingError
            If the folder holds no training, another one, one without a checkpoint, or one that is finished.
        """
        try:
            before = json.loads(self.definition.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise TrainingError(f"{self.path} holds no training: training.json cannot be read ({error})") from error
        for part, now in plan.description.items():
            if before.get(part, now) != now:
                raise TrainingError(
                    f"{self.path} was begun with {part} {before[part]}, not {now}: a training is resumed as it was "
                    "begun; give the options that it was begun with, or start a new leg from its weights"
                )
        if not self.checkpoint.exists():
            raise TrainingError(f"{self.path} holds no checkpoint yet: remove it and begin again")
        try:
            progress = torch.load(self.checkpoint, "cpu", weights_only=True, mmap=True)["progress"]
        except Exception as error:  # torch names no family of errors for what is not a checkpoint
            raise TrainingError(f"{self.checkpoint} cannot be read as a checkpoint: {error}") from error
        cases = progress["steps"] * plan.settings.batch * plan.machine.devices
        if plan.budget.spent(cases, progress["seconds"]) >= 1:
            raise TrainingError(
                f"the training in {self.path} is finished; for a new leg give its weights, "
                f"--resume {self.weights(plan.method.shape(plan.options))}, and another folder with --out"
            )

    def levels(self) -> dict[tuple[str, float], float]:
        """Mean js of the baseline by scenario and SNR; empty where there is none."""
        if not self.baseline.path.exists():
            return {}
        return {(line["scenario"], line["snr"]): line["js"] for line in self.baseline.read()}
