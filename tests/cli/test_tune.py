"""`dexsy-bench tune` in a fresh folder, and `run` finding what it stored."""

import pandas as pd


def test_run_uses_what_tune_stored_and_says_so(command, tmp_path):
    command("tune", "tikhonov[order=0]", "two_compartment", "--snr", "100", "-n", "2", "--budget", "4")
    method = "tikhonov[order=0,alpha=tuned]"
    command("run", "-s", "two_compartment", "--snr", "100", "-n", "2", "-m", method, "--out", "out")
    rows = pd.concat(pd.read_parquet(shard) for shard in (tmp_path / "out" / "rows").glob("*.parquet"))
    assert set(rows["tuning"]) == {"tuned"}
    assert f"alpha = {float(rows['alpha'].iloc[0])!r}" in (tmp_path / "tuned" / "tikhonov.toml").read_text()


def test_nothing_to_tune_is_one_sentence(command):
    assert "nothing to tune" in command("tune", "nnls", "two_compartment", status=2)
