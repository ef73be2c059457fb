"""Replicates of a signal, and the noise they need."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from references import SEEDS, seeded
from scipy.stats import rice

from dexsy_bench.inference.replicates import noise_sd, relative_variance, replicates


@seeded(50)
@given(st.floats(1e-3, 25))
def test_variance_is_that_of_scipy(snr):
    np.testing.assert_allclose(relative_variance(np.array([snr])), rice.var(snr), rtol=1e-9)


def test_variance_is_smooth_where_its_formula_changes():
    assert relative_variance(np.array([0.0, 1e6])) == pytest.approx([2 - np.pi / 2, 1])
    below, above = relative_variance(np.array([49.99, 50.01]))
    assert 0 < above - below < 1e-6


@seeded(20)
@given(seed=SEEDS, sigma=st.sampled_from([0.001, 0.03, 0.2, 1.0]))
def test_noise_sd_undoes_the_narrowing_at_the_floor(seed, sigma):
    predicted = np.random.default_rng(seed).random((12, 12)) ** 4
    spread = sigma * np.sqrt(relative_variance(predicted / sigma).mean())
    assert noise_sd(spread, predicted) == pytest.approx(sigma, rel=1e-4)


def test_without_spread_there_is_no_noise():
    assert noise_sd(0.0, np.ones((3, 3))) == 0


def test_replicates_are_measured_as_the_scenario_measures():
    """Mean and SD of Rice's law where S(0,0) is next to free of noise; 1 at S(0,0); of any amplitude."""
    predicted = np.array([[1.0, 0.5], [0.05, 0.0]])
    sigma, n = 0.02, 40_000
    drawn = replicates(3 * predicted, sigma, n, np.random.default_rng(0))
    assert (drawn[:, 0, 0] == 1).all()
    # m / m_0: the quotient spreads by both
    for i, j in ((1, 0), (1, 1)):
        law = rice(predicted[i, j] / sigma, scale=sigma)
        assert drawn[:, i, j].mean() == pytest.approx(law.mean(), rel=0.01)
        assert drawn[:, i, j].std() == pytest.approx(law.std(), rel=0.02)
