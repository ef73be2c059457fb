"""Trainings that are stopped, killed and gone on with; and those that may not be."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import learned
import pytest
import torch

pytest.importorskip("lightning")

from trainings import BATCH, assert_same_training, curve, interrupt, make_plan, state, unseen

from dexsy_bench.learning.baseline import Baseline
from dexsy_bench.learning.plan import RunFolder
from dexsy_bench.learning.stream import ScenarioStream
from dexsy_bench.learning.trainer import train
from dexsy_bench.learning.training import Budget, Settings, TrainingError
from dexsy_bench.learning.validation import ValidationCell
from dexsy_bench.method import Unsupported
from dexsy_bench.registry import Registry

# Interruptions --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("precision", "number"), [("32", signal.SIGINT), ("bf16", signal.SIGTERM), ("16", signal.SIGINT)]
)
def test_a_stopped_training_goes_on_as_if_it_had_not_been(tmp_path, plain, precision, number):
    whole, parts = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "parts")
    train(make_plan(tmp_path, precision=precision), whole, unseen)
    weights = train(make_plan(tmp_path, precision=precision, events={5: interrupt(number)}), parts, unseen)
    assert weights.card.cases == 5 * BATCH  # what was learned is kept
    assert [line["cases"] for line in curve(parts)] == ["12"]
    resumed = make_plan(tmp_path, precision=precision, events={4: interrupt(number)})
    train(resumed, parts, unseen, resume=True)
    last = make_plan(tmp_path, precision=precision)
    train(last, parts, unseen, resume=True)
    assert [*resumed.stream.drawn, *last.stream.drawn] == list(range(5, 12))
    assert_same_training(parts, whole)


def test_a_stopped_leg_goes_on_even_where_the_weights_it_began_from_are_gone(tmp_path, plain):
    weights = train(make_plan(tmp_path, 4), RunFolder(tmp_path / "first"), unseen)
    whole, parts = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "parts")
    train(make_plan(tmp_path, start=weights), whole, unseen)
    train(make_plan(tmp_path, start=weights, events={5: interrupt(signal.SIGINT)}), parts, unseen)
    shutil.rmtree(weights.path.parent)
    last = train(make_plan(tmp_path, start=parts.start), parts, unseen, resume=True)
    assert [leg.cases for leg in last.card.legs] == [4 * BATCH, 12 * BATCH]
    assert_same_training(parts, whole)


def test_handlers_of_signals_are_given_back(tmp_path, plain):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    train(make_plan(tmp_path, 4, validations=1), RunFolder(tmp_path / "run"), unseen)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


KILLED = """
import os, signal, sys
from datetime import timedelta
from pathlib import Path
import lightning.pytorch as pl
import trainings
from dexsy_bench.learning.plan import RunFolder
from dexsy_bench.learning.trainer import Keeper, train

Keeper.CHECKPOINT_EVERY = timedelta(0)
Keeper._draw = lambda self, shown, total: None
write = pl.Trainer.save_checkpoint
written = []

