import numpy as np
import pytest

from dexsy_bench.method import Inverter, Unsupported
from dexsy_bench.registry import Registry


@pytest.fixture(scope="module")
def scenario():
    return Registry().scenario("two_compartment")


def invert(scenario, problem, signals, draws):
    registry = Registry()
    return Inverter(registry.method("prior_mean"), registry.make_options("prior_mean", {"draws": draws}), problem)(
        signals
    )


def test_it_is_the_mean_of_the_training_stream_whatever_the_signal(scenario):
    cases = scenario.cases(0, 3, 100.0)
    estimate = invert(scenario, scenario.problem(100.0), cases.noisy, 50)
    mean = scenario.draw_distributions(50).mean(axis=0)
    for n in range(3):
        np.testing.assert_allclose(estimate.distributions[n], mean / mean.sum(), rtol=1e-12)


def test_more_draws_come_closer_to_the_prior(scenario):
    """Against the mean of 4000 other draws."""
    reference = scenario.cases(0, 400, 100.0, "validation").distributions.mean(axis=0)[0]
    signals = scenario.cases(0, 1, 100.0).noisy
    few, many = (invert(scenario, scenario.problem(100.0), signals, n).distributions[0, 0] for n in (5, 1000))
    assert np.abs(many - reference).sum() < 0.3 * np.abs(few - reference).sum()


def test_without_a_generator_it_declines(scenario):
    with pytest.raises(Unsupported, match="needs the scenario"):
        invert(scenario, scenario.problem(100.0).told(frozenset()), None, 5)
