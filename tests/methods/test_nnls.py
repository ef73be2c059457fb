import numpy as np
import pytest
import scipy.optimize
from references import kernel, noisy_signals, small_problem

from dexsy_bench.method import Inverter
from dexsy_bench.metrics import score
from dexsy_bench.numerics.compression import Compression
from dexsy_bench.registry import Registry


def invert(problem, signals):
    cls = Registry().method("nnls")
    return Inverter(cls, cls.Options(), problem)(signals[:, None])


@pytest.mark.parametrize("sampled", [1.0, 0.6])
def test_residual_is_that_of_the_uncompressed_problem(sampled):
    problem = small_problem(sampled=sampled)
    signals = noisy_signals(problem, 4)
    estimate = invert(problem, signals)
    measured = signals.reshape(4, -1) if sampled == 1 else signals[:, problem.mask()]
    for n in range(4):
        f, residual = scipy.optimize.nnls(kernel(problem), measured[n])
        np.testing.assert_allclose(estimate.diagnostics["objective"][n], 0.5 * residual**2, rtol=1e-6)
        ours = estimate.distributions[n, 0].ravel() * f.sum()
        np.testing.assert_allclose(np.linalg.norm(kernel(problem) @ ours - measured[n]), residual, rtol=1e-3)
    assert (estimate.diagnostics["kkt"] < 1e-8).all()
    assert estimate.diagnostics["converged"].all()


def test_noiseless_point_masses_are_found():
    problem = small_problem((6, 5), (30, 30))
    f = np.zeros((1, 6, 5))
    f[0, 1, 1], f[0, 4, 3] = 0.3, 0.7
    estimate = invert(problem, problem.k1 @ f @ problem.k2.T)
    np.testing.assert_allclose(estimate.distributions[0, 0], f[0], atol=1e-3)


def test_solutions_are_spikes():
    scenario = Registry().scenario("two_compartment")
    cases, problem = scenario.cases(0, 3, 100.0, "validation"), scenario.problem(100.0)
    estimate = invert(problem, cases.noisy[:, 0])
    support = (estimate.distributions > 0).sum(axis=(1, 2, 3))
    assert (support < 50).all()
    residual = score(cases, estimate.distributions, problem)["residual"]
    assert (residual < 1.1).all()


@pytest.mark.parametrize("snr", [10.0, 1000.0])
def test_agrees_with_scipy_at_full_size(snr):
    scenario = Registry().scenario("three_compartment")
    cases, problem = scenario.cases(0, 2, snr, "validation"), scenario.problem(snr)
    estimate = invert(problem, cases.noisy[:, 0])
    compression = Compression(problem)
    y, outside = compression.project(cases.noisy[:, 0])
    for n in range(2):
        _, residual = scipy.optimize.nnls(compression.matrix(), y[n])
        reference = 0.5 * (residual**2 + outside[n])
        # A violation of the optimality conditions can cost as much as itself times the mass of f, which is 1.
        slack = 1e-12 * np.abs(compression.adjoint(y)[n]).max()
        np.testing.assert_allclose(estimate.diagnostics["objective"][n], reference, rtol=1e-8, atol=2 * slack)
    assert (estimate.diagnostics["kkt"] <= 1e-12).all()


def test_a_noiseless_signal_converges():
    """scipy.optimize.nnls runs into its iteration limit here."""
    scenario = Registry().scenario("three_compartment")
    cases = scenario.cases(0, 1, np.inf, "validation")
    estimate = invert(scenario.problem(np.inf), cases.noisy[:, 0])
    assert estimate.diagnostics["converged"].all()
    assert (estimate.diagnostics["kkt"] < 1e-11).all()