def half(self, path):
    write(self, path)
    written.append(path)
    if len(written) == 8:  # after the second validation, which the checkpoint before it does not know
        content = Path(path).read_bytes()
        Path(path).write_bytes(content[: len(content) // 2])
        os.kill(os.getpid(), signal.SIGKILL)

pl.Trainer.save_checkpoint = half
here = Path(sys.argv[1])
train(trainings.make_plan(here, validations=3), RunFolder(here / "parts"), trainings.unseen)
"""


def test_a_training_killed_while_it_wrote_a_checkpoint_goes_on_from_the_one_before(tmp_path, plain):
    whole, parts = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "parts")
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(Path(learned.__file__).parent)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert [line["cases"] for line in curve(parts)] == ["16", "32"]
    assert state(parts)[2]["steps"] == 7
    train(make_plan(tmp_path, validations=3), whole, unseen)
    resumed = make_plan(tmp_path, validations=3)
    train(resumed, parts, unseen, resume=True)
    assert resumed.stream.drawn == list(range(7, 12))
    assert_same_training(parts, whole)


def test_a_checkpoint_of_before_this_field_can_be_read(tmp_path, plain):
    """Trainings that run for hours outlive a change of the code."""
    folder = RunFolder(tmp_path / "run")
    train(make_plan(tmp_path, events={5: interrupt(signal.SIGINT)}), folder, unseen)
    checkpoint = torch.load(folder.checkpoint, weights_only=True)
    del checkpoint["progress"]["in_a_row"]
    torch.save(checkpoint, folder.checkpoint)
    definition = json.loads(folder.definition.read_text())
    folder.definition.write_text(json.dumps({name: definition[name] for name in ("method", "budget")}))
    assert train(make_plan(tmp_path), folder, unseen, resume=True).card.cases == 12 * BATCH


# What is refused ------------------------------------------------------------------------------


@pytest.fixture
def stopped(tmp_path, plain):
    folder = RunFolder(tmp_path / "run")
    train(make_plan(tmp_path, events={5: interrupt(signal.SIGINT)}), folder, unseen)
    return folder


@pytest.mark.parametrize(
    ("part", "changes"),
    [
        ("settings", {"settings": Settings(batch=BATCH, lr=2e-2)}),
        ("budget", {"budget": Budget(400, "cases")}),
        ("options", {"options": SimpleNamespace()}),
        ("stream", {"stream": ScenarioStream((learned.toy_scenario(),), (10.0, 100.0))}),
        ("precision", {"precision": "bf16"}),
        ("validations", {"validations": 7}),
        ("cells", {"cells": [ValidationCell.of(learned.toy_scenario(), 100.0, 3)]}),
        ("against", {"against": Baseline(Registry().select("tikhonov"), Registry())}),
    ],
)
def test_a_training_is_resumed_as_it_was_begun(tmp_path, stopped, part, changes):
    if part == "options":
        registry = Registry([tmp_path])
        changes = {"options": replace(registry.make_options("toy", {}), width=6)}
    before = stopped.checkpoint.read_bytes(), stopped.curve.path.read_bytes()
    with pytest.raises(TrainingError, match=f"was begun with {part} .*, not .*: a training is resumed as it was begun"):
        train(make_plan(tmp_path, **changes), stopped, unseen, resume=True)
    assert (stopped.checkpoint.read_bytes(), stopped.curve.path.read_bytes()) == before


def test_a_folder_that_holds_a_training_is_not_overwritten(tmp_path, stopped):
    before = stopped.checkpoint.read_bytes()
    with pytest.raises(TrainingError, match=f"holds a training already: continue it with --resume {stopped.path}"):
        train(make_plan(tmp_path), stopped, unseen)
    assert stopped.checkpoint.read_bytes() == before


def test_a_finished_training_is_not_resumed(tmp_path, plain):
    folder = RunFolder(tmp_path / "run")
    weights = train(make_plan(tmp_path, 4), folder, unseen)
    with pytest.raises(
        TrainingError, match=re.escape(f"is finished; for a new leg give its weights, --resume {weights.path}")
    ):
        train(make_plan(tmp_path, 4), folder, unseen, resume=True)


def test_a_folder_without_a_training_is_not_resumed(tmp_path, stopped):
    with pytest.raises(TrainingError, match="holds no training"):
        train(make_plan(tmp_path), RunFolder(tmp_path), unseen, resume=True)
    stopped.checkpoint.write_bytes(stopped.checkpoint.read_bytes()[:1000])
    with pytest.raises(TrainingError, match=r"last\.ckpt cannot be read as a checkpoint"):
        train(make_plan(tmp_path), stopped, unseen, resume=True)
    stopped.checkpoint.unlink()
    with pytest.raises(TrainingError, match="holds no checkpoint yet"):
        train(make_plan(tmp_path), stopped, unseen, resume=True)


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(TrainingError, match=r"cannot write .*/file/run: "):
        train(make_plan(tmp_path), RunFolder(tmp_path / "file" / "run"), unseen)


def test_a_baseline_that_declines_leaves_the_folder_vacant(tmp_path, plain):
    folder = RunFolder(tmp_path / "run")
    toy = Registry([learned.write(tmp_path / "methods").parent])
    rival = Baseline(toy.select("toy"), toy)
    with pytest.raises(Unsupported, match="--against toy declines contract: no weights come with toy"):
        train(make_plan(tmp_path, against=rival), folder, unseen)
    folder.need_vacant()
