import numpy as np
import pytest

from dexsy_bench.problem import Grid
from dexsy_bench.registry import Registry


@pytest.fixture(scope="session")
def scenario():
    return Registry().scenario("two_compartment")


@pytest.fixture(scope="session")
def problem(scenario):
    return scenario.problem(100.0)


@pytest.fixture(scope="session")
def cases(scenario):
    return scenario.cases(0, 4, 100.0)


@pytest.fixture(scope="session")
def others(scenario):
    """Other specimens, as estimates that are smooth and wrong."""
    return scenario.cases(10, 14, 100.0).distributions


@pytest.fixture(scope="session")
def grid():
    """The canonical grid."""
    return Grid.log(0.01, 10, 64)


@pytest.fixture(scope="session")
def random_pair():
    """``random_pair(seed, shape)``: two batches of 3 distributions, half of their cells empty."""

    def make(seed, shape):
        rng = np.random.default_rng(seed)
        pair = rng.gamma(0.5, size=(2, 3, *shape)) * (rng.random((2, 3, *shape)) < 0.5)
        pair[..., 0, 0] += 1e-3
        return pair / pair.sum(axis=(-1, -2), keepdims=True)

    return make
