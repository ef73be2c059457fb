"""The executor and what runs in its processes; faults of methods are provoked in tests/cli/test_run.py."""

import os
import threading
from contextlib import closing

import faults
import pandas as pd
import psutil
import pytest
from rich.console import Console

from dexsy_bench import executor
from dexsy_bench.errors import UserError
from dexsy_bench.executor import Began, Finished, WorkerStartError, execute
from dexsy_bench.jobs import Cell, plan
from dexsy_bench.registry import Registry
from dexsy_bench.rows import COST
from dexsy_bench.runner import Settings, run
from dexsy_bench.store import Store, load_rows
from dexsy_bench.worker import Setup

THREADS = """
        import threadpoolctl, torch
        pools = [pool["num_threads"] for pool in threadpoolctl.threadpool_info()]
        most = max([torch.get_num_threads(), *pools])
        seen = {"threads": np.full(n, most), "pid": np.full(n, os.getpid())}
        return Estimate(flat(self.problem, n), diagnostics=seen)
"""


@pytest.fixture
def folder(tmp_path):
    faults.BODIES["threads"] = THREADS
    yield faults.write(tmp_path / "include")
    del faults.BODIES["threads"]


def jobs_of(folder, *methods, stop=18):
    registry = Registry([folder])
    cell = Cell(registry.scenario("tiny"), 50.0, 0, stop)
    return plan(registry, [registry.select(name) for name in methods], [cell])


def setup_of(tmp_path, **more):
    return Setup(parent=os.getpid(), log=tmp_path / "workers.log", **more)


def test_workers_have_one_thread_and_serve_one_method_each(folder, tmp_path):
    jobs = jobs_of(folder, "threads", "fingerprint", "threads", stop=40)
    pids = {}
    for event in execute(jobs, 1, 60.0, setup_of(tmp_path)):
        if isinstance(event, Finished) and event.job.method == "threads":
            for row in event.outcome.rows:
                assert row["status"] == "ok", row["reason"]
                assert row["threads"] == 1
                pids.setdefault(row["pid"], 0)
                pids[row["pid"]] += 1
    assert sorted(pids.values()) == [40, 40], "one process until the method changes"
    assert "[fingerprint · tiny · SNR 50, cases 16-31]" in (tmp_path / "workers.log").read_text()


def test_every_job_begins_and_finishes_once_on_several_workers(folder, tmp_path):
    jobs = jobs_of(folder, "fingerprint", "aborts", "exits")
    events = list(execute(jobs, 3, 60.0, setup_of(tmp_path)))
    for kind in (Began, Finished):
        assert sorted((event.job.method, event.job.start) for event in events if isinstance(event, kind)) == sorted(
            (job.method, job.start) for job in jobs
        )
    for job in jobs:
        order = [type(event) for event in events if event.job is job]
        assert order == [Began, Finished]


def test_closing_stops_all_processes(folder, tmp_path):
    with closing(execute(jobs_of(folder, "slow", stop=64), 2, 60.0, setup_of(tmp_path))) as events:
        next(events)
        assert len(workers()) == 2
    assert not workers()


def workers():
    """Worker processes of this one, as opposed to multiprocessing's own helper."""
    return [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]


def die(connection, setup):
    os._exit(7)


def test_processes_that_cannot_start_are_no_method_s_fault(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(executor, "serve", die)
    with pytest.raises(WorkerStartError, match=r"status 7 before it began; see .*workers.log"):
        list(execute(jobs_of(folder, "fingerprint"), 1, 60.0, setup_of(tmp_path)))
    assert not workers()


@pytest.mark.parametrize("again", [{"keep_estimates": 2}, {"cache": "ignore"}])
def test_running_some_cases_again_leaves_the_others_in_the_table(folder, tmp_path, again):
    quiet = Console(quiet=True)
    with Store(tmp_path / "run") as store:
        run(jobs_of(folder, "fingerprint"), store, Settings(workers=1), quiet)
        before = load_rows(tmp_path / "run")
        summary = run(jobs_of(folder, "fingerprint", stop=2), store, Settings(workers=1, **again), quiet)
        kept = run(jobs_of(folder, "fingerprint"), store, Settings(cache="only"), quiet)
    assert summary.statuses == {"ok": 16}, "the batch that they are of"
    assert not kept.missing
    rows = load_rows(tmp_path / "run")
    assert list(rows["case"]) == list(range(18))
    pd.testing.assert_frame_equal(rows.drop(columns=list(COST)), before.drop(columns=list(COST)))
    assert list(rows["batch"]) == list(before["batch"])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"workers": 0}, "--jobs 0"),
        ({"timeout": 0.0}, "--timeout 0"),
        ({"memory": -(2**30)}, "--memory -1"),
        ({"cache": "ignor"}, "--cache ignor: there are use, ignore, only"),
        ({"keep_estimates": -1}, "--keep-estimates -1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong, message):
    with pytest.raises(UserError, match=message):
        Settings(**wrong)


def test_a_run_may_live_in_a_thread(folder, tmp_path):
    """Signals can only be handled in the main thread; a run elsewhere does without."""
    jobs = jobs_of(folder, "fingerprint", stop=2)
    with Store(tmp_path / "run") as store:
        thread = threading.Thread(target=run, args=(jobs, store, Settings(workers=1), Console(quiet=True)))
        thread.start()
        thread.join()
    assert (load_rows(tmp_path / "run").status == "ok").all()


def test_progress_on_a_terminal_shows_failures_once_each(folder, tmp_path):
    console = Console(force_terminal=True, width=120, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    with Store(tmp_path / "run") as store:
        summary = run(jobs_of(folder, "negative", "fingerprint"), store, Settings(workers=1), console)
    shown = console.export_text()
    assert summary.statuses == {"invalid": 18, "ok": 18}
    assert shown.count("distributions go negative") == 1
    assert "36/36" in shown
