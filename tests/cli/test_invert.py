import json

import numpy as np
import pytest
from scipy.io import savemat

from dexsy_bench.registry import Registry


@pytest.fixture(scope="module")
def specimen():
    """b, noisy signal and truth of a case with visible exchange."""
    scenario = Registry().scenario("two_compartment")
    cases = scenario.cases(2, 3, 300.0)
    return scenario.acquisition.b_values(), cases.noisy[0, 0], cases.distributions[0, 0], cases.parameters


def test_from_matlab_to_an_exchanged_fraction(command, tmp_path, specimen):
    b, signal, f, parameters = specimen
    savemat(tmp_path / "scan.mat", {"S": 512 * signal, "b": b[None]})
    time = parameters["mixing_times"].item()
    told = command("invert", "scan.mat:S", "--b", "scan.mat:b", "--mixing-time", time, "--out", "result")
    assert "the signal was divided by S(0,0) = 512" in told
    summary = json.loads((tmp_path / "result" / "summary.json").read_text(encoding="utf-8"))
    split = np.sqrt(parameters["centres"][0].prod())
    below = np.geomspace(0.01, 10, 64) < split
    exchanged = f[np.ix_(below, ~below)].sum() + f[np.ix_(~below, below)].sum()
    assert summary["exchanged_fraction"] == pytest.approx(exchanged, abs=0.05)
    assert summary["exchange_rate_per_s"] == pytest.approx(parameters["k"].item(), rel=0.4)
    assert summary["residual_over_noise"] == pytest.approx(1, abs=0.1)
    assert summary["noise_sd"] == pytest.approx(1 / 300, rel=0.1)
    assert {path.name for path in (tmp_path / "result").iterdir()} == {
        "distribution.npy",
        "D_vals.npy",
        "peaks.csv",
        "summary.json",
        "inversion.png",
        "inversion.svg",
    }
    assert np.load(tmp_path / "result" / "distribution.npy").sum() == pytest.approx(1)


def test_a_bootstrap_gives_intervals(command, tmp_path, specimen):
    """Of the real command; a later run without it takes the samples away."""
    b, signal, *_ = specimen
    np.save(tmp_path / "S.npy", signal)
    np.save(tmp_path / "b.npy", b)
    arguments = "invert", "S.npy", "--b", "b.npy", "-n", 16, "-m", "tikhonov[order=0,alpha=0.1]", "--split", 0.4
    text = command(*arguments, "--bootstrap", 20)
    assert "in brackets: 95% intervals, of 20 samples" in text
    summary = json.loads((tmp_path / "inversion" / "summary.json").read_text())
    assert summary["method"] == "bootstrap[method=tikhonov[order=0,alpha=0.1],samples=20]"
    found = summary["quantities"]
    assert set(found) >= {"exchanged fraction", "diffusivity 1", "fraction 2"}
    for quantity in found.values():
        assert quantity["low"] <= quantity["high"]
    assert np.load(tmp_path / "inversion" / "samples.npy").shape == (20, 16, 16)
    command(*arguments)
    assert not (tmp_path / "inversion" / "samples.npy").exists()
    assert "low" not in json.loads((tmp_path / "inversion" / "summary.json").read_text())["quantities"]["fraction 1"]


def test_a_method_of_ones_own_on_another_grid(command, tmp_path, specimen):
    b, signal, *_ = specimen
    np.savetxt(tmp_path / "s.csv", signal[:, ::2], delimiter=",")
    np.savetxt(tmp_path / "b.txt", b)
    np.savetxt(tmp_path / "b2.txt", b[::2])
    command("new-method", "mine")
    arguments = ("s.csv", "--b", "b.txt", "--b2", "b2.txt", "--d-range", 0.02, 5, "--n", 24, "--split", 0.3)
    told = command("invert", *arguments, "-m", "mine[iterations=50]", "--include", "mine.py")
    assert "divided at 0.3" in told
    assert np.load(tmp_path / "inversion" / "distribution.npy").shape == (24, 24)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nothing.npy", "--b", "b.npy"), "nothing.npy: no such file"),
        (("bad.npy", "--b", "b.npy"), "1 NaN or infinite values"),
        (("complex.npy", "--b", "b.npy"), "say --complex magnitude"),
        (("s.npy", "--b", "s_mm2.npy"), "divide values in s/mm² by 1000"),
        (("s.npy", "--b", "b.npy", "--d-range", 10, 0.1), "give the lowest and the highest value"),
        (("s.npy", "--b", "b.npy", "-m", "tikonov"), "did you mean 'tikhonov'?"),
        (("s.npy", "--b", "b.npy", "-m", "prior_mean"), "it needs the scenario"),
        (("s.npy", "--b", "b.npy", "--split", 20), "borders have to be ascending"),
    ],
)
def test_refusals_are_one_sentence_and_leave_nothing(command, tmp_path, specimen, arguments, message):
    b, signal, *_ = specimen
    np.save(tmp_path / "b.npy", b)
    np.save(tmp_path / "s_mm2.npy", 1000 * b)
    np.save(tmp_path / "s.npy", signal)
    np.save(tmp_path / "complex.npy", signal * 1j)
    np.save(tmp_path / "bad.npy", np.where(signal == signal[3, 3], np.nan, signal))
    told = command("invert", *arguments, status=2)
    assert told.startswith("dexsy-bench: ")
    assert message in told
    assert not (tmp_path / "inversion").exists()


def test_a_method_that_fails_is_one_sentence(command, tmp_path, specimen):
    b, signal, *_ = specimen
    np.save(tmp_path / "s.npy", signal)
    np.save(tmp_path / "b.npy", b)
    (tmp_path / "raises.py").write_text(
        "from dexsy_bench.method import Method\n"
        "class Raises(Method):\n"
        "    name = 'raises'\n"
        "    def invert(self, signals):\n"
        "        raise RuntimeError('no solution')\n"
    )
    told = command("invert", "s.npy", "--b", "b.npy", "-m", "raises", "--include", "raises.py", status=2)
    assert "raises failed: RuntimeError: no solution" in told


def test_a_poor_fit_is_warned_of(command, tmp_path, specimen):
    b, signal, *_ = specimen
    np.save(tmp_path / "b.npy", b)
    np.save(tmp_path / "s.npy", signal)
    np.save(tmp_path / "flat.npy", np.ones_like(signal))
    assert "more than noise unexplained" not in command("invert", "s.npy", "--b", "b.npy", "-m", "tikhonov[order=0]")
    assert "more than noise unexplained" in command("invert", "flat.npy", "--b", "b.npy", "-m", "tikhonov[order=0]")
