"""Information and bounds: against the scatter of scores, against textbook cases, and what has none."""

import hypothesis
import numpy as np
import pytest
from references import SEEDS, seeded
from scipy.integrate import quad
from scipy.stats import rice

from dexsy_bench.inference.coordinates import Coordinates, complex_step
from dexsy_bench.inference.fisher import bounds, information, observed_information, score, without_nuisance
from dexsy_bench.physics import rician
from dexsy_bench.registry import Registry

REGISTRY = Registry()


def small(name, **acquisition):
    scenario = REGISTRY.scenario(name)
    section = scenario.acquisition.model_copy(update={"n": 8, **acquisition})
    return scenario.model_copy(update={"acquisition": section, "grid": scenario.grid.model_copy(update={"n": 32})})


def drawn(scenario, n=1):
    coordinates = Coordinates(scenario.family, scenario.problem(np.inf))
    return coordinates, coordinates.theta(scenario.cases(0, n, np.inf, "validation").parameters)


@pytest.mark.parametrize("s", [0.05, 0.7, 2.0, 6.0, 30.0])
def test_information_of_one_magnitude_is_the_variance_of_its_score(s):
    """About the signal and the scale of a law with the SciPy density, differentiated numerically."""
    h = 1e-4

    def scores(m):
        by_signal = (rice.logpdf(m, s + h) - rice.logpdf(m, s - h)) / (2 * h)
        by_scale = 1 + m * (rice.logpdf(m + h, s) - rice.logpdf(m - h, s)) / (2 * h)
        return np.array([by_signal, by_scale])

    def mean(i, j):
        return quad(lambda m: rice.pdf(m, s) * np.prod(scores(m)[[i, j]]), max(2 * h, s - 9), s + 9, limit=200)[0]

    found = information(np.ones((1, 1, 1)), np.full((1, 1), s), 1.0, [slice(0, 1)])[0]
    np.testing.assert_allclose(found, [[mean(0, 0), mean(0, 1)], [mean(1, 0), mean(1, 1)]], rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("name", ["two_compartment", "asymmetric"])
def test_derivatives_are_those_of_the_signals(name):
    coordinates, theta = drawn(small(name, mixing_times=(0.01, 0.1), sampled=0.6), 3)
    theta = np.clip(theta, coordinates.low + 0.01, coordinates.high - 0.01)
    signal, jacobian = coordinates.jacobian(theta)
    assert jacobian.shape == (3, coordinates.size, coordinates.points[-1].stop)
    np.testing.assert_array_equal(signal, coordinates.signals(theta))
    h = 1e-6
    for i, step in enumerate(h * np.eye(coordinates.size)):
        slope = (coordinates.signals(theta + step) - coordinates.signals(theta - step)) / (2 * h)
        np.testing.assert_allclose(jacobian[:, i], slope, atol=1e-7)
    weights = np.random.default_rng(0).standard_normal(signal.shape)
    second = coordinates.curvature(theta, weights)
    np.testing.assert_allclose(second, second.swapaxes(1, 2), atol=1e-4 * np.abs(second).max())


@pytest.mark.parametrize("sampled", [1.0, 0.5])
def test_signals_are_those_of_the_cases(sampled):
    scenario = small("three_compartment", sampled=sampled)
    cases = scenario.cases(0, 3, np.inf, "validation")
    coordinates, theta = drawn(scenario, 3)
    mask = scenario.problem(1.0).acquisition.mask
    clean = cases.clean.reshape(3, -1) if mask is None else cases.clean[:, mask]
    np.testing.assert_allclose(coordinates.signals(theta), clean, atol=2e-6)  # complete exchange is cut at 1 - 1e-6
    np.testing.assert_allclose(coordinates.distributions(theta), cases.distributions, atol=1e-6)


@pytest.mark.parametrize("sigma", [0.3, 0.01])
def test_information_is_the_covariance_of_scores_and_the_mean_curvature(sigma):
    coordinates, theta = drawn(small("single_compartment"))
    signal, jacobian = coordinates.jacobian(theta)
    rng = np.random.default_rng(0)
    n = 4000
    magnitudes = rician(signal, rng.standard_normal((2, n, signal.size)), sigma)
    points = coordinates.points
    repeated = np.repeat(jacobian, n, axis=0), np.repeat(signal, n, axis=0)
    scores = score(*repeated, magnitudes, sigma, points)
    expected = information(jacobian, signal, sigma, points)[0]
    unit = np.sqrt(np.diag(expected))
    assert np.abs(scores.mean(axis=0) / unit).max() < 4.5 / np.sqrt(n)
    np.testing.assert_allclose(np.cov((scores / unit).T), expected / np.outer(unit, unit), atol=0.12)

    def flat(weights):  # the signal's own curvature has a factor of mean 0
        return np.zeros((len(weights), 2, 2))

    observed = observed_information(repeated[0], flat, repeated[1], magnitudes, sigma, points).mean(axis=0)
    np.testing.assert_allclose(observed / np.outer(unit, unit), expected / np.outer(unit, unit), atol=0.05)


@pytest.mark.parametrize("sigma", [0.3, 0.01])
def test_observed_information_is_the_slope_of_the_score(sigma):
    scenario = small("two_compartment", mixing_times=(0.01, 0.1))
    coordinates, theta = drawn(scenario)
    x = rician(coordinates.signals(theta), np.random.default_rng(0).standard_normal((2, 1, 128)), sigma)
    size, points = coordinates.size, coordinates.points

    def at(phi):
        signal, jacobian = coordinates.jacobian(phi[:, :size])
        magnitude = np.concatenate(
            [np.exp(phi[:, size + t, None]) * x[:, here] for t, here in enumerate(points)], axis=1
        )
        return jacobian, signal, magnitude, sigma, points

    phi = np.pad(theta, ((0, 0), (0, 2)), constant_values=0.01)
    jacobian, *rest = at(phi)
    found = observed_information(jacobian, lambda w: coordinates.curvature(phi[:, :size], w), *rest)[0]
    h = 1e-6
    slopes = [(score(*at(phi + step)) - score(*at(phi - step)))[0] / (2 * h) for step in h * np.eye(size + 2)]
    unit = np.sqrt(np.abs(np.diag(found)))
    np.testing.assert_allclose(found / np.outer(unit, unit), -np.array(slopes) / np.outer(unit, unit), atol=1e-4)


def test_the_noise_floor_says_nothing():
    ones = np.ones((1, 1, 1))
    at_floor = information(ones, np.zeros((1, 1)), 1.0, [slice(0, 1)])[0, 0, 0]
    above = information(ones, np.full((1, 1), 50.0), 1.0, [slice(0, 1)])[0, 0, 0]
    assert at_floor == 0
    assert above == pytest.approx(1, rel=1e-3)


@seeded(20)
@hypothesis.given(SEEDS)
def test_bounds_are_those_of_the_inverse(seed):
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((2, 5, 9)) * 10.0 ** rng.uniform(-4, 4, (1, 5, 1))
    matrix, gradients = (
        root @ root.swapaxes(1, 2),
        rng.standard_normal((2, 5, 3)) / np.linalg.norm(root, axis=2)[..., None],
    )
    covariance = gradients.swapaxes(1, 2) @ np.linalg.solve(matrix, gradients)
    np.testing.assert_allclose(bounds(matrix, gradients), np.sqrt(np.diagonal(covariance, axis1=1, axis2=2)), rtol=1e-5)


def test_what_the_signal_does_not_hold_has_no_bound():
    """Two parameters that act through their sum: the sum is known, each alone is not; a third never acts."""
    direction = np.array([1.0, 1.0, 0.0])
    matrix = 4 * np.outer(direction, direction)[None]
    functions = np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]).T[None]
    np.testing.assert_allclose(bounds(matrix, functions)[0], [0.5, np.inf, np.inf])


def test_a_nuisance_costs_what_its_estimation_costs():
    """The inverse of the Schur complement is the block of the inverse."""
    root = np.random.default_rng(0).standard_normal((1, 5, 8))
    matrix = root @ root.swapaxes(1, 2)
    np.testing.assert_allclose(np.linalg.inv(without_nuisance(matrix, 3)), np.linalg.inv(matrix)[:, :3, :3])


def test_complex_steps_are_exact():
    theta = np.random.default_rng(0).random((4, 2))
    (slopes,) = complex_step(lambda x: (np.stack([np.exp(x[:, 0]) * x[:, 1], x[:, 1] ** 3], axis=1),), theta)
    a, b = theta.T
    exact = np.array([[np.exp(a) * b, 0 * a], [np.exp(a), 3 * b**2]]).transpose(2, 0, 1)
    np.testing.assert_allclose(slopes, exact, rtol=1e-15)
