"""The choice of alpha, and bugs that published codes had in it."""

import numpy as np
import pytest
from scipy import stats

from dexsy_bench.numerics import alpha as rules


def path_of_curve(x, y):
    """Residual and penalty (A, 1) of a curve in their logarithms."""
    return np.exp(2 * np.asarray(x, float))[:, None], np.exp(2 * np.asarray(y, float))[:, None]


# Falls to its corner at point 4, runs to the right, and then falls again, turning right at point 8.
X = [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 4.0, 4.1, 4.2, 4.3]
Y = [9.0, 8.0, 7.0, 6.0, 5.0, 4.9, 4.8, 4.7, 4.6, 3.6, 2.6, 1.6]


def brute_curvature(x, y):
    """Signed curvature by finite differences of the parametrised curve, positive where it turns left."""
    dx, dy = np.gradient(x), np.gradient(y)
    return (dx * np.gradient(dy) - dy * np.gradient(dx)) / (dx**2 + dy**2) ** 1.5


def test_curvature_is_maximised_not_minimised():
    residual, penalty = path_of_curve(X, Y)
    assert rules.lcurve(residual, penalty) == [4]
    assert np.argmin(brute_curvature(np.array(X), np.array(Y))) in (8, 9)  # where the sign error leads


def test_axes_are_residual_then_penalty():
    residual, penalty = path_of_curve(X, Y)
    assert rules.lcurve(penalty, residual) != rules.lcurve(residual, penalty)


def test_smooth_corner_is_where_the_curve_bends_most():
    t = np.linspace(-3, 3, 61)
    x, y = np.logaddexp(0, 4 * (t - 0.7)), np.logaddexp(0, -4 * (t - 0.7))
    residual, penalty = path_of_curve(x, y)
    assert abs(rules.lcurve(residual, penalty)[0] - np.argmax(brute_curvature(x, y))) <= 1


def test_cases_are_along_the_second_axis():
    """As many cases as alphas, each with its own corner."""
    n = 12
    corners = np.arange(n) % 10 + 1
    k = np.arange(n)[:, None]
    x, y = np.maximum(k - corners, 0.0), np.maximum(corners - k, 0.0)
    np.testing.assert_array_equal(rules.lcurve(np.exp(2 * x), np.exp(2 * y)), corners)


@pytest.mark.parametrize("bend", [0.0, -0.05], ids=["straight", "turning right"])
def test_without_a_corner_the_choice_lies_at_the_edge(bend):
    k = np.arange(10.0)
    residual, penalty = path_of_curve(k, -k + bend * k**2)
    assert rules.lcurve(residual, penalty) == [0]


def test_a_residual_of_exactly_zero_is_no_corner_at_infinity():
    residual, penalty = path_of_curve(X, Y)
    residual[0] = 0.0
    assert np.isfinite(rules.lcurve(residual, penalty)).all()


def test_gcv_against_its_formula():
    rng = np.random.default_rng(0)
    residual, dof, n = np.sort(rng.random((9, 5)), axis=0), -np.sort(-40 * rng.random((9, 5)), axis=0), 80
    chosen = rules.gcv(residual, dof, n)
    for case in range(5):
        scores = [n * residual[a, case] / (n - 1.4 * dof[a, case]) ** 2 for a in range(9)]
        assert chosen[case] == scores.index(min(scores))


def test_gcv_does_not_take_a_fit_that_leaves_no_data_to_judge_by():
    """With n < 1.4 dof the square of n - 1.4 dof grows again, and an exact fit would win."""
    residual, dof = np.array([[1e-9], [0.5], [4.0]]), np.array([[30.0], [10.0], [2.0]])
    assert rules.gcv(residual, dof, 32) == [1]
    assert rules.gcv(residual[:1], dof[:1], 32) == [0]


def test_gcv_finds_the_best_predictor_of_an_unconstrained_problem():
    """Where truth and noise are known: within a factor of 10 of the alpha that predicts best."""
    rng = np.random.default_rng(1)
    a = np.vander(np.linspace(-1, 1, 200), 12) * 5.0
    alphas = np.geomspace(1e-6, 1e4, 41)
    clean = a @ rng.standard_normal(12)
    data = clean[:, None] + 0.5 * rng.standard_normal((200, 6))
    influence = [a @ np.linalg.solve(a.T @ a + alpha * np.eye(12), a.T) for alpha in alphas]
    residual = np.array([((h @ data - data) ** 2).sum(axis=0) for h in influence])
    risk = np.array([((h @ data - clean[:, None]) ** 2).sum(axis=0) for h in influence])
    dof = np.repeat([[np.trace(h)] for h in influence], 6, axis=1)
    chosen = rules.gcv(residual, dof, 200)
    assert (risk[chosen, range(6)] < 3 * risk.min(axis=0)).all()


