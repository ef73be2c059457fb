"""The bootstrap of non-negative least squares, and the solver that makes it quick."""

import cvxpy as cp
import numpy as np
import pytest
import scipy.optimize
from hypothesis import given
from references import SEEDS, kernel, noisy_signals, seeded, small_problem

from dexsy_bench.method import Inverter, Unsupported
from dexsy_bench.numerics import lawson_hanson
from dexsy_bench.numerics.compression import Compression, noise_sd
from dexsy_bench.registry import Registry

REGISTRY = Registry()
METHOD = REGISTRY.method("tsvd_mc")


def ready(problem, **options):
    return Inverter(METHOD, METHOD.Options(**{"replicates": 8, **options}), problem)


def misfit(a, f, y):
    return ((a.apply(f) - y) ** 2).sum(axis=1)


@given(SEEDS)
@seeded(15)
def test_the_solver_finds_what_scipy_finds(seed):
    rng = np.random.default_rng(seed)
    problem = small_problem((8, 7), (12, 9), rng.choice([1.0, 0.6]), seed=seed)
    a = Compression(problem, rtol=1e-4)
    y, _ = a.project(noisy_signals(problem, 4, sigma=0.02, seed=seed))
    solution = lawson_hanson.solve(a, y)
    reference = [scipy.optimize.nnls(a.matrix(), row)[1] ** 2 for row in y]
    np.testing.assert_allclose(misfit(a, solution.f, y), reference, rtol=1e-6, atol=1e-10)
    assert solution.converged.all()
    assert (solution.kkt < 1e-9).all()
    assert (solution.f >= 0).all()


@pytest.mark.parametrize("snr", [30.0, 1000.0])
def test_the_solver_at_full_size_from_nothing_and_from_a_neighbour(snr):
    scenario = REGISTRY.scenario("three_compartment")
    a = Compression(scenario.problem(snr), rtol=1e-4)
    y, _ = a.project(scenario.cases(0, 3, snr, "validation").noisy[:, 0])
    cold = lawson_hanson.solve(a, y)
    reference = [scipy.optimize.nnls(a.matrix(), row)[1] ** 2 for row in y]
    np.testing.assert_allclose(misfit(a, cold.f, y), reference, rtol=1e-5)
    moved = y + 1e-3 * np.random.default_rng(0).standard_normal(y.shape)
    warm, again = lawson_hanson.solve(a, moved, cold.f), lawson_hanson.solve(a, moved)
    np.testing.assert_allclose(misfit(a, warm.f, moved), misfit(a, again.f, moved), rtol=1e-5)
    assert warm.iterations.sum() < again.iterations.sum()
    assert warm.converged.all()


def test_a_solved_case_needs_no_step():
    a = Compression(small_problem())
    y, _ = a.project(noisy_signals(small_problem(), 3))
    f = lawson_hanson.solve(a, y).f
    assert (lawson_hanson.solve(a, y, f).iterations == 0).all()


def test_agrees_with_cvxpy():
    problem = small_problem((8, 7), (14, 12))
    signals = noisy_signals(problem, 2)
    estimate = ready(problem, truncation=1e-7)(signals[:, None])
    k = kernel(problem)
    for n in range(2):
        f = cp.Variable(k.shape[1], nonneg=True)
        program = cp.Problem(cp.Minimize(0.5 * cp.sum_squares(k @ f - signals[n].ravel())))
        least = program.solve(solver="CLARABEL", tol_gap_rel=1e-11, tol_gap_abs=1e-11)
        np.testing.assert_allclose(estimate.diagnostics["objective"][n], least, rtol=1e-6)


def test_the_estimate_is_the_mean_of_its_samples():
    problem = small_problem()
    estimate = ready(problem)(noisy_signals(problem, 3)[:, None])
    assert estimate.samples.shape == (3, 1, 8, 10, 8)
    np.testing.assert_allclose(estimate.samples.sum(axis=(3, 4)), 1.0)
    np.testing.assert_allclose(estimate.samples.mean(axis=2), estimate.distributions, atol=1e-12)


def test_a_replicate_is_the_fit_with_noise_of_the_estimated_size(monkeypatch):
    problem = small_problem((6, 5), (30, 30))
    signals = noisy_signals(problem, 1, sigma=0.02)
    calls, solve = [], lawson_hanson.solve

    def heard(a, y, start=None):
        calls.append((a, y, start))
        return solve(a, y, start)

    monkeypatch.setattr(lawson_hanson, "solve", heard)
    estimate = ready(problem, replicates=200)(signals[:, None])
    (a, _, _), (_, replicates, start) = calls
    noise = replicates - a.apply(start)
    sigma = noise_sd(problem, signals)[0]
    assert abs(noise.std() / sigma - 1) < 5 / np.sqrt(2 * noise.size)
    assert abs(noise.mean()) < 5 * sigma / np.sqrt(noise.size)
    assert abs(sigma / 0.02 - 1) < 0.2
    np.testing.assert_array_equal(estimate.diagnostics["sigma"], [sigma])


def test_random_numbers_depend_on_the_signal_alone():
    problem = small_problem()
    signals = noisy_signals(problem, 3)
    together, alone = ready(problem)(signals[:, None]), ready(problem)(signals[2:, None])
    np.testing.assert_array_equal(alone.samples[0], together.samples[2])
    backwards = ready(problem)(signals[::-1, None])
    np.testing.assert_array_equal(backwards.samples[::-1], together.samples)
    assert not np.array_equal(together.samples[0], together.samples[1])


def test_more_noise_spreads_the_samples():
    problem = small_problem((10, 8), (30, 30))
    spread = []
    for sigma in (1e-4, 1e-2):
        samples = ready(problem, replicates=16)(noisy_signals(problem, 2, sigma)[:, None]).samples[:, 0]
        slow = samples[:, :, :5].sum(axis=(2, 3))  # the share of one half of the grid
        spread.append(slow.std(axis=1))
    assert (spread[1] > 3 * spread[0]).all()


def test_it_declines_without_spare_data():
    with pytest.raises(Unsupported, match="to estimate the noise"):
        ready(small_problem((10, 10), (3, 3)))


@pytest.mark.parametrize("given", [{"replicates": 1}, {"truncation": 0.0}])
def test_options_that_make_no_sense(given):
    with pytest.raises(ValueError, match=r"at least 2|between 0 and 1"):
        METHOD.Options(**given)
