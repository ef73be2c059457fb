"""Trainings that take a fraction of a second, and what to compare of them."""

import csv
import os
from dataclasses import dataclass, field

import learned
import torch

from dexsy_bench.learning.plan import Machine, Plan
from dexsy_bench.learning.stream import ScenarioStream
from dexsy_bench.learning.training import Budget, Settings
from dexsy_bench.learning.validation import ValidationCell
from dexsy_bench.registry import Registry

BATCH = 4


@dataclass(frozen=True)
class Watched:
    """A stream that notes which batches are drawn, and does something at one of them."""

    inner: ScenarioStream
    events: dict = field(default_factory=dict)
    drawn: list = field(default_factory=list)

    @property
    def problem(self):
        return self.inner.problem

    @property
    def description(self):
        return self.inner.description

    def batch(self, number, size, device):
        self.drawn.append(number)
        self.events.get(len(self.drawn), lambda: None)()
        return self.inner.batch(number, size, device)


def make_plan(folder, steps=12, precision="32", events=None, **changes):
    registry = Registry([learned.write(folder).parent])
    scenario = learned.toy_scenario()
    chosen = {
        "method": registry.method("toy"),
        "options": registry.make_options("toy", {}),
        "stream": Watched(ScenarioStream((scenario,)), events or {}),
        "cells": [ValidationCell.of(scenario, 100.0, 2)],
        "settings": Settings(batch=BATCH, lr=1e-2),
        "budget": Budget(BATCH * steps, "cases"),
        "machine": Machine("cpu", 1, precision, False),
        "validations": 4,
    }
    return Plan(**{**chosen, **changes})


def unseen(report):
    """Nobody watches."""


def state(folder):
    """Everything a checkpoint holds, but the clock."""
    checkpoint = torch.load(folder.checkpoint, weights_only=True)
    progress = {name: value for name, value in checkpoint["progress"].items() if name != "seconds"}
    scaler = checkpoint.get("MixedPrecision", {})
    return checkpoint["state_dict"], checkpoint["optimizer_states"][0]["state"], progress, scaler


def curve(folder):
    """Lines of the learning curve, but the clock."""
    with folder.curve.path.open() as file:
        return [{name: value for name, value in line.items() if name != "seconds"} for line in csv.DictReader(file)]


def same(ours, theirs):
    if isinstance(ours, torch.Tensor):
        return ours.dtype == theirs.dtype and torch.equal(ours, theirs)
    if isinstance(ours, dict):
        return ours.keys() == theirs.keys() and all(same(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, (tuple, list)):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    return ours == theirs


def assert_same_training(ours, theirs):
    assert same(state(ours), state(theirs))
    assert curve(ours) == curve(theirs)
    weights, others = (
        {f.name: f.read_bytes() for f in folder.path.glob("weights/*tensors")} for folder in (ours, theirs)
    )
    assert weights == others
    assert len(weights) >= 1


def parameters(tensors):
    """Without batch statistics, which are not learned."""
    return {name: value for name, value in tensors.items() if "running" not in name and "num_batches" not in name}


def interrupt(number):
    return lambda: os.kill(os.getpid(), number)
