"""Bootstrap, paired tests and ranks: against scipy and statsmodels, known answers, and how often they are right."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dexsy_bench.statistics import (
    Comparisons,
    bootstrap_means,
    by_specimen,
    holm,
    paired_tests,
    rank_intervals,
    resampled_means,
    signed_rank,
    tied_ranks,
)


@pytest.mark.parametrize("n", [8, 16, 128])
@pytest.mark.parametrize("law", ["lognormal", "normal", "topk"])
def test_agrees_with_scipy(n, law):
    rng = np.random.default_rng([n, len(law)])
    draw = {
        "lognormal": lambda: rng.lognormal(-2, 0.8, n),
        "normal": lambda: rng.normal(5, 2, n),
        "topk": lambda: rng.integers(0, 5, n) / 4,
    }
    x = draw[law]()
    ours = bootstrap_means([x])
    theirs = stats.bootstrap(
        (x,), np.mean, n_resamples=100_000, batch=10_000, method="BCa", rng=np.random.default_rng(1), vectorized=True
    ).confidence_interval
    # Monte Carlo error of a 2.5 % quantile from 10,000 resamples: about 0.03 standard errors; allow 0.15.
    tolerance = 0.15 * x.std() / np.sqrt(n)
    assert ours.mean[0] == pytest.approx(x.mean())
    assert ours.low[0] == pytest.approx(theirs.low, abs=tolerance)
    assert ours.high[0] == pytest.approx(theirs.high, abs=tolerance)


def test_covers_the_true_mean_as_often_as_it_says():
    rng = np.random.default_rng(0)
    n, trials = 40, 2000
    for x, truth in [
        (rng.normal(1.0, 0.3, (trials, n)), 1.0),
        (rng.lognormal(0.0, 0.5, (trials, n)), np.exp(0.125)),
    ]:
        _, low, high = bootstrap_means(list(x), resamples=2000)
        covered = np.mean((low <= truth) & (truth <= high))
        # Nominal 0.95; small-sample bootstrap loses about a point or two; binomial SD is 0.005.
        assert 0.915 < covered < 0.965


def test_a_wider_level_gives_a_wider_interval():
    x = np.random.default_rng(3).exponential(size=30)
    narrow, wide = bootstrap_means([x], level=0.5), bootstrap_means([x], level=0.99)
    assert wide.low[0] < narrow.low[0] < x.mean() < narrow.high[0] < wide.high[0]


def test_same_numbers_at_every_call_and_in_any_company():
    rng = np.random.default_rng(4)
    a, b, c = rng.random(20), rng.random(20), rng.random(7)
    alone = bootstrap_means([a])
    together = bootstrap_means([c, b, a])
    assert alone.low[0] == pytest.approx(together.low[2], rel=1e-12)
    assert alone.high[0] == pytest.approx(together.high[2], rel=1e-12)
    assert (bootstrap_means([a]).low == alone.low).all()
    assert bootstrap_means([a], seed=1).low[0] != alone.low[0]


def test_degenerate_samples():
    mean, low, high = bootstrap_means([[0.3] * 12, [7.0], []])
    np.testing.assert_allclose([mean[0], low[0], high[0]], 0.3, rtol=1e-12)
    assert mean[1] == 7.0
    assert np.isnan([low[1], high[1]]).all()
    assert np.isnan([mean[2], low[2], high[2]]).all()
    assert bootstrap_means([]).mean.shape == (0,)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_refuses_what_it_would_have_to_drop(bad):
    with pytest.raises(ValueError, match="finite"):
        bootstrap_means([[1.0, bad, 2.0]])


@settings(derandomize=True, deadline=None, max_examples=40)
@given(
    st.lists(st.floats(-1e3, 1e3, allow_subnormal=False), min_size=2, max_size=30),
    st.floats(1e-3, 1e3),
    st.floats(-1e3, 1e3),
)
def test_ordered_inside_the_data_and_equivariant(values, scale, shift):
    x = np.array(values)
    mean, low, high = (v[0] for v in bootstrap_means([x], resamples=500))
    slack = 1e-9 * (1 + np.abs(x).max())
    assert x.min() - slack <= low <= high + slack
    assert high <= x.max() + slack
    moved = bootstrap_means([scale * x + shift], resamples=500)
    slack = 1e-6 * (scale * np.ptp(x) + abs(shift) + 1e-3)
    assert moved.mean[0] == pytest.approx(scale * mean + shift, abs=slack)
    if np.ptp(x) > 1e-6:
        assert moved.low[0] == pytest.approx(scale * low + shift, abs=slack)


def test_block_size_leaves_every_resample_in():
    # More than one block of weights: 4e6 / 2000 = 2000 resamples a block.
    x = np.random.default_rng(6).normal(size=2000)
    mean, low, high = bootstrap_means([x], resamples=5000)
    standard_error = x.std() / np.sqrt(x.size)
    assert high[0] - low[0] == pytest.approx(2 * 1.96 * standard_error, rel=0.05)
    assert low[0] < mean[0] < high[0]


# Specimens -----------------------------------------------------------------------------------


def test_by_specimen_gives_cells_equal_weight_whatever_their_size():
    # Cell 0 has specimens 0 to 3, cell 1 the first two of them, cell 2 two others.
    cell, specimen = np.array([0, 0, 0, 0, 1, 1, 2, 2]), np.array([0, 1, 2, 3, 0, 1, 4, 5])
    values = np.random.default_rng(0).random((3, 8))
    wanted = (values[:, :4].mean(axis=1) + values[:, 4:6].mean(axis=1) + values[:, 6:].mean(axis=1)) / 3
    for numbers in by_specimen(values, cell, specimen):
        assert numbers.shape == (3, 6)
        np.testing.assert_allclose(numbers.mean(axis=1), wanted, rtol=1e-12)


def test_by_specimen_in_the_usual_design_and_in_a_single_cell():
    # Two scenarios, two SNR, four specimens each: a specimen's mean over its SNR levels.
    cell, specimen = np.repeat([0, 1, 2, 3], 4), np.concatenate([np.arange(4)] * 2 + [np.arange(4, 8)] * 2)
    values = np.random.default_rng(1).random((2, 16))
    shares, influence = by_specimen(values, cell, specimen)
    np.testing.assert_allclose(shares[:, :4], (values[:, :4] + values[:, 4:8]) / 2, rtol=1e-12)
    np.testing.assert_allclose(shares[:, 4:], (values[:, 8:12] + values[:, 12:]) / 2, rtol=1e-12)
    means = np.repeat(np.stack([shares[:, :4].mean(axis=1), shares[:, 4:].mean(axis=1)], axis=1), 4, axis=1)
    scaled = np.sqrt(4 / 3 * 7 / 8) * (shares - means)
    np.testing.assert_allclose(influence, scaled + shares.mean(axis=1, keepdims=True), rtol=1e-12)
    alone = by_specimen(values[:, :4], cell[:4], specimen[:4])
    np.testing.assert_allclose(alone, [values[:, :4]] * 2, rtol=1e-12)


def test_many_small_cells_are_not_surer_than_one_sample_of_as_many_specimens():
    # 10 cells of 2 at levels far apart; without a correction 79% of the intervals hold the true mean.
    rng = np.random.default_rng(3)
    level, trials = 3 * rng.normal(size=10), 600
    values = np.repeat(level, 2) + rng.normal(size=(trials, 20))
    influence = by_specimen(values, np.repeat(np.arange(10), 2), np.arange(20))[1]
    np.testing.assert_allclose(influence.mean(axis=1), values.mean(axis=1), atol=1e-12)
    _, low, high = bootstrap_means(list(influence), resamples=1000)
    assert np.mean((low <= level.mean()) & (level.mean() <= high)) > 0.88


@pytest.mark.parametrize("cell", [np.arange(20), np.repeat([0, 1], [19, 1])])
def test_by_specimen_where_a_cell_has_one_case_keeps_the_scatter_between_cells(cell):
    values = np.random.default_rng(4).random((2, 20))
    shares, influence = by_specimen(values, cell, np.arange(20))
    means = [[x[cell == c].mean() for c in np.unique(cell)] for x in values]
    np.testing.assert_allclose(shares.mean(axis=1), np.mean(means, axis=1), rtol=1e-12)
    np.testing.assert_array_equal(influence, shares)


def test_resampled_means_scatter_by_the_standard_error_and_share_their_resamples():
    x = np.random.default_rng(2).normal(3, 2, (2, 64))
    means = resampled_means(np.vstack([x, x[0]]))
    np.testing.assert_allclose(means.mean(axis=1)[:2], x.mean(axis=1), rtol=1e-2)
    np.testing.assert_allclose(means.std(axis=1)[:2], x.std(axis=1) / 8, rtol=0.05)
    np.testing.assert_array_equal(means[0], means[2])


# Paired tests --------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [6, 20, 50, 51, 128])
def test_wilcoxon_is_scipys(n):
    d = np.random.default_rng(n).normal(0.2, 1, (5, n))
    effect, p = signed_rank(d)
    for row, e, q in zip(d, effect, p, strict=True):
        theirs = stats.wilcoxon(row, method="exact" if n <= 50 else "asymptotic", correction=True)
        assert q == pytest.approx(theirs.pvalue, rel=1e-12)
        # The statistic is the smaller sum of ranks.
        assert abs(e) == pytest.approx(1 - 4 * theirs.statistic / (n * (n + 1)), abs=1e-12)
        assert np.sign(e) == np.sign(stats.rankdata(np.abs(row)) @ np.sign(row))


def test_wilcoxon_with_ties_and_zeros_is_scipys_in_any_company():
    rng = np.random.default_rng(3)
    tied = rng.integers(-2, 4, (4, 80)) / 4
    clean = rng.normal(size=(2, 80))
    effect, p = signed_rank(np.vstack([tied, clean]))
    theirs = stats.wilcoxon(tied, axis=1, zero_method="pratt", method="asymptotic", correction=True)
    np.testing.assert_allclose(p[:4], theirs.pvalue, rtol=1e-12)
    alone = signed_rank(clean[:1])
    assert (effect[4], p[4]) == (alone[0][0], alone[1][0])


@pytest.mark.parametrize("values", [[1, 1, 2, 2, 3, 3, 4, 4, 5], [0, 0, 0, 1, 1, 1, 2, 2, 3, 3], [1, 1, 1, 1, 1, 1]])
def test_wilcoxon_with_few_tied_differences_is_exact(values):
    # Without a difference all signs are as likely: a p-value is the share of them with an effect as large.
    signs = np.array(list(itertools.product([-1, 1], repeat=len(values))))
    effect, p = signed_rank(signs * np.array(values, dtype=float))
    shares = [(np.abs(effect) >= abs(e) - 1e-9).mean() for e in effect]
    np.testing.assert_allclose(p, shares, rtol=1e-12)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.lists(st.integers(-4, 4), min_size=1, max_size=60))
def test_changing_sides_changes_the_sign_of_the_effect_alone(values):
    d = np.array([values], dtype=float)
    (effect, p), (other, q) = signed_rank(d), signed_rank(-d)
    assert other[0] == -effect[0]
    assert p[0] == q[0]
    assert -1 <= effect[0] <= 1
    assert min(1, 2.0 ** (1 - np.count_nonzero(d))) <= p[0] * (1 + 1e-12) <= 1 + 1e-12


def test_effects_at_the_ends():
    effect, p = signed_rank(np.array([[-1.0, -2, -3, -4], [1, 2, 3, 4], [0, 0, 0, 0], [1, -1, 2, -2]]))
    assert list(effect) == [-1, 1, 0, 0]
    assert list(p) == pytest.approx([0.125, 0.125, 1, 1])


def test_holm_is_statsmodels():
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    p = np.random.default_rng(5).random((4, 45)) ** 3
    for row, adjusted in zip(p, holm(p), strict=True):
        np.testing.assert_allclose(adjusted, multitest.multipletests(row, method="holm")[1], rtol=1e-12)
    assert holm(np.empty(0)).size == 0


def separated(losses, resamples=1000):
    """The tests of made-up losses (L, S) of specimens in one cell."""
    return paired_tests(losses, resampled_means(losses, resamples=resamples))


def made_up(shape, rng, spread=0.3):
    """Losses of methods without a difference: skewed, and most of the scatter is how hard a specimen is."""
    return rng.lognormal(0, 1, shape[1]) * rng.lognormal(0, spread, shape)


def test_without_a_difference_a_table_makes_a_false_claim_at_most_as_often_as_it_says():
    rng = np.random.default_rng(6)
    tables = [separated(made_up((6, 24), rng), 500) for _ in range(1000)]
    claimed = np.mean([found.separated.any() for found in tables])
    naive = np.mean([(found.p <= 0.05).any() for found in tables])
    assert claimed <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 1000)
    assert claimed > 0.005  # it is a test, not a refusal to answer
    assert naive > 0.2  # what 15 tests at 5% each would have claimed


def test_of_equal_means_the_one_with_fewer_bad_cases_is_not_called_the_better():
    # exp(1) has mean 1, but is below it in 63% of the cases: signed ranks alone see a difference.
    rng = np.random.default_rng(7)
    ranks_alone, both = [], []
    for _ in range(200):
        losses = np.concatenate([rng.exponential(1, (3, 100)), rng.normal(1, 0.1, (3, 100))])
        found = separated(losses)
        ranks_alone.append((holm(signed_rank(losses[found.first] - losses[found.second])[1]) <= 0.05).any())
        both.append(found.separated.any())
    assert np.mean(ranks_alone) > 0.2
    assert np.mean(both) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)


@pytest.mark.parametrize(("specimens", "low", "high"), [(16, 0.0, 0.2), (64, 0.7, 0.95), (256, 0.99, 1.0)])
def test_power(specimens, low, high):
    # One of six methods is better by half a standard deviation of the paired differences; docs/ranking.md says how
    # often that is seen. A single t-test of 64 such pairs has a power of 0.98, at 1/15 of the level 0.83.
    rng = np.random.default_rng(specimens)
    power = np.mean([separated(better_by(0.5, 6, specimens, rng), 500).separated[:5].mean() for _ in range(100)])
    assert low <= power <= high


def better_by(effect, methods, specimens, rng):
    """Losses of which the first method's are lower by that many standard deviations of the paired differences."""
    losses = rng.normal(size=specimens) + rng.normal(size=(methods, specimens)) / np.sqrt(2)
    losses[0] -= effect
    return losses


