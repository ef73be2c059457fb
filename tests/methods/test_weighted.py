"""maxent, l1, tv, mtgv: one penalty each, against cvxpy; the choice of its weight; and what each is known for."""

from dataclasses import dataclass
from typing import Any

import cvxpy as cp
import numpy as np
import pytest
from programs import least_objective
from references import differences, invert, noisy_signals, small_problem

from dexsy_bench.errors import UserError
from dexsy_bench.method import Unsupported
from dexsy_bench.numerics import penalties
from dexsy_bench.numerics.convex import COMPRESSION_RTOL
from dexsy_bench.registry import Registry

REGISTRY = Registry()


def mtgv(f, ratio=1.0):
    v = cp.Variable(f.shape)
    second = differences(f.shape, 2) @ cp.vec(v, order="C")
    return cp.sum(cp.abs(f - v)) + ratio * cp.norm1(second)


@dataclass(frozen=True)
class Fit:
    """A method: its penalty in cvxpy, how far it compresses, the gap it promises, its rules, how noise moves them."""

    name: str
    penalty: Any
    rtol: float
    gap: float
    rules: tuple[str, ...]
    decades: float = 0.5


FITS = [
    Fit("maxent", penalties.entropy, 1e-7, 1e-10, ("ftest", "gcv", "discrepancy")),
    Fit("l1", penalties.l1, 1e-7, 1e-8, ("ftest", "gcv", "discrepancy"), 0.2),
    Fit("tv", penalties.tv, COMPRESSION_RTOL, 1e-6, ("ftest", "discrepancy")),
    Fit("mtgv", mtgv, COMPRESSION_RTOL, 1e-6, ("ftest", "discrepancy")),
]
fits = pytest.mark.parametrize("fit", FITS, ids=lambda fit: fit.name)
RULES = [pytest.param(fit, rule, id=f"{fit.name}-{rule}") for fit in FITS for rule in fit.rules]


@fits
@pytest.mark.parametrize("weight", [1e-4, 1e-2, 1.0])
@pytest.mark.parametrize(
    ("grid", "b", "sampled"), [((10, 8), (12, 9), 1.0), ((16, 16), (20, 16), 1.0), ((9, 12), (16, 14), 0.5)]
)
def test_objective_is_the_least_there_is(fit, weight, grid, b, sampled):
    problem = small_problem(grid, b, sampled)
    signals = noisy_signals(problem, 2, sigma=0.02)
    found = invert(f"{fit.name}[weight={weight}]", problem, signals).diagnostics
    least = least_objective(problem, signals, weight, fit.penalty, fit.rtol)
    np.testing.assert_allclose(found["objective"], least, rtol=1e-6)
    assert found["converged"].all()
    assert (found["gap"] <= fit.gap).all()
    assert (found["alpha"] == weight).all()
    assert not found["alpha_at_edge"].any()


@pytest.mark.parametrize("fit", FITS[:3], ids=lambda fit: fit.name)
def test_and_so_it_is_at_full_size(fit, monkeypatch):
    monkeypatch.setattr(REGISTRY.method(fit.name), "rtol", COMPRESSION_RTOL)  # cvxpy takes its time
    scenario = REGISTRY.scenario("two_compartment")
    problem, signals = scenario.problem(100.0), scenario.cases(0, 1, 100.0, "validation").noisy[:, 0]
    found = invert(f"{fit.name}[weight=0.001]", problem, signals, REGISTRY).diagnostics
    least = least_objective(problem, signals, 0.001, fit.penalty, COMPRESSION_RTOL)
    np.testing.assert_allclose(found["objective"], least, rtol=1e-6)
    assert found["converged"].all()


def test_mtgv_is_so_on_a_larger_grid():
    problem = small_problem((32, 24), (40, 36))
    signals = noisy_signals(problem, 1)
    found = invert("mtgv[weight=0.001]", problem, signals).diagnostics
    np.testing.assert_allclose(
        found["objective"], least_objective(problem, signals, 0.001, mtgv, COMPRESSION_RTOL), rtol=1e-6
    )
    assert found["converged"].all()


@pytest.mark.parametrize(("fit", "rule"), RULES)
def test_a_rule_picks_the_same_solution_as_its_weight_given(fit, rule):
    problem = small_problem((10, 9), (30, 28))
    signals = noisy_signals(problem, 3, sigma=0.01, seed=2)
    chosen = invert(f"{fit.name}[weight={rule}]", problem, signals)
    for n in range(3):
        weight = float(chosen.diagnostics["alpha"][n])
        given = invert(f"{fit.name}[weight={weight!r}]", problem, signals[n : n + 1])
        np.testing.assert_allclose(given.diagnostics["objective"][0], chosen.diagnostics["objective"][n], rtol=1e-6)


