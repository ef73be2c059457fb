import numpy as np
import pytest

from dexsy_bench.registry import Registry


def test_a_folder_that_numpy_alone_can_use(command, tmp_path):
    told = command("generate", "two_compartment", "-n", 3, "--snr", 100, "--out", "data", "--start", 5)
    assert "3 test cases of two_compartment at SNR 100 are in data" in told
    data = tmp_path / "data"
    f, b, d = (np.load(data / name) for name in ("f_6.npy", "b_vals.npy", "D_vals.npy"))
    kernel = np.exp(-np.outer(b, d))
    np.testing.assert_allclose(np.load(data / "S_clean_6.npy"), kernel @ f @ kernel.T, rtol=1e-9)
    own = Registry().scenario("two_compartment").cases(6, 7, 100.0)
    np.testing.assert_array_equal(np.load(data / "S_noisy_6.npy"), own.noisy[0, 0])
    assert len((data / "parameters.csv").read_text().splitlines()) == 4


def test_nothing_is_overwritten_without_force(command, tmp_path):
    command("generate", "two_compartment", "-n", 1, "--out", "data")
    before = (tmp_path / "data" / "f_0.npy").read_bytes()
    told = command("generate", "three_compartment", "-n", 2, "--out", "data", status=2)
    assert "data is not empty; choose another --out, or replace the cases in it with --force" in told
    assert (tmp_path / "data" / "f_0.npy").read_bytes() == before
    command("generate", "three_compartment", "-n", 2, "--out", "data", "--force")
    assert (tmp_path / "data" / "f_1.npy").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("two_compartmint", "--out", "data"), "did you mean 'two_compartment'?"),
        (("two_compartment", "--out", "data", "--snr", 0), "a signal-to-noise ratio is positive"),
        (("two_compartment", "--out", "data", "--snr", "nan"), "a signal-to-noise ratio is positive"),
        (("two_compartment", "--out", "data", "-n", 0), "Invalid value for '-n'"),
    ],
)
def test_refusals(command, tmp_path, arguments, message):
    assert message in command("generate", *arguments, status=2)
    assert not (tmp_path / "data").exists()


def test_a_scenario_of_ones_own_survives_the_round_trip(command, tmp_path):
    (tmp_path / "mine.toml").write_text(
        'title = "Mine"\nwhy = "A test."\nsnr = [20]\n[[compartments]]\nname = "all"\nd = [0.1, 1.0]\n'
        "[grid]\nn = 16\n[acquisition]\nn = 12\n"
    )
    command("generate", "mine", "-n", 2, "--snr", 20, "--out", "data", "--include", "mine.toml")
    told = command("run", "--data", "data", "-m", "prior_mean", "--out", "results", "--jobs", 1)
    assert "2 ok" in told
