"""One training as Lightning drives it: draw a batch, descend, average the weights."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader, IterableDataset

from dexsy_bench.errors import UserError
from dexsy_bench.learning.losses import distribution_loss
from dexsy_bench.learning.stream import Stream

PATIENCE = 20
"""Steps in a row with a gradient that is not finite, after which a training stops."""


class TrainingError(UserError):
    """A training that cannot begin or go on; the message says what to change."""


@dataclass(frozen=True)
class Settings:
    """How to descend.

    Attributes
    ----------
    batch : int
        Cases a step (and a device).
    lr, betas, weight_decay : float, (float, float), float
        Of AdamW.
    warmup : float
        Share of the budget in which the learning rate climbs to ``lr``; it then falls along a cosine to 0.
    clip : float
        Norm that gradients are clipped at.
    ema : float
        Decay of the exponential average of the weights, which is what ships.
    l1, tv : float
        Weights of the terms of the loss.
    """

    batch: int = 64
    lr: float = 3e-4
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 1e-4
    warmup: float = 0.05
    clip: float = 1.0
    ema: float = 0.999
    l1: float = 0.1
    tv: float = 1e-5


@dataclass(frozen=True)
class Budget:
    """How long a leg lasts: so many cases, or so many minutes."""

    amount: float
    unit: Literal["cases", "minutes"]

    def spent(self, cases: int, seconds: float) -> float:
        """Share that is spent, 0 .. 1."""
        return min(1.0, (cases if self.unit == "cases" else seconds / 60) / self.amount)


def learning_rate(spent: float, peak: float, warmup: float) -> float:
    """Linear climb over the first ``warmup`` of the budget, then a cosine down to 0."""
    if spent < warmup:
        return peak * (spent / warmup)
    return peak * 0.5 * (1 + math.cos(math.pi * (spent - warmup) / (1 - warmup)))


def moving_average(decay: float) -> Callable[[Sequence[Tensor], Sequence[Tensor], Tensor | int], None]:
    """Exponential average, shorter at first, when the average would otherwise remember random weights."""

    def update(averages: Sequence[Tensor], values: Sequence[Tensor], count: Tensor | int) -> None:
        now = min(decay, (1 + int(count)) / (10 + int(count)))
        for average, value in zip(averages, values, strict=True):
            if average.is_floating_point():
                average.lerp_(value.to(average.dtype), 1 - now)
            else:
                average.copy_(value)

    return update


class Training(pl.LightningModule):
    """The state of a leg: network, average, optimiser, and how far it has come.

    Parameters
    ----------
    network : module
        Signals (N, B1, B2) to distributions (N, D1, D2).
    stream : Stream
        Where cases come from.
    settings : Settings
    budget : Budget
    first : int
        Number of the first batch: beyond those of earlier legs, so that no case is drawn twice.
    """

    def __init__(self, network: nn.Module, stream: Stream, settings: Settings, budget: Budget, first: int = 0) -> None:
        super().__init__()
        self.network = network
        # Buffers are averaged too: batch statistics belong to the weights they were measured with.
        self.average = AveragedModel(network, multi_avg_fn=moving_average(settings.ema), use_buffers=True)
        self.average.requires_grad_(False)
        self.stream, self.settings, self.budget, self.first = stream, settings, budget, first
        self.steps = 0
        self.skipped = 0
        self.seconds = 0.0
        self._in_a_row = 0
        self._origin = 0.0

    # How far it has come -------------------------------------------------------------------

    @property
    def cases(self) -> int:
        """Cases seen in this leg, on all devices."""
        return self.steps * self.settings.batch * self.trainer.world_size

    @property
    def spent(self) -> float:
        """Share of the budget."""
        return self.budget.spent(self.cases, self.seconds)

    def on_train_start(self) -> None:
        """Start the clock, interruptions left out."""
        self._origin = time.monotonic() - self.seconds

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """How far it has come."""
        checkpoint["progress"] = {
            "steps": self.steps,
            "skipped": self.skipped,
            "in_a_row": self._in_a_row,
            "seconds": self.seconds,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on from there."""
        progress = checkpoint["progress"]
        self.steps, self.skipped, self.seconds = progress["steps"], progress["skipped"], progress["seconds"]
        self._in_a_row = progress.get("in_a_row", 0)

    # A step --------------------------------------------------------------------------------

    def train_dataloader(self) -> DataLoader[int]:
        """Ticks: a batch is drawn on the device, by the number of its step."""
        return DataLoader(_Ticks(), batch_size=None)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW; its learning rate is set before each step, from the share of the budget that is spent."""
        s = self.settings
        return torch.optim.AdamW(self.network.parameters(), s.lr, betas=s.betas, weight_decay=s.weight_decay)

    def training_step(self, tick: int, index: int) -> Tensor:
        """Loss of the next batch."""
        rate = learning_rate(self.spent, self.settings.lr, self.settings.warmup)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = rate
        number = self.first + self.steps * self.trainer.world_size + self.global_rank
        with torch.autocast(self.device.type, enabled=False):
            signals, f = self.stream.batch(number, self.settings.batch, self.device)
        loss = distribution_loss(f, self.network(signals), self.settings.l1, self.settings.tv)
        self.log("train/loss", loss)
        self.log("train/learning_rate", rate)
        return loss

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: int | float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip; without gradients an optimiser leaves the weights alone, so one that is not finite is dropped."""
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip)
        if torch.isfinite(norm):
            self._in_a_row = 0
            return
        optimizer.zero_grad(set_to_none=True)
        # What overflowed may have gone through the batch statistics: take those that are known to be sound.
        for statistic, sound in zip(self.network.buffers(), self.average.module.buffers(), strict=True):
            statistic.copy_(sound)
        self.skipped += 1
        self._in_a_row += 1
        if self._in_a_row >= PATIENCE:
            raise TrainingError(
                f"gradients were not finite {PATIENCE} steps in a row (after {self.steps} steps): lower --lr, "
                "or train in single precision with --precision 32"
            )

    def optimizer_step(self, *given: Any, **named: Any) -> None:
        """Descend, average the weights, count; before any callback sees the step, so that a checkpoint holds it all."""
        super().optimizer_step(*given, **named)
        if self._in_a_row == 0:
            self.average.update_parameters(self.network)
        self.steps += 1
        # All devices go by the clock of the first.
        self.seconds = self.trainer.strategy.broadcast(time.monotonic() - self._origin)


class _Ticks(IterableDataset[int]):
    def __iter__(self) -> Iterator[int]:
        while True:
            yield 0
