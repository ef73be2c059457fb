"""The parametric bootstrap around other methods."""

import faults
import numpy as np
import pytest
from references import noisy_signals, small_problem

from dexsy_bench.errors import UserError
from dexsy_bench.jobs import Cell, plan
from dexsy_bench.method import Inverter, Unsupported
from dexsy_bench.registry import Registry

REGISTRY = Registry()
INNER = "tikhonov[order=0,alpha=0.1]"


def ready(text, problem, registry=REGISTRY):
    selection = registry.select(text)
    return Inverter(registry.method(selection.name), registry.options_of(selection), problem)


@pytest.mark.parametrize("sampled", [1.0, 0.5])
def test_the_estimate_is_that_of_the_method(sampled):
    problem = small_problem((12, 10), (24, 20), sampled)
    signals = noisy_signals(problem, 3, sigma=0.02)[:, None]
    found, plain = ready(f"bootstrap[method={INNER},samples=30]", problem)(signals), ready(INNER, problem)(signals)
    np.testing.assert_array_equal(found.distributions, plain.distributions)
    assert found.samples.shape == (3, 1, 30, 12, 10)
    assert (found.diagnostics["alpha"] == 0.1).all()
    np.testing.assert_allclose(found.diagnostics["sigma"], 0.02, rtol=0.3)


def test_more_noise_more_spread():
    problem = small_problem((12, 10), (24, 20))
    quiet, loud = (
        ready(f"bootstrap[method={INNER}]", problem)(noisy_signals(problem, 2, sigma)[:, None]).samples
        for sigma in (0.001, 0.03)
    )
    assert loud.std(axis=2).mean() > 5 * quiet.std(axis=2).mean()


def test_samples_belong_to_the_signal_not_to_its_batch():
    problem = small_problem((8, 8), (16, 16))
    signals = noisy_signals(problem, 3)[:, None]
    invert = ready(f"bootstrap[method={INNER},samples=5]", problem)
    together, alone = invert(signals[::-1]), invert(signals[:1])
    np.testing.assert_allclose(together.samples[2], alone.samples[0], atol=1e-9)


def test_spread_is_that_of_repeated_measurement():
    """What the samples of one measurement say, against many measurements of the same specimen."""
    problem = small_problem((10, 10), (24, 24))
    sigma, clean = 0.01, noisy_signals(problem, 1, sigma=0.0)
    noise = sigma * np.random.default_rng(1).standard_normal((60, *clean.shape[1:]))
    measured = ready(INNER, problem)((clean + noise)[:, None]).distributions[:, 0]
    invert = ready(f"bootstrap[method={INNER},samples=60]", problem)
    samples = invert(clean[:, None] + noise[:1, None]).samples[0, 0]

    def spread(f):
        """SD of the mass off the diagonal band."""
        return (f * (np.abs(np.subtract.outer(np.arange(10), np.arange(10))) > 2)).sum(axis=(1, 2)).std()

    assert spread(samples) == pytest.approx(spread(measured), rel=0.5)


def test_options_name_a_method():
    assert REGISTRY.select("bootstrap[method=tikhonov[ alpha=ftest ],samples=40]").label == "bootstrap"
    label = f"bootstrap[method={INNER},samples=7]"
    assert REGISTRY.select(label).label == label
    with pytest.raises(UserError, match="no method 'tikhonow'"):
        REGISTRY.select("bootstrap[method=tikhonow]")
    with pytest.raises(UserError, match="samples must be at least 2"):
        REGISTRY.select("bootstrap[samples=1]")


def test_it_declines_what_it_cannot_wrap():
    problem = small_problem((8, 8), (16, 16))
    with pytest.raises(Unsupported, match="is told prior"):
        ready("bootstrap[method=prior_mean]", problem)
    with pytest.raises(UserError, match=r"tuned values belong to a scenario; give a number, as in tikhonov\[alpha="):
        ready("bootstrap[method=tikhonov[alpha=tuned]]", problem)
    with pytest.raises(Unsupported, match="needs more data"):
        ready("bootstrap", small_problem((10, 10), (3, 3)))


def test_what_the_method_refuses_is_refused(tmp_path):
    """A signal whose repetitions the method does not answer has no samples to show."""
    folder = faults.write(tmp_path / "include")
    (folder / "refuser.py").write_text(
        faults.HEAD + "class Refuser(Method):\n"
        "    name = 'refuser'\n"
        "    def invert(self, signals):\n"
        "        n = len(signals)\n"
        "        return Estimate(flat(self.problem, n), refused={0: 'never the first'} if n > 1 else {})\n"
    )
    registry = Registry([folder])
    problem = registry.scenario("tiny").problem(50.0)
    estimate = ready("bootstrap[method=refuser,samples=3]", problem, registry)(np.ones((1, 1, 16, 16)))
    assert estimate.refused == {0: "a repetition was refused: never the first"}


def test_an_included_method_is_wrapped_and_its_source_counts(tmp_path):
    folder = faults.write(tmp_path / "include")

    def job():
        registry = Registry([folder])
        return plan(registry, [registry.select("bootstrap[method=fingerprint]")], [cell])[0]

    cell = Cell(Registry([folder]).scenario("tiny"), 50.0, 0, 2)
    before = job()
    assert before.label == "bootstrap[method=fingerprint]"
    (folder / "fingerprint.py").write_text((folder / "fingerprint.py").read_text() + "\n")
    assert job().key != before.key
    problem = Registry([folder]).scenario("tiny").problem(50.0)
    estimate = ready("bootstrap[method=fingerprint,samples=3]", problem, Registry([folder]))(np.ones((1, 1, 16, 16)))
    np.testing.assert_allclose(estimate.samples, 1 / 256)
