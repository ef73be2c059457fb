"""Fits are maxima: above the truth, where an independent optimiser ends, and as scattered as the bound allows."""

import dataclasses

import numpy as np
import pytest
from scipy.optimize import minimize

from dexsy_bench.inference import fisher
from dexsy_bench.inference.maximum_likelihood import MaximumLikelihood, expected_magnitude, split
from dexsy_bench.physics import normalise, rician
from dexsy_bench.registry import Registry
from dexsy_bench.scenario import CompartmentSection

REGISTRY = Registry()


def small(name="two_compartment", n=12, **acquisition):
    scenario = REGISTRY.scenario(name)
    section = scenario.acquisition.model_copy(update={"n": n, **acquisition})
    return scenario.model_copy(update={"acquisition": section, "grid": scenario.grid.model_copy(update={"n": 32})})


def at_truth(model, parameters):
    theta = model.coordinates.theta(parameters)
    return np.pad(theta, ((0, 0), (0, len(model.coordinates.points))))


@pytest.mark.parametrize(
    ("name", "acquisition"),
    [
        ("two_compartment", {}),
        ("three_compartment", {}),
        ("asymmetric", {"sampled": 0.6}),
        ("two_compartment", {"mixing_times": (0.01, 0.1)}),
    ],
)
@pytest.mark.parametrize("snr", [20.0, 1000.0])
def test_no_truth_and_no_climb_from_it_is_more_likely(name, acquisition, snr):
    scenario = small(name, **acquisition)
    cases = scenario.cases(0, 3, snr, "validation")
    model = MaximumLikelihood(scenario.family, scenario.problem(snr), draws=512)
    for x, truth in zip(model.points(cases.noisy), at_truth(model, cases.parameters), strict=True):
        fit = model.fit(x)
        assert (fit.phi >= model.low).all()
        assert (fit.phi <= model.high).all()
        assert fit.log_likelihood[0] > model.log_likelihood(x, truth[None])[0]
        # Above a climb from the truth, save by what two ends of a nearly flat ridge differ.
        assert fit.log_likelihood[0] > model.climb(x, truth[None], newton=True).log_likelihood[0] - 0.05


@pytest.mark.parametrize("snr", [20.0, 300.0])
def test_scipy_ends_no_higher(snr):
    scenario = small()
    cases = scenario.cases(0, 2, snr, "validation")
    model = MaximumLikelihood(scenario.family, scenario.problem(snr), draws=512)
    box = [*zip(model.low[:-1], model.high[:-1], strict=True), (-1, 1)]
    for x, truth in zip(model.points(cases.noisy), at_truth(model, cases.parameters), strict=True):
        fit = model.fit(x)
        assert fit.converged[0]

        def misfit(phi, x=x):
            return -model.log_likelihood(x, phi[None])[0]

        for start in (truth, fit.phi[0]):
            assert fit.log_likelihood[0] >= -minimize(misfit, start, bounds=box, method="L-BFGS-B").fun - 1e-6


def test_parameters_are_recovered_without_noise_to_speak_of():
    scenario = small(n=16)
    cases = scenario.cases(0, 4, np.inf, "validation")
    model = MaximumLikelihood(scenario.family, scenario.problem(np.inf))
    for x, truth in zip(model.points(cases.noisy), at_truth(model, cases.parameters), strict=True):
        np.testing.assert_allclose(model.fit(x).phi[0], truth, atol=1e-3)


def test_errors_are_as_large_as_the_bound_says():
    """A hundred noise draws on one compartment: means at the truth, SD that of Cramer and Rao, for both parameters."""
    scenario = small("single_compartment", n=8).model_copy(
        update={"compartments": (CompartmentSection(name="water", d=(0.1, 1.0), sd=(0.05, 0.4)),)}
    )
    snr, n = 1000.0, 100
    problem = scenario.problem(snr)
    model = MaximumLikelihood(scenario.family, problem, draws=128, starts=8)
    truth = np.array([[-0.4, 0.2**2]])
    signal, jacobian = model.coordinates.jacobian(truth)
    rng = np.random.default_rng(1)
    noisy = normalise(
        rician(np.repeat(signal, n, axis=0).reshape(n, 1, 8, 8), rng.standard_normal((2, n, 1, 8, 8)), 1 / snr)
    )
    errors = np.array([model.fit(x).phi[0, :2] for x in model.points(noisy)]) - truth
    matrix = fisher.information(jacobian, signal, 1 / snr, model.coordinates.points)
    least = fisher.bounds(fisher.without_nuisance(matrix, 2), np.eye(2)[None])[0]
    assert np.abs(errors.mean(axis=0) / least).max() < 4 / np.sqrt(n)
    np.testing.assert_allclose(errors.std(axis=0) / least, 1, atol=4 / np.sqrt(2 * n))
    # Had S(0,0) been free of noise, they would have been smaller: the nuisance matters here.
    naive = fisher.bounds(matrix[:, :2, :2], np.eye(2)[None])[0]
    assert (least > 1.05 * naive).any()


def test_a_split_compartment_is_the_same_distribution_but_for_its_width():
    two, three = (
        MaximumLikelihood(small(f"{n}_compartment").family, small().problem(100.0), 16) for n in ("two", "three")
    )
    phi = np.array([-1.0, 0.1, 0.01, 0.01, 0.4, 0.6, 0.02])
    starts = split(phi, two.coordinates, three.coordinates)
    assert starts.shape == (2, three.low.size)
    whole = two.coordinates.distributions(phi[None, :-1])
    parts = three.coordinates.distributions(starts[:, :-1])
    np.testing.assert_allclose(parts.sum(axis=(1, 2, 3)), 1)
    marginal, marginals = whole.sum(axis=-1)[0, 0], parts.sum(axis=-1)[:, 0]
    log_d = two.coordinates.problem.grid.log_d1
    np.testing.assert_allclose(marginals @ log_d, marginal @ log_d, atol=1e-3)


def test_the_expected_magnitude_is_that_of_many_draws():
    s = np.array([0.0, 0.02, 0.1, 1.0])
    drawn = rician(np.repeat(s[None], 200_000, axis=0), np.random.default_rng(0).standard_normal((2, 200_000, 4)), 0.05)
    np.testing.assert_allclose(expected_magnitude(s, 0.05), drawn.mean(axis=0), atol=5e-4)


def test_a_range_of_one_value_is_kept():
    fixed = {"exchange_rate": (50.0, 50.0), "mixing_time": (0.3, 0.3), "width": [(0.1, 0.1)] * 2}
    family = dataclasses.replace(small().family, **fixed)
    model = MaximumLikelihood(family, small().problem(100.0), draws=64)
    x = model.points(small().cases(0, 1, 100.0, "validation").noisy)[0]
    fit = model.fit(x)
    np.testing.assert_array_equal(fit.phi[0, [2, 3, 5]], model.low[[2, 3, 5]])
    assert fit.converged[0]


def test_a_problem_without_noise_level_is_refused():
    with pytest.raises(ValueError, match="noise"):
        MaximumLikelihood(small().family, small().problem(100.0).told(frozenset()))
