"""Uniform-penalty inversion: each of its problems solved exactly, and weights that make the penalty uniform."""

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given
from references import SEEDS, kernel, noisy_signals, seeded, small_problem

from dexsy_bench.method import Inverter
from dexsy_bench.numerics import local_smoothness
from dexsy_bench.registry import Registry

REGISTRY = Registry()
METHOD = REGISTRY.method("upen")


def invert(problem, signals, **options):
    return Inverter(METHOD, METHOD.Options(**options), problem)(signals[:, None])


def laplacian_matrix(shape):
    """L, dense; f is 0 outside the grid."""
    one, two = (np.eye(n, k=1) - 2 * np.eye(n) + np.eye(n, k=-1) for n in shape)
    return np.kron(one, np.eye(shape[1])) + np.kron(np.eye(shape[0]), two)


def least(k, s, weights, shape):
    """Minimum of the objective and where it is, by cvxpy."""
    f = cp.Variable(k.shape[1], nonneg=True)
    bends = cp.multiply(np.sqrt(weights).ravel(), laplacian_matrix(shape) @ f)
    program = cp.Problem(cp.Minimize(cp.sum_squares(k @ f - s) + cp.sum_squares(bends)))
    return program.solve(solver="CLARABEL", tol_gap_rel=1e-10, tol_gap_abs=1e-10), f.value.reshape(shape)


@pytest.mark.parametrize("sampled", [1.0, 0.6])
def test_agrees_with_cvxpy_on_the_raw_data(sampled):
    """After one round the weights are those of the start."""
    problem = small_problem((9, 8), (14, 12), sampled)
    signals = noisy_signals(problem, 2)
    estimate = invert(problem, signals, rounds=1)
    k = kernel(problem)
    measured = signals.reshape(2, -1) if sampled == 1 else signals[:, problem.mask()]
    method = METHOD(METHOD.Options())
    method.prepare(problem)
    y, outside = method.compression.project(signals)
    start = method.start(y)
    variance = method.variance(start, y, outside)
    weights = method.weights(start, variance, variance)
    for n, f in enumerate(start):
        np.testing.assert_allclose(variance[n], np.mean((k @ f.ravel() - measured[n]) ** 2), rtol=1e-6)
        objective, best = least(k, measured[n], weights[n], f.shape)
        np.testing.assert_allclose(estimate.diagnostics["objective"][n], objective, rtol=1e-6)
        np.testing.assert_allclose(estimate.distributions[n, 0], best / best.sum(), atol=1e-5)
    assert (estimate.diagnostics["kkt"] < 1e-10).all()
    assert (estimate.diagnostics["rounds"] == 1).all()


@given(SEEDS)
@seeded(15)
def test_the_solver_satisfies_the_optimality_conditions(seed):
    """Wherever it starts, with weights that differ by seven decades."""
    rng = np.random.default_rng(seed)
    problem = small_problem((9, 7), (12, 9), rng.choice([1.0, 0.7]), seed=seed)
    method = METHOD(METHOD.Options())
    method.prepare(problem)
    a = method.compression
    y, _ = a.project(noisy_signals(problem, 1, seed=seed))
    weights = 10 ** rng.uniform(-4, 3, (1, 9, 7))
    cases, others = method.cases(y, weights), method.cases(y, weights)
    f, _, settled, _ = cases.solve(np.zeros((1, 9, 7), dtype=bool), 500)
    assert settled
    assert cases.kkt(f, cases.gradient(f)) < 1e-9
    np.testing.assert_allclose(others.solve(rng.random((1, 9, 7)) > 0.5, 500).f, f, atol=1e-7 * f.max())
    bends = weights.ravel() * (laplacian_matrix((9, 7)) @ f.ravel()) ** 2
    misfit = (a.matrix() @ f.ravel() - y[0]) ** 2
    np.testing.assert_allclose(cases.objective(f), misfit.sum() + bends.sum(), rtol=1e-9)


def test_the_differences_are_their_matrices():
    f = np.random.default_rng(0).random((5, 4))
    np.testing.assert_allclose(local_smoothness.laplacian(f).ravel(), laplacian_matrix((5, 4)) @ f.ravel(), atol=1e-12)
    padded = np.pad(f, ((1, 0), (1, 0)))
    expected = np.hypot(np.diff(padded, axis=0)[:, 1:], np.diff(padded, axis=1)[1:])
    np.testing.assert_allclose(local_smoothness.gradient_norm(f), expected)


def test_no_cell_pays_more_than_its_share():
    """``lambda_i c_i^2`` stays below ``v / beta_c``, and reaches it somewhere: where f bends most around."""
    scenario = REGISTRY.scenario("two_compartment")
    problem, signals = scenario.problem(300.0), scenario.cases(0, 1, 300.0, "validation").noisy[:, 0]
    method = METHOD(METHOD.Options(beta_p=0.0))
    method.prepare(problem)
    estimate = method.invert(signals)
    y, outside = method.compression.project(signals)
    f = estimate.distributions
    image = method.compression.apply(f)[0]
    f = f * (image @ y[0]) / (image @ image)
    variance = method.variance(f, y, outside)
    weights = method.weights(f, variance, variance)
    share = weights * local_smoothness.laplacian(f) ** 2 / variance
    assert 0.5 / method.options.beta_c < share.max() <= 1 / method.options.beta_c
    assert weights.ravel()[f.argmax()] < 0.5 * np.median(weights[f == 0])
    assert estimate.diagnostics["converged"].all()
    assert estimate.diagnostics["lambda_largest"] <= 1 / method.options.beta_0


@pytest.mark.parametrize("given", [{"beta_0": 0.0}, {"beta_c": -1.0}, {"rounds": 0}])
def test_options_that_make_no_sense(given):
    with pytest.raises(ValueError, match="must be positive"):
        METHOD.Options(**given)
