"""The bootstrap against scipy's, against known answers, and by how often it covers the truth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap

from dexsy_bench.statistics import bootstrap_means


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
    theirs = bootstrap(
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
