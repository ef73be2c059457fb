"""Rice's law against SciPy, and the density of a normalised signal against a histogram."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import rice

from dexsy_bench.inference.rice import log_density, log_likelihood
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
