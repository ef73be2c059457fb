"""The information limit: what it refuses and declines, what it uses, and that its samples are calibrated."""

import dataclasses

import numpy as np
import pytest
from inference.cases import REGISTRY, small

from dexsy_bench.method import Inverter, Unsupported
from dexsy_bench.metrics.divergences import js, kl

METHOD = REGISTRY.method("information_limit")
LIGHT = {"chains": 64, "particles": 256, "samples": 50}


def inverter(problem, **options):
    return Inverter(METHOD, REGISTRY.make_options("information_limit", LIGHT | options), problem)


def test_it_beats_the_prior_and_its_samples_surround_it():
    scenario = small("two_compartment")
    cases = scenario.cases(0, 4, 100.0, "validation")
    estimate = inverter(scenario.problem(100.0))(cases.noisy)
    prior = scenario.draw_distributions(500).mean(axis=(0, 1))
    truth, found = cases.distributions[:, 0], estimate.distributions[:, 0]
    assert kl(truth, found).mean() < 0.3 * kl(truth, np.broadcast_to(prior, truth.shape)).mean()
    assert estimate.samples.shape == (4, 1, 50, 16, 16)
    np.testing.assert_allclose(estimate.samples.sum(axis=(-1, -2)), 1, atol=1e-5)
    assert (js(estimate.samples[:, 0].mean(axis=1, dtype=np.float64), found) < 0.01).all()
    assert (estimate.diagnostics["ess"] > 200).all()
    assert (estimate.diagnostics["disagreement"] < 0.003).all()


def test_a_case_does_not_depend_on_its_company():
    scenario = small("two_compartment")
    noisy = scenario.cases(0, 2, 100.0, "validation").noisy
    invert = inverter(scenario.problem(100.0))
    together = invert(noisy)
    alone = invert(noisy[1:2])
    np.testing.assert_array_equal(alone.distributions[0], together.distributions[1])
    np.testing.assert_array_equal(alone.samples[0], together.samples[1])


def test_a_case_on_which_runs_disagree_is_refused_with_the_reason():
    """A posterior as wide as the prior, and 32 points a run: they cannot agree on its mean."""
    scenario = small("three_compartment")
    noisy = scenario.cases(0, 2, 2.0, "validation").noisy
    estimate = inverter(scenario.problem(2.0), chains=32, particles=32, retries=0)(noisy)
    converged = estimate.diagnostics["converged"]
    assert not converged.all()
    assert list(estimate.refused) == list(np.flatnonzero(~converged))
    assert all("not converged after 1 attempts: two runs differ by js 0." in why for why in estimate.refused.values())


def test_an_attempt_with_more_chains_follows_one_that_failed():
    scenario = small("three_compartment")
    noisy = scenario.cases(0, 1, 2.0, "validation").noisy
    estimate = inverter(scenario.problem(2.0), chains=32, particles=32, retries=6)(noisy)
    assert estimate.refused == {}
    assert 1 < estimate.diagnostics["attempts"][0] <= 7
    assert estimate.diagnostics["disagreement"][0] < 0.003


def test_points_that_were_not_sampled_do_not_matter():
    scenario = small("two_compartment", sampled=0.5)
    problem, noisy = scenario.problem(100.0), scenario.cases(0, 1, 100.0, "validation").noisy
    changed = np.where(problem.acquisition.mask, noisy, 0.7)
    light = inverter(problem)
    instance = METHOD(REGISTRY.make_options("information_limit", LIGHT))
    instance.prepare(problem)
    for a, b in zip(instance.likelihood.data(noisy[0]), instance.likelihood.data(changed[0]), strict=True):
        np.testing.assert_array_equal(a, b)
    assert js(light(noisy).distributions[0], light(changed).distributions[0])[0] < 0.005


def test_more_mixing_times_leave_less_unknown():
    """Two mixing times of the same k tell more of f at the first than that one alone."""
    several = small("two_compartment", mixing_times=(0.01, 0.05))
    one = small("two_compartment", mixing_times=(0.01,))
    cases = several.cases(0, 3, 30.0, "validation")
    joint = inverter(several.problem(30.0))(cases.noisy)
    alone = inverter(one.problem(30.0))(cases.noisy[:, :1])
    assert joint.distributions.shape == (3, 2, 16, 16)
    assert joint.samples.shape == (3, 2, 50, 16, 16)

    def spread(estimate):
        return estimate.samples[:, 0].var(axis=1).sum(axis=(-1, -2)).mean()

    assert spread(joint) < 0.9 * spread(alone)


def test_it_declines_without_the_generator_or_noise():
    scenario = small("two_compartment")
    problem = scenario.problem(100.0)
    with pytest.raises(Unsupported, match="scenario"):
        inverter(dataclasses.replace(problem, prior=None))
    for sigma in (None, 0.0):
        with pytest.raises(Unsupported, match="noise"):
            inverter(dataclasses.replace(problem, sigma=sigma))


@pytest.mark.parametrize("options", [{"chains": 8}, {"chains": 64, "particles": 32}, {"samples": 0}, {"retries": -1}])
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(Exception, match="must be at least"):
        REGISTRY.make_options("information_limit", options)
