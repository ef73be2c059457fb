"""Whole trainings of a network of a few hundred weights: budgets, machines, bad gradients, memory, legs."""

import gc
from datetime import timedelta
from types import SimpleNamespace

import numpy as np
import pytest
import torch

pytest.importorskip("lightning")

from trainings import BATCH, Watched, curve, make_plan, parameters, same, state, unseen

from dexsy_bench.learning import plan as plans
from dexsy_bench.learning import trainer as trainers
from dexsy_bench.learning import training as training_module
from dexsy_bench.learning.baseline import Baseline
from dexsy_bench.learning.plan import Machine, RunFolder
from dexsy_bench.learning.trainer import Keeper, train
from dexsy_bench.learning.training import PATIENCE, Budget, Settings, Training, TrainingError
from dexsy_bench.learning.weights import Weights
from dexsy_bench.registry import Registry

PRECISIONS = ["32", "bf16", "16"]


def assert_learned(folder, plan):
    """Better at last than at first, and better than a uniform distribution."""
    first, *_, last = (float(line["kl"]) for line in curve(folder))
    uniform = plan.cells[0].score(np.full((2, 1, 16, 16), 1 / 256))["kl"].mean()
    assert last < first
    assert last < 0.95 * uniform


# A whole training -----------------------------------------------------------------------------


def test_a_training_leaves_all_that_it_promises_and_learns(tmp_path):
    reports = []
    folder = RunFolder(tmp_path / "run")
    registry = Registry()
    plan = make_plan(tmp_path, 150, validations=2, against=Baseline(registry.select("tikhonov"), registry))
    weights = train(plan, folder, reports.append)
    made = {str(path.relative_to(folder.path)) for path in folder.path.rglob("*") if path.is_file()}
    examples = {"val_examples/cases_000000300.png", "val_examples/cases_000000600.png"}
    always = {"training.json", "checkpoints/last.ckpt", "learning_curve.csv", "learning_curve.png", "baseline.csv"}
    assert always | examples < made
    assert any(name.startswith("tensorboard/events") for name in made)
    assert not [name for name in made if "partial" in name]

    card = weights.card
    assert weights.path.parent == folder.path / "weights"
    assert (card.method, card.cases, len(card.legs)) == ("toy", 600, 1)
    assert card.legs[0].settings["budget"] == "600 cases"
    assert card.legs[0].settings["precision"] == "32"
    assert card.legs[0].settings["skipped_steps"] == 0
    assert card.parameters == sum(tensor.numel() for tensor in parameters(weights.tensors()).values())
    assert [line["cases"] for line in curve(folder)] == ["300", "600"]
    assert card.validation[0].scores["js"] == pytest.approx(float(curve(folder)[-1]["js"]), rel=1e-5)
    assert_learned(folder, plan)
    assert reports[-1].spent == 1
    assert reports[-1].validated
    assert folder.levels() == {("contract", 100.0): pytest.approx(0.2, abs=0.15)}


def test_a_budget_of_minutes_is_kept_by_the_clock(tmp_path, monkeypatch, plain):
    seconds = iter(range(0, 10**6, 6))
    monkeypatch.setattr(training_module, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    rates = []
    step = Training.training_step

    def noted(self, *given):
        loss = step(self, *given)
        rates.append(self.trainer.optimizers[0].param_groups[0]["lr"])
        return loss

    monkeypatch.setattr(Training, "training_step", noted)
    plan = make_plan(tmp_path, budget=Budget(1, "minutes"))
    weights = train(plan, RunFolder(tmp_path / "run"), unseen)
    assert weights.card.cases == 10 * BATCH  # steps of 6 s
    assert weights.card.legs[0].seconds == 60
    assert rates == [pytest.approx(training_module.learning_rate(k / 10, 1e-2, 0.05)) for k in range(10)]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_it_learns_in_every_precision(tmp_path, plain, precision):
    plan, folder = make_plan(tmp_path, 100, precision), RunFolder(tmp_path / "run")
    weights = train(plan, folder, unseen)
    assert weights.card.legs[0].settings["precision"] == precision
    assert_learned(folder, plan)
    assert all(torch.isfinite(tensor).all() for tensor in weights.tensors().values())


def test_memory_does_not_grow(tmp_path, plain):
    live = []

    def count():
        gc.collect()
        live.append(sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects()))

    class Now(Keeper):
        REPORT_EVERY = timedelta(0)

    events = {10: count, 30: count, 60: count}
    plan = make_plan(tmp_path, 61, events=events, validations=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainers, "Keeper", Now)
        train(plan, RunFolder(tmp_path / "run"), unseen)
    assert live[0] == live[1] == live[2]


