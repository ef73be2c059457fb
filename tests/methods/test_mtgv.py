"""Modified total generalised variation against cvxpy, and its choice of the weight."""

import cvxpy as cp
import numpy as np
import pytest
from programs import least_objective
from references import differences, noisy_signals, small_problem

from dexsy_bench.errors import UserError
from dexsy_bench.method import Inverter
from dexsy_bench.numerics import penalties
from dexsy_bench.numerics.convex import COMPRESSION_RTOL
from dexsy_bench.registry import Registry

REGISTRY = Registry()
RTOL = COMPRESSION_RTOL


def mtgv(f, ratio=1.0):
    v = cp.Variable(f.shape)
    second = differences(f.shape, 2) @ cp.vec(v, order="C")
    return cp.sum(cp.abs(f - v)) + ratio * cp.norm1(second)


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
    found = invert(f"mtgv[weight={weight}]", problem, signals).diagnostics
    least = least_objective(problem, signals, weight, mtgv, RTOL)
    np.testing.assert_allclose(found["objective"], least, rtol=1e-6)
    assert found["converged"].all()
    assert (found["gap"] <= 1e-6).all()
    assert (found["alpha"] == weight).all()
    assert not found["alpha_at_edge"].any()


def test_and_so_it_is_on_a_larger_grid():
    problem = small_problem((32, 24), (40, 36))
    signals = noisy_signals(problem, 1)
    found = invert("mtgv[weight=0.001]", problem, signals).diagnostics
    least = least_objective(problem, signals, 0.001, mtgv, RTOL)
    np.testing.assert_allclose(found["objective"], least, rtol=1e-6)
    assert found["converged"].all()


@pytest.mark.parametrize("rule", ["ftest"])
def test_a_rule_picks_the_same_solution_as_its_weight_given(rule):
    problem = small_problem((10, 9), (30, 28))
    signals = noisy_signals(problem, 3, sigma=0.01, seed=2)
    chosen = invert(f"mtgv[weight={rule}]", problem, signals)
    for n in range(3):
        weight = float(chosen.diagnostics["alpha"][n])
        given = invert(f"mtgv[weight={weight!r}]", problem, signals[n : n + 1])
        np.testing.assert_allclose(given.diagnostics["objective"][0], chosen.diagnostics["objective"][n], rtol=1e-6)


@pytest.mark.parametrize("rule", ["ftest", "discrepancy"])
def test_more_noise_asks_for_a_larger_weight(rule):
    problem = small_problem((10, 9), (30, 28))
    quiet, loud = (
        invert(f"mtgv[weight={rule}]", problem, noisy_signals(problem, 4, sigma)).diagnostics["alpha"]
        for sigma in (1e-3, 0.03)
    )
    assert np.log10(loud).mean() > np.log10(quiet).mean() + 0.5


@pytest.mark.parametrize("ratio", [0.1, 10.0])
def test_any_ratio_is_solved(ratio):
    problem = small_problem((10, 8), (12, 9))
    signals = noisy_signals(problem, 2, sigma=0.02)
    found = invert(f"mtgv[weight=0.01,ratio={ratio}]", problem, signals).diagnostics
    least = least_objective(problem, signals, 0.01, lambda f: mtgv(f, ratio), RTOL)
    np.testing.assert_allclose(found["objective"], least, rtol=1e-6)
    assert found["converged"].all()


def test_a_large_ratio_is_l1():
    """Then v = 0."""
    problem = small_problem((10, 8), (12, 9))
    signals = noisy_signals(problem, 2, sigma=0.02)
    found = invert("mtgv[weight=0.01,ratio=100]", problem, signals).diagnostics["objective"]
    np.testing.assert_allclose(found, least_objective(problem, signals, 0.01, penalties.l1, RTOL), rtol=1e-6)


@pytest.mark.parametrize("ratio", [0.0, -1.0])
def test_a_ratio_has_to_be_positive(ratio):
    with pytest.raises(UserError, match="ratio must be positive"):
        REGISTRY.make_options("mtgv", {"ratio": ratio})
