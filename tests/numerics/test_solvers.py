"""Dual Newton (Tikhonov of order 0) and block pivoting (orders 1 and 2)."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from references import (
    SEEDS,
    augmented_nnls,
    noisy_signals,
    objective,
    penalty,
    seeded,
    small_problem,
)

from dexsy_bench.numerics import block_pivoting, certificate, dual_newton, free_cells, roughness
from dexsy_bench.numerics.compression import Compression
from dexsy_bench.problem import Acquisition, Grid
from dexsy_bench.registry import Registry

SOLVERS = {
    0: dual_newton.solve,
    1: partial(block_pivoting.solve, order=1),
    2: partial(block_pivoting.solve, order=2),
}
WALKS = {
    0: dual_newton.walk,
    1: partial(block_pivoting.walk, order=1),
    2: partial(block_pivoting.walk, order=2),
}
orders = pytest.mark.parametrize("order", SOLVERS)

problems = st.builds(
    small_problem,
    d=st.tuples(st.integers(4, 10), st.integers(4, 10)),
    b=st.tuples(st.integers(4, 12), st.integers(4, 12)),
    sampled=st.sampled_from([1.0, 0.6]),
    seed=SEEDS,
)


@pytest.fixture(scope="module")
def core():
    """Compression and data of six cases at SNR 30 on the canonical grid."""
    scenario = Registry().scenario("two_compartment")
    a = Compression(scenario.problem(30.0))
    return a, a.project(scenario.cases(0, 6, 30.0, "validation").noisy[:, 0])[0]


def objectives(a, y, f, alpha, order):
    return np.array([objective(a.matrix(), y[n], f[n], alpha, order) for n in range(len(y))])


@orders
@seeded(60)
@given(problem=problems, seed=SEEDS, alpha=st.sampled_from([1e-3, 1e-2, 0.1, 1.0, 100.0]))
def test_objective_is_that_of_lawson_and_hanson(order, problem, seed, alpha):
    a = Compression(problem)
    y, _ = a.project(noisy_signals(problem, 2, sigma=0.03, seed=seed))
    solution = SOLVERS[order](a, y, alpha)
    reference = np.stack([augmented_nnls(a.matrix(), row, alpha, order, a.shape) for row in y])
    assert solution.converged.all()
    assert (solution.f >= 0).all()
    ours = objectives(a, y, solution.f, alpha, order)
    theirs = objectives(a, y, reference, alpha, order)
    assert (ours <= theirs * (1 + 1e-8)).all()
    np.testing.assert_allclose(0.5 * (solution.misfit + alpha * solution.penalty), ours, rtol=1e-9)


@pytest.mark.parametrize("order", [0, 2])
def test_objective_at_full_size(order, core):
    a, y = core
    alpha = 1e-3
    solution = SOLVERS[order](a, y, alpha)
    case = (solution.f > 0).sum(axis=(1, 2)).argmin()  # Lawson and Hanson need a step for each cell
    reference = augmented_nnls(a.matrix(), y[case], alpha, order, a.shape)
    ours, theirs = (objective(a.matrix(), y[case], f, alpha, order) for f in (solution.f[case], reference))
    assert ours <= theirs * (1 + 1e-8)
    np.testing.assert_allclose(0.5 * (solution.misfit + alpha * solution.penalty)[case], ours, rtol=1e-9)


@orders
@pytest.mark.parametrize("alpha", [1e-3, 0.1, 100.0])
def test_optimality_conditions(order, alpha, core):
    """Gradient 0 on the support and not negative beside it, computed here from the dense matrices."""
    a, y = core
    solution = SOLVERS[order](a, y, alpha)
    flat = solution.f.reshape(len(y), -1)
    gradient = (flat @ a.matrix().T - y) @ a.matrix() + alpha * flat @ penalty(order, a.shape)
    violation = np.where(flat > 0, np.abs(gradient), np.maximum(-gradient, 0)).max(axis=1)
    scale = np.abs(y @ a.matrix()).max(axis=1)
    # Order 0 is solved to a duality gap of 1e-13 of the objective, which is the square of a gradient.
    assert (violation / scale < {0: 1e-7, 1: 1e-10, 2: 1e-10}[order]).all()
    kkt = certificate.kkt(a, y, solution.f, alpha * roughness.apply(solution.f, order))
    np.testing.assert_allclose(kkt, violation / scale, rtol=1e-2, atol=1e-12)
    assert solution.converged.all()


@orders
@pytest.mark.parametrize("sampled", [1.0, 0.5])
def test_a_case_does_not_depend_on_its_batch(order, sampled):
    problem = small_problem((16, 14), (20, 18), sampled)
    a = Compression(problem)
    y, _ = a.project(noisy_signals(problem, 7, seed=3))
    together, (node,) = SOLVERS[order](a, y, 0.05), WALKS[order](a, y, np.array([0.05]))
    for n in (0, 3, 6):
        alone, (own,) = SOLVERS[order](a, y[n : n + 1], 0.05), WALKS[order](a, y[n : n + 1], np.array([0.05]))
        np.testing.assert_allclose(alone.f[0], together.f[n], rtol=0, atol=1e-9)
        for name in ("misfit", "penalty", "dof", "misfit_slope", "penalty_slope"):
            np.testing.assert_allclose(getattr(own, name)[0], getattr(node, name)[n], rtol=1e-6)


@orders
@pytest.mark.parametrize("neighbour", [2.0, 1000.0])
def test_a_warm_start_gives_the_same_solution(order, neighbour, core):
    a, y = core
    cold = SOLVERS[order](a, y, 0.1)
    warm = SOLVERS[order](a, y, 0.1, SOLVERS[order](a, y, 0.1 * neighbour).warm)
    assert warm.converged.all()
    np.testing.assert_allclose(warm.f, cold.f, rtol=0, atol=1e-6 * cold.f.max())


@orders
def test_input_is_left_alone(order, core):
    a, y = core
    start = SOLVERS[order](a, y, 1.0).warm
    before = y.copy(), start.copy()
    SOLVERS[order](a, y, 0.1, start)
    np.testing.assert_array_equal(y, before[0])
    np.testing.assert_array_equal(start, before[1])


@orders
def test_a_larger_alpha_fits_worse_and_is_smaller(order, core):
    a, y = core
    path = [SOLVERS[order](a, y, alpha) for alpha in (0.01, 0.1, 1.0, 10.0)]
    for name, sign in (("misfit", 1), ("penalty", -1)):
        assert (sign * np.diff([getattr(s, name) for s in path], axis=0) > 0).all(), name


@orders
@pytest.mark.parametrize("alpha", [0.01, 1.0])
def test_degrees_of_freedom_are_the_sensitivity_of_the_fit(order, alpha):
    """The trace of d(A f)/dy, by finite differences on the same support."""
    problem = small_problem((14, 12), (18, 16))
    a = Compression(problem)
    y, _ = a.project(noisy_signals(problem, 1, seed=5))
    warm = SOLVERS[order](a, y, alpha).warm
    step = 1e-7
    trace = 0.0
    for m in range(a.size):
        up, down = (SOLVERS[order](a, y + s * step * np.eye(1, a.size, m), alpha, warm) for s in (1, -1))
        trace += (a.apply(up.f) - a.apply(down.f))[0, m] / (2 * step)
    (node,) = WALKS[order](a, y, np.array([alpha]))
    # Components of A far below alpha are not counted, and a few cells may be on the wrong side.
    np.testing.assert_allclose(node.dof, trace, rtol=0.02)


@orders
def test_a_walk_sees_what_exact_solutions_would_show(order, core):
    """Misfit, penalty and their slopes, which are taken from exact solutions by differences."""
    a, y = core
    path, step = np.array([0.1, 1.0, 10.0]), 1.001
    for alpha, node in zip(path[::-1], WALKS[order](a, y, path), strict=True):
        exact, more, less = (SOLVERS[order](a, y, alpha * s) for s in (1.0, step, 1 / step))
        np.testing.assert_allclose(node.misfit, exact.misfit, rtol=0.1)
        np.testing.assert_allclose(node.penalty, exact.penalty, rtol=0.1)
        for name in ("misfit", "penalty"):
            slope = np.log(getattr(more, name) / getattr(less, name)) / (2 * np.log(step))
            np.testing.assert_allclose(getattr(node, f"{name}_slope"), slope, rtol=0.2, atol=0.01)


@orders
def test_what_a_walk_found_is_a_start_at_its_alphas(order, core):
    a, y = core
    path = np.array([0.1, 10.0])
    for alpha, node in zip(path[::-1], WALKS[order](a, y, path), strict=True):
        cold, warm = SOLVERS[order](a, y, alpha), SOLVERS[order](a, y, alpha, node.warm)
        np.testing.assert_allclose(warm.f, cold.f, rtol=0, atol=1e-6 * cold.f.max())
        assert warm.iterations.sum() < cold.iterations.sum()


@orders
def test_each_case_has_an_alpha_of_its_own(order, core):
    a, y = core
    alphas = np.geomspace(0.01, 10, len(y))
    together = SOLVERS[order](a, y, alphas)
    for n in (0, 3, 5):
        alone = SOLVERS[order](a, y[n : n + 1], alphas[n])
        np.testing.assert_allclose(together.f[n], alone.f[0], rtol=0, atol=1e-6 * alone.f.max())


@orders
def test_a_symmetric_problem_has_a_symmetric_solution(order):
    """That of the whole problem with the signal and its transpose as two measurements."""
    problem = small_problem((9, 9), (12, 12))
    problem = replace(problem, grid=Grid(problem.grid.d1, problem.grid.d1))
    b = problem.acquisition.b1
    problem = replace(problem, acquisition=Acquisition(b, b))
    signals = noisy_signals(problem, 3, sigma=0.02)
    a, half = Compression(problem), Compression(problem, symmetric=True)
    solution = SOLVERS[order](half, half.project(signals)[0], 0.1)
    both = 0.5 * (signals + signals.transpose(0, 2, 1))
    reference = SOLVERS[order](a, a.project(both)[0], 0.1)
    np.testing.assert_allclose(solution.f, solution.f.transpose(0, 2, 1), atol=1e-9)
    np.testing.assert_allclose(solution.f, reference.f, atol=1e-6)


# The dual of order 0 ------------------------------------------------------------------------


@seeded(60)
@given(problem=problems, seed=SEEDS, alpha=st.sampled_from([0.01, 1.0, 100.0]), size=st.sampled_from([0.0, 0.1, 10.0]))
def test_the_gradient_certifies_the_objective(problem, seed, alpha, size):
    """At any c: P(f) + alpha phi(c) = 1/2 ||grad phi||^2, so P(f) lies above the optimum by at most that."""
    a = Compression(problem)
    y, _ = a.project(noisy_signals(problem, 1, seed=seed))
    best = dual_newton.solve(a, y, alpha)
    c = best.warm / alpha
    c = c + size * np.abs(c).max() * np.random.default_rng(seed).standard_normal(c.shape)
    f = np.maximum(a.adjoint(c), 0.0)
    gradient = a.apply(f) + alpha * c - y
    phi = 0.5 * (f**2).sum() + 0.5 * alpha * (c**2).sum() - (c * y).sum()
    primal = objectives(a, y, f, alpha, 0)[0]
    gap = 0.5 * (gradient**2).sum()
    np.testing.assert_allclose(primal + alpha * phi, gap, rtol=1e-6, atol=1e-9 * primal)
    optimum = objectives(a, y, best.f, alpha, 0)[0]
    assert -1e-9 * primal <= primal - optimum <= gap + 1e-9 * primal


def test_the_stated_gap_is_reached(core):
    a, y = core
    solution = dual_newton.solve(a, y, 0.1)
    gradient = a.apply(solution.f) + solution.warm - y
    gap = 0.5 * (gradient**2).sum(axis=1)
    assert (gap <= dual_newton.GAP_TOLERANCE * 0.5 * (solution.misfit + 0.1 * solution.penalty)).all()


def test_a_solution_not_reached_says_so(core):
    a, y = core
    assert not dual_newton.solve(a, y, 1e-4, max_iterations=1).converged.any()
    blank = np.zeros((len(y), *a.shape), dtype=bool)
    for order in (1, 2):
        for rounds in (1, 3):
            solution = block_pivoting.solve(a, y, 1e-3, blank, order=order, max_rounds=rounds)
            assert not solution.converged.any()
            assert (solution.iterations <= rounds).all()
            assert (solution.f >= 0).all()


# Other libraries, other devices ----------------------------------------------------------------


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize(("order", "cells"), [(0, "Bands"), (1, "Bands"), (1, "Blocks"), (2, "Bands"), (2, "Blocks")])
def test_torch_gives_what_numpy_gives(cells, symmetric, order, monkeypatch):
    """Cells are factored by LAPACK on the CPU; what another device does can be done there, too."""
    torch = pytest.importorskip("torch")
    scenario = Registry().scenario("two_compartment")
    a = Compression(scenario.problem(100.0), symmetric=symmetric)
    signals = scenario.cases(0, 3, 100.0, "validation").noisy[:, 0]
    here, moved = torch.asarray(signals), a.to(torch.asarray(signals))
    y, there = a.project(signals)[0], moved.project(here)[0]
    np.testing.assert_allclose(there.numpy(), y, atol=1e-12)
    alphas, path = np.geomspace(0.1, 10, 3), np.array([1.0, 10.0])
    ours, nodes = SOLVERS[order](a, y, alphas), list(WALKS[order](a, y, path))
    monkeypatch.setattr(block_pivoting, "free_cells", getattr(free_cells, cells))
    theirs = SOLVERS[order](moved, there, torch.asarray(alphas))
    assert isinstance(theirs.f, torch.Tensor)
    np.testing.assert_allclose(theirs.f.numpy(), ours.f, atol=1e-6 * ours.f.max())
    np.testing.assert_allclose(theirs.misfit.numpy(), ours.misfit, rtol=1e-8)
    np.testing.assert_array_equal(theirs.converged.numpy(), ours.converged)
    for node, other in zip(nodes, WALKS[order](moved, there, path), strict=True):
        assert isinstance(other.dof, torch.Tensor)
        for name in ("misfit", "penalty", "dof", "misfit_slope", "penalty_slope"):
            np.testing.assert_allclose(getattr(other, name).numpy(), getattr(node, name), rtol=1e-5)


@pytest.mark.parametrize("cells", [free_cells.Bands, free_cells.Blocks])
@pytest.mark.parametrize("order", [1, 2])
@seeded(30)
@given(problem=problems, seed=SEEDS, shares=st.lists(st.sampled_from([0.0, 0.1, 0.5, 1.0]), min_size=1, max_size=4))
def test_cells_freed_and_held_are_the_dense_matrix_on_them(cells, order, problem, seed, shares):
    """Also after others were free, and for some of the cases."""
    rng = np.random.default_rng(seed)
    a, shape = Compression(problem), problem.grid.shape
    y, n = np.zeros((len(shares) + 1, a.size)), len(shares)
    which, rows = np.arange(1, n + 1)[::-1], rng.integers(1, a.size + 1, n)
    held = cells(a, int(rows.max()), y)
    for _ in range(2):
        free = rng.random((n, *shape)) < np.array(shares)[:, None, None]
        held.free(which, roughness.Roughness(order), free, rows)
    b = rng.standard_normal((n, *shape))
    x = held.solve(which, b)
    for k in range(n):
        on = free[k].ravel()
        inverse = np.zeros((on.size, on.size))
        inverse[np.ix_(on, on)] = np.linalg.inv(penalty(order, shape)[np.ix_(on, on)])
        np.testing.assert_allclose(x[k].ravel(), inverse @ b[k].ravel(), atol=1e-8 * np.abs(inverse).sum())
        leading = a.matrix()[: rows[k]]
        gram = np.zeros((rows.max(), rows.max()))
        gram[: rows[k], : rows[k]] = leading @ inverse @ leading.T
        np.testing.assert_allclose(held.gram[which[k]], gram, atol=1e-9 * max(1.0, np.abs(gram).max()))


# The safeguard of block pivoting ------------------------------------------------------------


def starts(a, others):
    """Poor guesses of the solution."""
    rng = np.random.default_rng(0)
    return {
        "nothing": np.zeros(a.shape),
        "one cell": np.eye(1, a.shape[0] * a.shape[1], 77).reshape(a.shape),
        "everything": np.ones(a.shape),
        "noise": rng.random(a.shape) * (rng.random(a.shape) < 0.3),
        "another case": others,
    }


@pytest.mark.parametrize("alpha", [1e-3, 0.01])
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("start", ["nothing", "one cell", "everything", "noise", "another case"])
def test_descent_alone_finds_the_solution(start, alpha, order, core, monkeypatch):
    a, y = core
    trace, kkt = [], block_pivoting.Cases.kkt

    def watched(self, f, gradient):
        trace.append(self.objective(f)[0])
        return kkt(self, f, gradient)

    best = SOLVERS[order](a, y[:2], alpha)
    monkeypatch.setattr(block_pivoting.Cases, "kkt", watched)
    case = block_pivoting.Cases.new(a, y[1:2], alpha, roughness.Roughness(order))
    found = case.descend(starts(a, best.f[0])[start][None], 300)
    assert found.settled
    assert (found.f >= 0).all()
    np.testing.assert_allclose(case.objective(found.f), best.misfit[1] + alpha * best.penalty[1], rtol=1e-9)
    assert len(trace) > 1
    assert (np.diff(trace) <= 1e-12 * trace[0]).all()


@pytest.mark.parametrize("order", [1, 2])
def test_next_to_no_weight_is_solved_as_exactly(order, core):
    """Where the system is ill-conditioned, and a case needs more rounds than its batch."""
    a, y = core
    alphas = np.geomspace(1e-7, 1.0, len(y))
    solution = SOLVERS[order](a, y, alphas)
    assert solution.converged.all()
    pull = alphas[:, None, None] * roughness.apply(solution.f, order)
    assert (certificate.kkt(a, y, solution.f, pull) < 1e-12).all()
    alone = SOLVERS[order](a, y[:1], alphas[0])
    assert alone.iterations[0] == solution.iterations[0]


def test_the_safeguard_takes_over_where_the_exchange_stalls(core, monkeypatch):
    a, y = core
    calls = []
    descend = block_pivoting.Cases.descend

    def counted(self, f, max_rounds):
        calls.append(max_rounds)
        return descend(self, f, max_rounds)

    best = SOLVERS[2](a, y, 1e-3)
    monkeypatch.setattr(block_pivoting.Cases, "descend", counted)
    poor = np.stack([starts(a, best.f[0])["one cell"]] * len(y)) > 0
    solution = SOLVERS[2](a, y, 1e-3, poor)
    assert calls
    assert solution.converged.all()
    np.testing.assert_allclose(solution.misfit + 1e-3 * solution.penalty, best.misfit + 1e-3 * best.penalty, rtol=1e-9)


def test_data_that_nothing_explains_give_nothing():
    """The solution is 0 and no cell is free."""
    a = Compression(small_problem())
    y = -np.abs(a.apply(np.ones((1, *a.shape))))
    assert (a.adjoint(y) < 0).all()
    for order, solve in SOLVERS.items():
        solution = solve(a, y, 1.0)
        assert not solution.f.any(), order
        assert solution.converged.all()
        (node,) = WALKS[order](a, y, np.array([1.0]))
        assert node.dof == 0
        np.testing.assert_allclose(node.misfit, (y**2).sum(axis=1))
