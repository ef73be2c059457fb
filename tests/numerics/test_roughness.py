import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from references import SEEDS, differences, seeded

from dexsy_bench.numerics import roughness

shapes = st.tuples(st.integers(3, 8), st.integers(3, 8))
orders = pytest.mark.parametrize("order", [1, 2])


@orders
@seeded(40)
@given(shapes, SEEDS)
def test_apply_is_the_matrix(order, shape, seed):
    f = np.random.default_rng(seed).standard_normal((2, *shape))
    dense = differences(shape, order)
    np.testing.assert_allclose(
        roughness.apply(f, order).reshape(2, -1), f.reshape(2, -1) @ (dense.T @ dense), atol=1e-12
    )


@orders
@seeded(60)
@given(shapes, SEEDS, st.floats(0.05, 1))
def test_bands_are_the_matrix_on_the_free_cells(order, shape, seed, share):
    free = np.random.default_rng(seed).random(shape) < share
    free[0, 0] = True
    bands, cells = roughness.banded(free, order)
    assert sorted(cells) == list(np.flatnonzero(free))
    some = differences(shape, order)[:, cells]
    dense = sum(np.diag(band[: len(band) - k], -k) for k, band in enumerate(bands))
    np.testing.assert_array_equal(dense, np.tril(some.T @ some))


@orders
def test_cells_apart_do_not_widen_the_band(order):
    """Two patches side by side: numbered row by row, they would lie between one another."""
    free = np.zeros((20, 20), dtype=bool)
    free[2:18, 1:4] = free[2:18, 16:19] = True
    bands, _ = roughness.banded(free, order)
    assert len(bands) - 1 <= 4 * order


def test_order_0_is_f_itself():
    f = np.random.default_rng(0).random((2, 5, 4))
    np.testing.assert_array_equal(roughness.apply(f, 0), f)


def test_what_is_smooth_has_no_roughness_inside():
    flat, plane = np.ones((1, 9, 8)), np.add.outer(np.arange(9.0), 2 * np.arange(8.0))[None]
    np.testing.assert_allclose(roughness.apply(flat, 1)[0, 1:-1, 1:-1], 0, atol=1e-12)
    np.testing.assert_allclose(roughness.apply(plane, 2)[0, 2:-2, 2:-2], 0, atol=1e-12)
