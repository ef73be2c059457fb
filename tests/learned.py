"""A learned method as small as they come, and weights for it: written to a folder for ``--include``."""

from pathlib import Path

import torch

from dexsy_bench.learning.weights import Card, Leg, save
from dexsy_bench.registry import Registry
from dexsy_bench.scenario import AcquisitionSection, GridSection
from dexsy_bench.trial import scenario

SOURCE = '''
from dataclasses import dataclass

from dexsy_bench.learning.method import LearnedMethod


class Toy(LearnedMethod):
    """A few convolutions."""

    name = "toy"

    @dataclass(frozen=True)
    class Options(LearnedMethod.Options):
        width: int = 4
        dilation: int | None = None

    @classmethod
    def network(cls, options, problem):
        import torch
        from torch import nn

        class Net(nn.Sequential):
            def forward(self, signals):
                mass = nn.functional.softplus(super().forward(signals[:, None])[:, 0])
                return mass / mass.sum(dim=(-2, -1), keepdim=True)

        step = options.dilation or 1
        first = nn.Conv2d(1, options.width, 3, padding=step, dilation=step)
        return Net(first, nn.BatchNorm2d(options.width), nn.SiLU(), nn.Conv2d(options.width, 1, 3, padding=1))
'''


def write(folder: Path, name: str = "toy") -> Path:
    """Write the method as a folder of its own, ``folder/NAME/__init__.py``; returns that folder."""
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / "__init__.py").write_text(SOURCE.replace('"toy"', f'"{name}"'))
    return folder / name


def toy_scenario(n: int = 16):
    """Two exchanging compartments on n x n."""
    return scenario(GridSection(n=n), AcquisitionSection(n=n))


def leg(cases: int = 64) -> Leg:
    return Leg(
        cases=cases,
        seconds=1.5,
        hardware="a CPU",
        date="2026-01-31",
        stream={"scenarios": ["contract"], "snr": [10.0, 2000.0]},
        settings={"lr": 1e-3, "betas": [0.9, 0.95]},
        packages={"torch": torch.__version__},
    )


def card(options: dict, method: str = "toy", legs: int = 1) -> Card:
    return Card(method=method, options=options, parameters=1, legs=[leg()] * legs)


def network_of(method, options, problem, seed: int = 0):
    """A network with random weights and batch statistics that are not those of a new one."""
    torch.manual_seed(seed)
    network = method.network(options, problem)
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.1)
        elif name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)
    return network.eval()


def train(folder: Path, path: Path, given: dict | None = None, n: int = 16, seed: int = 0):
    """Weights as if trained, for the method in a folder: the model card is written to path."""
    method = Registry([folder.parent]).method(folder.name)
    options = Registry([folder.parent]).make_options(folder.name, given or {})
    problem = toy_scenario(n).problem(100.0).told(frozenset())
    state = network_of(method, options, problem, seed).state_dict()
    return save(path, card(method.shape(options), folder.name), problem, state)
