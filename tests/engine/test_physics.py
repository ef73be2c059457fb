import numpy as np
import pytest
import torch
from scipy.stats import rice

from dexsy_bench.physics import KERNELS, forward, normalise, rician
from dexsy_bench.problem import Acquisition, Grid, Problem


def test_forward_is_the_explicit_kernel():
    """S(m, n) = sum_ij f_ij exp(-b1_m D1_i - b2_n D2_j), every term written out: 16 x 16 cells, 256 x 256 kernel."""
    rng = np.random.default_rng(0)
    b1, b2 = np.linspace(0, 10, 16), np.linspace(0, 5, 15)
    d1, d2 = np.geomspace(0.01, 10, 16), np.geomspace(0.1, 3, 14)
    problem = Problem(Grid(d1, d2), Acquisition(b1, b2))
    f = rng.random((2, 3, 16, 14))
    exponent = b1[:, None, None, None] * d1[None, None, :, None] + b2[None, :, None, None] * d2[None, None, None, :]
    kernel = np.exp(-exponent).reshape(16 * 15, 16 * 14)
    explicit = (f.reshape(6, -1) @ kernel.T).reshape(2, 3, 16, 15)
    np.testing.assert_allclose(forward(f, problem.k1, problem.k2), explicit, rtol=1e-12)


@pytest.mark.parametrize(
    ("kernel", "expected"), [("diffusion", np.exp(-2.0 * 0.5)), ("relaxation", np.exp(-2.0 / 0.5))]
)
def test_kernels(kernel, expected):
    matrix = KERNELS[kernel].matrix(np.array([0.0, 2.0]), np.array([0.5, 1.0, 4.0]))
    assert matrix.shape == (2, 3)
    assert matrix[1, 0] == pytest.approx(expected)
    np.testing.assert_array_equal(matrix[0], 1)


@pytest.mark.parametrize("signal", [0.0, 0.02, 0.1, 1.0])
def test_noise_is_rician(signal):
    """Mean and SD against scipy.stats.rice, within five standard errors; the distribution by its quantiles."""
    n, sigma = 200_000, 0.05
    normals = np.random.default_rng(1).standard_normal((2, n, 1))
    noisy = rician(np.full((n, 1), signal), normals, sigma)[:, 0]
    law = rice(signal / sigma, scale=sigma)
    assert abs(noisy.mean() - law.mean()) < 5 * law.std() / np.sqrt(n)
    assert abs(noisy.std() - law.std()) < 5 * law.std() / np.sqrt(n)
    levels = np.array([0.05, 0.5, 0.95])
    np.testing.assert_allclose(law.cdf(np.quantile(noisy, levels)), levels, atol=5 * 0.5 / np.sqrt(n))


def test_no_noise_is_the_magnitude():
    signal = np.array([[0.5, -0.25, 0.0]])
    np.testing.assert_array_equal(rician(signal, np.ones((2, 1, 3)), 0.0), [[0.5, 0.25, 0.0]])


def test_each_case_may_have_its_own_noise():
    normals = np.random.default_rng(2).standard_normal((2, 3, 1, 4, 4))
    signal = np.random.default_rng(3).random((3, 1, 4, 4))
    sigmas = np.array([0.0, 0.1, 1.0])
    together = rician(signal, normals, sigmas)
    for n, sigma in enumerate(sigmas):
        np.testing.assert_array_equal(together[n], rician(signal[n : n + 1], normals[:, n : n + 1], sigma)[0])


def test_normalise_divides_each_signal_by_its_first_value():
    signal = np.random.default_rng(4).random((3, 2, 4, 5)) + 0.1
    scaled = normalise(signal)
    np.testing.assert_array_equal(scaled[..., 0, 0], 1)
    np.testing.assert_allclose(scaled * signal[..., :1, :1], signal)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_torch_stays_torch(dtype):
    rng = np.random.default_rng(5)
    f, k1, k2 = rng.random((2, 1, 6, 5)), rng.random((4, 6)), rng.random((3, 5))
    normals = rng.standard_normal((2, 2, 1, 4, 3))

    def noisy(f, k1, k2, normals):
        return normalise(rician(forward(f, k1, k2), normals, 0.1))

    ours = noisy(*(torch.tensor(x, dtype=dtype) for x in (f, k1, k2, normals)))
    assert ours.dtype == dtype
    np.testing.assert_allclose(ours.numpy(), noisy(f, k1, k2, normals), rtol=1e-12 if dtype == torch.float64 else 1e-4)
