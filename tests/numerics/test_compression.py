import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from references import SEEDS, kernel, noisy_signals, seeded, small_problem

from dexsy_bench.numerics.compression import Compression, noise_sd
from dexsy_bench.problem import Acquisition, Grid, Problem
from dexsy_bench.registry import Registry

problems = st.builds(
    small_problem,
    d=st.tuples(st.integers(2, 9), st.integers(2, 9)),
    b=st.tuples(st.integers(2, 12), st.integers(2, 12)),
    sampled=st.sampled_from([1.0, 0.7, 0.3]),
    seed=SEEDS,
)


@seeded(60)
@given(problems, SEEDS)
def test_the_adjoint_is_the_adjoint(problem, seed):
    a, rng = Compression(problem), np.random.default_rng(seed)
    f, y = rng.standard_normal((3, *a.shape)), rng.standard_normal((3, a.size))
    np.testing.assert_allclose(
        (a.apply(f) * y).sum(axis=1), (f * a.adjoint(y)).sum(axis=(1, 2)), rtol=1e-9, atol=1e-9 * a.scale.max()
    )


@seeded(60)
@given(problems, SEEDS)
def test_operators_agree_with_the_matrix(problem, seed):
    a, rng = Compression(problem), np.random.default_rng(seed)
    matrix, f = a.matrix(), rng.standard_normal((2, *a.shape))
    assert matrix.shape == (a.size, f[0].size)
    scale = np.abs(matrix).max()
    np.testing.assert_allclose(a.apply(f), f.reshape(2, -1) @ matrix.T, atol=1e-11 * scale)
    weights = rng.random((2, *a.shape))
    dense = np.stack([matrix * w.ravel() @ matrix.T for w in weights])
    np.testing.assert_allclose(a.gram(weights), dense, atol=1e-11 * scale**2)


@seeded(60)
@given(problems, SEEDS)
def test_rows_are_orthogonal_and_descend(problem, seed):
    a = Compression(problem)
    gram = a.matrix() @ a.matrix().T
    np.testing.assert_allclose(gram, np.diag(a.scale**2), atol=1e-9 * a.scale[0] ** 2)
    assert (np.diff(a.scale) <= 0).all()
    few = 1 + seed % a.size
    weights = np.random.default_rng(seed).random((2, *a.shape))
    np.testing.assert_allclose(a.gram(weights, few), a.gram(weights)[:, :few, :few], atol=1e-12 * a.scale[0] ** 2)


def square_problem(n, m, sampled, seed):
    """The same grid of n and the same m values of b on both axes."""
    mask = np.random.default_rng(seed).random((1, m, m)) < sampled
    mask[:, 0, 0] = True
    b, d = np.linspace(0, 10, m), np.geomspace(0.01, 10, n)
    return Problem(Grid(d, d), Acquisition(b, b, mask=None if sampled == 1 else mask))


squares = st.builds(square_problem, st.integers(2, 9), st.integers(3, 12), st.sampled_from([1.0, 0.6]), SEEDS)


@seeded(60)
@given(squares, SEEDS)
def test_symmetric_operators_agree_with_the_matrix(problem, seed):
    """On symmetric f, which is all that they are for."""
    a, rng = Compression(problem, symmetric=True), np.random.default_rng(seed)
    f, weights = (x + x.transpose(0, 2, 1) for x in rng.random((2, 2, *a.shape)))
    matrix, scale = a.matrix(), a.scale[0]
    y = rng.standard_normal((2, a.size))
    np.testing.assert_allclose(a.apply(f), f.reshape(2, -1) @ matrix.T, atol=1e-10 * scale)
    np.testing.assert_allclose(a.adjoint(y).reshape(2, -1), y @ matrix, atol=1e-10 * scale)
    dense = np.stack([matrix * w.ravel() @ matrix.T for w in weights])
    np.testing.assert_allclose(a.gram(weights), dense, atol=1e-10 * scale**2)
    np.testing.assert_allclose(matrix @ matrix.T, np.diag(a.scale**2), atol=1e-9 * scale**2)


