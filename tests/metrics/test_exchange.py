import numpy as np
import pytest

from dexsy_bench.compartments import exchange_weights
from dexsy_bench.metrics import score
from dexsy_bench.metrics.exchange import (
    compartment_masses,
    diffusion_exchange_index,
    exchange_progress,
    exchanged_fraction,
    log_rate,
    splits_between,
)

CENTRES = np.array([[0.03, 0.3, 2.0]])
CELLS = [10, 31, 49]  # of the canonical grid, well within each compartment


def points(weights):
    """Compartments without width: f holds the weights (M, C, C) in single cells."""
    f = np.zeros((len(weights), 64, 64))
    cells = CELLS[: weights.shape[-1]]
    f[:, np.array(cells)[:, None], cells] = weights
    return f


def karger(p, initial, k, tm):
    return exchange_weights(np.array([p]), np.array([initial]), np.array([k]), np.array([[tm]]))[:, 0]


def test_splits_lie_at_geometric_means():
    np.testing.assert_allclose(splits_between(np.array([[0.1, 0.4, 1.6]])), [[0.2, 0.8]])


def test_masses_against_a_loop_over_cells(cases, grid):
    f, centres = cases.distributions[:, 0], np.sort(cases.parameters["centres"], axis=1)
    for case, (low, high) in enumerate(centres):
        expected = np.zeros((2, 2))
        for i, j in np.ndindex(64, 64):
            expected[int(grid.d1[i] > np.sqrt(low * high)), int(grid.d2[j] > np.sqrt(low * high))] += f[case, i, j]
        np.testing.assert_allclose(compartment_masses(f, grid, splits_between(centres))[case], expected, atol=1e-13)


def test_exchanged_fraction_of_two_sites(grid):
    p, k, tm = [0.3, 0.7], 20.0, 0.05
    f = points(karger(p, p, k, tm))
    expected = 2 * 0.3 * 0.7 * (1 - np.exp(-k * tm))
    assert exchanged_fraction(f, grid, splits_between(CENTRES[:, :2])) == pytest.approx(expected)
    assert exchanged_fraction(f, grid, np.array([0.1])) == pytest.approx(expected), "one split for all cases"


@pytest.mark.parametrize("initial", [[0.2, 0.5, 0.3], [0.6, 0.1, 0.3]], ids=["equilibrium", "from elsewhere"])
@pytest.mark.parametrize("k", [3.0, 30.0, 80.0])
def test_the_rate_that_made_the_weights_is_read_off_them(grid, initial, k):
    tm = 0.05
    masses = compartment_masses(points(karger([0.2, 0.5, 0.3], initial, k, tm)), grid, splits_between(CENTRES))
    assert exchange_progress(masses) == pytest.approx(1 - np.exp(-k * tm))
    assert 10 ** log_rate(masses) / tm == pytest.approx(k)


def test_rates_beyond_reading_are_clipped():
    frozen, complete = np.diag([0.4, 0.6])[None], np.full((1, 2, 2), 0.25)
    alone = np.diag([1.0, 0.0])[None]
    low, high = np.log10(-np.log1p([-0.01, -0.99]))
    assert log_rate(frozen) == pytest.approx(low)
    assert log_rate(complete) == pytest.approx(high)
    assert log_rate(alone) == pytest.approx(low), "where one compartment holds all, no exchange is seen"


def test_exchange_index_against_a_loop(random_pair):
    f, _ = random_pair(0, (12, 12))
    for g, found in zip(f, diffusion_exchange_index(f), strict=True):
        far = sum(g[i, j] for i, j in np.ndindex(12, 12) if abs(i - j) > 5)
        assert found == pytest.approx(far / (1 - far))


def test_exchange_index_stays_finite_without_mass_near_the_diagonal():
    f = np.zeros((1, 64, 64))
    f[0, 0, 63] = 1
    assert diffusion_exchange_index(f) == pytest.approx(1000)


def test_score_of_a_known_rate_and_fraction(cases, problem):
    p, tm = [0.4, 0.6], 0.02
    truth, estimate = (points(karger(p, p, k, tm))[:, None] for k in (10.0, 40.0))
    case = type(cases)(truth, cases.clean[:1], cases.noisy[:1], {"centres": np.array([[0.3, 0.03]])})
    scores = score(case, estimate, problem)
    assert scores["exchange"] == pytest.approx(0.48 * (np.exp(-0.2) - np.exp(-0.8)))
    assert scores["exchange_k"] == pytest.approx(np.log10(4))


@pytest.mark.parametrize("parameters", [{}, {"centres": np.full((4, 1), 0.5)}], ids=["unknown", "one compartment"])
def test_without_two_known_compartments_exchange_is_not_defined(cases, others, problem, parameters):
    anonymous = type(cases)(cases.distributions, cases.clean, cases.noisy, parameters)
    scores = score(anonymous, others, problem)
    assert np.isnan(scores["exchange"]).all()
    assert np.isnan(scores["exchange_k"]).all()
    assert np.isfinite(scores["dei"]).all()
