"""Weights in half precision are as good as those in single precision, for every learned method of the registry."""

import learned
import numpy as np
import pytest
import torch

from dexsy_bench.learning.method import LearnedMethod
from dexsy_bench.learning.validation import METRICS, ValidationCell, estimates, mean
from dexsy_bench.learning.weights import LARGEST_FILE, save
from dexsy_bench.registry import Registry

REGISTRY = Registry()
LEARNED = [method for method in map(REGISTRY.method, REGISTRY.method_names) if issubclass(method, LearnedMethod)]
SHIPPED = [pytest.param(m, w, id=f"{m.name}-{w.path.stem}") for m in LEARNED for w in m.shipped()]
if not SHIPPED:
    SHIPPED = [pytest.param(None, None, marks=pytest.mark.skip("no weights come with a method yet"))]

LIMIT = 1e-3
"""Of a mean score: 0.1 %."""


def options_of(method, weights):
    return method.Options(**weights.card.options)


def scores(network, cells):
    """Mean of each metric over cells of cases."""
    return mean([cell.mean(cell.score(estimates(network, cell, torch.device("cpu")))) for cell in cells])


def off_by_half_a_unit(tensor, generator):
    """Plus or minus up to half of the spacing of half-precision numbers there."""
    _, exponent = torch.frexp(tensor.abs().clamp(min=2**-14))
    unit = torch.ldexp(torch.ones_like(tensor), exponent - 11)
    return tensor + unit * (torch.rand(tensor.shape, generator=generator) - 0.5)


def is_half(tensor):
    """Whether it was rounded to half precision: rounding again changes nothing."""
    return tensor.is_floating_point() and torch.equal(tensor.half().float(), tensor)


def assert_alike(ours, theirs):
    for name in METRICS:
        assert ours[name] == pytest.approx(theirs[name], rel=LIMIT), name


def test_half_a_unit_is_what_rounding_to_half_precision_changes():
    generator = torch.Generator().manual_seed(0)
    single = torch.randn(100_000, generator=generator) * 10 ** (6 * torch.rand(100_000, generator=generator) - 5)
    half = single.half().float()
    rounding = (half - single) / half.abs().clamp(min=2**-14)
    noise = (off_by_half_a_unit(half, generator) - half) / half.abs().clamp(min=2**-14)
    assert noise.abs().max() <= 2**-11
    assert rounding.std().item() == pytest.approx(noise.std().item(), rel=0.02)


def test_storing_a_network_in_half_precision_moves_no_score(tmp_path):
    """One with random weights, made steep so that its answers differ from cell to cell and from case to case."""
    method = REGISTRY.method("resunet_xl")
    options = method.Options(size="s", inputs="inverses")
    small = learned.toy_scenario(32)
    problem = small.problem(np.inf).told(frozenset())
    network = learned.network_of(method, options, problem)
    with torch.no_grad():
        network.head[-1].weight *= 150
    cells = [ValidationCell.of(small, snr, 6) for snr in (30.0, 1000.0)]
    single = scores(network, cells)
    weights = save(tmp_path / "s.toml", learned.card(method.shape(options), method.name), problem, network.state_dict())
    network.load_state_dict(weights.tensors())
    assert_alike(scores(network, cells), single)
    f = estimates(network, cells[0], torch.device("cpu"))
    assert f.max() > 10 * f.mean(), "the answers have structure"


@pytest.mark.parametrize(("method", "weights"), SHIPPED)
def test_what_half_precision_took_from_shipped_weights_moves_no_score(method, weights):
    """The weights in single precision are not shipped, but each lies within half a unit of the one that is.

    Rounded again, shipped weights stay as they are. Numbers of a few significant bits more than half precision
    are spread evenly over the interval that rounds to one of its numbers: uniform noise of half a unit draws
    weights that the training may have ended with, and by as much as their scores differ from the shipped ones,
    those differ from the true ones.
    """
    network = method.network(options_of(method, weights), weights.problem())
    cells = [ValidationCell.of(REGISTRY.scenario(name), 100.0, 8) for name in REGISTRY.suite("core").scenarios]
    network.load_state_dict(weights.tensors())
    shipped = scores(network, cells)
    generator = torch.Generator().manual_seed(0)
    network.load_state_dict({
        name: off_by_half_a_unit(tensor, generator) if is_half(tensor) else tensor
        for name, tensor in weights.tensors().items()
    })  # fmt: skip
    assert_alike(scores(network, cells), shipped)


@pytest.mark.parametrize(("method", "weights"), SHIPPED)
def test_shipped_weights_are_whole_and_small_enough_and_the_card_is_true(method, weights):
    state = method.network(options_of(method, weights), weights.problem()).state_dict()
    assert {name: t.shape for name, t in weights.tensors().items()} == {name: t.shape for name, t in state.items()}
    assert weights.card.parameters == sum(
        p.numel() for p in method.network(options_of(method, weights), weights.problem()).parameters()
    )
    for file in weights.files:
        assert file.stat().st_size <= LARGEST_FILE
    assert {(score.scenario, score.snr) for score in weights.card.validation}
    assert weights.card.cases > 0
