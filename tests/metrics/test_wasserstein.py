import numpy as np
import ot
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from dexsy_bench.metrics import transport as transport_module
from dexsy_bench.metrics.wasserstein import TOLERANCE, prune, wasserstein
from dexsy_bench.problem import Grid

seeds = st.integers(0, 2**32 - 1)
checked = settings(derandomize=True, deadline=None, max_examples=25)

COARSE = Grid.log(0.01, 10, 14)
UNEVEN = Grid(np.array([0.01, 0.02, 0.1, 0.11, 0.5, 3.0, 9.0]), np.geomspace(0.05, 5, 11))
CELL = 3 / 63


def positions(grid):
    return np.stack(np.meshgrid(grid.log_d1, grid.log_d2, indexing="ij"), axis=-1).reshape(-1, 2)


def on_full_support(f, f_hat, grid):
    cost = ot.dist(positions(grid), metric="euclidean")
    return np.array(
        [ot.emd2(a.ravel(), b.ravel(), cost, numItermax=10**8) for a, b in zip(f, f_hat, strict=True)], dtype=float
    )


def blob(grid, i, j, sd=0.1):
    d1, d2 = grid.log_d1 - grid.log_d1[i], grid.log_d2 - grid.log_d2[j]
    f = np.exp(-(d1[:, None] ** 2 + d2[None] ** 2) / (2 * sd**2))
    f[f < 1e-12] = 0  # so that moving it loses nothing at the border
    return f / f.sum()


@pytest.mark.parametrize("grid", [COARSE, UNEVEN], ids=["log-spaced", "uneven"])
@pytest.mark.parametrize("seed", range(4))
def test_random_distributions_against_pot_on_the_full_support(random_pair, grid, seed):
    f, f_hat = random_pair(seed, grid.shape)
    np.testing.assert_allclose(wasserstein(f, f_hat, grid), on_full_support(f, f_hat, grid), rtol=0, atol=TOLERANCE)


def test_smooth_estimate_on_the_canonical_grid_against_pot_on_the_full_support(cases, grid):
    f = cases.distributions[:1, 0]
    smooth = gaussian_filter(f, (0, 2, 2), mode="nearest")
    smooth /= smooth.sum()
    found = wasserstein(f, smooth, grid)
    np.testing.assert_allclose(found, on_full_support(f, smooth, grid), rtol=0, atol=TOLERANCE)
    assert found > 0.01


@pytest.mark.parametrize("shift", [(7, 0), (0, -5), (6, 6), (-9, 4)])
def test_a_shifted_blob_is_as_far_as_the_shift(grid, shift):
    f = blob(grid, 30, 34)[None]
    moved = np.roll(f, shift, axis=(1, 2))
    np.testing.assert_allclose(wasserstein(f, moved, grid), CELL * np.hypot(*shift), rtol=0, atol=TOLERANCE)


def test_swapped_peaks_move_the_difference_of_their_masses(grid):
    near, far = blob(grid, 20, 20), blob(grid, 20, 44)
    found = wasserstein((0.7 * near + 0.3 * far)[None], (0.3 * near + 0.7 * far)[None], grid)
    np.testing.assert_allclose(found, 0.4 * 24 * CELL, rtol=0, atol=TOLERANCE)


def test_peaks_merged_into_one(grid):
    f, merged = np.zeros((2, 1, 64, 64))
    f[0, 30, 27], f[0, 30, 33], merged[0, 30, 30] = 0.25, 0.75, 1
    np.testing.assert_allclose(wasserstein(f, merged, grid), 3 * CELL, rtol=0, atol=1e-12)


def test_identical_distributions_are_at_distance_zero(cases, grid):
    f = cases.distributions[:, 0]
    np.testing.assert_array_equal(wasserstein(f, f, grid), 0)


@checked
@given(seed=seeds)
def test_symmetry_and_triangle_inequality(random_pair, seed):
    grid = Grid.log(0.01, 10, 8)
    f, g = random_pair(seed, grid.shape)
    h = random_pair(seed + 1, grid.shape)[0]
    forth, back = wasserstein(f, g, grid), wasserstein(g, f, grid)
    np.testing.assert_allclose(forth, back, rtol=0, atol=2 * TOLERANCE)
    assert (wasserstein(f, h, grid) <= forth + wasserstein(g, h, grid) + 3 * TOLERANCE).all()


