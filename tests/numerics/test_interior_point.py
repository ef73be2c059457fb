"""The interior-point method, the two penalties it takes, and the banded systems in it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from references import SEEDS, differences, noisy_signals, seeded, small_problem

from dexsy_bench.numerics import interior_point
from dexsy_bench.numerics.banded import BandedCholesky
from dexsy_bench.numerics.compression import Compression
from dexsy_bench.numerics.modified_tgv import ModifiedTGV
from dexsy_bench.numerics.total_variation import TotalVariation

PENALTIES = [TotalVariation(), ModifiedTGV(0.7)]
penalties = pytest.mark.parametrize("penalty", PENALTIES, ids=["tv", "mtgv"])
SHAPES = st.tuples(st.integers(2, 7), st.integers(2, 7))


@given(seed=SEEDS, n=st.integers(1, 23), bandwidth=st.integers(0, 6), m=st.integers(1, 4))
@seeded(30)
def test_banded_factors_are_those_of_the_dense_matrix(seed, n, bandwidth, m):
    bandwidth = min(bandwidth, n - 1)
    rng = np.random.default_rng(seed)
    lower = np.tril(rng.standard_normal((n, n)))
    lower[np.subtract.outer(np.arange(n), np.arange(n)) > bandwidth] = 0.0
    lower[np.arange(n), np.arange(n)] = rng.uniform(1, 2, n)
    matrix = lower @ lower.T
    bands = np.zeros((bandwidth + 1, n))
    for k in range(bandwidth + 1):
        bands[k, : n - k] = np.diag(matrix, -k)
    cholesky, b = BandedCholesky(bands), rng.standard_normal((n, m))
    np.testing.assert_allclose(cholesky.forward(b), np.linalg.solve(lower, b), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(matrix @ cholesky.solve(b[:, 0]), b[:, 0], rtol=1e-6, atol=1e-8)


@penalties
@given(seed=SEEDS, shape=SHAPES)
@seeded(15)
def test_the_adjoint_is_the_adjoint(penalty, seed, shape):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((penalty.parts, *shape))
    g = penalty.groups(x)
    p = [rng.standard_normal(part.shape) for part in g]
    left = sum((u * v).sum() for u, v in zip(p, g, strict=True))
    np.testing.assert_allclose(left, (penalty.adjoint(p) * x).sum(), rtol=1e-10, atol=1e-10)


@penalties
@given(seed=SEEDS, shape=SHAPES)
@seeded(15)
def test_the_system_is_that_of_the_groups(penalty, seed, shape):
    rng = np.random.default_rng(seed)
    x, d = rng.standard_normal((penalty.parts, *shape)), rng.uniform(0.5, 1.0, shape)
    h = []
    for part in penalty.groups(x):
        root = rng.standard_normal((len(part), *part.shape))
        h.append(np.einsum("ik...,jk...->ij...", root, root) + 0.1 * np.eye(len(part))[:, :, None, None])
    products = [np.einsum("ij...,j...->i...", w, g) for w, g in zip(h, penalty.groups(x), strict=True)]
    b = penalty.adjoint(products)
    b[0] += d * x[0]
    np.testing.assert_allclose(penalty.system(h, d).solve(b), x, rtol=1e-6, atol=1e-8)


@penalties
def test_the_capacitance_is_that_of_the_inverse(penalty):
    a = Compression(small_problem((6, 5), (9, 8)), 1e-3)
    rows, rng = a.matrix().reshape(-1, *a.shape), np.random.default_rng(0)
    h = [
        (1 + rng.random(part.shape[1:])) * np.eye(len(part))[:, :, None, None]
        for part in penalty.groups(np.zeros((penalty.parts, *a.shape)))
    ]
    system = penalty.system(h, rng.random(a.shape))
    columns = []
    for row in rows:
        b = np.zeros((penalty.parts, *a.shape))
        b[0] = row
        columns.append(a.apply(system.solve(b)[:1])[0])
    np.testing.assert_allclose(system.capacitance(a, rows), np.array(columns), rtol=1e-8, atol=1e-8)


@given(seed=SEEDS, shape=SHAPES)
@seeded(10)
def test_ceilings_are_admissible(seed, shape):
    """What the dual of MTGV asks for: 0 in v, and every number within its bound."""
    rng, penalty, radii = np.random.default_rng(seed), ModifiedTGV(0.7), [0.3, 0.2, 0.2]
    g = penalty.groups(np.zeros((2, *shape)))
    p = [r * rng.uniform(-1, 1, part.shape) for r, part in zip(radii, g, strict=True)]
    ceiling = penalty.ceiling(p, radii)
    assert np.abs(ceiling).max() <= radii[0] * (1 + 1e-12)
    second = differences(shape, 2)
    order = np.concatenate([p[1][0].ravel(), p[2][0].ravel()])
    full = (second.T @ order).reshape(shape)
    np.testing.assert_allclose(ceiling, full * min(1, radii[0] / np.abs(full).max()), atol=1e-12)


@penalties
@pytest.mark.parametrize("weight", [1e-4, 1e-2, 1.0])
@pytest.mark.parametrize("sampled", [1.0, 0.5])
def test_no_distribution_is_better_by_more_than_the_gap(penalty, weight, sampled):
    problem = small_problem((8, 7), (12, 9), sampled)
    a = Compression(problem, 1e-4)
    rows, y = a.matrix().reshape(-1, *a.shape), a.project(noisy_signals(problem, 1, seed=3))[0][0]
    start = np.full(a.shape, 1 / np.prod(a.shape))
    rough, exact = (interior_point.solve(a, rows, y, weight, penalty, start, tol) for tol in (1e-1, 1e-7))
    worse, best = (0.5 * point.misfit + weight * point.penalty for point in (rough, exact))
    assert rough.converged
    assert exact.converged
    assert rough.gap <= 0.1 * worse
    assert worse - rough.gap <= best * (1 + 1e-12)
    assert exact.gap <= 1e-7 * best
    assert exact.x[0].min() > 0
