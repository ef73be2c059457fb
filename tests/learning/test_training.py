"""The schedule, the budget and the average of the weights, against what is written down of them."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from references import seeded

from dexsy_bench.learning.training import Budget, learning_rate, moving_average

SHARES = st.floats(0, 1)


def test_the_learning_rate_climbs_then_falls_along_a_cosine_to_nothing():
    assert learning_rate(0, 3e-4, 0.1) == 0
    assert learning_rate(0.05, 3e-4, 0.1) == pytest.approx(1.5e-4)
    assert learning_rate(0.1, 3e-4, 0.1) == pytest.approx(3e-4)
    assert learning_rate(0.1 + 0.9 / 3, 3e-4, 0.1) == pytest.approx(0.75 * 3e-4)
    assert learning_rate(0.55, 3e-4, 0.1) == pytest.approx(1.5e-4)
    assert learning_rate(1, 3e-4, 0.1) == pytest.approx(0, abs=1e-12)


def test_without_warm_up_it_begins_at_its_peak():
    assert learning_rate(0, 1e-3, 0) == 1e-3


@given(SHARES, SHARES, st.floats(0, 0.99))
@seeded(50)
def test_it_has_one_peak(one, other, warmup):
    early, late = sorted((one, other))
    rates = [learning_rate(share, 1.0, warmup) for share in (early, late)]
    assert all(0 <= rate <= 1 for rate in rates)
    if late < warmup:
        assert rates[0] <= rates[1]
    if early >= warmup:
        assert rates[0] >= rates[1]


def test_budgets():
    assert Budget(1000, "cases").spent(250, 1e9) == 0.25
    assert Budget(2, "minutes").spent(10**9, 30.0) == 0.25
    assert Budget(1000, "cases").spent(1001, 0.0) == 1
    assert Budget(0.5, "minutes").spent(0, 31.0) == 1


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.999])
def test_the_average_is_exponential_and_forgets_faster_at_first(decay):
    update = moving_average(decay)
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(40, generator=generator)
    average, count = [torch.zeros(1)], [torch.tensor(7)]
    expected = 0.0
    for step, value in enumerate(values, 1):
        update(average, [value[None]], torch.tensor(step))
        now = min(decay, (1 + step) / (10 + step))
        expected = now * expected + (1 - now) * float(value)
    assert average[0].item() == pytest.approx(expected, rel=1e-5)
    update(count, [torch.tensor(9)], 3)
    assert count[0].item() == 9  # what is counted is not averaged
    assert math.isfinite(expected)