def test_discrepancy_takes_the_largest_alpha_under_the_noise():
    residual = np.array([[1.0, 9.0, 1.0], [3.0, 10.0, 2.0], [5.0, 11.0, 2.5], [7.0, 12.0, 3.0]])
    np.testing.assert_array_equal(rules.discrepancy(residual, np.full(3, 0.5), 20), [2, 0, 3])  # n sigma^2 = 5


def test_discrepancy_has_a_noise_level_for_each_case():
    residual = np.repeat(np.arange(1.0, 5.0)[:, None], 3, axis=1)
    np.testing.assert_array_equal(rules.discrepancy(residual, np.sqrt([0.15, 0.25, 0.35]), 10), [0, 1, 2])


def test_brd_stops_at_the_heel_of_the_s_curve():
    """Flat, then rising with slope 0.05, 0.5, 1, and flat again: the heel is before the first slope above 0.1."""
    alphas = 10.0 ** np.arange(7)
    log_chi = np.array([0, 0, 0.05, 0.55, 1.55, 1.56, 1.56])
    assert rules.brd(10.0 ** (2 * log_chi)[:, None], alphas) == [2]


def test_brd_without_a_heel_lies_at_the_edge():
    alphas = 10.0 ** np.arange(5)
    steep, flat = alphas**2, np.ones(5)
    np.testing.assert_array_equal(rules.brd(np.stack([steep, flat], axis=1), alphas), [0, 4])


@pytest.mark.parametrize("rule", ["lcurve", "brd", "discrepancy", "no such rule"])
def test_a_rule_that_lacks_what_it_looks_at_is_refused(rule):
    ones = np.ones((3, 2))
    with pytest.raises(ValueError, match=rule):
        rules.choose(rule, rules.Curves(ones, ones, np.zeros(2), 100))


def test_an_end_of_the_path_is_flagged_and_for_some_rules_its_neighbour():
    path = np.geomspace(1, 1e4, 5)
    for margin, flagged in ((0, [True, False, False, False, True]), (1, [True, True, False, True, True])):
        choice = rules.chosen(path, np.arange(5), None, np.zeros(5, dtype=int), margin)
        np.testing.assert_array_equal(choice.alpha, path)
        np.testing.assert_array_equal(choice.at_edge, flagged)
    assert not rules.fixed(0.1, 3).at_edge.any()


def test_gcv_of_equal_scores_is_the_smallest_alpha():
    """Data that nothing explains: rounding does not choose."""
    noise = 1 + 1e-15 * np.random.default_rng(0).standard_normal((20, 6))
    np.testing.assert_array_equal(rules.gcv(3.0 * noise, np.zeros((20, 6)), 100), np.zeros(6))


# The F test ----------------------------------------------------------------------------------


def test_ftest_takes_the_largest_alpha_at_even_odds():
    """Against scipy.stats.f, case by case."""
    rng = np.random.default_rng(5)
    n_data, dof = 400, np.repeat(np.linspace(30, 3, 15)[:, None], 8, axis=1)
    residual = n_data * np.cumprod(1 + rng.uniform(0, 0.02, (15, 8)), axis=0)
    for case, chosen in enumerate(rules.ftest(residual, dof, n_data)):
        v, d = residual[:, case], dof[0, case]
        odds = stats.f(d, n_data - d).cdf((v - v[0]) / v[0] * (n_data - d) / d)
        assert odds[chosen] <= 0.5
        assert (odds[chosen + 1 :] > 0.5).all()


def test_ftest_does_not_count_a_misfit_that_no_alpha_removes():
    """Twice the noise power everywhere is twice the yardstick."""
    residual, dof = np.geomspace(1, 1.5, 12)[:, None], np.full((12, 1), 20.0)
    assert rules.ftest(residual, dof, 400) == rules.ftest(2 * residual, dof, 400)


@pytest.mark.parametrize("residual", [np.zeros((5, 1)), np.ones((5, 1))])
def test_ftest_without_a_difference_takes_the_smoothest(residual):
    assert rules.ftest(residual, np.full((5, 1), 20.0), 400) == [4]
