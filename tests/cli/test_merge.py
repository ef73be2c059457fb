"""`dexsy-bench merge` of runs that were shared out, as a user types it."""

import shutil

import faults
import pandas as pd

from dexsy_bench.rows import COST
from dexsy_bench.store import load_rows


def test_runs_of_two_machines_become_one_that_can_be_gone_on_with(command, tmp_path):
    faults.write(tmp_path / "own")
    asked = ("-s", "tiny", "--include", "own", "--jobs", 1)
    command("run", *asked, "-n", 4, "-m", "fingerprint", "--keep-estimates", 2, "--out", "a")
    command("run", *asked, "-n", 4, "-m", "fingerprint", "-m", "raises", "--out", "b")
    told = command("merge", "a", "b", "--out", "whole")
    assert "whole: 8 rows in 2 shards" in told
    assert "1 shards with the same results, but other times or fewer cases, are in whole/superseded" in told
    assert "next: dexsy-bench table whole" in told
    both = load_rows(tmp_path / "b").drop(columns=list(COST))
    pd.testing.assert_frame_equal(load_rows(tmp_path / "whole").drop(columns=list(COST)), both, check_exact=True)
    on = command("run", *asked, "-n", 4, "-m", "fingerprint", "-m", "raises", "--keep-estimates", 2, "--out", "whole")
    assert "4 cases were there already" in on, "b kept no estimates of `raises`, so that is computed again"
    assert "raises" in command("table", "whole")


def test_what_does_not_fit_is_answered_in_one_sentence(command, tmp_path):
    own = faults.write(tmp_path / "own")
    run = ("run", "-s", "tiny", "-n", 2, "-m", "fingerprint", "--include", "own", "--jobs", 1, "--out")
    command(*run, "a")
    shutil.copytree(tmp_path / "a", tmp_path / "c")
    (own / "fingerprint.py").write_text((own / "fingerprint.py").read_text() + "\n# changed\n")
    command(*run, "b")
    told = command("merge", "a", "b", "--out", "whole", status=2)
    assert "fingerprint · tiny · SNR 50 was computed by different versions in a (revision " in told
    assert not (tmp_path / "whole").exists()
    assert "c: 2 rows in 1 shards\n  1 shards were in several of them" in command("merge", "a", "--add", "--out", "c")
    assert "c holds results already; say --add" in command("merge", "a", "--out", "c", status=2)
