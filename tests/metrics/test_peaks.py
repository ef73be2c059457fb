import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dexsy_bench.metrics.peaks import climb, compare, find_peaks, match
from dexsy_bench.problem import Grid

seeds = st.integers(0, 2**32 - 1)
checked = settings(derandomize=True, deadline=None, max_examples=50)
CELL = 3 / 63


def spikes(*places, shape=(64, 64)):
    """A distribution of single cells, given as (i, j, mass)."""
    f = np.zeros((1, *shape))
    for i, j, mass in places:
        f[0, i, j] = mass
    return f


def peaks_of(grid, *places):
    return find_peaks(spikes(*places), grid)[0]


def climb_cell_by_cell(f):
    """Where each cell ends that steps to its highest neighbour, by the book."""
    rows, columns = f.shape

    def height(cell):
        return f[cell], cell

    def up(cell):
        i, j = cell
        around = [(a, b) for a in (i - 1, i, i + 1) for b in (j - 1, j, j + 1) if 0 <= a < rows and 0 <= b < columns]
        return max(around, key=height)

    ends = []
    for cell in np.ndindex(rows, columns):
        while up(cell) != cell:
            cell = up(cell)
        ends.append(cell[0] * columns + cell[1])
    return ends


@checked
@given(seed=seeds, levels=st.sampled_from([2, 4, 1000]))
def test_ascent_against_brute_force_ties_and_plateaus_included(seed, levels):
    f = np.random.default_rng(seed).integers(0, levels, size=(2, 7, 9)).astype(float)
    np.testing.assert_array_equal(climb(f), [climb_cell_by_cell(g) for g in f])


def test_ascent_on_cases_against_brute_force(cases):
    f = cases.distributions[:2, 0]
    np.testing.assert_array_equal(climb(f), [climb_cell_by_cell(g) for g in f])


def test_peaks_of_well_separated_blobs(grid):
    log_d = grid.log_d1
    f = np.zeros((64, 64))
    centres = {(12, 15): 0.5, (40, 15): 0.3, (14, 50): 0.15, (50, 50): 0.05}
    for (i, j), mass in centres.items():
        g1, g2 = np.exp(-((log_d - log_d[i]) ** 2) / 0.01), np.exp(-((log_d - log_d[j]) ** 2) / 0.01)
        f += mass * np.outer(g1 / g1.sum(), g2 / g2.sum())
    peaks = find_peaks(f[None], grid)[0]
    np.testing.assert_array_equal(peaks.index, list(centres))
    np.testing.assert_allclose(peaks.mass, list(centres.values()), atol=1e-3)
    np.testing.assert_allclose(peaks.log_d, [[log_d[i], log_d[j]] for i, j in centres])
    np.testing.assert_allclose(peaks.height, [f[cell] for cell in centres])


def test_a_basin_counts_from_one_per_cent(grid):
    peaks = peaks_of(grid, (5, 5, 0.9805), (20, 20, 0.0101), (40, 40, 0.0094))
    np.testing.assert_array_equal(peaks.index, [(5, 5), (20, 20)])


def test_a_uniform_distribution_is_one_plateau(grid):
    peaks = find_peaks(np.full((1, 64, 64), 1 / 4096), grid)[0]
    np.testing.assert_array_equal(peaks.index, [(63, 63)])
    np.testing.assert_allclose(peaks.mass, 1)


@checked
@given(seed=seeds)
def test_basins_share_out_all_mass(seed):
    f = np.random.default_rng(seed).random((1, 9, 8))
    f /= f.sum()
    peaks = find_peaks(f, Grid(np.geomspace(1, 2, 9), np.geomspace(1, 2, 8)), least_mass=0)[0]
    assert peaks.mass.sum() == pytest.approx(1)
    assert (np.diff(peaks.mass) <= 0).all()


def test_identical_peaks_score_perfectly(grid):
    peaks = peaks_of(grid, (10, 10, 0.4), (10, 40, 0.3), (40, 10, 0.2), (40, 40, 0.1))
    assert compare(peaks, peaks, 4) == (1, 1, 0, 0)


