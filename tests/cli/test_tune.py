"""`dexsy-bench tune` in a fresh folder, and `run` finding what it stored."""

import os
import signal
import subprocess
import sys

import pandas as pd
import psutil
import pytest


def test_run_uses_what_tune_stored_and_says_so(command, tmp_path):
    command("tune", "tikhonov[order=0]", "two_compartment", "--snr", "100", "-n", "2", "--budget", "4")
    method = "tikhonov[order=0,alpha=tuned]"
    command("run", "-s", "two_compartment", "--snr", "100", "-n", "2", "-m", method, "--out", "out")
    rows = pd.concat(pd.read_parquet(shard) for shard in (tmp_path / "out" / "rows").glob("*.parquet"))
    assert set(rows["tuning"]) == {"tuned"}
    assert f"alpha = {float(rows['alpha'].iloc[0])!r}" in (tmp_path / "tuned" / "tikhonov.toml").read_text()


def test_nothing_to_tune_is_one_sentence(command):
    assert "nothing to tune" in command("tune", "nnls", "two_compartment", status=2)


@pytest.mark.parametrize("snr", ["0", "-5", "nan"])
def test_an_impossible_snr_is_refused_and_nothing_stored(command, tmp_path, snr):
    assert f"--snr {snr}: must be positive" in command("tune", "tikhonov", "two_compartment", "--snr", snr, status=2)
    assert not (tmp_path / "tuned").exists()


def test_a_folder_that_cannot_be_written_is_told_before_the_work(command, tmp_path):
    (tmp_path / "file").touch()
    told = command("tune", "tikhonov", "two_compartment", "--out", "file/tuned", status=2)
    assert "cannot write file/tuned" in told


def test_a_method_that_kills_its_process_is_one_sentence(command, tmp_path):
    (tmp_path / "dies.py").write_text(
        "import os\n"
        "from dataclasses import dataclass\n"
        "from typing import Literal\n"
        "from dexsy_bench.method import Method\n"
        "class Dies(Method):\n"
        "    name = 'dies'\n"
        "    search_space = {'x': (1.0, 2.0, 3.0)}\n"
        "    @dataclass(frozen=True)\n"
        "    class Options:\n"
        "        x: float | Literal['tuned'] = 1.0\n"
        "    def invert(self, signals):\n"
        "        os._exit(1)\n"
    )
    told = command("tune", "dies", "coarse_16", "--snr", "100", "-n", "1", "--include", "dies.py", status=2)
    assert "a process that tuned dies[x=tuned] died" in told


def test_an_interrupted_tuning_stops_and_keeps_what_it_found(tmp_path):
    """It used to wait for ever on its pool of processes."""
    arguments = ("tune", "tikhonov[order=0]", "coarse_16", "two_compartment", "three_compartment", "-n", "64")
    tuning = subprocess.Popen(
        [sys.executable, "-m", "dexsy_bench", *arguments, "--jobs", "1"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    first = tuning.stdout.readline()
    workers = psutil.Process(tuning.pid).children(recursive=True)
    os.killpg(tuning.pid, signal.SIGINT)  # as Ctrl-C in a terminal: to all of the group
    told, _ = tuning.communicate(timeout=60)
    assert tuning.returncode == 130, told
    assert "coarse_16" in first
    assert "stopped" in told
    assert "coarse_16" in (tmp_path / "tuned" / "tikhonov.toml").read_text()
    assert not psutil.wait_procs(workers, timeout=60)[1]
