import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy

from dexsy_bench.metrics.divergences import js, kl

seeds = st.integers(0, 2**32 - 1)
checked = settings(derandomize=True, deadline=None, max_examples=50)


def test_kl_is_scipys_entropy_of_the_smoothed_estimate(random_pair):
    f, f_hat = random_pair(0, (8, 9))
    smooth = 0.999 * f_hat + 0.001 / 72
    expected = [entropy(a.ravel(), b.ravel()) for a, b in zip(f, smooth, strict=True)]
    np.testing.assert_allclose(kl(f, f_hat), expected, rtol=1e-9)


def test_js_is_the_square_of_scipys_distance(random_pair):
    f, f_hat = random_pair(1, (8, 9))
    expected = [jensenshannon(a.ravel(), b.ravel()) ** 2 for a, b in zip(f, f_hat, strict=True)]
    np.testing.assert_allclose(js(f, f_hat), expected, rtol=1e-9)


def test_disjoint_distributions_are_as_far_apart_as_can_be():
    f, f_hat = np.zeros((2, 1, 16, 16))
    f[0, 2, 2] = f_hat[0, 9, 9] = 1
    assert js(f, f_hat) == pytest.approx(np.log(2))
    assert kl(f, f_hat) == pytest.approx(np.log(256 / 1e-3))


def test_identical_distributions(random_pair):
    f, _ = random_pair(2, (16, 16))
    np.testing.assert_array_equal(js(f, f), 0)
    assert (kl(f, f) >= 0).all()
    assert (kl(f, f) <= -np.log(1 - 1e-3)).all()


@checked
@given(seed=seeds)
def test_js_is_symmetric_and_bounded(random_pair, seed):
    f, f_hat = random_pair(seed, (5, 6))
    forth, back = js(f, f_hat), js(f_hat, f)
    np.testing.assert_allclose(forth, back, atol=1e-15)
    assert (forth >= 0).all()
    assert (forth <= np.log(2)).all()
