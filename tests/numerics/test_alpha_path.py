"""What stands for a path of alphas, against explicit matrices and against all of its alphas."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from references import SEEDS, seeded

from dexsy_bench.numerics import alpha_path

SLOPES = ("misfit", "penalty")


def system(seed, beyond=2):
    """A Gram matrix of 6 rows whose eigenvalues span six decades, and data (3, 6 + beyond)."""
    rng = np.random.default_rng(seed)
    q = np.linalg.qr(rng.standard_normal((6, 6)))[0]
    return (q * np.geomspace(1e3, 1e-3, 6)) @ q.T, rng.standard_normal((3, 6 + beyond))


def look(gram, alpha, y):
    return alpha_path.node(np.stack([gram] * len(y)), alpha, y, None, np.zeros(len(y), dtype=int))


@seeded(40)
@given(seed=SEEDS, alpha=st.sampled_from([1e-3, 0.1, 1.0, 100.0]))
def test_a_node_against_explicit_matrices(seed, alpha):
    """With A = G^(1/2) and L = 1: f = A^T (alpha + G)^-1 y."""
    gram, y = system(seed)
    values, vectors = np.linalg.eigh(gram)
    a = vectors * np.sqrt(values)
    f = np.linalg.solve(a.T @ a + alpha * np.eye(6), a.T @ y[:, :6].T)
    node = look(gram, alpha, y)
    residual = ((a @ f - y[:, :6].T) ** 2).sum(axis=0) + (y[:, 6:] ** 2).sum(axis=1)
    np.testing.assert_allclose(node.misfit, residual, rtol=1e-7)
    np.testing.assert_allclose(node.penalty, (f**2).sum(axis=0), rtol=1e-7)
    np.testing.assert_allclose(node.dof, np.trace(a @ np.linalg.solve(a.T @ a + alpha * np.eye(6), a.T)), rtol=1e-7)


@seeded(40)
@given(seed=SEEDS, alpha=st.sampled_from([1e-3, 0.1, 1.0, 100.0]))
def test_slopes_are_those_of_logarithms(seed, alpha):
    gram, y = system(seed)
    node, step = look(gram, alpha, y), 1e-4
    more, less = look(gram, alpha * np.exp(step), y), look(gram, alpha * np.exp(-step), y)
    for name in SLOPES:
        slope = np.log(getattr(more, name) / getattr(less, name)) / (2 * step)
        np.testing.assert_allclose(getattr(node, f"{name}_slope"), slope, rtol=1e-4, atol=1e-6)


@seeded(20)
@given(seed=SEEDS)
def test_a_few_nodes_stand_for_the_path(seed):
    """What they have is kept, and what lies between is close: nodes are 1.6 decades apart, as those of tikhonov."""
    gram, y = system(seed)
    alphas, indices = np.geomspace(1e-3, 1e3, 20), np.array([0, 5, 10, 15, 19])
    whole = [look(gram, alpha, y) for alpha in alphas]
    along = alpha_path.curves(alphas, indices, [whole[k] for k in indices], np.zeros(3), 8)
    for name, off in {"misfit": 0.03, "penalty": 0.1, "dof": 0.02}.items():
        exact = np.stack([getattr(node, name) for node in whole])
        np.testing.assert_allclose(getattr(along, name)[indices], exact[indices], rtol=1e-10)
        assert np.abs(getattr(along, name) / exact - 1).mean() < off, name
