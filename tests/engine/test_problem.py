import dataclasses

import numpy as np
import pytest

from dexsy_bench.physics import KERNELS
from dexsy_bench.problem import Acquisition, Grid, Problem

B = np.linspace(0, 10, 5)


@pytest.mark.parametrize(
    ("axis", "reason"),
    [
        ([1.0, 3.0, 2.0], "d1 must be strictly ascending"),
        ([1.0, 1.0], "d1 must be strictly ascending"),
        ([0.0, 1.0], "d1 must be positive, but starts at 0"),
        ([-1.0, 1.0], "d1 must be positive, but starts at -1"),
        ([1.0, np.nan], "d1 holds NaN or infinite"),
        ([1.0, np.inf], "d1 holds NaN or infinite"),
        ([1.0], "at least 2 values"),
        ([], "at least 2 values"),
        ([[1.0, 2.0]], r"not of shape \(1, 2\)"),
        (1.0, r"not of shape \(\)"),
    ],
)
def test_impossible_grid_is_refused(axis, reason):
    with pytest.raises(ValueError, match=reason):
        Grid(np.array(axis), np.array([1.0, 2.0]))


def test_second_axis_is_named():
    with pytest.raises(ValueError, match="d2 must be strictly ascending"):
        Grid(np.array([1.0, 2.0]), np.array([2.0, 1.0]))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"b1": [1.0, 0.5]}, "b1 must be strictly ascending"),
        ({"b2": [-1.0, 0.5]}, "b2 must be at least 0"),
        ({"mixing_times": [0.1, -0.1]}, "mixing_times"),
        ({"mixing_times": [np.nan]}, "mixing_times"),
        ({"mixing_times": []}, "mixing_times"),
        ({"mixing_times": 0.1}, "mixing_times"),
        ({"mask": np.ones((5, 5))}, r"mask has shape \(5, 5\), the signal \(T, B1, B2\) = \(1, 5, 5\)"),
        ({"mask": np.ones((1, 5, 5)), "mixing_times": [0.1, 0.2]}, "the signal"),
        ({"mask": np.zeros((1, 5, 5))}, r"S\(0,0\)"),
    ],
)
def test_impossible_acquisition_is_refused(fields, reason):
    with pytest.raises(ValueError, match=reason):
        Acquisition(**{"b1": B, "b2": B, **fields})


def test_everything_is_read_only_and_nothing_is_shared():
    given = np.array([1.0, 2.0, 3.0])
    times, mask = np.array([0.1]), np.ones((1, 3, 3), bool)
    grid, acquisition = Grid(given, given), Acquisition(given, given, times, mask)
    given[0] = times[0] = 99.0
    mask[:] = False
    assert grid.d1[0] == acquisition.b1[0] == 1.0
    assert acquisition.mixing_times[0] == 0.1
    assert acquisition.mask.all()
    for array in (grid.d1, grid.d2, acquisition.b1, acquisition.b2, acquisition.mixing_times, acquisition.mask):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        grid.d1 = given


def test_log_grid():
    grid = Grid.log(0.01, 10, 64)
    assert grid.shape == (64, 64)
    np.testing.assert_allclose(np.diff(grid.log_d1), 3 / 63)
    np.testing.assert_allclose(grid.log_d2[[0, -1]], [-2, 1])


def test_kernels_have_a_row_for_each_b_and_a_column_for_each_d():
    problem = Problem(Grid([0.1, 1.0, 2.0], [0.5, 5.0]), Acquisition([0.0, 1.0], [0.0, 2.0, 3.0, 4.0]))
    assert problem.k1.shape == (2, 3)
    assert problem.k2.shape == (4, 2)
    np.testing.assert_allclose(problem.k1[1, 2], np.exp(-2.0))
    relaxation = dataclasses.replace(problem, kernel=KERNELS["relaxation"])
    np.testing.assert_allclose(relaxation.k2[3, 1], np.exp(-4.0 / 5.0))


def three_mixing_times():
    mask = np.ones((3, 5, 5), bool)
    mask[1, 2, 2] = False
    acquisition = Acquisition(B, B, np.array([0.01, 0.02, 0.03]), mask)
    return Problem(Grid.log(0.1, 1, 4), acquisition, sigma=0.1, prior="prior")


def test_one_mixing_time_of_three():
    problem = three_mixing_times()
    part = problem.at_mixing_time(1)
    assert problem.acquisition.signal_shape == (3, 5, 5)
    assert part.acquisition.signal_shape == (1, 5, 5)
    np.testing.assert_array_equal(part.acquisition.mixing_times, [0.02])
    np.testing.assert_array_equal(part.mask(), problem.mask(1))
    assert problem.mask(0) is None  # all was sampled there
    assert part.sigma == 0.1


def test_at_mixing_time_without_known_times():
    problem = Problem(Grid.log(0.1, 1, 4), Acquisition(B, B)).at_mixing_time(0)
    assert problem.acquisition.mixing_times is None
    assert problem.mask() is None
    assert problem.acquisition.n_mixing == 1


@pytest.mark.parametrize("allowed", [set(), {"sigma"}, {"prior"}, {"sigma", "prior"}])
def test_only_what_is_declared_is_told(allowed):
    told = three_mixing_times().told(frozenset(allowed))
    assert (told.sigma is not None) == ("sigma" in allowed)
    assert (told.prior is not None) == ("prior" in allowed)