def test_swapped_masses_cost_mass_alone(grid):
    truth, swapped = peaks_of(grid, (10, 10, 0.7), (40, 40, 0.3)), peaks_of(grid, (10, 10, 0.3), (40, 40, 0.7))
    assert compare(truth, swapped) == pytest.approx((1, 1, 0, 0.4))


def test_two_peaks_merged_into_one(grid):
    truth, merged = peaks_of(grid, (30, 28, 0.5), (30, 32, 0.5)), peaks_of(grid, (30, 30, 1.0))
    assert compare(truth, merged) == pytest.approx((0.5, 1, 2 * CELL, 0.5))


def test_a_peak_split_in_two(grid):
    truth, split = peaks_of(grid, (30, 30, 1.0)), peaks_of(grid, (30, 28, 0.6), (30, 33, 0.4))
    assert compare(truth, split) == pytest.approx((1, 0.5, 2 * CELL, 0.4))


def test_only_as_many_peaks_of_the_estimate_as_the_truth_has_can_match(grid):
    truth = peaks_of(grid, (30, 30, 0.9), (50, 50, 0.1))
    many = peaks_of(grid, (5, 5, 0.4), (5, 20, 0.3), (30, 30, 0.2), (50, 50, 0.1))
    topk, precision, position, mass = compare(truth, many)
    assert (topk, precision) == (0, 0)
    assert np.isnan([position, mass]).all()


def test_the_nominal_number_of_peaks_limits_k(grid):
    truth = peaks_of(grid, (10, 10, 0.6), (30, 30, 0.3), (50, 50, 0.1))
    estimate = peaks_of(grid, (10, 10, 1.0))
    assert compare(truth, estimate)[0] == pytest.approx(1 / 3)
    assert compare(truth, estimate, 1)[0] == 1


@pytest.mark.parametrize(("cells", "matched"), [(3, 1), (4, 0)])
def test_peaks_match_within_reach(grid, cells, matched):
    topk = compare(peaks_of(grid, (30, 30, 1.0)), peaks_of(grid, (30, 30 + cells, 1.0)))[0]
    assert topk == matched  # 3 cells are 0.143 decades, 4 are 0.19


def test_matching_takes_two_distant_pairs_before_one_close_one(grid):
    # The second true peak is closest to the first found one, but the only partner of the first.
    truth = peaks_of(grid, (30, 30, 0.6), (30, 33, 0.4))
    found = peaks_of(grid, (30, 32, 0.6), (30, 36, 0.4))
    rows, columns, distance = match(truth, found)
    assert dict(zip(rows, columns, strict=True)) == {0: 0, 1: 1}
    assert distance == pytest.approx([2 * CELL, 3 * CELL])


def test_an_estimate_without_any_peak(grid):
    """Thousands of spikes, each far below 1% of the mass."""
    comb = np.zeros((1, 64, 64))
    comb[:, ::2, ::2] = 1 / 1024
    nothing = find_peaks(comb, grid)[0]
    assert len(nothing) == 0
    topk, *rest = compare(peaks_of(grid, (30, 30, 1.0)), nothing)
    assert topk == 0
    assert np.isnan(rest).all()
    assert np.isnan(compare(nothing, peaks_of(grid, (30, 30, 1.0)))[0])


@checked
@given(seed=seeds)
def test_shares_lie_between_0_and_1_and_distances_within_reach(random_pair, seed):
    grid = Grid.log(0.1, 1, 12)
    f, f_hat = random_pair(seed, grid.shape)
    for truth, estimate in zip(find_peaks(f, grid), find_peaks(f_hat, grid), strict=True):
        topk, precision, position, mass = compare(truth, estimate, 4)
        assert 0 <= topk <= 1
        assert 0 <= precision <= 1
        assert np.isnan(position) or 0 <= position <= 0.15
        assert np.isnan(mass) or 0 <= mass <= 1
