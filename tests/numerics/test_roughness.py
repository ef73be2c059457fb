import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from references import SEEDS, second_differences, seeded

from dexsy_bench.numerics import roughness

shapes = st.tuples(st.integers(3, 8), st.integers(3, 8))


@seeded(40)
@given(shapes, SEEDS)
def test_apply_is_the_matrix(shape, seed):
    f = np.random.default_rng(seed).standard_normal((2, *shape))
    differences = second_differences(shape)
    np.testing.assert_allclose(
        roughness.apply(f).reshape(2, -1), f.reshape(2, -1) @ (differences.T @ differences), atol=1e-12
    )


@seeded(60)
@given(shapes, SEEDS, st.floats(0.05, 1))
def test_bands_are_the_matrix_on_the_free_cells(shape, seed, share):
    free = np.random.default_rng(seed).random(shape) < share
    free[0, 0] = True
    differences = second_differences(shape)[:, free.ravel()]
    bands = roughness.banded(free)
    dense = sum(np.diag(band[: len(band) - k], -k) for k, band in enumerate(bands))
    np.testing.assert_array_equal(dense, np.tril(differences.T @ differences))


def test_a_plane_is_smooth_inside():
    plane = np.add.outer(np.arange(9.0), 2 * np.arange(8.0))[None]
    np.testing.assert_allclose(roughness.apply(plane)[0, 2:-2, 2:-2], 0, atol=1e-12)
