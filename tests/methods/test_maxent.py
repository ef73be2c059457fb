"""Maximum entropy against cvxpy, and its choice of the weight."""

import numpy as np
import pytest
from programs import least_objective
from references import noisy_signals, small_problem

from dexsy_bench.errors import UserError
from dexsy_bench.method import Inverter, Unsupported
from dexsy_bench.numerics import penalties
from dexsy_bench.numerics.convex import COMPRESSION_RTOL
from dexsy_bench.registry import Registry

REGISTRY = Registry()
RTOL = 1e-7


def invert(label, problem, signals):
    selection = REGISTRY.select(label)
    options = REGISTRY.make_options(selection.name, dict(selection.given))
    return Inverter(REGISTRY.method(selection.name), options, problem)(signals[:, None])


@pytest.mark.parametrize("weight", [1e-4, 1e-2, 1.0])
@pytest.mark.parametrize(
    ("grid", "b", "sampled"), [((10, 8), (12, 9), 1.0), ((16, 16), (20, 16), 1.0), ((9, 12), (16, 14), 0.5)]
)
def test_objective_is_the_least_there_is(weight, grid, b, sampled):
    problem = small_problem(grid, b, sampled)
    signals = noisy_signals(problem, 2, sigma=0.02)
    found = invert(f"maxent[weight={weight}]", problem, signals).diagnostics
    least = least_objective(problem, signals, weight, penalties.entropy, RTOL)
    np.testing.assert_allclose(found["objective"], least, rtol=1e-6)
    assert found["converged"].all()
    assert (found["gap"] <= 1e-10).all()
    assert (found["alpha"] == weight).all()
    assert not found["alpha_at_edge"].any()


def test_and_so_it_is_at_full_size(monkeypatch):
    monkeypatch.setattr(REGISTRY.method("maxent"), "rtol", COMPRESSION_RTOL)  # cvxpy takes its time
    scenario = REGISTRY.scenario("two_compartment")
    problem, signals = scenario.problem(100.0), scenario.cases(0, 1, 100.0, "validation").noisy[:, 0]
    found = invert("maxent[weight=0.001]", problem, signals).diagnostics
    least = least_objective(problem, signals, 0.001, penalties.entropy, COMPRESSION_RTOL)
    np.testing.assert_allclose(found["objective"], least, rtol=1e-6)
    assert found["converged"].all()


@pytest.mark.parametrize("rule", ["ftest", "gcv", "discrepancy"])
def test_a_rule_picks_the_same_solution_as_its_weight_given(rule):
    problem = small_problem((10, 9), (30, 28))
    signals = noisy_signals(problem, 3, sigma=0.01, seed=2)
    chosen = invert(f"maxent[weight={rule}]", problem, signals)
    for n in range(3):
        weight = float(chosen.diagnostics["alpha"][n])
        given = invert(f"maxent[weight={weight!r}]", problem, signals[n : n + 1])
        np.testing.assert_allclose(given.diagnostics["objective"][0], chosen.diagnostics["objective"][n], rtol=1e-6)
        np.testing.assert_allclose(given.distributions[0], chosen.distributions[n], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("rule", ["ftest", "gcv", "discrepancy"])
def test_more_noise_asks_for_a_larger_weight(rule):
    problem = small_problem((10, 9), (30, 28))
    quiet, loud = (
        invert(f"maxent[weight={rule}]", problem, noisy_signals(problem, 4, sigma)).diagnostics["alpha"]
        for sigma in (1e-3, 0.03)
    )
    assert np.log10(loud).mean() > np.log10(quiet).mean() + 0.5


def test_discrepancy_declines_without_spare_data():
    problem = small_problem((10, 10), (3, 3))
    with pytest.raises(Unsupported, match="needs more data"):
        invert("maxent[weight=discrepancy]", problem, noisy_signals(problem))


def test_it_is_the_method_of_cvxpy():
    problem = small_problem((10, 9), (16, 14))
    signals = noisy_signals(problem, 2, sigma=0.02)
    ours, theirs = (invert(f"{name}[weight=0.01]", problem, signals) for name in ("maxent", "cvx_entropy"))
    np.testing.assert_allclose(ours.distributions, theirs.distributions, atol=2e-3 * theirs.distributions.max())


def test_it_is_positive_everywhere():
    problem = small_problem((10, 9), (16, 14))
    assert invert("maxent", problem, noisy_signals(problem, 4)).distributions.min() > 0


def test_without_data_it_is_flat():
    problem = small_problem((10, 9), (16, 14))
    f = invert("maxent[weight=1000]", problem, noisy_signals(problem, 2)).distributions
    np.testing.assert_allclose(f, 1 / f[0].size, rtol=0.05)


def test_a_weight_has_to_be_positive():
    with pytest.raises(UserError, match="weight must be positive"):
        REGISTRY.make_options("maxent", {"weight": -1.0})
