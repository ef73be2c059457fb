"""Coverage and proper scores, against formulas, slow versions and simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from references import SEEDS, seeded
from scipy.stats import norm

from dexsy_bench.metrics import score
from dexsy_bench.metrics.calibration import covered, crps, energy_score, exchange_quantities, interval
from dexsy_bench.metrics.exchange import exchanged_fraction
from dexsy_bench.problem import Grid

NAMES = ["coverage_50", "coverage_80", "coverage_95", "coverage_fractions", "coverage_positions", "crps", "energy"]


@seeded(30)
@given(seed=SEEDS, n=st.integers(2, 12))
def test_scores_are_those_of_all_pairs(seed, n):
    rng = np.random.default_rng(seed)
    truth, draws = rng.random((3, 5)), rng.random((3, n, 5))
    far = np.linalg.norm(draws - truth[:, None], axis=-1).mean(axis=1)
    apart = np.linalg.norm(draws[:, :, None] - draws[:, None], axis=-1).sum(axis=(1, 2)) / (n * (n - 1))
    np.testing.assert_allclose(energy_score(truth, draws), far - apart / 2, atol=1e-7)
    np.testing.assert_allclose(
        crps(truth[:, 0], draws[:, :, 0]), energy_score(truth[:, :1], draws[:, :, :1]), atol=1e-7
    )


def test_crps_of_a_normal_law():
    """Against the closed form of Gneiting & Raftery (2007), equation 21."""
    x = np.array([0.0, 0.7, -2.0])
    draws = np.random.default_rng(0).standard_normal((3, 40_000))
    exact = x * (2 * norm.cdf(x) - 1) + 2 * norm.pdf(x) - 1 / np.sqrt(np.pi)
    np.testing.assert_allclose(crps(x, draws), exact, atol=0.01)


def test_one_sample_scores_its_error():
    assert crps(np.array([0.3]), np.array([[0.5]])) == pytest.approx(0.2)
    assert energy_score(np.zeros((1, 2)), np.array([[[3.0, 4.0]]])) == pytest.approx(5)


@pytest.mark.parametrize("level", [0.5, 0.8, 0.95])
@pytest.mark.parametrize(("spread", "sign"), [(1.0, 0), (0.5, -1), (2.0, 1)])
def test_coverage_tells_honest_from_overconfident(level, spread, sign):
    rng = np.random.default_rng(1)
    n = 4000
    truth, draws = rng.standard_normal(n), spread * rng.standard_normal((n, 40))  # few: their number must not count
    share = covered(truth, draws, level).mean()
    error = np.sqrt(level * (1 - level) / n)
    if sign == 0:
        assert abs(share - level) < 4 * error
    else:
        assert sign * (share - level) > 4 * error


def test_interval_is_central():
    low, high = interval(np.arange(101.0), 0.8)
    assert (low, high) == pytest.approx((9.2, 90.8))  # ranks 0.1 and 0.9 of 102


def test_quantities_of_points():
    """0.6 in (1, 1), 0.3 in (1, 4), 0.1 in (4, 1): split at 2."""
    grid = Grid(np.array([1.0, 4.0]), np.array([1.0, 4.0]))
    f = np.array([[[0.6, 0.3], [0.1, 0.0]]])
    exchanged, fractions, positions = exchange_quantities(f, grid, np.array([2.0]))
    np.testing.assert_allclose(exchanged, 0.4)
    np.testing.assert_allclose(fractions, [[0.8, 0.2]])
    np.testing.assert_allclose(positions, [[0.0, np.log10(4)]], atol=1e-12)
    empty = np.array([[[1.0, 0.0], [0.0, 0.0]]])
    assert exchange_quantities(empty, grid, np.array([2.0]))[2][0, 1] == pytest.approx(np.log10(2))


def test_quantities_agree_with_the_exchange_metric(cases, problem):
    f, splits = cases.distributions[:, 0], np.array([[0.3]] * 4)
    exchanged, fractions, _ = exchange_quantities(f, problem.grid, splits)
    np.testing.assert_allclose(exchanged, exchanged_fraction(f, problem.grid, splits), atol=1e-12)
    np.testing.assert_allclose(fractions.sum(axis=1), 1)


def test_samples_are_what_calibration_looks_at(cases, others, problem):
    without = score(cases, cases.distributions, problem)
    assert all(np.isnan(without[name]).all() for name in NAMES)
    # Every other distribution but the truth, then the truth itself.
    wrong = np.repeat(others[:, :, None], 5, axis=2)
    right = np.repeat(cases.distributions[:, :, None], 5, axis=2)
    good, bad = (score(cases, cases.distributions, problem, samples=draws) for draws in (right, wrong))
    for name in NAMES[:5]:
        np.testing.assert_array_equal(good[name], 1.0, err_msg=name)
        assert bad[name].mean() < 0.5
    for name in ("crps", "energy"):
        np.testing.assert_allclose(good[name], 0, atol=1e-7)
        assert (bad[name] > 0).all()
    np.testing.assert_allclose(bad["crps"], score(cases, others, problem)["exchange"], atol=1e-12)


def test_without_compartments_only_f_is_scored(cases, problem):
    unknown = type(cases)(cases.distributions, cases.clean, cases.noisy, {})
    scores = score(unknown, cases.distributions, problem, samples=np.repeat(cases.distributions[:, :, None], 3, axis=2))
    assert np.isfinite(scores["energy"]).all()
    assert all(np.isnan(scores[name]).all() for name in NAMES if name != "energy")