@pytest.mark.parametrize(("fit", "rule"), RULES)
def test_more_noise_asks_for_a_larger_weight(fit, rule):
    problem = small_problem((10, 9), (30, 28))
    quiet, loud = (
        invert(f"{fit.name}[weight={rule}]", problem, noisy_signals(problem, 4, sigma)).diagnostics["alpha"]
        for sigma in (1e-3, 0.03)
    )
    assert np.log10(loud).mean() > np.log10(quiet).mean() + fit.decades


@fits
def test_discrepancy_declines_without_spare_data(fit):
    problem = small_problem((10, 10), (3, 3))
    with pytest.raises(Unsupported, match="needs more data"):
        invert(f"{fit.name}[weight=discrepancy]", problem, noisy_signals(problem))


@fits
def test_a_weight_has_to_be_positive(fit):
    with pytest.raises(UserError, match="weight must be positive"):
        REGISTRY.make_options(fit.name, {"weight": -1.0})


@pytest.mark.parametrize("name", ["entropy", "tv"])
def test_it_is_the_method_of_cvxpy(name):
    problem = small_problem((10, 9), (16, 14))
    signals = noisy_signals(problem, 2, sigma=0.02)
    pair = {"entropy": "maxent"}.get(name, name), f"cvx_{name}"
    ours, theirs = (invert(f"{label}[weight=0.01]", problem, signals) for label in pair)
    np.testing.assert_allclose(ours.distributions, theirs.distributions, atol=2e-3 * theirs.distributions.max())


@pytest.mark.parametrize(("name", "rtol"), [("maxent", 0.05), ("tv", 1e-3)])
def test_a_large_weight_leaves_it_flat(name, rtol):
    problem = small_problem((10, 9), (16, 14))
    f = invert(f"{name}[weight=1000]", problem, noisy_signals(problem, 2)).distributions
    np.testing.assert_allclose(f, 1 / f[0].size, rtol=rtol)


def test_maximum_entropy_is_positive_everywhere():
    problem = small_problem((10, 9), (16, 14))
    assert invert("maxent", problem, noisy_signals(problem, 4)).distributions.min() > 0


def test_l1_uses_few_cells():
    problem = small_problem((16, 16), (20, 16))
    f = invert("l1[weight=0.01]", problem, noisy_signals(problem, 4)).distributions
    assert (np.count_nonzero(f, axis=(1, 2, 3)) < 30).all()


def test_l1_takes_mass_away():
    """The objective at a larger weight is that of less mass: it is concave in the weight, its slope the sum of f."""
    problem = small_problem((10, 9), (16, 14))
    signals = noisy_signals(problem, 2)
    at = [invert(f"l1[weight={w}]", problem, signals).diagnostics["objective"] for w in (0.1, 0.2, 0.3)]
    slopes = np.diff(at, axis=0) / 0.1
    assert (slopes[1] < slopes[0]).all()
    np.testing.assert_allclose(slopes, 1, atol=0.3)


@pytest.mark.parametrize("ratio", [0.1, 10.0])
def test_mtgv_is_solved_at_any_ratio(ratio):
    problem = small_problem((10, 8), (12, 9))
    signals = noisy_signals(problem, 2, sigma=0.02)
    found = invert(f"mtgv[weight=0.01,ratio={ratio}]", problem, signals).diagnostics
    least = least_objective(problem, signals, 0.01, lambda f: mtgv(f, ratio), COMPRESSION_RTOL)
    np.testing.assert_allclose(found["objective"], least, rtol=1e-6)
    assert found["converged"].all()


def test_mtgv_of_a_large_ratio_is_l1():
    """Then v = 0."""
    problem = small_problem((10, 8), (12, 9))
    signals = noisy_signals(problem, 2, sigma=0.02)
    found = invert("mtgv[weight=0.01,ratio=100]", problem, signals).diagnostics["objective"]
    least = least_objective(problem, signals, 0.01, penalties.l1, COMPRESSION_RTOL)
    np.testing.assert_allclose(found, least, rtol=1e-6)


@pytest.mark.parametrize("ratio", [0.0, -1.0])
def test_a_ratio_has_to_be_positive(ratio):
    with pytest.raises(UserError, match="ratio must be positive"):
        REGISTRY.make_options("mtgv", {"ratio": ratio})