# Machines -------------------------------------------------------------------------------------


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_one_sentence():
    with pytest.raises(TrainingError, match="torch finds no CUDA device here"):
        Machine("cuda").settled()


def test_the_machine_says_what_it_settled_on(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation)
    assert Machine().settled() == Machine("cuda", 1, "16", True)  # bf16 that is emulated is slow
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)
    assert Machine(devices=2, compiled=False).settled() == Machine("cuda", 2, "bf16", False)
    assert Machine(device="cpu", precision="16").settled() == Machine("cpu", 1, "16", False)
    with pytest.raises(TrainingError, match="--devices 3: there are 2 GPUs here"):
        Machine(devices=3).settled()
    monkeypatch.setattr(plans.torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    assert Machine(device="cpu").settled().precision == "32"


# Gradients that are not finite ----------------------------------------------------------------


def spoil(monkeypatch, steps, value=float("nan")):
    """The signals of these steps are not numbers, and so are their loss, gradients and batch statistics."""
    batch = Watched.batch

    def spoiled(self, number, size, device):
        signals, f = batch(self, number, size, device)
        return (signals * value if len(self.drawn) in steps else signals), f

    monkeypatch.setattr(Watched, "batch", spoiled)


def test_a_step_with_gradients_that_are_not_finite_is_skipped_and_counted(tmp_path, monkeypatch, plain):
    spoil(monkeypatch, {3, 4, 7})
    kept = []
    step = Training.optimizer_step

    def noted(self, *given, **named):
        before = {name: value.clone() for name, value in self.state_dict().items()}
        step(self, *given, **named)
        kept.append(same(parameters(self.state_dict()), parameters(before)))
        assert all(torch.isfinite(value).all() for value in self.state_dict().values())

    monkeypatch.setattr(Training, "optimizer_step", noted)
    reports = []
    weights = train(make_plan(tmp_path), RunFolder(tmp_path / "run"), reports.append)
    # With learning rate 0, the first step changes nothing but the count of the average.
    assert [number for number, unchanged in enumerate(kept, 1) if unchanged] == [3, 4, 7]
    assert weights.card.legs[0].settings["skipped_steps"] == reports[-1].skipped == 3
    assert weights.card.cases == 12 * BATCH


def test_training_stops_when_they_persist_and_keeps_the_last_checkpoint(tmp_path, monkeypatch, plain):
    spoil(monkeypatch, range(6, 10**6))
    monkeypatch.setattr(Keeper, "CHECKPOINT_EVERY", timedelta(0))
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(
        TrainingError, match=rf"not finite {PATIENCE} steps in a row .*: lower --lr, or .*--precision 32"
    ):
        train(make_plan(tmp_path, 100), folder, unseen)
    network, _, progress, _ = state(folder)
    assert progress == {"steps": 5 + PATIENCE - 1, "skipped": PATIENCE - 1, "in_a_row": PATIENCE - 1}
    assert all(torch.isfinite(tensor).all() for tensor in network.values())


# Legs -----------------------------------------------------------------------------------------


def test_a_new_leg_starts_from_the_weights_draws_other_cases_and_is_listed(tmp_path, plain):
    first = make_plan(tmp_path)
    weights = train(first, RunFolder(tmp_path / "first"), unseen)
    second = make_plan(tmp_path, 4, start=Weights.read(weights.path), settings=Settings(batch=BATCH, lr=0.0))
    again = train(second, RunFolder(tmp_path / "second"), unseen)
    third = make_plan(tmp_path, 4, start=Weights.read(again.path))
    last = train(third, RunFolder(tmp_path / "third"), unseen)
    drawn = [number for plan in (first, second, third) for number in plan.stream.drawn]
    assert len(set(drawn)) == len(drawn) == 20
    assert last.card.legs[:2] == again.card.legs
    assert last.card.legs[:1] == weights.card.legs
    assert [leg.cases for leg in last.card.legs] == [48, 16, 16]
    assert last.card.cases == 80
    ours, theirs = again.tensors(), weights.tensors()
    assert same(parameters(ours), parameters(theirs))  # with learning rate 0
