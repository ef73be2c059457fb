import numpy as np
import pytest

from dexsy_bench.store import load_manifest, load_rows


@pytest.fixture
def predictions(command, tmp_path):
    """Eight cases and, for most of them, the truth itself as a prediction, spoilt in one way each."""
    command("generate", "two_compartment", "-n", 9, "--snr", 100, "--out", "data")
    folder = tmp_path / "predictions"
    folder.mkdir()
    truth = [np.load(tmp_path / "data" / f"f_{n}.npy") for n in range(9)]
    np.save(folder / "f_hat_0.npy", truth[0])
    np.savetxt(folder / "f_hat_1.csv", truth[1], delimiter=",", fmt="%.9g")
    np.save(folder / "f_hat_2.npy", truth[2][:, :-1])
    np.save(folder / "f_hat_3.npy", np.where(truth[3] > 0.001, np.nan, truth[3]))
    np.save(folder / "f_hat_4.npy", truth[4] - 1e-3)
    np.save(folder / "f_hat_5.npy", 2 * truth[5])
    np.save(folder / "f_hat_6.npy", truth[6].astype(np.float32))
    (folder / "f_hat_7.npy").write_bytes(b"not numpy")
    return folder


EXPECTED = [
    ("ok", ""),
    ("ok", ""),
    ("invalid", "shape (64, 63)"),
    ("invalid", "NaN"),
    ("invalid", "negative"),
    ("invalid", "do not sum to 1"),
    ("ok", ""),
    ("error", "cannot be read"),
    ("error", "f_hat_8.npy is missing"),
]


def test_every_case_has_a_row_with_its_status(command, tmp_path, predictions):
    told = command("score", "predictions", "--data", "data", "--name", "flint", "--out", "results")
    assert "flint on two_compartment, SNR 100: 3 ok, 2 error, 4 invalid; added to results" in told
    rows = load_rows(tmp_path / "results")
    assert list(rows["case"]) == list(range(9))
    assert list(rows["status"]) == [status for status, _ in EXPECTED]
    for reason, (_, part) in zip(rows["reason"], EXPECTED, strict=True):
        assert part in reason
    assert set(rows["method"]) == {"flint"}
    scored = rows[rows["status"] == "ok"]
    assert (scored["js"].abs() < 1e-6).all()
    assert (scored["topk"] == 1).all()
    assert scored["residual"].between(0.5, 2).all()
    assert scored["seconds"].isna().all()
    assert rows.loc[rows["status"] != "ok", "js"].isna().all()


def test_rows_stand_beside_those_of_run(command, tmp_path, predictions):
    command("run", "-s", "two_compartment", "--snr", 100, "-n", 9, "-m", "prior_mean", "--out", "results", "--jobs", 1)
    before = load_rows(tmp_path / "results")
    command("score", "predictions", "--data", "data", "--name", "flint", "--out", "results")
    rows = load_rows(tmp_path / "results")
    assert rows[rows["method"] == "prior_mean"].reset_index(drop=True).equals(before)
    assert set(rows["scenario"]) == {"two_compartment"}
    history = load_manifest(tmp_path / "results")["history"]
    assert [entry["methods"] for entry in history] == [["prior_mean"], ["flint"]]
    assert "flint" in command("table", "results")


def test_scoring_again_replaces_the_rows(command, tmp_path, predictions):
    command("score", "predictions", "--data", "data", "--name", "flint", "--out", "results")
    np.save(predictions / "f_hat_8.npy", np.load(tmp_path / "data" / "f_8.npy"))
    np.save(predictions / "f_hat_12.npy", np.load(tmp_path / "data" / "f_8.npy"))
    told = command("score", "predictions", "--data", "data", "--name", "flint", "--out", "results")
    assert "not used, as data has no such case: f_hat_12.npy" in told
    rows = load_rows(tmp_path / "results")
    assert len(rows) == 9
    assert rows["status"].iloc[8] == "ok"


def test_refusals(command, tmp_path, predictions):
    def refused(*arguments):
        return command("score", *arguments, "--out", "results", status=2)

    assert "a method of that name already" in refused("predictions", "--data", "data", "--name", "prior_mean")
    assert "use letters" in refused("predictions", "--data", "data", "--name", "a[b]")
    assert "holds no f_hat_0.npy" in refused("data", "--data", "data", "--name", "flint")
    assert "nowhere: no such folder" in refused("nowhere", "--data", "data", "--name", "flint")
    np.savetxt(predictions / "f_hat_0.csv", np.eye(64))
    assert "both f_hat_0.csv and f_hat_0.npy" in refused("predictions", "--data", "data", "--name", "flint")
    assert not (tmp_path / "results").exists()
