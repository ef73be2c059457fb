import numpy as np
import pytest
from dexsy_bench.methods.tikhonov import PATHS
from references import augmented_nnls, kernel, noisy_signals, objective, penalty, small_problem

from dexsy_bench.method import Inverter, Unsupported
from dexsy_bench.metrics import score
from dexsy_bench.numerics import block_pivoting, dual_newton
from dexsy_bench.numerics.compression import Compression, noise_sd
from dexsy_bench.registry import Registry

REGISTRY = Registry()
SOLVERS = {0: dual_newton.solve, 2: block_pivoting.solve}


def ready(label, problem):
    selection = REGISTRY.select(label)
    options = REGISTRY.make_options(selection.name, dict(selection.given))
    return Inverter(REGISTRY.method(selection.name), options, problem)


def invert(label, problem, signals):
    return ready(label, problem)(signals[:, None])


def best_scale(k, s, f, alpha, order):
    """The scale of a normalised f at which the objective is least: returns the scaled f."""
    flat = f.ravel()
    prediction = k @ flat
    return f * (prediction @ s) / (prediction @ prediction + alpha * flat @ penalty(order, f.shape) @ flat)


@pytest.mark.parametrize("order", [0, 2])
@pytest.mark.parametrize("alpha", [0.01, 1.0])
@pytest.mark.parametrize("sampled", [1.0, 0.5])
def test_objective_is_its_formula_on_the_raw_signal(order, alpha, sampled):
    problem = small_problem((14, 11), (20, 16), sampled)
    signals = noisy_signals(problem, 3)
    estimate = invert(f"tikhonov[order={order},alpha={alpha}]", problem, signals)
    k = kernel(problem)
    measured = signals.reshape(3, -1) if sampled == 1 else signals[:, problem.mask()]
    for n in range(3):
        f = best_scale(k, measured[n], estimate.distributions[n, 0], alpha, order)
        reference = augmented_nnls(k, measured[n], alpha, order, f.shape)
        ours, theirs = (objective(k, measured[n], g, alpha, order) for g in (f, reference))
        assert ours <= theirs * (1 + 1e-8)
        # What is reported is that of the compressed data.
        np.testing.assert_allclose(estimate.diagnostics["objective"][n], ours, rtol=1e-6)
    assert estimate.diagnostics["converged"].all()
    assert (estimate.diagnostics["alpha"] == alpha).all()
    assert not estimate.diagnostics["alpha_at_edge"].any()


@pytest.mark.parametrize("order", [0, 2])
@pytest.mark.parametrize("snr", [30.0, 1000.0])
def test_compression_costs_the_solution_nothing(order, snr):
    """By the objective with the full kernel it is as good, within 1e-8, as one from hardly compressed data."""
    scenario = REGISTRY.scenario("three_compartment")
    problem, signals = scenario.problem(snr), scenario.cases(0, 2, snr, "validation").noisy[:, 0]
    alpha = 0.1
    estimate = invert(f"tikhonov[order={order},alpha={alpha}]", problem, signals)
    fine = Compression(problem, 1e-11)
    reference = SOLVERS[order](fine, fine.project(signals)[0], alpha).f
    ltl = penalty(order, problem.grid.shape)

    def full(f, signal):
        """At the best scale of f."""
        s = problem.k1 @ f @ problem.k2.T
        rough = f.ravel() @ ltl @ f.ravel()
        size = (s * signal).sum() / ((s * s).sum() + alpha * rough)
        return 0.5 * ((size * s - signal) ** 2).sum() + 0.5 * alpha * size**2 * rough

    for n in range(2):
        ours = full(estimate.distributions[n, 0], signals[n])
        assert ours <= full(reference[n], signals[n]) * (1 + 1e-8)
        np.testing.assert_allclose(estimate.diagnostics["objective"][n], ours, rtol=1e-6)


def test_smoothness_beats_size_beats_nothing():
    scenario = REGISTRY.scenario("two_compartment")
    cases, problem = scenario.cases(0, 8, 100.0, "validation"), scenario.problem(100.0)
    js = [
        score(cases, ready(label, problem)(cases.noisy).distributions, problem)["js"].mean()
        for label in ("tikhonov", "tikhonov[order=0]", "nnls")
    ]
    assert js[0] < 0.9 * js[1]
    assert js[1] < 0.5 * js[2]


