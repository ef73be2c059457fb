"""The expanded likelihood against the likelihood as it is."""

import numpy as np
import pytest
from inference.cases import integrated, likelihood_of, small

from dexsy_bench.inference.posterior import explore
from dexsy_bench.inference.sampler import Effort


@pytest.mark.parametrize("name", ["two_compartment", "three_compartment", "asymmetric", "narrow_peaks"])
def test_coefficients_are_those_of_the_signals(name):
    likelihood = likelihood_of(small(name), 100.0)
    u = np.random.default_rng(0).random((50, likelihood.model.size))
    signals = likelihood.model.signals(u).reshape(50, -1)
    np.testing.assert_allclose(
        (likelihood.coefficients.basis @ likelihood.coefficients(u)[0]).T, signals, atol=0.01 / 100
    )


def test_each_mixing_time_has_coefficients_of_its_own():
    likelihood = likelihood_of(small("two_compartment", mixing_times=(0.01, 0.1)), 100.0)
    u = np.random.default_rng(0).random((5, likelihood.model.size))
    c = likelihood.coefficients(u)
    for t in range(2):
        signals = likelihood.model.signals(u)[:, t].reshape(5, -1)
        np.testing.assert_allclose((likelihood.coefficients.basis @ c[t]).T, signals, atol=0.01 / 100)


@pytest.mark.parametrize(("snr", "sampled"), [(30.0, 1.0), (300.0, 1.0), (100.0, 0.5)])
def test_guess_lies_within_the_noise_of_the_true_signal(snr, sampled):
    scenario = small("two_compartment", 16, sampled=sampled)
    likelihood, cases = likelihood_of(scenario, snr), scenario.cases(0, 4, snr, "validation")
    for signal, clean in zip(cases.noisy, cases.clean, strict=True):
        at = likelihood.guess(likelihood.data(signal))
        found = likelihood.coefficients.basis @ at.c[0]
        assert np.sqrt(np.mean((found - clean.ravel()) ** 2)) < 0.5 / snr


@pytest.mark.parametrize(("name", "snr"), [("two_compartment", 30.0), ("three_compartment", 300.0)])
def test_expansion_agrees_where_the_posterior_is(name, snr):
    """The likelihood as it is, the amplitude integrated out by quadrature."""
    scenario = small(name, 16)
    likelihood = likelihood_of(scenario, snr)
    x = likelihood.data(scenario.cases(0, 1, snr, "validation").noisy[0])
    expansion = likelihood.expand(x, likelihood.guess(x))
    run = explore(likelihood, x, expansion, Effort(chains=64), 64, np.random.default_rng(0))
    ours = expansion(likelihood.coefficients(run.u))
    exact = integrated(likelihood, x, run.u, around=np.exp(expansion.at.log_a[0]))
    assert np.abs(np.median(ours - exact)) < 0.2
    assert np.std(ours - exact) < 0.3 < np.std(exact)


def test_weights_carry_the_expansion_to_the_likelihood_as_it_is():
    """Averaged over the amplitudes that they draw, weights are the ratio of the two likelihoods."""
    scenario = small("two_compartment")
    likelihood = likelihood_of(scenario, 10.0)
    x = likelihood.data(scenario.cases(0, 1, 10.0, "validation").noisy[0])
    expansion = likelihood.expand(x, likelihood.guess(x))
    run = explore(likelihood, x, expansion, Effort(chains=64), 64, np.random.default_rng(0))
    u = run.u[:3]
    ratio = integrated(likelihood, x, u, np.exp(expansion.at.log_a[0])) - expansion(likelihood.coefficients(u))
    repeated = likelihood.correction(x, expansion, np.repeat(u, 500, axis=0), np.random.default_rng(1)).reshape(3, 500)
    np.testing.assert_allclose(np.log(np.exp(repeated).mean(axis=1)), ratio, atol=0.05)


def test_compression_does_not_change_the_likelihood():
    scenario = small("two_compartment", sampled=0.6)
    likelihood = likelihood_of(scenario, 30.0)
    x = likelihood.data(scenario.cases(0, 1, 30.0, "validation").noisy[0])
    z = np.random.default_rng(0).standard_normal((20, likelihood.model.size + 1)) * 0.3
    np.testing.assert_allclose(likelihood.plain(x, z), likelihood.plain(x, z, compressed=False), atol=0.1)


def test_magnitudes_of_zero_leave_a_finite_likelihood():
    scenario = small("two_compartment")
    likelihood = likelihood_of(scenario, 30.0)
    signal = scenario.cases(0, 1, 30.0, "validation").noisy[0].copy()
    signal[0, -3:, -3:] = 0
    x = likelihood.data(signal)
    expansion = likelihood.expand(x, likelihood.guess(x))
    u = np.random.default_rng(0).random((10, likelihood.model.size))
    assert np.isfinite(expansion(likelihood.coefficients(u))).all()
    assert np.isfinite(likelihood.exact(x, u, np.ones((1, 10)))).all()
