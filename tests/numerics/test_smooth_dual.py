"""Damped Newton on the dual, and what it solves: maximum entropy, and L1 by proximal points."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from references import SEEDS, noisy_signals, seeded, small_problem
from scipy.optimize import minimize, nnls

from dexsy_bench.numerics import l1_dual, maxent_dual, smooth_dual
from dexsy_bench.numerics.compression import Compression

WEIGHTS = st.sampled_from([1e-4, 1e-2, 1.0])


def compressed(n=2, sampled=1.0, seed=0):
    problem = small_problem((7, 6), (10, 9), sampled)
    a = Compression(problem)
    return a, a.project(noisy_signals(problem, n, seed=seed))[0]


def half_squares(z, rows):
    """Conjugate of half the squares, without a bound: ridge regression, which has a closed form."""
    return 0.5 * (z**2).sum(axis=(1, 2)), z, np.ones_like(z)


@given(seed=SEEDS, alpha=WEIGHTS)
@seeded(10)
def test_without_a_bound_it_is_ridge_regression(seed, alpha):
    a, y = compressed(seed=seed)
    found = smooth_dual.minimise(a, y, np.full(2, alpha), half_squares, np.zeros_like(y), 1e-12)
    matrix = a.matrix()
    gram = matrix @ matrix.T
    smoother = gram @ np.linalg.inv(gram + alpha * np.eye(a.size))
    np.testing.assert_allclose(a.apply(found.f), y @ smoother.T, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.dof, np.trace(smoother), rtol=1e-2)
    assert (found.iterations <= 10).all()


@given(seed=SEEDS, sampled=st.sampled_from([1.0, 0.5]))
@seeded(8)
def test_maximum_entropy_agrees_with_a_trust_region_method_on_log_f(seed, sampled):
    a, y = compressed(1, sampled, seed)
    weight, m = 0.01, 1 / np.prod(a.shape)
    fit = maxent_dual.solve(a, y, np.array([weight]), None, 1e-12)
    matrix = a.matrix()

    def objective(log_f):
        f = np.exp(log_f)
        residual = matrix @ f - y[0]
        value = 0.5 * residual @ residual + weight * (f * (log_f - np.log(m)) - f + m).sum()
        return value, f * (matrix.T @ residual + weight * (log_f - np.log(m)))

    def hessian(log_f):
        f = np.exp(log_f)
        return np.diag(objective(log_f)[1] + weight * f) + f[:, None] * (matrix.T @ matrix) * f

    start = np.full(matrix.shape[1], np.log(m))
    reference = minimize(objective, start, jac=True, hess=hessian, method="trust-exact", options={"gtol": 1e-9})
    ours = 0.5 * fit.misfit[0] + weight * fit.penalty[0]
    np.testing.assert_allclose(ours, objective(np.log(fit.f[0]).ravel())[0], rtol=1e-10)
    assert ours <= reference.fun * (1 + 1e-10)
    np.testing.assert_allclose(ours, reference.fun, rtol=1e-6)


@given(seed=SEEDS)
@seeded(5)
def test_degrees_of_freedom_are_the_derivative_of_the_fit(seed):
    a, y = compressed(1, seed=seed)
    weight, step = np.array([0.01]), 1e-5

    def fitted(y):
        return a.apply(maxent_dual.solve(a, y, np.full(len(y), 0.01), None, 1e-13).f)

    trace = np.trace(fitted(y + step * np.eye(a.size)) - fitted(y - step * np.eye(a.size))) / (2 * step)
    np.testing.assert_allclose(maxent_dual.solve(a, y, weight, None, 1e-13).dof[0], trace, rtol=1e-2)


@pytest.mark.parametrize("solve", [maxent_dual.solve, l1_dual.solve])
def test_from_a_neighbour_it_ends_at_the_same_objective(solve):
    a, y = compressed(3)
    weight = np.full(3, 0.01)
    cold = solve(a, y, weight, None, 1e-8)
    warm = solve(a, y, weight, solve(a, y, 3 * weight, None, 1e-4).warm, 1e-8)
    values = [0.5 * fit.misfit + weight * fit.penalty for fit in (cold, warm)]
    np.testing.assert_allclose(*values, rtol=2e-8)
    assert cold.converged.all()
    assert warm.converged.all()


@pytest.mark.parametrize("solve", [maxent_dual.solve, l1_dual.solve])
@pytest.mark.parametrize("weight", [1e-4, 1e-2, 1.0])
def test_no_distribution_is_better_by_more_than_the_gap(solve, weight):
    a, y = compressed(3)
    weights = np.full(3, weight)
    rough, exact = (solve(a, y, weights, None, tolerance) for tolerance in (1e-2, 1e-8))
    worse, best = (0.5 * fit.misfit + weight * fit.penalty for fit in (rough, exact))
    assert (worse - rough.gap <= best * (1 + 1e-12)).all()
    assert (rough.gap <= 1e-2 * worse).all()
    assert (exact.gap <= 1e-8 * best).all()


@given(seed=SEEDS, weight=st.sampled_from([1e-9, 1e-3, 0.1]), sampled=st.sampled_from([1.0, 0.5]))
@seeded(12)
def test_l1_agrees_with_non_negative_least_squares(seed, weight, sampled):
    """The penalty is a linear term: an extra row of A makes it part of the squares, up to the square of that row."""
    a, y = compressed(1, sampled, seed)
    fit = l1_dual.solve(a, y, np.array([weight]), None, 1e-8)
    matrix, small = a.matrix(), 1e-4
    extra = np.vstack([matrix, np.full(matrix.shape[1], small)])
    f, _ = nnls(extra, np.append(y[0], -weight / small), maxiter=5000)
    reference = 0.5 * np.sum((matrix @ f - y[0]) ** 2) + weight * f.sum()
    ours = 0.5 * fit.misfit[0] + weight * fit.penalty[0]
    assert ours <= reference * (1 + 1e-7)
    np.testing.assert_allclose(ours, reference, rtol=1e-5)
    np.testing.assert_allclose(fit.f.sum(), fit.penalty[0])
    assert fit.f.min() >= 0


def test_a_weight_above_all_gradients_leaves_nothing():
    a, y = compressed(2)
    weight = 1.01 * a.adjoint(y).max(axis=(1, 2))
    fit = l1_dual.solve(a, y, weight, None, 1e-8)
    assert (fit.f.sum(axis=(1, 2)) <= 1e-6).all()
    assert fit.converged.all()