@checked
@given(seed=seeds, tolerance=st.sampled_from([0.0, 1e-4, 1e-2, 0.1]))
def test_pruning_changes_the_distance_by_no_more_than_its_bound(random_pair, seed, tolerance):
    f, f_hat = (batch[0] for batch in random_pair(seed, COARSE.shape))
    difference = (f - f_hat).ravel()
    kept, masses, bound = prune(difference, positions(COARSE), tolerance)
    assert bound <= tolerance
    assert masses.sum() == pytest.approx(0, abs=1e-14)
    thinned = np.zeros(difference.size)
    thinned[kept] = masses
    change = np.maximum(thinned, 0).sum() - np.maximum(-thinned, 0).sum()
    assert change == pytest.approx(0, abs=1e-14)
    exact = on_full_support(f[None], f_hat[None], COARSE)[0]
    common = np.full(difference.size, 1e-3)  # both sides need the same mass everywhere for POT; it cancels
    pruned = ot.emd2(
        np.maximum(thinned, 0) + common,
        np.maximum(-thinned, 0) + common,
        ot.dist(positions(COARSE), metric="euclidean"),
    )
    assert abs(pruned - exact) <= bound + 1e-12


def test_pruning_keeps_fewer_cells_the_more_it_may_change(cases, others, grid):
    difference = (cases.distributions[0, 0] - others[0, 0]).ravel()
    counts = [len(prune(difference, positions(grid), tolerance)[0]) for tolerance in (0, 1e-6, 1e-5, 1e-3)]
    assert counts == sorted(counts, reverse=True)
    assert counts[2] < counts[0] / 2


@pytest.mark.parametrize("seed", range(3))
def test_few_arcs_lead_to_the_optimum_on_all(random_pair, monkeypatch, seed):
    monkeypatch.setattr(transport_module, "DENSE", 10)
    f, f_hat = random_pair(seed, COARSE.shape)
    found = wasserstein(f, f_hat, COARSE, tolerance=0)
    np.testing.assert_allclose(found, on_full_support(f, f_hat, COARSE), rtol=0, atol=1e-11)


def test_blocks_that_cancel_out(monkeypatch):
    """The coarser problem is empty, or nothing but rounding."""
    monkeypatch.setattr(transport_module, "DENSE", 0)
    i, j = np.indices((8, 8))
    f = ((i + j) % 2)[None] / 32
    grid = Grid.log(0.1, 10, 8)
    np.testing.assert_allclose(wasserstein(f, 1 / 32 - f, grid), 2 / 7, rtol=0, atol=1e-9)


def test_a_solver_that_gives_up_is_not_believed(random_pair, monkeypatch):
    f, f_hat = random_pair(0, COARSE.shape)

    def give_up(supply, demand, cost):
        return np.zeros(cost.shape), {"warning": "numItermax reached", "cost": 0.0, "u": supply, "v": demand}

    monkeypatch.setattr(transport_module, "_solve", give_up)
    with pytest.raises(RuntimeError, match="numItermax reached"):
        wasserstein(f, f_hat, COARSE)


def test_a_failure_on_few_arcs_is_mended_on_all(random_pair, monkeypatch):
    solve = transport_module._solve

    def fail_on_sparse(supply, demand, cost):
        if not isinstance(cost, np.ndarray):
            return None, {"warning": "Problem infeasible"}
        return solve(supply, demand, cost)

    f, f_hat = random_pair(0, COARSE.shape)
    expected = wasserstein(f, f_hat, COARSE)
    monkeypatch.setattr(transport_module, "DENSE", 10)
    monkeypatch.setattr(transport_module, "_solve", fail_on_sparse)
    np.testing.assert_allclose(wasserstein(f, f_hat, COARSE), expected, rtol=0, atol=2 * TOLERANCE)
