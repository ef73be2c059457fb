"""A run against the exact posterior, summed over a grid."""

import numpy as np
import pytest
from inference.cases import integrated, likelihood_of, small

from dexsy_bench.inference.posterior import explore
from dexsy_bench.inference.sampler import Effort
from dexsy_bench.metrics.divergences import js


@pytest.mark.parametrize("expanded", [True, False])
def test_one_compartment_agrees_with_a_grid(expanded):
    """Centre and width are all that matters: mean of f and evidence from 2400 points, the amplitude integrated out."""
    scenario = small("single_compartment", 8)
    likelihood = likelihood_of(scenario, 10.0)
    x = likelihood.data(scenario.cases(1, 2, 10.0, "validation").noisy[0])
    centres, widths = (np.arange(120) + 0.5) / 120, (np.arange(20) + 0.5) / 20
    u = np.array([(a, b, 0.5) for a in centres for b in widths])
    logs = integrated(likelihood, x, u)
    weights = np.exp(logs - logs.max())
    exact = np.tensordot(weights / weights.sum(), likelihood.model.distributions(u), axes=1)
    evidence = logs.max() + np.log(weights.mean())

    expansion = likelihood.expand(x, likelihood.guess(x)) if expanded else None
    run = explore(likelihood, x, expansion, Effort(chains=64), 1024, np.random.default_rng(0))
    mean = np.tensordot(run.weights, likelihood.model.distributions(run.u), axes=1)
    assert js(mean, exact)[0] < 0.002
    assert run.log_evidence == pytest.approx(evidence, abs=0.4)
    assert 0 < run.used <= 1
    assert run.weights.sum() == pytest.approx(1)


def test_truth_is_any_of_the_samples():
    """Simulation-based calibration (Talts et al. 2018): ranks of the true parameters among samples are uniform."""
    scenario = small("two_compartment", 10)
    snr, n = 30.0, 40
    likelihood = likelihood_of(scenario, snr)
    model, rng = likelihood.model, np.random.default_rng(7)
    ranks = []
    for _ in range(n):
        truth = rng.random((1, model.size))
        noise = rng.standard_normal((2, *model.signals(truth)[0].shape)) / snr
        signal = np.hypot(model.signals(truth)[0] + noise[0], noise[1])
        x = likelihood.data(signal / signal[:, :1, :1])
        expansion = likelihood.expand(x, likelihood.guess(x))
        run = explore(likelihood, x, expansion, Effort(chains=32, most=20, last_most=40), 128, rng)
        ranks.append(run.weights @ (run.u < truth))
    ranks = np.array(ranks)
    assert (np.abs(ranks.mean(axis=0) - 0.5) < 4 / np.sqrt(12 * n)).all()
    for level in (0.5, 0.8):
        inside = (np.abs(ranks - 0.5) < level / 2).mean(axis=0)
        assert (np.abs(inside - level) < 4 * np.sqrt(level * (1 - level) / n)).all()
