"""What a run shows while it runs: standings that luck cannot lead, and how they look."""

import io
import os
import pty
import re
import subprocess
import sys
from dataclasses import replace

import faults
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from dexsy_bench.jobs import Job
from dexsy_bench.progress import AROUND, Progress
from dexsy_bench.rows import blank
from dexsy_bench.standings import Standings


def job(method, start=0, stop=16, snr=30.0, family="classical"):
    about = {"given": (), "tuned": (), "tuning": "default", "family": family, "bound": "", "told": ""}
    return Job(method=method, **about, scenario="s", snr=snr, start=start, stop=stop, key="k")


def rows(of, *js):
    """A row for each case of a job; None: it failed."""
    return [
        blank(of, case, "ok" if value is not None else "error", "" if value is not None else "no") | {"js": value}
        for case, value in zip(range(of.start, of.stop), js, strict=True)
    ]


# Standings ---------------------------------------------------------------------------------


def test_an_easy_start_does_not_lead():
    """Cases 0 to 3 are easy: a method that is worse on each of them has the better mean so far."""
    good, bad = job("good", stop=8), job("bad", stop=8)
    standings = Standings([good, bad])
    standings.add("good", rows(good, *[0.1] * 4, *[0.9] * 4))
    standings.add("bad", rows(replace(bad, stop=4), *[0.2] * 4))
    first, second = standings.order()
    assert (first.label, second.label) == ("good", "bad")
    assert second.mean < first.mean, "which the naive order goes by"
    assert second.difference == pytest.approx(0.1)
    assert (first.done, second.done, second.asked, second.level) == (8, 4, 8, False)


def test_neither_few_cases_nor_failures_help():
    steady, lucky, picky = (job(name, stop=8) for name in ("steady", "lucky", "picky"))
    standings = Standings([picky, lucky, steady])
    standings.add("picky", rows(picky, *[0.1] * 7, None))
    standings.add("lucky", rows(replace(lucky, stop=2), 0.0, 0.0))
    standings.add("steady", rows(steady, *[0.5] * 8))
    found = standings.order()
    assert [one.label for one in found] == ["steady", "lucky", "picky"]
    assert [one.failed for one in found] == [0, 0, 1]
    assert [one.level for one in found] == [True, False, False]


def test_references_stand_last_and_lead_only_alone():
    oracle, method = job("oracle", family="reference"), job("method")
    standings = Standings([oracle, method])
    assert standings.order() == []
    standings.add("oracle", rows(oracle, *[0.0] * 16))
    assert [one.label for one in standings.order()] == ["oracle"]
    assert standings.waiting == 1
    standings.add("method", rows(method, *[0.5] * 16))
    assert [one.label for one in standings.order()] == ["method", "oracle"]
    assert standings.order()[1].difference == pytest.approx(-0.5)


def test_a_method_that_always_fails_has_no_mean_and_comes_after_others():
    fails, works = job("fails", stop=2), job("works", stop=2)
    standings = Standings([fails, works])
    standings.add("fails", rows(fails, None, None))
    assert np.isnan(standings.order()[0].mean)
    standings.add("works", rows(works, 0.5, 0.5))
    assert [one.label for one in standings.order()] == ["works", "fails"]


def test_no_reference_leads_while_methods_have_only_failed():
    oracle, fails, waits = job("oracle", stop=2, family="reference"), job("fails", stop=2), job("waits", stop=2)
    standings = Standings([oracle, fails, waits])
    standings.add("oracle", rows(oracle, 0.0, 0.0))
    standings.add("fails", rows(fails, None, None))
    found = standings.order()
    assert [one.label for one in found] == ["fails", "oracle"]
    assert np.isnan([one.difference for one in found]).all(), "there is nothing to compare with"


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_complete_methods_are_in_the_order_of_their_means(seed):
    rng = np.random.default_rng(seed)
    methods = {name: rng.random(8) for name in "abcd"}
    jobs = {name: job(name, stop=8, snr=float("nan")) for name in methods}
    standings = Standings(list(jobs.values()))
    for name, scores in methods.items():
        standings.add(name, rows(jobs[name], *scores))
    found = standings.order()
    assert [one.label for one in found] == sorted(methods, key=lambda name: methods[name].mean())
    for one in found:
        assert one.difference == pytest.approx(methods[one.label].mean() - found[0].mean)


