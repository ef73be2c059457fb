import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from dexsy_bench.metrics.images import nmse, psnr, ssim


def test_psnr_and_ssim_against_scikit_image(cases, others):
    f, f_hat = cases.distributions[:, 0], others[:, 0]
    for n, (a, b) in enumerate(zip(f, f_hat, strict=True)):
        assert psnr(f, f_hat)[n] == pytest.approx(peak_signal_noise_ratio(a, b, data_range=a.max()))
        assert ssim(f, f_hat)[n] == pytest.approx(structural_similarity(a, b, data_range=a.max()))


@pytest.mark.parametrize("shape", [(7, 7), (9, 30)])
def test_ssim_of_rough_images_against_scikit_image(random_pair, shape):
    f, f_hat = random_pair(3, shape)
    expected = [structural_similarity(a, b, data_range=a.max()) for a, b in zip(f, f_hat, strict=True)]
    np.testing.assert_allclose(ssim(f, f_hat), expected)


def test_ssim_needs_room_for_its_window(random_pair):
    assert np.isnan(ssim(*random_pair(0, (6, 20)))).all()


def test_nmse_of_a_scaled_and_of_an_empty_image(random_pair):
    f, _ = random_pair(0, (8, 8))
    np.testing.assert_allclose(nmse(f, 0 * f), 1)
    np.testing.assert_allclose(nmse(f, 1.1 * f), 0.01)


def test_identical_images(random_pair):
    f, _ = random_pair(0, (8, 8))
    np.testing.assert_array_equal(nmse(f, f), 0)
    np.testing.assert_array_equal(psnr(f, f), np.inf)
    np.testing.assert_allclose(ssim(f, f), 1)