@pytest.mark.parametrize("rule", ["ftest", "gcv", "lcurve", "discrepancy"])
@pytest.mark.parametrize("order", [0, 2])
def test_a_rule_picks_the_same_solution_as_its_alpha_given(rule, order):
    problem = small_problem((16, 14), (30, 28))
    signals = noisy_signals(problem, 4, sigma=0.01, seed=2)
    chosen = invert(f"tikhonov[order={order},alpha={rule}]", problem, signals)
    for n in range(4):
        alpha = chosen.diagnostics["alpha"][n]
        given = invert(f"tikhonov[order={order},alpha={float(alpha)!r}]", problem, signals[n : n + 1])
        np.testing.assert_allclose(given.distributions[0], chosen.distributions[n], atol=1e-6)
        np.testing.assert_allclose(given.diagnostics["objective"][0], chosen.diagnostics["objective"][n], rtol=1e-8)


@pytest.mark.parametrize("rule", ["ftest", "gcv", "discrepancy"])
@pytest.mark.parametrize("order", [0, 2])
def test_more_noise_asks_for_a_larger_alpha(order, rule):
    problem = small_problem((16, 14), (30, 28))
    quiet, loud = (
        invert(f"tikhonov[order={order},alpha={rule}]", problem, noisy_signals(problem, 8, sigma)).diagnostics["alpha"]
        for sigma in (1e-4, 0.03)
    )
    assert np.log10(loud).mean() > np.log10(quiet).mean() + 1


@pytest.mark.parametrize("order", [0, 2])
def test_discrepancy_is_the_largest_alpha_that_explains_the_data(order):
    problem = small_problem((16, 14), (30, 28))
    signals = noisy_signals(problem, 6, sigma=0.01)
    estimate = invert(f"tikhonov[order={order},alpha=discrepancy]", problem, signals)
    k, sigma = kernel(problem), noise_sd(problem, signals)
    inside = ~estimate.diagnostics["alpha_at_edge"]
    assert inside.any()
    for n in np.flatnonzero(inside):
        alpha = estimate.diagnostics["alpha"][n]

        def residual(alpha, n=n):
            f = invert(f"tikhonov[order={order},alpha={float(alpha)!r}]", problem, signals[n : n + 1])
            f = best_scale(k, signals[n].ravel(), f.distributions[0, 0], alpha, order)
            return np.sqrt(np.mean((k @ f.ravel() - signals[n].ravel()) ** 2))

        assert residual(alpha) <= sigma[n] < residual(alpha * np.sqrt(10))


@pytest.mark.parametrize("order", [0, 2])
def test_an_alpha_at_the_edge_is_flagged(order):
    """Without noise the smallest alpha there is predicts best."""
    problem = small_problem((16, 14), (30, 28))
    clean = noisy_signals(problem, 2, sigma=0.0)
    estimate = invert(f"tikhonov[order={order}]", problem, clean)
    assert estimate.diagnostics["alpha_at_edge"].all()
    assert len(set(estimate.diagnostics["alpha"])) == 1
    ends = PATHS[order][[0, -1]]
    for sigma in (0.01, 0.1):
        found = invert(f"tikhonov[order={order}]", problem, noisy_signals(problem, 6, sigma)).diagnostics
        assert not found["alpha_at_edge"].all()
        np.testing.assert_array_equal(found["alpha_at_edge"], np.isin(found["alpha"], ends))


def test_long_batches_are_cut_without_a_trace():
    problem = small_problem((8, 7), (12, 11))
    signals = noisy_signals(problem, 70)
    whole = invert("tikhonov[order=0,alpha=0.1]", problem, signals)
    assert whole.distributions.shape == (70, 1, 8, 7)
    parts = [invert("tikhonov[order=0,alpha=0.1]", problem, signals[a : a + 7]) for a in range(0, 70, 7)]
    np.testing.assert_allclose(whole.distributions, np.concatenate([p.distributions for p in parts]), atol=1e-9)
    np.testing.assert_array_equal(
        whole.diagnostics["converged"], np.concatenate([p.diagnostics["converged"] for p in parts])
    )


def test_discrepancy_declines_without_spare_data():
    with pytest.raises(Unsupported, match="needs more data"):
        ready("tikhonov[alpha=discrepancy]", small_problem((10, 10), (3, 3)))


def test_relaxation_exchange_is_the_same_mathematics():
    """T2 = 1 / D and time = b: the same kernel, read backwards."""
    from dataclasses import replace

    from dexsy_bench.physics import KERNELS
    from dexsy_bench.problem import Grid

    problem = small_problem((10, 10), (20, 20))
    grid = Grid(1 / problem.grid.d1[::-1], 1 / problem.grid.d2[::-1])
    relaxation = replace(problem, grid=grid, kernel=KERNELS["relaxation"])
    signals = noisy_signals(problem, 2)
    forwards, backwards = (invert("tikhonov[alpha=0.1]", p, signals) for p in (problem, relaxation))
    np.testing.assert_allclose(backwards.distributions[:, :, ::-1, ::-1], forwards.distributions, atol=1e-9)
