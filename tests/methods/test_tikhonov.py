from dataclasses import replace

import numpy as np
import pytest
from dexsy_bench.methods.tikhonov import NODES, PATHS, SOLVERS, WALKS
from references import augmented_nnls, kernel, noisy_signals, objective, penalty, small_problem

from dexsy_bench.method import Inverter, Unsupported
from dexsy_bench.metrics import score
from dexsy_bench.numerics import alpha as rules
from dexsy_bench.numerics import alpha_path
from dexsy_bench.numerics.compression import Compression, noise_sd
from dexsy_bench.physics import KERNELS
from dexsy_bench.problem import Acquisition, Grid
from dexsy_bench.registry import Registry

REGISTRY = Registry()


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


@pytest.mark.parametrize("order", [0, 1, 2])
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


@pytest.mark.parametrize("rule", ["ftest", "gcv", "lcurve", "discrepancy", "brd"])
@pytest.mark.parametrize("order", [0, 1, 2])
def test_a_rule_picks_the_same_solution_as_its_alpha_given(rule, order):
    problem = small_problem((16, 14), (30, 28))
    signals = noisy_signals(problem, 4, sigma=0.01, seed=2)
    chosen = invert(f"tikhonov[order={order},alpha={rule}]", problem, signals)
    for n in range(4):
        alpha = chosen.diagnostics["alpha"][n]
        given = invert(f"tikhonov[order={order},alpha={float(alpha)!r}]", problem, signals[n : n + 1])
        np.testing.assert_allclose(given.distributions[0], chosen.distributions[n], atol=1e-6)
        np.testing.assert_allclose(given.diagnostics["objective"][0], chosen.diagnostics["objective"][n], rtol=1e-8)


@pytest.mark.parametrize("order", [0, 2])
def test_a_rule_chooses_what_it_would_from_exact_solutions(order):
    """Five of 20 alphas are looked at, loosely: the choice may be off by one step, and mostly is not."""
    scenario = REGISTRY.scenario("two_compartment")
    problem, signals = scenario.problem(100.0), scenario.cases(0, 4, 100.0, "validation").noisy[:, 0]
    a, path = Compression(problem), PATHS[order]
    y, outside = a.project(signals)
    exact = [SOLVERS[order](a, y, alpha) for alpha in path]
    misfit = np.stack([solution.misfit for solution in exact])
    of_least = grams(a, exact[0].f, order)
    dof = a.size - path[0] * np.trace(np.linalg.inv(of_least + path[0] * np.eye(a.size)), axis1=1, axis2=2)[None]
    wanted = {
        "ftest": rules.ftest(misfit + outside, dof, a.n_data),
        "discrepancy": rules.discrepancy(misfit + outside, noise_sd(problem, signals), a.n_data),
        "brd": rules.brd(misfit, path),
    }

    def found(rule):
        alpha = invert(f"tikhonov[order={order},alpha={rule}]", problem, signals).diagnostics["alpha"]
        return np.searchsorted(path, alpha * 0.999)

    for rule, index in wanted.items():
        off = np.abs(found(rule) - index)
        assert off.max() <= 1, rule
        assert (off == 0).mean() >= 0.75, rule
    # gcv jumps with the cells that are free: what it is given are degrees of freedom of the same few alphas.
    nodes = [alpha_path.node(grams(a, exact[k].f, order), path[k], y, None, np.zeros(len(y), dtype=int)) for k in NODES]
    along = alpha_path.curves(path, NODES, nodes, outside, a.n_data)
    assert (np.abs(found("gcv") - rules.choose("gcv", along)) <= 1).mean() >= 0.75  # its minimum is shallow
    np.testing.assert_allclose(along.dof[0], dof[0], rtol=5e-3)


def grams(a, f, order):
    """``A R^-1 A^T`` on the cells of N solutions, from explicit matrices."""
    ltl = penalty(order, a.shape)
    cells = [np.flatnonzero(one) for one in f]
    matrices = [(a.matrix()[:, cell], ltl[np.ix_(cell, cell)]) for cell in cells]
    return np.stack([m @ np.linalg.solve(r, m.T) for m, r in matrices])


@pytest.mark.parametrize("order", [0, 1, 2])
def test_the_solution_starts_from_what_the_path_has_found(order):
    scenario = REGISTRY.scenario("two_compartment")
    method = REGISTRY.method("tikhonov")(REGISTRY.make_options("tikhonov", {"order": order, "alpha": "discrepancy"}))
    method.prepare(scenario.problem(100.0))
    signals = scenario.cases(0, 6, 100.0, "validation").noisy[:, 0]
    choice = method._choose(signals)
    y, _ = method.compression.project(signals)
    cold, warm = method.solve(y, choice.alpha), method.solve(y, choice.alpha, choice.warm)
    np.testing.assert_allclose(warm.f, cold.f, atol=1e-6 * cold.f.max())
    assert np.median(warm.iterations) < np.median(cold.iterations)


@pytest.mark.parametrize("order", [1, 2])
def test_the_smallest_alpha_is_seen_where_signs_do_not_settle(order):
    """The reference of `ftest`: its degrees of freedom at SNR 30, where the exchange of signs stalls in some cases."""
    scenario = REGISTRY.scenario("two_compartment")
    a = Compression(scenario.problem(30.0))
    y, _ = a.project(scenario.cases(0, 22, 30.0, "validation").noisy[:, 0])
    least = PATHS[order][:1]
    (node,) = WALKS[order](a, y, least)
    exact = alpha_path.node(grams(a, SOLVERS[order](a, y, least[0]).f, order), least[0], y, None, None)
    assert np.median(np.abs(node.dof / exact.dof - 1)) < 0.05
    np.testing.assert_allclose(node.dof, exact.dof, rtol=0.5)
    np.testing.assert_allclose(node.misfit, exact.misfit, rtol=0.1)


