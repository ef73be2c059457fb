"""The parametric fit as a method: what it finds, what it says of it, and what it declines."""

import numpy as np
import pytest

from dexsy_bench.method import Inverter, Unsupported
from dexsy_bench.metrics import score
from dexsy_bench.registry import Registry

REGISTRY = Registry()


def small(name, **acquisition):
    scenario = REGISTRY.scenario(name)
    section = scenario.acquisition.model_copy(update={"n": 16, **acquisition})
    return scenario.model_copy(update={"acquisition": section, "grid": scenario.grid.model_copy(update={"n": 32})})


def inverted(text, problem, signals):
    selection = REGISTRY.select(text)
    options = REGISTRY.make_options(selection.name, dict(selection.given))
    return Inverter(REGISTRY.method(selection.name), options, problem)(signals)


@pytest.mark.parametrize("text", ["parametric", "parametric[order=bic]"])
def test_without_noise_to_speak_of_the_truth_is_found(text):
    scenario = small("two_compartment")
    cases = scenario.cases(0, 2, 1e4, "validation")
    problem = scenario.problem(1e4)
    estimate = inverted(text, problem, cases.noisy)
    assert (estimate.diagnostics["order"] == 2).all()
    assert (score(cases, estimate.distributions, problem, only=("js",))["js"] < 2e-3).all()


def test_one_compartment_is_taken_for_one():
    scenario = small("single_compartment")
    cases = scenario.cases(0, 3, 100.0, "validation")
    estimate = inverted("parametric[order=bic]", scenario.problem(100.0), cases.noisy)
    assert (estimate.diagnostics["order"] == 1).all()
    assert estimate.diagnostics["converged"].all()
    assert (estimate.diagnostics["kkt"] < 1e-5).all()


def test_mixing_times_are_fitted_together():
    """One specimen at two mixing times: the marginals agree, and more of it has exchanged at the longer one."""
    scenario = small("two_compartment", mixing_times=(0.002, 0.05))
    cases = scenario.cases(0, 2, 300.0, "validation")
    f = inverted("parametric", scenario.problem(300.0), cases.noisy).distributions
    np.testing.assert_allclose(f[:, 0].sum(axis=-1), f[:, 1].sum(axis=-1), atol=1e-12)
    grid = np.arange(32)
    apart = (np.abs(grid[:, None] - grid) > 8) * f
    assert (apart[:, 1].sum(axis=(1, 2)) > apart[:, 0].sum(axis=(1, 2))).all()


def test_what_it_needs_it_asks_for():
    scenario = small("two_compartment")
    problem, signals = scenario.problem(100.0), np.ones((1, 1, 16, 16))
    with pytest.raises(Unsupported, match="noise SD"):
        inverted("parametric", problem.told(frozenset({"prior"})), signals)
    with pytest.raises(Unsupported, match="order=bic does not"):
        inverted("parametric", problem.told(frozenset({"sigma"})), signals)
    assert inverted("parametric[order=bic]", problem.told(frozenset({"sigma"})), signals).distributions.shape[1] == 1
