"""The mixture of Gaussians against its own draws, and its steps against detailed balance."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from dexsy_bench.inference.mixture import Mixture


def bent(n, rng):
    """Points on a narrow parabola."""
    a = rng.standard_normal(n)
    return np.stack([a, a**2 + 0.05 * rng.standard_normal(n), 0.01 * rng.standard_normal(n)], axis=1)


@pytest.fixture(scope="module")
def mixture():
    return Mixture(bent(3000, np.random.default_rng(0)), 12, np.random.default_rng(1))


def test_log_density_is_that_of_the_draws(mixture):
    """The mean of a ratio of densities over draws is the ratio of the normalisations, whichever Gaussian is on top."""
    rng = np.random.default_rng(2)
    points = mixture.draw(200_000, rng)
    constants = []
    for spread in (0.5, 1.0):
        other = multivariate_normal(points.mean(axis=0), spread * np.cov(points.T))
        constants.append(np.mean(np.exp(other.logpdf(points) - mixture.log_density(points))))
    assert constants[0] == pytest.approx(constants[1], rel=0.05)


def test_it_fits_a_bent_ridge_better_than_one_gaussian(mixture):
    fresh = bent(2000, np.random.default_rng(3))
    one = Mixture(bent(3000, np.random.default_rng(0)), 1, np.random.default_rng(1))
    assert mixture.log_density(fresh).mean() - one.log_density(fresh).mean() > 0.7


def test_steps_leave_a_density_as_it_is(mixture):
    """A chain of accepted steps on the parabola keeps its moments, from draws of it."""
    rng = np.random.default_rng(4)
    points = bent(4000, rng)

    def log_p(p):
        return -0.5 * (p[:, 0] ** 2 + ((p[:, 1] - p[:, 0] ** 2) / 0.05) ** 2 + (p[:, 2] / 0.01) ** 2)

    accepted = []
    for _ in range(50):
        proposed, correction = mixture.step(points, np.full((len(points), 1), 1.0), rng)
        ok = np.log(rng.random(len(points))) < log_p(proposed) - log_p(points) + correction
        points = np.where(ok[:, None], proposed, points)
        accepted.append(ok.mean())
    assert np.mean(accepted) > 0.2
    assert abs(points[:, 0].mean()) < 4 / np.sqrt(4000)
    assert points[:, 0].var() == pytest.approx(1, abs=0.1)
    assert points[:, 1].mean() == pytest.approx(1, abs=0.1)
    assert (points[:, 1] - points[:, 0] ** 2).std() == pytest.approx(0.05, rel=0.05)