@pytest.mark.parametrize("rule", ["ftest", "gcv", "discrepancy", "brd"])
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

        slack = 1.002  # residuals between the solved alphas are interpolated
        assert residual(alpha) <= sigma[n] * slack
        assert sigma[n] < residual(alpha * PATHS[order][1] / PATHS[order][0]) * slack


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
    problem = small_problem((10, 10), (20, 20))
    grid = Grid(1 / problem.grid.d1[::-1], 1 / problem.grid.d2[::-1])
    relaxation = replace(problem, grid=grid, kernel=KERNELS["relaxation"])
    signals = noisy_signals(problem, 2)
    forwards, backwards = (invert("tikhonov[alpha=0.1]", p, signals) for p in (problem, relaxation))
    np.testing.assert_allclose(backwards.distributions[:, :, ::-1, ::-1], forwards.distributions, atol=1e-9)


# Symmetry ------------------------------------------------------------------------------------


def symmetric_problem(n=12, m=24):
    b, d = np.linspace(0, 10, m), np.geomspace(0.01, 10, n)
    return replace(small_problem(), grid=Grid(d, d), acquisition=Acquisition(b, b))


@pytest.mark.parametrize("order", [0, 1, 2])
def test_the_antisymmetric_part_of_the_signal_does_not_matter(order):
    problem = symmetric_problem()
    signals = noisy_signals(problem, 3)
    noise = np.random.default_rng(1).standard_normal(signals.shape)
    label = f"tikhonov[order={order},alpha=0.1,symmetric=true]"
    one, other = (invert(label, problem, s).distributions[:, 0] for s in (signals, signals + noise - noise.mT))
    np.testing.assert_allclose(one, one.mT, atol=1e-9)
    np.testing.assert_allclose(one, other, atol=1e-7)


@pytest.mark.parametrize("order", [0, 2])
def test_symmetry_known_is_noise_less(order):
    scenario = REGISTRY.scenario("two_compartment")
    cases, problem = scenario.cases(0, 12, 100.0, "validation"), scenario.problem(100.0)
    js = [
        score(cases, ready(f"tikhonov[order={order}{known}]", problem)(cases.noisy).distributions, problem)["js"]
        for known in ("", ",symmetric=true")
    ]
    assert js[1].mean() < js[0].mean()


def test_symmetry_is_declined_where_the_axes_differ():
    with pytest.raises(Unsupported, match="same b values"):
        ready("tikhonov[symmetric=true]", small_problem())


# Magnitudes ----------------------------------------------------------------------------------


def low_cells(estimate):
    """Mass in the two lowest cells of either axis."""
    return 1 - estimate.distributions[:, 0, 2:, 2:].sum(axis=(1, 2))


def test_the_noise_floor_of_magnitudes_puts_less_mass_at_low_diffusivities():
    """Rather what Gaussian noise of that SD puts there."""
    scenario, snr = REGISTRY.scenario("two_compartment"), 20.0
    cases, problem = scenario.cases(0, 12, snr, "validation"), scenario.problem(snr)
    gaussian = cases.clean + np.random.default_rng(0).standard_normal(cases.clean.shape) / snr
    plain, known = (
        low_cells(ready(f"tikhonov[order=0{rician}]", problem)(cases.noisy)).mean() for rician in ("", ",rician=true")
    )
    without = low_cells(ready("tikhonov[order=0]", problem)(gaussian)).mean()
    assert plain > 2 * without
    assert abs(known - without) < 0.5 * (plain - without)


def test_the_expected_data_are_a_fixed_point_and_the_noise_is_that_of_either_channel():
    scenario, snr = REGISTRY.scenario("two_compartment"), 20.0
    cases, problem = scenario.cases(0, 6, snr, "validation"), scenario.problem(snr)
    found = ready("tikhonov[order=0,rician=true]", problem)(cases.noisy).diagnostics
    assert found["converged"].all()
    assert (found["fixed_point"] <= 0.01).all()
    # The signal was divided by its first point, which is as noisy as the others.
    np.testing.assert_allclose(found["sigma"], 1 / snr, rtol=0.2)
    np.testing.assert_allclose(found["sigma"].mean(), 1 / snr, rtol=0.1)


@pytest.mark.parametrize("order", [0, 2])
def test_without_a_noise_floor_nothing_changes(order):
    """The expected part in phase differs from the modulus by sigma^2 / 2 s, of which little is left at high SNR."""
    problem = symmetric_problem()
    problem = replace(problem, acquisition=Acquisition(np.linspace(0, 0.4, 24), np.linspace(0, 0.4, 24)))
    signals = noisy_signals(problem, 3, sigma=1e-4)
    plain, known = (
        invert(f"tikhonov[order={order},alpha=0.01{rician}]", problem, signals) for rician in ("", ",rician=true")
    )
    np.testing.assert_allclose(known.distributions, plain.distributions, atol=1e-5)
    assert known.diagnostics["converged"].all()


def test_magnitudes_need_spare_data_to_estimate_the_noise():
    with pytest.raises(Unsupported, match="needs more data"):
        ready("tikhonov[rician=true]", small_problem((10, 10), (3, 3)))


def test_options_that_are_flags_are_read_back():
    label = REGISTRY.select("tikhonov[symmetric=true,rician=true]").label
    assert REGISTRY.select(label) == REGISTRY.select("tikhonov[symmetric=true,rician=true]")
