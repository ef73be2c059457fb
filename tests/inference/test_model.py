"""The generating family over the unit cube draws what the generator draws."""

import numpy as np
import pytest
from scipy.stats import kstest

from dexsy_bench.inference.model import FamilyModel
from dexsy_bench.registry import Registry
from dexsy_bench.scenario import Scenario

REGISTRY = Registry()


def functionals(parameters):
    """Numbers that say all of the law of one case: (N,) each."""
    log_u = np.log(parameters["k"] * parameters["mixing_times"][:, 0])
    columns = [*np.log(parameters["centres"]).T, *parameters["widths"].T, *parameters["fractions"].T]
    columns += [*parameters["initial_fractions"].T, log_u]
    products = [parameters["fractions"][:, 0] * parameters["fractions"][:, 1]] if len(columns) > 5 else []
    return columns + products


@pytest.mark.parametrize("name", ["two_compartment", "three_compartment", "asymmetric"])
def test_uniform_points_have_the_law_of_the_generator(name):
    scenario = REGISTRY.scenario(name)
    n = 20_000
    rng = np.random.default_rng(5)
    model = FamilyModel(scenario.family, scenario.problem(100.0))
    ours = functionals(model.parameters(rng.random((n, model.size))))
    theirs = functionals(scenario.family.draw(rng.random((n, scenario.family.n_uniforms))))
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert kstest(a, b).pvalue > 1e-4


def test_known_mixing_times_are_kept():
    scenario = REGISTRY.scenario("two_compartment")
    fixed = scenario.model_copy(
        update={"acquisition": scenario.acquisition.model_copy(update={"mixing_times": (0.01, 0.1)})}
    )
    assert isinstance(fixed, Scenario)
    model = FamilyModel(fixed.family, fixed.problem(100.0))
    u = np.random.default_rng(0).random((5, model.size))
    parameters = model.parameters(u)
    np.testing.assert_array_equal(parameters["mixing_times"], np.tile([0.01, 0.1], (5, 1)))
    assert ((parameters["k"] > 1) & (parameters["k"] < 300)).all()
    assert model.distributions(u).shape == (5, 2, 64, 64)


def test_names_count_the_coordinates():
    sizes = {"single_compartment": 3, "two_compartment": 6, "three_compartment": 9, "asymmetric": 7}
    for name, size in sizes.items():
        scenario = REGISTRY.scenario(name)
        model = FamilyModel(scenario.family, scenario.problem(100.0))
        if name != "asymmetric":
            assert model.size == size
        assert len(set(model.names)) == model.size


def test_signals_are_normalised_and_forward():
    scenario = REGISTRY.scenario("two_compartment")
    problem = scenario.problem(100.0)
    model = FamilyModel(scenario.family, problem)
    u = np.random.default_rng(1).random((3, model.size))
    f, s = model.distributions(u), model.signals(u)
    np.testing.assert_allclose(f.sum(axis=(-1, -2)), 1)
    np.testing.assert_allclose(s, problem.k1 @ f @ problem.k2.T, atol=1e-12)
