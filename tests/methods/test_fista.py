"""Accelerated projected gradients: the minimum of order-0 Tikhonov, its certificate, and stopping before it."""

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given
from references import SEEDS, kernel, noisy_signals, seeded, small_problem

from dexsy_bench.method import Inverter, Unsupported
from dexsy_bench.numerics import dual_newton, fista
from dexsy_bench.numerics.compression import Compression
from dexsy_bench.registry import Registry

REGISTRY = Registry()


def invert(problem, signals, **options):
    cls = REGISTRY.method("fista")
    return Inverter(cls, cls.Options(**options), problem)(signals[:, None])


@pytest.mark.parametrize("alpha", [0.1, 1.0])
@pytest.mark.parametrize("sampled", [1.0, 0.6])
def test_agrees_with_cvxpy_on_the_raw_data(alpha, sampled):
    problem = small_problem((8, 7), (14, 12), sampled)
    signals = noisy_signals(problem, 2)
    estimate = invert(problem, signals, alpha=alpha)
    k = kernel(problem)
    measured = signals.reshape(2, -1) if sampled == 1 else signals[:, problem.mask()]
    for n in range(2):
        f = cp.Variable(k.shape[1], nonneg=True)
        objective = 0.5 * cp.sum_squares(k @ f - measured[n]) + 0.5 * alpha * cp.sum_squares(f)
        least = cp.Problem(cp.Minimize(objective)).solve(solver="CLARABEL", tol_gap_rel=1e-10, tol_gap_abs=1e-10)
        np.testing.assert_allclose(estimate.diagnostics["objective"][n], least, rtol=1e-6)
        ours = estimate.distributions[n, 0].ravel() * f.value.sum()
        np.testing.assert_allclose(ours, f.value, atol=1e-4 * f.value.max())
    assert estimate.diagnostics["converged"].all()
    assert (estimate.diagnostics["gap"] <= fista.GAP_TOLERANCE).all()


def test_finds_what_dual_newton_finds():
    scenario = REGISTRY.scenario("three_compartment")
    a = Compression(scenario.problem(100.0))
    y, _ = a.project(scenario.cases(0, 2, 100.0, "validation").noisy[:, 0])
    ours, theirs = fista.solve(a, y, 30.0), dual_newton.solve(a, y, 30.0)
    np.testing.assert_allclose(ours.f, theirs.f, atol=1e-5 * theirs.f.max())
    assert ours.converged.all()
    assert (ours.kkt < 1e-8).all()


@given(SEEDS)
@seeded(20)
def test_the_gap_bounds_the_distance_to_the_minimum(seed):
    problem = small_problem((6, 5), (9, 8))
    rng = np.random.default_rng(seed)
    alpha = 10 ** rng.uniform(-2, 1)
    a = Compression(problem)
    y, _ = a.project(noisy_signals(problem, 3, seed=seed))
    f = rng.gamma(0.3, size=(3, 6, 5)) * 10 ** rng.uniform(-3, 1)
    gap, objective = fista.duality_gap(a, y, alpha, f)
    _, least = fista.duality_gap(a, y, alpha, dual_newton.solve(a, y, alpha).f)
    assert (gap >= objective - least - 1e-9 * objective).all()


def test_a_case_stops_by_itself():
    problem = small_problem((6, 5), (9, 8))
    a = Compression(problem)
    y, _ = a.project(noisy_signals(problem, 5, sigma=0.03))
    together = fista.solve(a, y, 0.1)
    assert len(set(together.iterations)) > 1
    for n in range(5):
        alone = fista.solve(a, y[n : n + 1], 0.1)
        assert alone.iterations == together.iterations[n]
        np.testing.assert_allclose(alone.f[0], together.f[n], atol=1e-12)


def test_stopping_early_is_named_and_certified():
    problem = small_problem((12, 11), (20, 18))
    signals = noisy_signals(problem, 3)
    gaps = []
    for stop in (10, 100, 1000):
        estimate = invert(problem, signals, alpha=0.01, stop=stop)
        assert (estimate.diagnostics["iterations"] == stop).all()
        gaps.append(estimate.diagnostics["gap"])
        assert not estimate.diagnostics["converged"].any()
    assert (np.diff(gaps, axis=0) < 0).all()
    assert (gaps[0] > 1e-2).all()
    assert REGISTRY.select("fista[stop=1000]").label == "fista[stop=1000]"


@pytest.mark.parametrize("given", [{"alpha": 0.0}, {"stop": 0}])
def test_options_that_make_no_sense(given):
    with pytest.raises(ValueError, match=r"alpha must be positive|at least 1"):
        REGISTRY.method("fista").Options(**given)


def test_a_tuned_alpha_has_to_be_found_first():
    with pytest.raises(Unsupported, match="tune fista"):
        invert(small_problem(), noisy_signals(small_problem()), alpha="tuned")
