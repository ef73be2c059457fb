import itertools

import numpy as np
import pytest

from dexsy_bench import seeds
from dexsy_bench.registry import Registry

FIELDS = ("distributions", "clean", "noisy")


@pytest.fixture(scope="module")
def scenario():
    return Registry().scenario("three_compartment")


def assert_same(a, b):
    for field in FIELDS:
        np.testing.assert_array_equal(getattr(a, field), getattr(b, field), err_msg=field)
    for name in a.parameters:
        np.testing.assert_array_equal(a.parameters[name], b.parameters[name], err_msg=name)


def test_a_name_is_a_stream():
    first, again = (seeds.generator("test", "a", "truth", 3).random(5) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_streams_with_different_names_are_disjoint():
    names = itertools.product(
        ("training", "validation", "test"), ("two_compartment", "three_compartment"), ("truth", 30.0, 300.0), range(20)
    )
    numbers = np.concatenate([seeds.generator(*name).random(50) for name in names])
    assert len(np.unique(numbers)) == numbers.size


def test_parts_of_a_name_do_not_run_into_each_other():
    one, other = seeds.generator("test", "a", 1, 11), seeds.generator("test", "a", 11, 1)
    assert one.random() != other.random()


def test_whole_and_decimal_numbers_name_the_same_stream():
    assert seeds.generator("test", "a", 100).random() == seeds.generator("test", "a", 100.0).random()
    assert seeds.generator("test", "a", np.int64(7)).random() == seeds.generator("test", "a", 7).random()


def test_a_case_does_not_depend_on_the_batch(scenario):
    whole = scenario.cases(0, 10, 100.0)
    for start, stop in ((0, 1), (3, 7), (9, 10)):
        part = scenario.cases(start, stop, 100.0)
        for field in FIELDS:
            np.testing.assert_array_equal(getattr(part, field), getattr(whole, field)[start:stop])
        for name, values in part.parameters.items():
            np.testing.assert_array_equal(values, whole.parameters[name][start:stop])


def test_a_case_does_not_depend_on_what_was_made_before(scenario):
    first = scenario.cases(4, 6, 30.0)
    np.random.seed(0)  # noqa: NPY002 - the global generator is what a bad plugin would disturb
    scenario.cases(0, 3, 1000.0)
    scenario.draw_distributions(5)
    Registry().scenario("two_compartment").cases(4, 6, 30.0)
    assert_same(scenario.cases(4, 6, 30.0), first)


def test_a_specimen_is_the_same_at_every_snr_and_its_noise_is_not(scenario):
    poor, good = scenario.cases(0, 3, 30.0), scenario.cases(0, 3, 300.0)
    np.testing.assert_array_equal(poor.distributions, good.distributions)
    np.testing.assert_array_equal(poor.clean, good.clean)
    noise = [((c.noisy - c.clean) * snr).ravel() for c, snr in ((poor, 30.0), (good, 300.0))]
    assert abs(np.corrcoef(*noise)[0, 1]) < 5 / np.sqrt(noise[0].size)


def test_cases_differ(scenario):
    cases = scenario.cases(0, 20, 100.0)
    assert len(np.unique(cases.parameters["centres"])) == 60
    noise = (cases.noisy - cases.clean).reshape(20, -1)
    correlations = np.corrcoef(noise) - np.eye(20)
    assert np.abs(correlations).max() < 0.2  # magnitudes of small signals share a little bias


def test_purposes_have_specimens_of_their_own(scenario):
    centres = [scenario.cases(0, 8, 100.0, p).parameters["centres"] for p in ("test", "validation", "training")]
    assert len(np.unique(np.concatenate(centres))) == 3 * 8 * 3


def test_the_prior_is_drawn_from_the_training_stream(scenario):
    drawn = scenario.draw_distributions(6)
    np.testing.assert_array_equal(drawn[:4], scenario.draw_distributions(4))
    for purpose in ("test", "validation"):
        assert not (scenario.cases(0, 6, 100.0, purpose).distributions == drawn).all(axis=(1, 2, 3)).any()


@pytest.mark.parametrize(("start", "stop"), [(-1, 2), (3, 3), (5, 2)])
def test_impossible_ranges_of_cases_are_refused(scenario, start, stop):
    with pytest.raises(ValueError, match="needs 0 <= start < stop"):
        scenario.cases(start, stop, 100.0)


# Whoever changes these numbers changes every case there is: published tables no longer compare, and finished shards
# of a run are of other cases than new ones.


def test_golden_streams():
    np.testing.assert_array_equal(
        seeds.generator("test", "a", "truth", 7).random(3),
        [0.2688501438196814, 0.568774970730403, 0.8544005299796118],
    )
    np.testing.assert_allclose(
        seeds.generator("training", "a", 100.0, 0).standard_normal(2), [-1.2087436326303767, -0.18975143035907754]
    )


@pytest.mark.parametrize(
    ("name", "purpose", "centres", "k", "mixing_time", "noisy"),
    [
        (
            "two_compartment",
            "test",
            [0.25470382, 1.389349397],
            29.331227418,
            0.04200603,
            [0.794211893, 0.85266777, 0.192000103, 0.014479252],
        ),
        (
            "three_compartment",
            "validation",
            [0.074978966, 0.291518636, 2.256706055],
            2.130602501,
            0.040802259,
            [0.596284838, 0.711459903, 0.199282109, 0.091215818],
        ),
    ],
)
def test_golden_case(name, purpose, centres, k, mixing_time, noisy):
    case = Registry().scenario(name).cases(0, 1, 100.0, purpose)
    np.testing.assert_allclose(case.parameters["centres"][0], centres, atol=1e-8)
    np.testing.assert_allclose(case.parameters["k"], k, atol=1e-8)
    np.testing.assert_allclose(case.parameters["mixing_times"], [[mixing_time]], atol=1e-8)
    np.testing.assert_allclose(case.noisy[0, 0, [0, 1, 10, 40], [3, 1, 20, 40]], noisy, atol=1e-8)
