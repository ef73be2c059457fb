"""Fits that are held to their marginals."""

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given
from references import SEEDS, augmented_nnls, kernel, noisy_signals, seeded, small_problem

from dexsy_bench.method import Inverter, Unsupported
from dexsy_bench.numerics import alpha as rules
from dexsy_bench.numerics import dual_newton
from dexsy_bench.numerics.compression import Compression
from dexsy_bench.numerics.marginals import Line, WithMarginals, degrees_of_freedom
from dexsy_bench.problem import Acquisition, Problem
from dexsy_bench.registry import Registry

METHOD = Registry().method("madco")


def ready(problem, **options):
    return Inverter(METHOD, METHOD.Options(**options), problem)


def stacked(problem, weight=0.7):
    return WithMarginals(Compression(problem), weight)


@pytest.mark.parametrize("sampled", [1.0, 0.6])
@pytest.mark.parametrize("weight", [0.01, 100.0])
def test_agrees_with_cvxpy_on_the_raw_data(weight, sampled):
    problem = small_problem((8, 7), (14, 12), sampled)
    signals = noisy_signals(problem, 2)
    alpha = 0.1
    estimate = ready(problem, weight=weight, alpha=alpha)(signals[:, None])
    k, mask = kernel(problem), np.ones((14, 12), bool) if sampled == 1 else problem.mask()
    m1 = marginals(problem.k1[mask[:, 0]], signals[:, mask[:, 0], 0])
    m2 = marginals(problem.k2[mask[0]], signals[:, 0, mask[0]])
    mass = 0.5 * (m1.sum(axis=1) + m2.sum(axis=1))[:, None]
    m1, m2 = (m * mass / m.sum(axis=1, keepdims=True) for m in (m1, m2))
    for n in range(2):
        f = cp.Variable((8, 7), nonneg=True)
        data = cp.sum_squares(k @ cp.vec(f, order="C") - signals[n][mask])
        held = cp.sum_squares(cp.sum(f, axis=1) - m1[n]) + cp.sum_squares(cp.sum(f, axis=0) - m2[n])
        objective = 0.5 * data + 0.5 * alpha * cp.sum_squares(f) + 0.5 * weight * held
        least = cp.Problem(cp.Minimize(objective)).solve(solver="CLARABEL", tol_gap_rel=1e-10, tol_gap_abs=1e-10)
        np.testing.assert_allclose(estimate.diagnostics["objective"][n], least, rtol=1e-6)
        np.testing.assert_allclose(estimate.distributions[n, 0] * f.value.sum(), f.value, atol=1e-4)
    assert estimate.diagnostics["converged"].all()
    assert (estimate.diagnostics["kkt"] < 1e-9).all()


def marginals(k, signals):
    """The marginals by Lawson and Hanson along the path, and the F test: (N, D)."""
    from dexsy_bench.methods.madco import PATH

    found = []
    for s in signals:
        fits = [augmented_nnls(k, s, alpha, 0, (k.shape[1], 1))[:, 0] for alpha in PATH]
        residual = np.array([[np.sum((k @ m - s) ** 2)] for m in fits])
        free = k[:, fits[0] > 0]
        influence = free @ np.linalg.solve(free.T @ free + PATH[0] * np.eye(free.shape[1]), free.T)
        dof = np.full_like(residual, np.trace(influence))
        found.append(fits[int(rules.ftest(residual, dof, len(s))[0])])
    return np.array(found)


@given(SEEDS)
@seeded(15)
def test_the_operator_is_its_matrix(seed):
    """Products, transpose and Gram matrix of the explicit stack, also with a mask."""
    rng = np.random.default_rng(seed)
    problem = small_problem((5, 4), (7, 6), rng.choice([1.0, 0.7]), seed=seed)
    a = stacked(problem)
    rows = [np.kron(np.eye(5), np.ones(4)), np.kron(np.ones(5), np.eye(4))]
    matrix = np.vstack([a.data.matrix(), *(np.sqrt(0.7) * r for r in rows)])
    f, c, w = rng.random((3, 5, 4)), rng.standard_normal((3, a.size)), rng.random((3, 5, 4))
    np.testing.assert_allclose(a.apply(f), f.reshape(3, 20) @ matrix.T, atol=1e-12)
    np.testing.assert_allclose(a.adjoint(c).reshape(3, 20), c @ matrix, atol=1e-12)
    gram = (matrix * w.reshape(3, 1, 20)) @ matrix.T
    np.testing.assert_allclose(a.gram(w), gram, atol=1e-10)
    np.testing.assert_allclose(a.gram(w, 4), gram[:, :4, :4], atol=1e-10)
    assert (a.scale >= np.linalg.norm(a.data.matrix(), axis=1).max() - 1e-9).all()


def test_degrees_of_freedom_are_the_trace_of_the_influence_matrix():
    problem = small_problem((5, 4), (7, 6))
    a = stacked(problem)
    y = a.stack(*(np.abs(np.random.default_rng(0).standard_normal((1, n))) for n in (a.data.size, 5, 4)))
    f = dual_newton.solve(a, y, 0.05).f
    matrix = a.adjoint(np.eye(a.size)).reshape(a.size, -1)[:, f.ravel() > 0]
    influence = matrix @ np.linalg.solve(matrix.T @ matrix + 0.05 * np.eye(matrix.shape[1]), matrix.T)
    expected = np.trace(influence[: a.data.size, : a.data.size])
    np.testing.assert_allclose(degrees_of_freedom(a, f, 0.05, a.data.size), expected, rtol=1e-6)


def test_a_line_is_compressed_without_loss():
    problem = small_problem((10, 8), (30, 9))
    line = Line(problem.k1)
    m = np.random.default_rng(0).random((2, 10))
    y, outside = line.project(m @ problem.k1.T)
    np.testing.assert_allclose(y, line.apply(m), atol=1e-9)
    assert (outside < 1e-12).all()
    assert line.size < 30


def test_a_large_weight_makes_it_an_equality():
    problem = small_problem((10, 8), (16, 14))
    signals = noisy_signals(problem, 3)
    missed = [ready(problem, weight=w, alpha=0.1)(signals[:, None]).diagnostics["marginal_misfit"] for w in (0.1, 1e4)]
    assert (missed[1] < 1e-3 * missed[0]).all()


def test_it_needs_the_lines():
    problem = small_problem()
    late = Problem(problem.grid, Acquisition(np.linspace(0.5, 10, 12), problem.acquisition.b2))
    with pytest.raises(Unsupported, match="start at b = 0"):
        ready(late)


def test_alpha_is_a_rule_or_a_number():
    problem = small_problem((10, 8), (16, 14))
    signals = noisy_signals(problem, 3)
    chosen = ready(problem)(signals[:, None]).diagnostics
    assert not chosen["alpha_at_edge"].all()
    again = ready(problem, alpha=float(chosen["alpha"][0]))(signals[:1, None]).diagnostics
    np.testing.assert_allclose(again["objective"], chosen["objective"][:1], rtol=1e-9)
    assert not again["alpha_at_edge"].any()


@pytest.mark.parametrize("given", [{"alpha": 0.0}, {"weight": -1.0}])
def test_options_that_make_no_sense(given):
    with pytest.raises(ValueError, match="must be positive"):
        METHOD.Options(**given)