def test_a_method_that_is_worse_on_every_specimen_is_separated_however_wild_it_is():
    rng = np.random.default_rng(8)
    good = rng.random((1, 40))
    assert separated(np.vstack([good, good + rng.lognormal(0, 3, 40)])).separated.all()


def test_equal_methods_are_not_separated_and_rounding_makes_no_difference():
    x = np.random.default_rng(9).random(30)
    found = separated(np.stack([x, x, (x * 3) / 3, (x + 1) - 1]))
    assert not found.separated.any()
    assert (found.p == 1).all()
    assert (found.effect == 0).all()


# Ranks ---------------------------------------------------------------------------------------


def claims(n, apart):
    """Tests in which exactly these pairs of n methods are separated."""
    first, second = np.triu_indices(n, 1)
    separated = np.array(
        [{i, j} in [set(pair) for pair in apart] for i, j in zip(first, second, strict=True)], dtype=bool
    )
    return Comparisons(first, second, *[np.zeros(len(first))] * 4, separated)


@pytest.mark.parametrize(
    ("apart", "ranks"),
    [
        ([], [1, 1, 1, 1]),
        ([(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)], [1, 2, 3, 4]),
        ([(0, 2), (0, 3), (1, 2), (1, 3)], [1, 1, 3, 3]),
        ([(1, 2)], [1, 1, 3, 3]),  # worse than one of the rank is enough
        ([(0, 1), (0, 2)], [1, 2, 2, 2]),  # the last one is erratic: its mean is the worst, though no test says so
        ([(0, 3)], [1, 1, 1, 4]),
        ([(0, 1), (2, 3)], [1, 2, 2, 4]),
    ],
)
def test_ranks_of_known_claims(apart, ranks):
    assert list(tied_ranks(np.array([0.1, 0.2, 0.3, 0.4]), claims(4, apart))) == ranks
    flipped = claims(4, [(3 - i, 3 - j) for i, j in apart])
    assert list(tied_ranks(np.array([0.4, 0.3, 0.2, 0.1]), flipped)) == ranks[::-1]


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.integers(1, 8), st.sets(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=20), st.randoms())
def test_ranks_follow_the_means_and_separated_methods_never_share_one(n, pairs, random):
    loss = np.array(random.sample(range(n), n))
    apart = {pair for pair in pairs if len(set(pair)) == 2 and max(pair) < n}
    ranks = tied_ranks(loss, claims(n, apart))
    order = np.argsort(loss)
    assert (np.diff(ranks[order]) >= 0).all()
    assert all((ranks[i] < ranks[j]) == (loss[i] < loss[j]) for i, j in apart)
    assert all(rank == 1 + (ranks < rank).sum() for rank in ranks)  # 1, 1, 3
    for i, j in itertools.pairwise(order):  # no rank opens without a test
        if ranks[i] < ranks[j]:
            assert any({k, j} in map(set, apart) for k in np.flatnonzero(ranks == ranks[i]))


def test_rank_intervals():
    rng = np.random.default_rng(10)
    losses = rng.normal(size=(4, 50)) * 0.1 + np.array([[0.0], [0.0], [5.0], [5.0]])
    low, high = rank_intervals(resampled_means(losses))
    assert list(low) == [1, 1, 3, 3]
    assert list(high) == [2, 2, 4, 4]
    low, high = rank_intervals(resampled_means(losses[[0, 0, 2]]))  # equal ones share their positions
    assert (list(low), list(high)) == ([1, 1, 3], [2, 2, 3])
