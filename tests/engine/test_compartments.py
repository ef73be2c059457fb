import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from references import seeded
from scipy import stats
from scipy.linalg import expm

from dexsy_bench.compartments import Compartments, blobs, distributions, exchange_weights

LOG_D = np.linspace(-2, 1, 64)
THREE = Compartments([(0.02, 0.08), (0.15, 0.45), (0.9, 3.0)], [(0.05, 0.15)] * 3)
DRIVEN = Compartments([(0.03, 0.3), (0.5, 2.5)], [(0.05, 0.15), (0.1, 0.2)], equilibrium=False, concentration=3)

fractions = st.lists(st.floats(0.01, 1), min_size=1, max_size=5).map(lambda p: np.array(p) / sum(p))
rates, times = st.floats(0.01, 1000), st.floats(0, 1)


def weights(p, initial, k, tm):
    return exchange_weights(p[None], initial[None], np.array([k]), np.array([[tm]]))[0, 0]


# Exchange -----------------------------------------------------------------------------------


@seeded(200)
@given(fractions, rates, times, st.integers(0, 100))
def test_weights_are_the_matrix_exponential(p, k, tm, seed):
    """diag(initial) expm(Q tm) with Q_ij = k P_j off the diagonal and rows that sum to 0."""
    initial = np.random.default_rng(seed).dirichlet(np.ones(p.size))
    q = k * np.tile(p, (p.size, 1))
    np.fill_diagonal(q, 0)
    np.fill_diagonal(q, -q.sum(axis=1))
    np.testing.assert_allclose(weights(p, initial, k, tm), np.diag(initial) @ expm(q * tm), atol=1e-12)


@seeded(100)
@given(fractions, rates, times, st.integers(0, 100))
def test_marginals_and_mass(p, k, tm, seed):
    initial = np.random.default_rng(seed).dirichlet(np.ones(p.size))
    w = weights(p, initial, k, tm)
    assert (w >= 0).all()
    assert w.sum() == pytest.approx(1)
    np.testing.assert_allclose(w.sum(axis=1), initial, atol=1e-12)
    relaxed = np.exp(-k * tm) * initial + (1 - np.exp(-k * tm)) * p
    np.testing.assert_allclose(w.sum(axis=0), relaxed, atol=1e-12)


@seeded(100)
@given(fractions, rates, times)
def test_detailed_balance(p, k, tm):
    w = weights(p, p, k, tm)
    np.testing.assert_allclose(w, w.T, atol=1e-15)
    np.testing.assert_allclose(w.sum(axis=0), p, atol=1e-12)


@seeded(50)
@given(st.floats(0.01, 0.99), rates, times)
def test_two_sites(p, k, tm):
    w = weights(np.array([p, 1 - p]), np.array([p, 1 - p]), k, tm)
    assert w[0, 1] + w[1, 0] == pytest.approx(2 * p * (1 - p) * (1 - np.exp(-k * tm)), abs=1e-14)


def test_several_mixing_times_are_each_their_own():
    p, k, tm = np.array([[0.3, 0.7], [0.5, 0.5]]), np.array([10.0, 20.0]), np.array([[0.0, 0.1, 9.0], [0.2, 0.3, 9.0]])
    w = exchange_weights(p, p, k, tm)
    assert w.shape == (2, 3, 2, 2)
    for n in range(2):
        for t in range(3):
            np.testing.assert_array_equal(w[n, t], weights(p[n], p[n], k[n], tm[n, t]))
    np.testing.assert_array_equal(w[0, 0], np.diag(p[0]))
    np.testing.assert_allclose(w[0, 2], np.outer(p[0], p[0]))


# Blobs --------------------------------------------------------------------------------------


def normal(axis, centre, width):
    density = stats.norm(centre, width).pdf(axis)
    return density / density.sum()


@seeded(50)
@given(st.floats(0.01, 10), st.floats(0.03, 0.5))
def test_blobs_are_normal_in_log_d(centre, width):
    g = blobs(LOG_D, np.array([[centre]]), np.array([[width]]))[0, :, 0]
    np.testing.assert_allclose(g, normal(LOG_D, np.log10(centre), width), rtol=1e-9, atol=1e-300)


def test_blobs_narrower_than_a_cell_stay_where_they_are():
    """Halfway between two cells the Gaussian of both underflows; the nearest one takes all, or both a half."""
    between, beside = 10 ** (LOG_D[20:22].mean()), 10 ** (LOG_D[20] + 0.01)
    g = blobs(LOG_D, np.array([[between, beside]]), np.full((1, 2), 1e-4))[0]
    np.testing.assert_allclose(g.sum(axis=0), 1)
    np.testing.assert_allclose(g[20:22, 0].sum(), 1)
    assert g[20, 1] == 1


@seeded(30)
@given(st.integers(0, 2**32 - 1), st.sampled_from([THREE, DRIVEN]))
def test_distributions_are_sums_of_weighted_blobs(seed, family):
    parameters = family.draw(np.random.default_rng(seed).random((2, family.n_uniforms)))
    log_d2 = np.linspace(-2.2, 1.1, 50)
    f = distributions(LOG_D, log_d2, parameters)
    assert f.shape == (2, 1, 64, 50)
    w = exchange_weights(*(parameters[n] for n in ("fractions", "initial_fractions", "k", "mixing_times")))
    for n in range(2):
        centres, widths = np.log10(parameters["centres"][n]), parameters["widths"][n]
        first, second = ([normal(axis, c, s) for c, s in zip(centres, widths, strict=True)] for axis in (LOG_D, log_d2))
        one_by_one = sum(
            w[n, 0, i, j] * np.outer(first[i], second[j]) for i in range(family.count) for j in range(family.count)
        )
        np.testing.assert_allclose(f[n, 0], one_by_one, atol=1e-14)
    np.testing.assert_allclose(f.sum(axis=(-1, -2)), 1)


