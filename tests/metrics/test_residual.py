from dataclasses import replace

import numpy as np
import pytest

from dexsy_bench.metrics.residual import residual
from dexsy_bench.problem import Acquisition, Grid, Problem

GRID = Grid.log(0.1, 3, 5)


def make_problem(mask=None, sigma=0.02):
    b = np.linspace(0, 4, 6)
    return Problem(GRID, Acquisition(b, b[:4], np.array([0.01, 0.1]), mask), sigma=sigma)


@pytest.mark.parametrize("masked", [False, True])
def test_against_a_loop_over_the_sampled_points(masked):
    rng = np.random.default_rng(0)
    mask = None
    if masked:
        mask = rng.random((2, 6, 4)) < 0.5
        mask[:, 0, 0] = True
    problem = make_problem(mask)
    f, signals = rng.random((3, 2, 5, 5)), rng.random((3, 2, 6, 4))
    found = residual(f, signals, problem)
    assert found.shape == (3, 2)
    b1, b2 = problem.acquisition.b1, problem.acquisition.b2
    for n, t in np.ndindex(3, 2):
        squares = []
        for m1, m2 in np.ndindex(6, 4):
            if mask is None or mask[t, m1, m2]:
                decay = np.exp(-b1[m1] * GRID.d1[:, None] - b2[m2] * GRID.d2[None])
                squares.append(((f[n, t] * decay).sum() - signals[n, t, m1, m2]) ** 2)
        assert found[n, t] == pytest.approx(np.sqrt(np.mean(squares)) / 0.02)


def test_the_truth_is_consistent_with_its_signal(cases, problem):
    np.testing.assert_allclose(residual(cases.distributions, cases.noisy, problem), 1, atol=0.15)


@pytest.mark.parametrize("sigma", [0.0, None])
def test_without_noise_it_is_not_defined(cases, problem, sigma):
    assert np.isnan(residual(cases.distributions, cases.noisy, replace(problem, sigma=sigma))).all()