@seeded(60)
@given(squares, SEEDS)
def test_symmetric_misfit_is_that_of_the_full_problem(problem, seed):
    """The antisymmetric part of the signal is what no f explains."""
    rng = np.random.default_rng(seed)
    signals = noisy_signals(problem, 2, seed=seed)
    f = rng.random((2, *problem.grid.shape))
    f = (f + f.transpose(0, 2, 1)) / f[0].size
    a = Compression(problem, symmetric=True)
    y, outside = a.project(signals)
    measured = signals.reshape(2, -1) if problem.mask() is None else signals[:, problem.mask()]
    full = ((f.reshape(2, -1) @ kernel(problem).T - measured) ** 2).sum(axis=1)
    np.testing.assert_allclose(((a.apply(f) - y) ** 2).sum(axis=1) + outside, full, rtol=1e-5)


@seeded(60)
@given(problems, SEEDS)
def test_misfit_is_that_of_the_full_problem(problem, seed):
    rng = np.random.default_rng(seed)
    signals = noisy_signals(problem, 2, seed=seed)
    f = rng.random((2, *problem.grid.shape)) / problem.grid.d1.size
    a = Compression(problem)
    y, outside = a.project(signals)
    measured = signals.reshape(2, -1) if problem.mask() is None else signals[:, problem.mask()]
    full = ((f.reshape(2, -1) @ kernel(problem).T - measured) ** 2).sum(axis=1)
    np.testing.assert_allclose(((a.apply(f) - y) ** 2).sum(axis=1) + outside, full, rtol=1e-5)
    assert a.n_data == measured.shape[1]


def test_what_was_not_sampled_does_not_count():
    problem = small_problem(sampled=0.5)
    signals = noisy_signals(problem, 2)
    elsewhere = np.where(problem.mask(), signals, 123.0)
    for here, there in zip(Compression(problem).project(signals), Compression(problem).project(elsewhere), strict=True):
        np.testing.assert_array_equal(here, there)


@pytest.mark.parametrize("snr", [30.0, 1000.0])
def test_core_problem_shrinks_to_a_hundred_numbers_and_loses_a_millionth(snr):
    scenario = Registry().scenario("three_compartment")
    problem, cases = scenario.problem(snr), scenario.cases(0, 3, snr, "validation")
    f, signals = cases.distributions[:, 0], cases.noisy[:, 0]
    a = Compression(problem)
    y, outside = a.project(signals)
    assert a.size < 200
    full = ((problem.k1 @ f @ problem.k2.T - signals) ** 2).sum(axis=(1, 2))
    np.testing.assert_allclose(((a.apply(f) - y) ** 2).sum(axis=1) + outside, full, rtol=1e-6)


def test_a_coarser_compression_keeps_less():
    problem = Registry().scenario("two_compartment").problem(100.0)
    sizes = [Compression(problem, rtol).size for rtol in (1e-2, 1e-4, 1e-7)]
    assert sizes == sorted(set(sizes))


@pytest.mark.parametrize("sampled", [1.0, 0.5])
@pytest.mark.parametrize("sigma", [0.001, 0.03])
def test_noise_is_estimated(sigma, sampled):
    problem = small_problem((20, 20), (40, 40), sampled)
    signals = noisy_signals(problem, 40, sigma)
    estimate = noise_sd(problem, signals)
    spare = Compression(problem, 1e-4).n_data - Compression(problem, 1e-4).size
    # The SD of an SD from m numbers is 1 / sqrt(2 m); five of those for the worst of 40.
    np.testing.assert_allclose(estimate, sigma, rtol=5 / np.sqrt(2 * spare))
    np.testing.assert_allclose(estimate.mean(), sigma, rtol=5 / np.sqrt(2 * spare * 40))


def test_noise_cannot_be_estimated_without_spare_data():
    problem = small_problem((10, 10), (3, 3))
    assert np.isnan(noise_sd(problem, noisy_signals(problem, 2))).all()