def test_equilibrium_is_symmetric_and_its_absence_is_not():
    for family, symmetric in ((THREE, True), (DRIVEN, False)):
        parameters = family.draw(np.random.default_rng(0).random((5, family.n_uniforms)))
        f = distributions(LOG_D, LOG_D, parameters)
        off = np.abs(f - np.swapaxes(f, -1, -2)).max(axis=(1, 2, 3))
        assert ((off < 1e-15) == symmetric).all()


# Draws --------------------------------------------------------------------------------------

N = 20_000


@pytest.fixture(scope="module", params=[THREE, DRIVEN], ids=["three", "driven"])
def family(request):
    return request.param


@pytest.fixture(scope="module")
def drawn(family):
    return family.draw(np.random.default_rng(7).random((N, family.n_uniforms)))


def uniform(values, low, high):
    """Kolmogorov-Smirnov: fails once in a million seeds."""
    return stats.kstest(values, stats.uniform(low, high - low).cdf).pvalue > 1e-6


def test_ranges(family, drawn):
    for c, ((low, high), width) in enumerate(zip(family.diffusivity, family.width, strict=True)):
        assert uniform(np.log(drawn["centres"][:, c]), np.log(low), np.log(high))
        assert uniform(drawn["widths"][:, c], *width)
    assert uniform(np.log(drawn["k"]), *np.log(family.exchange_rate))
    assert drawn["mixing_times"].shape == (N, 1)
    assert uniform(np.log(drawn["mixing_times"][:, 0]), *np.log(family.mixing_time))


@pytest.mark.parametrize("which", ["fractions", "initial_fractions"])
def test_fractions_are_dirichlet(family, drawn, which):
    """Mean and covariance against scipy.stats.dirichlet, within five standard errors; each marginal is a beta."""
    p = drawn[which]
    m, count = family.concentration, family.count
    law = stats.dirichlet([m] * count)
    assert (p > 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1)
    np.testing.assert_allclose(p.mean(axis=0), law.mean(), atol=5 * np.sqrt(law.var().max() / N))
    np.testing.assert_allclose(np.cov(p.T), law.cov(), atol=5 * law.var().max() * np.sqrt(2 / N))
    assert stats.kstest(p[:, 0], stats.beta(m, m * (count - 1)).cdf).pvalue > 1e-6


def test_parameters_are_drawn_apart(family, drawn):
    """No two columns of random numbers are shared: no correlation beyond five standard errors but among fractions."""
    columns = [drawn["centres"], drawn["widths"], drawn["fractions"][:, :1], drawn["k"][:, None]]
    columns.append(drawn["mixing_times"])
    if not family.equilibrium:
        columns.append(drawn["initial_fractions"][:, :1])
    ranks = stats.rankdata(np.concatenate(columns, axis=1), axis=0)
    off = np.corrcoef(ranks.T) - np.eye(ranks.shape[1])
    assert np.abs(off).max() < 5 / np.sqrt(N)


def test_equilibrium_starts_from_the_fractions(family, drawn):
    same = (drawn["fractions"] == drawn["initial_fractions"]).all()
    assert same == family.equilibrium


def test_every_random_number_is_used(family):
    base = np.random.default_rng(0).random((1, family.n_uniforms))
    before = family.draw(base)
    for column in range(family.n_uniforms):
        changed = base.copy()
        changed[0, column] = 1 - changed[0, column]
        after = family.draw(changed)
        assert any((after[name] != before[name]).any() for name in before), column


def test_fixed_mixing_times():
    drawn = THREE.draw(np.random.default_rng(0).random((4, THREE.n_uniforms)), np.array([0.01, 0.1, 0.2]))
    np.testing.assert_array_equal(drawn["mixing_times"], [[0.01, 0.1, 0.2]] * 4)


def test_a_single_compartment_has_all_the_mass():
    one = Compartments([(0.1, 1.0)], [(0.05, 0.1)])
    drawn = one.draw(np.random.default_rng(0).random((3, one.n_uniforms)))
    np.testing.assert_array_equal(drawn["fractions"], 1)
    f = distributions(LOG_D, LOG_D, drawn)
    np.testing.assert_allclose(f.sum(axis=(-1, -2)), 1)


@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float64, 1e-12), (torch.float32, 1e-4)])
def test_torch_draws_the_same(family, dtype, rtol):
    uniforms = np.random.default_rng(1).random((6, family.n_uniforms))
    ours = family.draw(uniforms)
    theirs = family.draw(torch.tensor(uniforms, dtype=dtype))
    for name, values in ours.items():
        assert theirs[name].dtype == dtype, name
        np.testing.assert_allclose(theirs[name].numpy(), values, rtol=rtol, err_msg=name)
    f = distributions(torch.tensor(LOG_D, dtype=dtype), torch.tensor(LOG_D, dtype=dtype), theirs)
    np.testing.assert_allclose(f.numpy(), distributions(LOG_D, LOG_D, ours), rtol=rtol, atol=rtol * 1e-2)
