import json
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from dexsy_bench.errors import UserError
from dexsy_bench.folder import Folder, FolderError
from dexsy_bench.generation import generate
from dexsy_bench.registry import Registry
from dexsy_bench.scenario import AcquisitionSection, GridSection


@pytest.fixture(scope="module")
def scenario():
    """Small, with a name that no shipped scenario has."""
    canonical = Registry().scenario("two_compartment")
    return canonical.model_copy(
        update={"name": "small", "grid": GridSection(n=12), "acquisition": AcquisitionSection(n=10)}
    )


@pytest.fixture
def data(tmp_path, scenario):
    generate(scenario, 5, 50.0, tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def foreign(data):
    """The same as it would come from elsewhere: nothing that only dexsy-bench writes."""
    (data / "dataset.json").unlink()
    (data / "parameters.csv").unlink()
    return data


def test_layout(data):
    names = {path.name for path in data.iterdir()}
    shared = {"D_vals.npy", "b_vals.npy", "parameters.csv", "dataset.json"}
    assert names == shared | {f"{kind}_{n}.npy" for kind in ("f", "S_clean", "S_noisy") for n in range(5)}
    assert np.load(data / "f_0.npy").shape == (12, 12)
    assert np.load(data / "S_noisy_0.npy").shape == (10, 10)


def test_files_satisfy_the_forward_model_by_a_plain_sum(data):
    f, clean = np.load(data / "f_3.npy"), np.load(data / "S_clean_3.npy")
    d, b = np.load(data / "D_vals.npy"), np.load(data / "b_vals.npy")
    m, n = 4, 7
    expected = sum(f[i, j] * np.exp(-b[m] * d[i] - b[n] * d[j]) for i in range(12) for j in range(12))
    assert_allclose(clean[m, n], expected, rtol=1e-12)


def test_reading_gives_back_the_scenarios_own_cases(data, scenario):
    folder = Folder.read(data)
    read, drawn = folder.cases(1, 4, 50.0), scenario.cases(1, 4, 50.0)
    assert (folder.name, folder.snr, folder.numbers, folder.digest) == ("small", 50.0, range(5), scenario.digest)
    assert folder.problem(50.0).sigma == 0.02
    assert_allclose(read.distributions, drawn.distributions, rtol=1e-12, atol=0)
    assert_array_equal(read.noisy, drawn.noisy)
    assert_array_equal(read.clean, drawn.clean)
    assert read.parameters.keys() == drawn.parameters.keys()
    for key, values in drawn.parameters.items():
        assert_array_equal(read.parameters[key], values)


def test_files_carry_the_number_of_their_case(tmp_path, scenario):
    generate(scenario, 2, 50.0, tmp_path / "late", start=7)
    folder = Folder.read(tmp_path / "late")
    assert folder.numbers == range(7, 9)
    assert_array_equal(folder.cases(8, 9, 50.0).noisy, scenario.cases(8, 9, 50.0).noisy)
    with pytest.raises(FolderError, match="holds cases 7 to 8, not 0 to 1"):
        folder.cases(0, 2, 50.0)


def test_validation_draws_are_other_cases_under_another_name(tmp_path, scenario):
    generate(scenario, 2, 50.0, tmp_path / "tuning", purpose="validation")
    folder = Folder.read(tmp_path / "tuning")
    assert folder.name == "tuning"
    assert folder.digest != scenario.digest
    assert np.abs(folder.cases(0, 2, 50.0).distributions - scenario.cases(0, 2, 50.0).distributions).max() > 0.01


def test_changed_data_do_not_pass_for_the_scenarios_own(data):
    signal = np.load(data / "S_noisy_4.npy")
    np.save(data / "S_noisy_4.npy", signal * 0.99 + 0.01)
    assert Folder.read(data).name == "data"


def test_several_mixing_times_and_a_mask(tmp_path, scenario):
    section = AcquisitionSection(n=10, mixing_times=(0.01, 0.1), sampled=0.5)
    several = scenario.model_copy(update={"acquisition": section})
    generate(several, 2, np.inf, tmp_path / "data")
    assert np.load(tmp_path / "data" / "f_0.npy").shape == (2, 12, 12)
    folder = Folder.read(tmp_path / "data")
    problem = folder.problem(np.inf)
    assert problem.sigma == 0
    assert_array_equal(problem.acquisition.mixing_times, (0.01, 0.1))
    assert_array_equal(problem.acquisition.mask, several.problem(np.inf).acquisition.mask)
    assert_array_equal(folder.cases(0, 2, np.inf).noisy, several.cases(0, 2, np.inf).noisy)


def test_a_folder_survives_pickling(data):
    folder = pickle.loads(pickle.dumps(Folder.read(data)))
    assert folder.cases(0, 5, 50.0).noisy.shape == (5, 1, 10, 10)


def test_interrupted_generation_is_noticed(tmp_path, scenario, monkeypatch):
    def stop(cases):
        raise KeyboardInterrupt

    monkeypatch.setattr("dexsy_bench.generation.BATCH", 2)
    with pytest.raises(KeyboardInterrupt):
        generate(scenario, 5, 50.0, tmp_path / "data", progress=stop)
    assert (tmp_path / "data" / "f_1.npy").exists()
    with pytest.raises(FolderError, match="interrupted"):
        Folder.read(tmp_path / "data")
    generate(scenario, 5, 50.0, tmp_path / "data", force=True)
    assert len(Folder.read(tmp_path / "data").numbers) == 5


def test_force_replaces_cases_and_nothing_else(data, scenario):
    (data / "notes.txt").write_text("mine")
    with pytest.raises(FolderError, match=r"not empty.*--force"):
        generate(scenario, 2, 50.0, data)
    assert len(Folder.read(data).numbers) == 5
    generate(scenario, 2, 50.0, data, force=True)
    assert Folder.read(data).numbers == range(2)
    assert (data / "notes.txt").read_text() == "mine"


def test_a_file_in_the_way_is_named(tmp_path, scenario):
    (tmp_path / "data").write_text("")
    with pytest.raises(FolderError, match="is a file"):
        generate(scenario, 1, 50.0, tmp_path / "data")


# Folders from elsewhere --------------------------------------------------------------------


def test_a_folder_from_elsewhere_is_read_with_nothing_assumed(foreign, scenario):
    for number in range(5):
        (foreign / f"S_clean_{number}.npy").unlink()
        np.save(foreign / f"S_noisy_{number}.npy", 37.0 * np.load(foreign / f"S_noisy_{number}.npy"))
        np.save(foreign / f"f_{number}.npy", np.load(foreign / f"f_{number}.npy").astype(np.float32))
    folder = Folder.read(foreign)
    cases, own = folder.cases(0, 5, float("nan")), scenario.cases(0, 5, 50.0)
    assert (folder.name, folder.problem(float("nan")).sigma, cases.parameters) == ("data", None, {})
    assert np.isnan(folder.snr)
    assert_allclose(cases.clean, own.clean, atol=1e-6)
    assert_allclose(cases.noisy, own.noisy, rtol=1e-12)
    assert_allclose(cases.distributions.sum(axis=(-1, -2)), 1, rtol=1e-12)


def test_its_digest_follows_its_content(foreign):
    before = Folder.read(foreign).digest
    assert Folder.read(foreign).digest == before
    np.save(foreign / "S_noisy_2.npy", np.load(foreign / "S_noisy_2.npy") * 2)
    assert Folder.read(foreign).digest != before


def _save(name, change):
    def spoil(folder):
        array = np.load(folder / name)
        np.save(folder / name, change(array))

    return spoil


def _set(name, index, value):
    def change(array):
        array[index] = value
        return array

    return _save(name, change)


def _remove(name):
    return lambda folder: (folder / name).unlink()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_remove("b_vals.npy"), "no b_vals.npy: put the values of b there"),
        (_remove("D_vals.npy"), "no D_vals.npy"),
        (_remove("f_2.npy"), "f_2.npy is missing"),
        (_remove("S_noisy_0.npy"), "S_noisy_0.npy is missing"),
        (_remove("S_clean_4.npy"), "S_clean_4.npy is missing"),
        (_set("f_1.npy", (3, 3), np.nan), "f_1.npy holds NaN"),
        (_set("f_1.npy", (3, 3), -0.1), "f_1.npy goes negative, down to -0.1"),
        (_save("f_1.npy", lambda f: 2 * f), "f_1.npy sums to 2, not 1; divide"),
        (_save("f_1.npy", lambda f: f[:, :-1]), r"f_1.npy has shape \(12, 11\).*\(12, 12\)"),
        (_save("f_1.npy", lambda f: f * 1j), "f_1.npy does not hold an array of real numbers"),
        (_set("S_noisy_3.npy", (0, 1), np.inf), "S_noisy_3.npy holds NaN or infinite"),
        (_set("S_noisy_3.npy", (0, 0), 0.0), r"S_noisy_3.npy: S\(0,0\) is 0"),
        (_save("S_noisy_3.npy", lambda s: s[1:]), "S_noisy_3.npy has shape"),
        (_save("b_vals.npy", lambda b: b[::-1]), "b1 must be strictly ascending"),
        (_save("b_vals.npy", lambda b: 1000 * b), r"S_clean_0.npy is not what f_0.npy gives"),
        (_save("f_0.npy", lambda f: np.stack([f, f])), "mixing_times.npy"),
        (lambda folder: (folder / "f_0.npy").write_bytes(b"text"), "f_0.npy cannot be read"),
        (lambda folder: [path.unlink() for path in folder.glob("*_?.npy")], "holds no f_0.npy"),
    ],
)
def test_faults_are_named(foreign, spoil, message):
    spoil(foreign)
    with pytest.raises(UserError, match=message):
        Folder.read(foreign)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not one that `generate` wrote"),
        ("[]", "not one that `generate` wrote"),
        ('{"format": 99}', "format 99"),
        (json.dumps({"format": 1, "scenario": {}, "snr": 1, "purpose": "test", "first": 0, "cases": 5}), "cannot read"),
    ],
)
def test_a_damaged_description_is_named(data, text, message):
    (data / "dataset.json").write_text(text)
    with pytest.raises(FolderError, match=message):
        Folder.read(data)


def test_damaged_parameters_are_named(data):
    table = (data / "parameters.csv").read_text().splitlines()
    (data / "parameters.csv").write_text("\n".join(table[:-1]) + "\n")
    with pytest.raises(FolderError, match=r"parameters.csv cannot be used"):
        Folder.read(data)


def test_another_snr_than_its_own_is_refused(data):
    with pytest.raises(FolderError, match="was made at SNR 50, not 100"):
        Folder.read(data).problem(100.0)


def test_no_folder(tmp_path):
    with pytest.raises(FolderError, match="no such folder"):
        Folder.read(tmp_path / "nowhere")
