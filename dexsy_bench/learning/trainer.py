"""Drives a training leg to the end of its budget: device, precision, checkpoints, validation, weights."""

from __future__ import annotations

import json
import logging
import signal
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only

from dexsy_bench.learning.plan import Plan, RunFolder
from dexsy_bench.learning.training import Training
from dexsy_bench.learning.validation import estimates, mean
from dexsy_bench.learning.weights import Card, Leg, Score, Weights, save
from dexsy_bench.machine import installed_version
from dexsy_bench.plots.style import save as save_figure
from dexsy_bench.plots.training import learning_curve, validation_examples

_LIGHTNING: dict[str, Any] = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}


@dataclass(frozen=True)
class Report:
    """How a leg is doing; handed to whoever watches it.

    Attributes
    ----------
    spent : float
        Share of the budget.
    cases : int
    seconds : float
    loss : float
        Mean since the last report.
    skipped : int
        Steps dropped because their gradient was not finite.
    scores : sequence of Score
        Of the last validation; empty before it.
    validated : bool
        Whether that was just now.
    """

    spent: float
    cases: int
    seconds: float
    loss: float
    skipped: int
    scores: Sequence[Score]
    validated: bool


Watcher = Callable[[Report], None]


def train(plan: Plan, folder: RunFolder, watch: Watcher, *, resume: bool = False) -> Weights:
    """Train until the budget is spent or the process is told to stop (SIGINT, SIGTERM).

    Parameters
    ----------
    plan : Plan
    folder : RunFolder
    watch : callable
        Gets a `Report` now and then.
    resume : bool
        Go on from the folder's checkpoint.

    Returns
    -------
    Weights
        The average of the weights over the last steps.

    Raises
    ------
    TrainingError
    """
    machine = plan.machine.settled()
    plan = replace(plan, machine=machine)
    if leads():
        folder.need_unfinished(plan) if resume else folder.need_vacant()
    torch.manual_seed(0)
    network = plan.method.network(plan.options, plan.stream.problem)
    first = 0
    if plan.start is not None:
        network.load_state_dict(plan.start.tensors())
        first = plan.start.card.cases
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    training = Training(network, plan.stream, plan.settings, plan.budget, first)
    if machine.compiled:
        network.compile()
    if leads() and not resume:
        folder.begin(plan)
    keeper = Keeper(plan, folder, watch)
    with _quiet_lightning(), _stoppable(keeper):
        trainer = pl.Trainer(
            accelerator="gpu" if machine.device == "cuda" else "cpu",
            devices=machine.devices,
            precision=_LIGHTNING[machine.precision],
            max_epochs=-1,
            logger=TensorBoardLogger(folder.path, name="", version="tensorboard"),
            callbacks=[keeper],
            log_every_n_steps=20,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        checkpoint = str(folder.checkpoint) if resume else None
        trainer.fit(training, ckpt_path=checkpoint, weights_only=True)
    return Weights.read(folder.weights(plan.method.shape(plan.options)))


def leads() -> bool:
    """Whether this process is the first of those that train on several devices: it alone writes and speaks."""
    return bool(getattr(rank_zero_only, "rank", 0) == 0)


class Keeper(Callback):
    """Validates, keeps checkpoints and weights, and ends the training when its budget is spent."""

    CHECKPOINT_EVERY = timedelta(minutes=5)
    REPORT_EVERY = timedelta(seconds=1)

    def __init__(self, plan: Plan, folder: RunFolder, watch: Watcher) -> None:
        self.plan, self.folder, self.watch = plan, folder, watch
        self.stop = False
        self.scores: list[Score] = []
        self._losses: list[torch.Tensor] = []
        self._reported = self._kept = 0.0
        self._validated = 0

    def ask_to_stop(self, number: int, frame: Any) -> None:
        """Stop after this step; a handler of signals."""
        self.stop = True

    def on_train_start(self, trainer: pl.Trainer, training: pl.LightningModule) -> None:
        """Forget what a resumed training will compute again."""
        assert isinstance(training, Training)
        signal.signal(signal.SIGTERM, self.ask_to_stop)  # Lightning would answer with an exception
        self._validated = int(training.spent * self.plan.validations)
        self._reported = self._kept = training.seconds
        if trainer.is_global_zero:
            self.folder.curve.rewind(self._total(training))

    def on_train_batch_end(
        self, trainer: pl.Trainer, training: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """After each step: is it time to validate, to report, to keep, to stop?"""
        assert isinstance(training, Training)
        self._losses.append(outputs["loss"].detach())
        stopping = trainer.strategy.reduce_boolean_decision(self.stop, all=False)
        ending = training.spent >= 1 or stopping
        validated = int(training.spent * self.plan.validations)
        due = validated > self._validated
        self._validated = validated
        if due or ending:
            if trainer.is_global_zero:
                self._validate(training, draw=due)
            trainer.strategy.barrier()
        elif training.seconds - self._reported > self.REPORT_EVERY.total_seconds():
            self._report(training, validated=False)
        if ending or training.seconds - self._kept > self.CHECKPOINT_EVERY.total_seconds():
            self._kept = training.seconds
            self._keep(trainer)
        trainer.should_stop = trainer.should_stop or ending

    def _total(self, training: Training) -> int:
        return training.first + training.cases

    def _validate(self, training: Training, *, draw: bool) -> None:
        """Score the average and keep it; draw only what an interruption does not add to, so that it leaves no trace."""
        network = training.average.module
        found = [estimates(network, cell, training.device) for cell in self.plan.cells]
        columns = [cell.score(f) for cell, f in zip(self.plan.cells, found, strict=True)]
        self.scores = [cell.mean(scores) for cell, scores in zip(self.plan.cells, columns, strict=True)]
        if draw:
            total = self._total(training)
            self.folder.curve.append(total, training.seconds, self.scores)
            assert isinstance(training.logger, TensorBoardLogger)
            for name, value in mean(self.scores).items():
                training.logger.experiment.add_scalar(f"validation/{name}", value, training.steps)
            firsts = [{name: float(values[0]) for name, values in scores.items()} for scores in columns]
            shown = [(cell, f[0], scores) for cell, f, scores in zip(self.plan.cells, found, firsts, strict=True)]
            self._draw(shown, total)
        self._save_weights(training)
        self._report(training, validated=True)

    def _draw(self, shown: Sequence[Any], total: int) -> None:
        examples = validation_examples(shown, f"after {total:,} training cases")
        save_figure(examples, self.folder.examples, f"cases_{total:09d}", ("png",))
        against = self.plan.against.label if self.plan.against else ""
        curve = learning_curve(self.folder.curve.read(), "js", self.folder.levels(), against)
        save_figure(curve, self.folder.path, "learning_curve", ("png",))

    def _save_weights(self, training: Training) -> None:
        plan = self.plan
        packages = {name: installed_version(name) or "" for name in ("torch", "lightning", "dexsy-bench")}
        settings = {
            **asdict(plan.settings),
            "budget": f"{plan.budget.amount:g} {plan.budget.unit}",
            "precision": self.plan.machine.precision,
            "compiled": bool(self.plan.machine.compiled),
            "skipped_steps": training.skipped,
        }
        leg = Leg(
            cases=training.cases,
            seconds=round(training.seconds, 1),
            hardware=self.plan.machine.description,
            date=datetime.now(UTC).date().isoformat(),
            stream=plan.stream.description,
            settings=json.loads(json.dumps(settings)),
            packages=packages,
        )
        network = training.average.module
        card = Card(
            method=plan.method.name,
            options=plan.method.shape(plan.options),
            parameters=sum(p.numel() for p in network.parameters()),
            kernel=plan.stream.problem.kernel.name,  # type: ignore[arg-type]  # the card checks it
            legs=(*(plan.start.card.legs if plan.start else ()), leg),
            validation=tuple(self.scores),
        )
        save(self.folder.weights(card.options), card, plan.stream.problem, network.state_dict())

    def _keep(self, trainer: pl.Trainer) -> None:
        """Write a checkpoint; the one before stays until this one is whole."""
        partial = self.folder.checkpoint.with_name(".partial.ckpt")
        trainer.save_checkpoint(partial)
        if trainer.is_global_zero:
            partial.replace(self.folder.checkpoint)

    def _report(self, training: Training, *, validated: bool) -> None:
        loss = float(torch.stack(self._losses).float().mean()) if self._losses else float("nan")
        self._losses.clear()
        self._reported = training.seconds
        if not leads():
            return
        done = (training.spent, training.cases, training.seconds)
        self.watch(Report(*done, loss, training.skipped, self.scores, validated))


@contextmanager
def _stoppable(keeper: Keeper) -> Iterator[None]:
    """SIGINT and SIGTERM end the training after the step it is at, with everything kept."""
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, keeper.ask_to_stop) for number in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Without its remarks on devices, data loaders and tips; errors still come through."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            for logger in loggers:
                logger.setLevel(logging.ERROR)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
