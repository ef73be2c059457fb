"""What stands for a path of alphas, against explicit matrices and against all of its alphas."""

import numpy as np
import pytest
from array_api_compat import array_namespace
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
    return alpha_path.node(array_namespace(y).stack([gram] * len(y)), alpha, y, None, np.zeros(len(y), dtype=int))


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
    """What they have is kept, and what lies between is close: nodes are 1.6 decades apart, as those of tikhonov.

    Six eigenvalues, 1.2 decades apart, make a path that is bumpier than any of a specimen.
    """
    gram, y = system(seed)
    alphas, indices = np.geomspace(1e-3, 1e3, 20), np.array([0, 5, 10, 15, 19])
    whole = [look(gram, alpha, y) for alpha in alphas]
    along = alpha_path.curves(alphas, indices, [whole[k] for k in indices], np.zeros(3), 8)
    for name, off in {"misfit": 0.2, "penalty": 0.4, "dof": 0.02}.items():
        exact = np.stack([getattr(node, name) for node in whole])
        np.testing.assert_allclose(getattr(along, name)[indices], exact[indices], rtol=1e-10)
        assert np.abs(getattr(along, name) / exact - 1).max() < off, name


def test_a_walk_ends_where_no_misfit_is_above_the_limit():
    gram, y = system(3)
    alphas = np.geomspace(1e-2, 1e2, 5)
    whole = [look(gram, alpha, y) for alpha in alphas]
    seen = []

    def walk():
        for k in range(4, -1, -1):
            seen.append(k)
            yield whole[k]

    found = alpha_path.gather(walk(), 5, limit=whole[2].misfit)
    assert seen == [4, 3, 2]
    assert found[2:] == whole[2:]
    for one in found[:2]:
        np.testing.assert_array_equal(one.misfit, whole[2].misfit)
        assert not one.misfit_slope.any()
    along = alpha_path.curves(alphas, np.arange(5), found, np.zeros(3), 8)
    assert (along.misfit[:3] <= whole[2].misfit * (1 + 1e-12)).all()
    assert alpha_path.gather(walk(), 5) == whole


@pytest.mark.parametrize("size", [0.0, 1e-16, 1e-10])
def test_a_matrix_far_below_alpha_leaves_no_rounding(size):
    """f is then y / alpha on all rows, and nothing where there is no cell."""
    _, y = system(1)
    node = look(size * np.eye(6), 1000.0, y)
    np.testing.assert_allclose(node.misfit, (y**2).sum(axis=1))
    np.testing.assert_allclose(node.penalty_slope, -2.0 if size else 0.0)
    np.testing.assert_allclose(node.dof, 6 * size / 1000, atol=1e-9)
    alphas = np.geomspace(1.0, 1e3, 4)
    nodes = [look(size * np.eye(6), alpha, y) for alpha in alphas[[0, 3]]]
    with np.errstate(all="raise"):
        along = alpha_path.curves(alphas, np.array([0, 3]), nodes, np.zeros(3), 8)
    assert np.isfinite(along.penalty).all()


def test_torch_gives_what_numpy_gives():
    torch = pytest.importorskip("torch")
    gram, y = system(2)
    for alpha in (0.1, 100.3):
        here, there = look(gram, alpha, y), look(torch.asarray(gram), alpha, torch.asarray(y))
        for name in ("misfit", "penalty", "dof", "misfit_slope", "penalty_slope"):
            np.testing.assert_allclose(getattr(there, name).numpy(), getattr(here, name), rtol=1e-11)
    alphas, ends = np.array([0.1, 1.0, 100.3]), np.array([0, 2])
    there = [look(torch.asarray(gram), alpha, torch.asarray(y)) for alpha in alphas[ends]]
    here = [look(gram, alpha, y) for alpha in alphas[ends]]
    ours, theirs = (alpha_path.curves(alphas, ends, nodes, np.zeros(3), 8) for nodes in (here, there))
    np.testing.assert_allclose(theirs.misfit, ours.misfit, rtol=1e-10)
