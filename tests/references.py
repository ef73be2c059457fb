"""Small problems, and slow and plain versions of what the numerics do fast."""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from scipy.optimize import nnls

from dexsy_bench.method import Inverter
from dexsy_bench.problem import Acquisition, Grid, Problem
from dexsy_bench.registry import Registry

SEEDS = st.integers(0, 2**32 - 1)


def seeded(examples):
    """Hypothesis settings: the same examples each time, and no clock."""
    return settings(max_examples=examples, derandomize=True, deadline=None)


def small_problem(d=(10, 8), b=(12, 9), sampled=1.0, seed=0):
    """A problem with axes of four different lengths, at random sampled."""
    mask = None
    if sampled < 1:
        mask = np.random.default_rng(seed).random((1, *b)) < sampled
        mask[:, 0, 0] = True
    acquisition = Acquisition(np.linspace(0, 10, b[0]), np.linspace(0, 8, b[1]), mask=mask)
    return Problem(Grid(np.geomspace(0.01, 10, d[0]), np.geomspace(0.02, 5, d[1])), acquisition)


def noisy_signals(problem, n=1, sigma=0.01, seed=0):
    """Signals (N, B1, B2) of random sparse distributions, with Gaussian noise, 0 where not sampled."""
    rng = np.random.default_rng(seed)
    f = rng.gamma(0.2, size=(n, *problem.grid.shape))
    f /= f.sum(axis=(1, 2), keepdims=True)
    signals = problem.k1 @ f @ problem.k2.T
    signals = signals + sigma * rng.standard_normal(signals.shape)
    return signals if problem.mask() is None else np.where(problem.mask(), signals, 0.0)


def invert(label, problem, signals, registry=None):
    """What a method, as users type it, makes of signals (N, B1, B2)."""
    registry = registry or Registry()
    selection = registry.select(label)
    return Inverter(registry.method(selection.name), registry.options_of(selection), problem)(signals[:, None])


def kernel(problem):
    """The explicit kernel (B1 * B2, D1 * D2), rows that were not sampled left out."""
    k = np.kron(problem.k1, problem.k2)
    return k if problem.mask() is None else k[problem.mask().ravel()]


def _difference(n, order):
    """D (n + order, n): differences of a vector that is 0 outside."""
    return np.diff(np.pad(np.eye(n), [(order, order), (0, 0)]), order, axis=0)


def differences(shape, order):
    """L: differences along both axes of f, which is 0 outside the grid."""
    n1, n2 = shape
    return np.vstack([np.kron(_difference(n1, order), np.eye(n2)), np.kron(np.eye(n1), _difference(n2, order))])


def penalty(order, shape):
    """``L^T L``, dense."""
    if order == 0:
        return np.eye(shape[0] * shape[1])
    d1, d2 = (_difference(n, order) for n in shape)
    return np.kron(d1.T @ d1, np.eye(shape[1])) + np.kron(np.eye(shape[0]), d2.T @ d2)


def objective(a, y, f, alpha, order):
    """``1/2 ||A f - y||^2 + alpha/2 ||L f||^2`` of one case, f (D1, D2)."""
    flat = f.ravel()
    return 0.5 * np.sum((a @ flat - y.ravel()) ** 2) + 0.5 * alpha * flat @ penalty(order, f.shape) @ flat


def augmented_nnls(a, y, alpha, order, shape):
    """The same minimised over f >= 0 by Lawson and Hanson: f (D1, D2)."""
    augmented = np.vstack([a, np.sqrt(alpha) * np.linalg.cholesky(penalty(order, shape)).T])
    f, _ = nnls(augmented, np.concatenate([y, np.zeros(a.shape[1])]), maxiter=50 * a.shape[1])
    return f.reshape(shape)
