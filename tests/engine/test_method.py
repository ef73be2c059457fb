"""The interface of methods, and how the engine calls them."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from dexsy_bench.method import (
    Estimate,
    InvalidEstimate,
    Inverter,
    Method,
    Unsupported,
    normalised,
    validate,
    worst_of,
)
from dexsy_bench.problem import Acquisition, Grid, Problem

B1, B2 = np.linspace(0, 10, 6), np.linspace(0, 8, 5)
GRID = Grid(np.geomspace(0.01, 10, 4), np.geomspace(0.02, 5, 3))
TIMES = np.array([0.01, 0.02, 0.05])


def problem(times=None, mask=None):
    return Problem(GRID, Acquisition(B1, B2, times, mask), sigma=0.01, prior="the generator")


def masks(apart):
    rng = np.random.default_rng(0)
    mask = np.repeat(rng.random((1, 6, 5)) < 0.5, 3, axis=0)
    if apart:
        mask = rng.random((3, 6, 5)) < 0.5
    mask[:, 0, 0] = True
    return mask


class Recorder(Method):
    """Writes down what it is given; the estimate holds the second value of each signal in its first cell."""

    name = "recorder"

    def __init__(self, options=None):
        super().__init__(options)
        self.given = []

    def prepare(self, problem):
        super().prepare(problem)
        made.append(self)

    def invert(self, signals):
        self.given.append(signals)
        mark = signals[..., 0, 1]
        f = np.zeros((*mark.shape, *self.problem.grid.shape))
        f[..., 0, 0], f[..., 1, 1] = mark, 1 - mark
        each = mark if mark.ndim == 1 else mark[:, 0]
        diagnostics = {"alpha": 1 + each, "converged": each < 0.9, "iterations": np.arange(len(each))}
        return Estimate(f, samples=np.stack([f, f], axis=1) if mark.ndim == 1 else None, diagnostics=diagnostics)


class Joint(Recorder):
    joint_mixing_times = True


made = []


@pytest.fixture(autouse=True)
def forget():
    made.clear()


def ready(method, problem):
    return Inverter(method, method.Options(), problem)


def signals(n=2, t=1):
    return np.random.default_rng(1).random((n, t, 6, 5))


# What a method is told ----------------------------------------------------------------------


@pytest.mark.parametrize("told", [set(), {"sigma"}, {"prior"}, {"sigma", "prior"}])
@pytest.mark.parametrize("base", [Recorder, Joint])
def test_a_method_is_told_what_it_declares(told, base):
    method = type("Told", (base,), {"told": frozenset(told)})
    ready(method, problem(TIMES, masks(apart=True)))
    assert made
    for instance in made:
        assert instance.problem.sigma == (0.01 if "sigma" in told else None)
        assert instance.problem.prior == ("the generator" if "prior" in told else None)


def test_supports_sees_no_more_than_prepare():
    seen = []

    class Nosy(Recorder):
        def supports(self, problem):
            seen.append((problem.sigma, problem.prior))

    ready(Nosy, problem())
    assert seen == [(None, None)]


def test_a_method_that_declines_says_why():
    class Declining(Recorder):
        def supports(self, problem):
            return "no mask" if problem.mask() is not None else None

    ready(Declining, problem())
    with pytest.raises(Unsupported, match="no mask"):
        ready(Declining, problem(TIMES, masks(apart=True)))


@dataclass(frozen=True)
class Weighted:
    weight: float | str = "tuned"


def test_options_reach_the_method():
    Inverter(Recorder, Weighted(0.5), problem())
    assert made[0].options == Weighted(0.5)


def test_an_option_that_waits_for_tuning_is_declined():
    with pytest.raises(Unsupported, match=r"no tuned weight is stored.*dexsy-bench tune recorder"):
        Inverter(Recorder, Weighted(), problem())


# Mixing times -------------------------------------------------------------------------------


def test_mixing_times_are_folded_into_the_batch():
    given = signals(2, 3)
    estimate = ready(Recorder, problem(TIMES))(given)
    (instance,) = made
    np.testing.assert_array_equal(instance.given[0], given.reshape(6, 6, 5))
    assert instance.problem.acquisition.signal_shape == (1, 6, 5)
    assert estimate.distributions.shape == (2, 3, 4, 3)
    np.testing.assert_array_equal(estimate.distributions[..., 0, 0], given[..., 0, 1])
    assert estimate.samples.shape == (2, 3, 2, 4, 3)
    np.testing.assert_array_equal(estimate.samples[:, :, 1], estimate.distributions)


def test_a_mask_for_each_mixing_time_makes_each_a_problem_of_its_own():
    given, mask = signals(2, 3), masks(apart=True)
    estimate = ready(Recorder, problem(TIMES, mask))(given)
    assert len(made) == 3
    for t, instance in enumerate(made):
        np.testing.assert_array_equal(instance.given[0], given[:, t])
        np.testing.assert_array_equal(instance.problem.mask(), mask[t])
        np.testing.assert_array_equal(instance.problem.acquisition.mixing_times, TIMES[t : t + 1])
    np.testing.assert_array_equal(estimate.distributions[..., 0, 0], given[..., 0, 1])
    assert estimate.samples.shape == (2, 3, 2, 4, 3)


def test_the_same_mask_for_all_mixing_times_is_one_problem():
    ready(Recorder, problem(TIMES, masks(apart=False)))(signals(2, 3))
    (instance,) = made
    np.testing.assert_array_equal(instance.problem.mask(), masks(apart=False)[0])


def test_joint_methods_see_all_mixing_times():
    given, mask = signals(2, 3), masks(apart=True)
    estimate = ready(Joint, problem(TIMES, mask))(given)
    (instance,) = made
    np.testing.assert_array_equal(instance.given[0], given)
    np.testing.assert_array_equal(instance.problem.acquisition.mixing_times, TIMES)
    assert instance.problem.mask(2) is not None
    assert estimate.distributions.shape == (2, 3, 4, 3)


def test_diagnostics_are_one_a_case():
    given = signals(2, 3)
    estimate = ready(Recorder, problem(TIMES))(given)
    mark = given[..., 0, 1]
    np.testing.assert_allclose(estimate.diagnostics["alpha"], np.exp(np.log(1 + mark).mean(axis=1)))
    np.testing.assert_array_equal(estimate.diagnostics["converged"], (mark < 0.9).all(axis=1))
    np.testing.assert_array_equal(estimate.diagnostics["iterations"], [2, 5])


@pytest.mark.parametrize(
    ("name", "expected"), [("converged", 0), ("alpha", 2), ("sigma", 2), ("kkt", 4), ("alpha_at_edge", 4)]
)
def test_worst_of(name, expected):
    values = np.array([[1.0, 4.0]]) if name != "converged" else np.array([[1.0, 0.0]])
    assert worst_of(name, values) == pytest.approx(expected)


def test_samples_and_refusals_are_unfolded():
    """Two cases at three mixing times: the second time of the second case, position 4, is refused."""

    class Sampling(Recorder):
        def invert(self, signals):
            f = np.full((len(signals), 2, 3), 1 / 6)
            return Estimate(f, np.repeat(f[:, None], 5, axis=1), refused={4: "why"})

    problem = Problem(
        Grid(np.array([1.0, 2.0]), np.array([1.0, 2.0, 3.0])),
        Acquisition(np.array([0.0, 1.0]), np.array([0.0, 1.0]), np.array([0.1, 0.2, 0.3])),
    )
    estimate = Inverter(Sampling, Sampling.Options(), problem)(np.ones((2, 3, 2, 2)))
    assert estimate.samples.shape == (2, 3, 5, 2, 3)
    assert estimate.refused == {1: "why"}


def test_a_method_cannot_change_the_signals():
    class Vandal(Recorder):
        def invert(self, signals):
            estimate = super().invert(signals.copy())
            signals[:] = np.nan
            return estimate

    for base, times in ((Vandal, None), (Vandal, TIMES), (type("Both", (Vandal, Joint), {}), TIMES)):
        given = signals(2, 1 if times is None else 3)
        before = given.copy()
        ready(base, problem(times))(given)
        np.testing.assert_array_equal(given, before)


# Estimates that break the contract ----------------------------------------------------------

GOOD = np.full((2, 4, 3), 1 / 12)


def spoiled(value):
    f = GOOD.copy()
    f[1, 2, 1] = value
    return f


@pytest.mark.parametrize(
    ("f", "reason"),
    [
        (GOOD[:1], r"shape \(1, 4, 3\) where \(2, 4, 3\) was expected"),
        (np.swapaxes(GOOD, 1, 2), r"shape \(2, 3, 4\)"),
        (spoiled(np.nan), "NaN or infinite"),
        (spoiled(np.inf), "NaN or infinite"),
        (spoiled(-0.1), "go negative, down to -0.1"),
        (spoiled(0.5), "do not sum to 1: off by up to 0.417"),
        (np.zeros((2, 4, 3)), "do not sum to 1: off by up to 1"),
        (GOOD.tolist(), "are a list, not a NumPy array"),
        (None, "are a NoneType, not a NumPy array"),
        (GOOD + 0j, "of type complex128, not of real numbers"),
        (GOOD.astype(object), "of type object"),
    ],
)
def test_invalid_estimates_are_refused(f, reason):
    class Broken(Method):
        name = "broken"

        def invert(self, signals):
            return Estimate(f)

    with pytest.raises(InvalidEstimate, match=reason):
        ready(Broken, problem())(signals())


@pytest.mark.parametrize("returned", [GOOD, None, (GOOD, {})])
def test_what_is_no_estimate_is_refused(returned):
    class Broken(Method):
        name = "broken"

        def invert(self, signals):
            return returned

    with pytest.raises(InvalidEstimate, match=f"returned a {type(returned).__name__}, not an Estimate"):
        ready(Broken, problem())(signals())


def test_joint_estimates_need_their_mixing_times():
    class Flat(Joint):
        def invert(self, signals):
            return replace(super().invert(signals), distributions=GOOD)

    with pytest.raises(InvalidEstimate, match=r"where \(2, 3, 4, 3\) was expected"):
        ready(Flat, problem(TIMES))(signals(2, 3))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rounding_is_forgiven(dtype):
    validate(GOOD.astype(dtype), GOOD.shape)
    validate(GOOD * (1 + 9e-7), GOOD.shape)
    with pytest.raises(InvalidEstimate):
        validate(GOOD * (1 + 2e-6), GOOD.shape)


def test_normalised():
    f = np.random.default_rng(0).random((3, 4, 3))
    f[1] = 0
    scaled = normalised(f)
    np.testing.assert_allclose(scaled.sum(axis=(1, 2)), 1)
    np.testing.assert_allclose(scaled[0] * f[0].sum(), f[0])
    np.testing.assert_array_equal(scaled[1], 1 / 12)
