"""L1 against cvxpy, and its choice of the weight."""

import numpy as np
import pytest
from programs import least_objective
from references import noisy_signals, small_problem

from dexsy_bench.method import Inverter
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
    found = invert(f"l1[weight={weight}]", problem, signals).diagnostics
    least = least_objective(problem, signals, weight, penalties.l1, RTOL)
    np.testing.assert_allclose(found["objective"], least, rtol=1e-6)
    assert found["converged"].all()
    assert (found["gap"] <= 1e-8).all()
    assert (found["alpha"] == weight).all()
    assert not found["alpha_at_edge"].any()


def test_and_so_it_is_at_full_size(monkeypatch):
    monkeypatch.setattr(REGISTRY.method("l1"), "rtol", COMPRESSION_RTOL)  # cvxpy takes its time
    scenario = REGISTRY.scenario("two_compartment")
    problem, signals = scenario.problem(100.0), scenario.cases(0, 1, 100.0, "validation").noisy[:, 0]
    found = invert("l1[weight=0.001]", problem, signals).diagnostics
    least = least_objective(problem, signals, 0.001, penalties.l1, COMPRESSION_RTOL)
    np.testing.assert_allclose(found["objective"], least, rtol=1e-6)
    assert found["converged"].all()


@pytest.mark.parametrize("rule", ["ftest", "gcv", "discrepancy"])
def test_a_rule_picks_the_same_solution_as_its_weight_given(rule):
    problem = small_problem((10, 9), (30, 28))
    signals = noisy_signals(problem, 3, sigma=0.01, seed=2)
    chosen = invert(f"l1[weight={rule}]", problem, signals)
    for n in range(3):
        weight = float(chosen.diagnostics["alpha"][n])
        given = invert(f"l1[weight={weight!r}]", problem, signals[n : n + 1])
        np.testing.assert_allclose(given.diagnostics["objective"][0], chosen.diagnostics["objective"][n], rtol=1e-6)


@pytest.mark.parametrize("rule", ["ftest", "discrepancy"])
def test_more_noise_asks_for_a_larger_weight(rule):
    problem = small_problem((10, 9), (30, 28))
    quiet, loud = (
        invert(f"l1[weight={rule}]", problem, noisy_signals(problem, 4, sigma)).diagnostics["alpha"]
        for sigma in (1e-3, 0.03)
    )
    assert np.log10(loud).mean() > np.log10(quiet).mean() + 0.2


def test_few_cells_are_in_use():
    problem = small_problem((16, 16), (20, 16))
    f = invert("l1[weight=0.01]", problem, noisy_signals(problem, 4)).distributions
    assert (np.count_nonzero(f, axis=(1, 2, 3)) < 30).all()


def test_the_penalty_takes_mass_away():
    """The objective at a larger weight is that of less mass: it is concave in the weight, its slope the sum of f."""
    problem = small_problem((10, 9), (16, 14))
    signals = noisy_signals(problem, 2)
    at = [invert(f"l1[weight={w}]", problem, signals).diagnostics["objective"] for w in (0.1, 0.2, 0.3)]
    slopes = np.diff(at, axis=0) / 0.1
    assert (slopes[1] < slopes[0]).all()
    np.testing.assert_allclose(slopes, 1, atol=0.3)