# On a terminal -----------------------------------------------------------------------------


def shown(width, height, methods=5, finished=3):
    """The last screen of a run in which some methods are done."""
    screen = Console(file=io.StringIO(), force_terminal=True, width=width, height=height, color_system=None)
    jobs = [job(f"method_of_a_long_name_{i}") for i in range(methods)]
    with Progress(jobs, [], screen) as progress:
        for i, one in enumerate(jobs[:finished]):
            progress.began(one)
            progress.finished(one, rows(one, *[0.1 * i + 0.1] * 15, None if i == 1 else 0.1 * i + 0.1))
        screen.file.truncate(0)
        progress.live.refresh()
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.file.getvalue()).replace("\r", "").strip("\x00\n")


def test_the_table_shows_cases_mean_difference_and_failures():
    lines = shown(120, 30).splitlines()
    heading = next(i for i, line in enumerate(lines) if "so far" in line)
    assert lines[heading].split() == ["so", "far", "cases", "js", "against", "the", "first", "failed"]
    assert lines[heading + 1].split() == ["method_of_a_long_name_0", "16/16", "0.1000"]
    assert lines[heading + 2].split() == ["method_of_a_long_name_2", "16/16", "0.3000", "+0.2000"]
    assert lines[heading + 3].split() == ["method_of_a_long_name_1", "16/16", "0.2000", "+0.1000", "1"]
    assert lines[heading + 4].startswith("2 not begun")
    assert "provisional" in lines[heading + 5]
    assert "48/80 cases" in lines[-1]


@pytest.mark.parametrize(("width", "height"), [(80, 24), (64, 12), (40, 12), (200, AROUND), (30, 5)])
def test_it_fits_the_terminal(width, height):
    lines = shown(width, height, methods=30, finished=25).splitlines()
    assert len(lines) < height
    assert max(map(len, lines)) <= width
    assert "400/480" in lines[-1], "the bar is always there"
    if height > AROUND:
        assert sum("method_of" in line for line in lines[:-1]) == height - AROUND
        assert f"{25 - (height - AROUND)} more, 5 not begun" in "\n".join(lines)
    else:
        assert not any("so far" in line for line in lines)


def test_elsewhere_there_are_lines():
    file = io.StringIO()
    one = job("m", stop=2)
    with Progress([one], [], Console(file=file, width=100)) as progress:
        progress.finished(one, rows(one, 0.5, None))
    assert file.getvalue() == "m · s · SNR 30, case 1: error (no)\n[2/2] m · s · SNR 30: 1 ok, 1 error, nan ms each\n"


def in_terminal(arguments, folder, kind):
    """What `dexsy-bench run` writes to a terminal of that kind, 100 x 30."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": kind, "COLUMNS": "100", "LINES": "30", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "dexsy_bench", "run", *map(str, arguments)],
        cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs, env=environment,
    )  # fmt: skip
    os.close(theirs)
    written = b""
    while True:
        try:
            written += os.read(ours, 65536)
        except OSError:  # its end
            break
    os.close(ours)
    assert process.wait(60) == 0, written.decode()
    return written.decode()


def test_a_real_terminal_shows_the_table_also_of_what_was_finished_before(tmp_path):
    faults.write(tmp_path / "own")
    asked = ["-s", "tiny", "-n", 4, "--include", "own", "--jobs", 1, "--out", "run", "-m", "fingerprint"]
    plain = in_terminal(asked, tmp_path, "dumb")
    assert "[4/4] fingerprint · tiny · SNR 50: 4 ok" in plain
    assert "so far" not in plain
    live = in_terminal([*asked, "-m", "negative"], tmp_path, "xterm-256color")
    last = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", live[live.rindex("\x1b[1mso far") :])
    assert re.search(r"fingerprint +4/4 +0\.\d{4}", last)
    assert re.search(r"negative +4/4 +– +4", last)
    assert "8/8 cases" in last
    assert live.count("distributions go negative") == 1
