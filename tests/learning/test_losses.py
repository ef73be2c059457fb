import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from references import SEEDS, seeded

from dexsy_bench.learning.losses import EPSILON, distribution_loss


def reference(f, f_hat, l1, tv):
    """As it is written down, cell by cell, in double precision."""
    total = 0.0
    for truth, estimate in zip(f.astype(np.float64), f_hat.astype(np.float64), strict=True):
        rows, columns = truth.shape
        for i in range(rows):
            for j in range(columns):
                p, q = truth[i, j], estimate[i, j]
                total += p * np.log((p + EPSILON) / (q + EPSILON)) + l1 * abs(p - q)
                total += tv * abs(estimate[i + 1, j] - q) if i + 1 < rows else 0.0
                total += tv * abs(estimate[i, j + 1] - q) if j + 1 < columns else 0.0
    return total / len(f)


def draw(seed, n=3, shape=(5, 4), concentration=0.3):
    """Distributions in single precision, some of their cells empty."""
    rng = np.random.default_rng(seed)
    f = rng.gamma(concentration, size=(n, *shape)) * (rng.random((n, *shape)) > 0.2) + 1e-12
    return torch.tensor(f / f.sum((1, 2), keepdims=True), dtype=torch.float32)


@given(SEEDS, st.sampled_from([(5, 4), (2, 7), (8, 8)]), st.floats(0, 2), st.floats(0, 1))
@seeded(40)
def test_it_is_its_formula(seed, shape, l1, tv):
    f, f_hat = draw(seed, shape=shape), draw(seed + 1, shape=shape)
    expected = reference(f.numpy(), f_hat.numpy(), l1, tv)
    assert distribution_loss(f, f_hat, l1, tv).item() == pytest.approx(expected, rel=1e-5, abs=1e-6)


@given(SEEDS)
@seeded(20)
def test_the_default_weights_are_those_of_the_definition(seed):
    f, f_hat = draw(seed), draw(seed + 1)
    assert distribution_loss(f, f_hat).item() == distribution_loss(f, f_hat, 0.1, 1e-5).item()


@given(SEEDS)
@seeded(20)
def test_of_the_truth_only_the_variation_is_left(seed):
    f = draw(seed)
    variation = np.mean([np.abs(np.diff(g, axis=0)).sum() + np.abs(np.diff(g, axis=1)).sum() for g in f.numpy()])
    assert distribution_loss(f, f, 0.1, 0.0).item() == 0
    assert distribution_loss(f, f, 0.1, 0.5).item() == pytest.approx(0.5 * variation, rel=1e-5)
    assert distribution_loss(f, draw(seed + 1), 0.1, 0.0).item() > 0


@given(SEEDS)
@seeded(20)
def test_it_is_the_mean_over_the_batch(seed):
    f, f_hat = draw(seed, 4), draw(seed + 1, 4)
    each = [distribution_loss(f[i : i + 1], f_hat[i : i + 1]).item() for i in range(4)]
    assert distribution_loss(f, f_hat).item() == pytest.approx(np.mean(each), rel=1e-5)


@given(SEEDS)
@seeded(20)
def test_the_mean_of_what_f_may_be_is_the_best_answer(seed):
    """The divergence of two equally likely distributions is least at their mean."""
    f = draw(seed, 2)
    mean = f.mean(0, keepdim=True).expand(2, -1, -1)
    at_mean = distribution_loss(f, mean, 0.0, 0.0).item()
    for other in (f[:1], f[1:], 0.9 * f.mean(0, keepdim=True) + 0.1 * draw(seed + 1, 1)):
        assert at_mean < distribution_loss(f, other.expand(2, -1, -1), 0.0, 0.0).item() + 1e-6


def test_the_gradient_is_finite_where_cells_underflow():
    f = draw(0)
    logits = torch.zeros(f.shape)
    logits[:, ::2] = -200.0
    logits.requires_grad_()
    mass = torch.nn.functional.softplus(logits)
    f_hat = mass / mass.sum((1, 2), keepdim=True)
    assert (f_hat == 0).any()
    assert (f[f_hat == 0] > 0).any(), "there is mass where the estimate has none"
    loss = distribution_loss(f, f_hat)
    loss.backward()
    assert loss.isfinite()
    assert logits.grad.isfinite().all()
    assert (logits.grad != 0).any()
