"""The sampler on densities of which mean, spread and normalisation are known."""

import numpy as np
import pytest
from scipy.special import logsumexp

from dexsy_bench.inference.sampler import Effort, draw, renewed, systematic

EFFORT = Effort(chains=128)


def test_narrow_gaussian_and_its_evidence():
    """Likelihood N(z; m, s^2) times prior N(0, 1) in each of four coordinates."""
    m, s = np.array([1.0, -2.0, 0.3, 0.0]), np.array([0.01, 0.1, 1.0, 5.0])

    def log_likelihood(z):
        return -0.5 * (((z - m) / s) ** 2 + np.log(2 * np.pi * s**2)).sum(axis=1)

    sample = draw(log_likelihood, 4, np.random.default_rng(0), EFFORT, 1000)
    spread = s / np.sqrt(1 + s**2)
    mean, sd = sample.z.mean(axis=0), sample.z.std(axis=0)
    assert (np.abs(mean - m / (1 + s**2)) < 5 * spread / np.sqrt(sample.ess)).all()
    np.testing.assert_allclose(sd, spread, rtol=0.2)
    evidence = -0.5 * (m**2 / (1 + s**2) + np.log(2 * np.pi * (1 + s**2))).sum()
    assert sample.log_evidence == pytest.approx(evidence, abs=0.5)
    assert sample.ess > 200


def test_two_separate_peaks_keep_their_shares():
    """Three quarters of the mass at z = 1.5, one at -1.5, nothing between."""

    def log_likelihood(z):
        each = -0.5 * ((z[:, :1] - np.array([1.5, -1.5])) / 0.02) ** 2 + np.log([3.0, 1.0])
        return logsumexp(each, axis=1) - 0.5 * (z[:, 1] / 0.05) ** 2

    shares = [
        (draw(log_likelihood, 2, np.random.default_rng(seed), EFFORT, 1000).z[:, 0] > 0).mean() for seed in range(2)
    ]
    np.testing.assert_allclose(shares, 0.75, atol=0.1)


def test_bent_ridge():
    """A likelihood that pins z2 to z1^2 and says nothing more of z1, whose moments a sum gives."""
    sd = 0.01

    def log_likelihood(z):
        return -0.5 * ((z[:, 1] - z[:, 0] ** 2) / sd) ** 2

    sample = draw(log_likelihood, 3, np.random.default_rng(1), EFFORT, 1000)
    a = np.linspace(-4, 4, 2001)
    density = np.exp(-0.5 * a**2 - 0.5 * a**4)
    expected = np.sqrt((a**2 * density).sum() / density.sum())
    assert sample.z[:, 0].std() == pytest.approx(expected, rel=0.1)
    assert abs(sample.z[:, 0].mean()) < 5 * expected / np.sqrt(sample.ess)
    assert sample.z[:, 2].std() == pytest.approx(1, rel=0.15)


def test_the_seed_is_all_that_matters():
    def log_likelihood(z):
        return -50 * (z**2).sum(axis=1)

    a, b, c = (draw(log_likelihood, 2, np.random.default_rng(seed), Effort(chains=32), 32).z for seed in (0, 0, 1))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


def test_a_likelihood_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="not finite"):
        draw(lambda z: np.full(len(z), -np.inf), 2, np.random.default_rng(0), Effort(chains=32), 32)


def test_renewed_counts_independent_moves():
    rng = np.random.default_rng(2)
    noise = rng.standard_normal((40, 500, 1))
    assert renewed(noise) == pytest.approx(40, rel=0.25)
    assert renewed(np.repeat(noise[:8], 5, axis=0)) == pytest.approx(8, rel=0.25)
    assert renewed(np.repeat(noise[:1], 40, axis=0)) == pytest.approx(1, rel=0.01)


def test_systematic_resampling_takes_each_by_its_weight():
    weights = np.random.default_rng(3).random(20)
    counts = np.bincount(systematic(weights, 1000, np.random.default_rng(4)), minlength=20)
    assert (np.abs(counts - 1000 * weights / weights.sum()) <= 1).all()
