"""Rice's law against SciPy, its derivatives against differences, and normalised signals against a histogram."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import rice

from dexsy_bench.inference.rice import information, log_density, log_likelihood, score
from dexsy_bench.physics import normalise, rician


@pytest.mark.parametrize("sigma", [0.001, 0.03, 0.3])
def test_density_is_that_of_scipy(sigma):
    rng = np.random.default_rng(0)
    s = rng.random(50)
    m = np.abs(s + sigma * rng.standard_normal(50))
    np.testing.assert_allclose(log_density(m, s, sigma), rice.logpdf(m, s / sigma, scale=sigma), rtol=1e-9, atol=1e-9)


def test_torch_agrees_with_numpy():
    import torch

    rng = np.random.default_rng(1)
    s, m = rng.random((2, 4, 30))
    ours = log_density(torch.from_numpy(m), torch.from_numpy(s), 0.05)
    np.testing.assert_allclose(ours.numpy(), log_density(m, s, 0.05), rtol=1e-10)


def test_likelihood_is_the_density_of_normalised_signals():
    """Two points: the amplitude integrated out, the share below 0.6 is that of a million draws."""
    sigma, s = 0.2, np.array([1.0, 0.5])

    def density(x1):
        return quad(lambda a: np.exp(log_likelihood(np.array([1.0, x1]), s, np.array(a), sigma)), 1e-6, 3)[0]

    below = quad(density, 1e-6, 0.6)[0]
    normals = np.random.default_rng(2).standard_normal((2, 1_000_000, 1, 2))
    x1 = normalise(rician(np.broadcast_to(s, (1_000_000, 1, 2)), normals, sigma))[:, 0, 1]
    assert abs((x1 < 0.6).mean() - below) < 4 * np.sqrt(0.25 / 1e6)


@pytest.mark.parametrize("sigma", [0.01, 0.2])
def test_score_is_the_derivative(sigma):
    rng = np.random.default_rng(3)
    s = rng.uniform(-0.1, 1, 40)
    x = np.abs(s + sigma * rng.standard_normal(40)) + 1e-3
    h = 1e-5 * sigma

    def log_p(s, log_a):
        return log_density(np.exp(log_a) * x, np.abs(s), sigma) + log_a

    of_s, of_log_a = score(x, s, sigma)
    np.testing.assert_allclose(of_s, (log_p(s + h, 0.0) - log_p(s - h, 0.0)) / (2 * h), rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(of_log_a, (log_p(s, 1e-6) - log_p(s, -1e-6)) / 2e-6, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("nu", [0.0, 0.7, 3.0, 60.0])
def test_information_is_the_variance_of_the_score(nu):
    sigma, n = 0.1, 400_000
    s = nu * sigma
    m = np.hypot(s + sigma * (z := np.random.default_rng(4).standard_normal((2, n)))[0], sigma * z[1])
    scores = np.array(score(m, np.full(n, s), sigma)) * np.array([[sigma], [1]])
    on_s, shared, on_a = information(np.array(s), sigma)
    expected = np.array([[on_s * sigma**2, shared * sigma], [shared * sigma, on_a]])
    spread = np.sqrt(np.outer(*2 * [np.diag(expected)]) + 1e-12)
    assert np.abs(np.cov(scores) - expected).max() < 0.02 * spread.max()
    assert np.abs(np.cov(scores) - expected)[0].max() < 0.02 * spread[0].max()


def test_information_is_that_of_the_mirrored_signal_and_never_negative():
    s = np.linspace(0, 5, 300)
    (a, b, c), (d, e, f) = information(s, 0.1), information(-s, 0.1)
    np.testing.assert_array_equal([a, -b, c], [d, e, f])
    assert (a * c - b * b >= 0).all()
