"""`dexsy-bench run` from outside: a real process in a fresh folder, with every fault provoked."""

import resource
import signal
import subprocess
import sys
import time

import faults
import numpy as np
import pandas as pd
import psutil
import pytest

from dexsy_bench.registry import Registry
from dexsy_bench.store import load_estimate, load_manifest, load_rows

TIMES = ["seconds", "seconds_alone", "setup_seconds", "peak_memory_mb"]
CASES = 18  # two jobs: 16 and 2


def command(*arguments, include=None):
    extra = ["--include", include] if include else []
    extra += [] if "--jobs" in arguments else ["--jobs", 1]
    return [sys.executable, "-m", "dexsy_bench", "run", *map(str, [*arguments, *extra])]


def run(*arguments, include=None, expect=0, **options):
    done = subprocess.run(command(*arguments, include=include), capture_output=True, text=True, timeout=120, **options)
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout + done.stderr


def table(path):
    """All that must be the same from run to run."""
    return load_rows(path).drop(columns=TIMES)


def shards(path):
    return {file.name: (file.stat().st_ino, file.stat().st_mtime_ns) for file in (path / "rows").glob("*.parquet")}


def workers_of(process):
    return psutil.Process(process.pid).children(recursive=True)


def wait_for(condition, seconds=60.0):
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        time.sleep(0.02)
    pytest.fail("what was waited for did not happen")


@pytest.fixture(scope="module")
def signals(tmp_path_factory):
    folder = faults.write(tmp_path_factory.mktemp("scenario"))
    return Registry([folder]).scenario("tiny").cases(0, CASES, 50.0).noisy


@pytest.fixture(scope="module")
def include(tmp_path_factory, signals):
    threshold = float(np.sort(signals.sum(axis=(1, 2, 3)))[-4:-2].mean())
    return faults.write(tmp_path_factory.mktemp("include"), threshold)


@pytest.fixture(scope="module")
def everything(tmp_path_factory, include):
    """One run of every faulty method, on two workers; its rows and what it printed."""
    out = tmp_path_factory.mktemp("faults") / "run"
    methods = [part for name in faults.BODIES if name != "slow" for part in ("-m", name)]
    printed = run(
        "-s", "tiny", "-n", CASES, "--jobs", 2, "--timeout", 4, "--memory", 1, "--keep-estimates", 18,
        *methods, "--out", out, include=include,
    )  # fmt: skip
    return load_rows(out), printed, out


def test_every_case_has_a_row_whatever_its_method_did(everything):
    rows, _, _ = everything
    for name in set(faults.BODIES) - {"slow"}:
        assert list(rows[rows.method == name].case) == list(range(CASES)), name


@pytest.mark.parametrize(
    ("method", "status", "reason"),
    [
        ("hangs", "timeout", "no answer within 4 s"),
        ("eats", "oom", "allocate"),
        ("aborts", "error", "SIGABRT"),
        ("exits", "error", "exit status 0"),
        ("killed", "oom", "SIGKILL"),
    ],
)
def test_a_job_that_takes_its_process_down_costs_that_job_alone(everything, method, status, reason):
    rows, printed, _ = everything
    own = rows[rows.method == method]
    assert (own.status[:16] == "ok").all()
    assert (own.status[16:] == status).all()
    assert own.reason[16:].str.contains(reason).all()
    assert own.kl[:16].notna().all()
    assert own.kl[16:].isna().all()
    assert f"{method} · tiny · SNR 50, case 16: {status}" in printed


@pytest.mark.parametrize(("method", "status"), [("raises", "error"), ("nan", "invalid")])
def test_cases_that_fail_do_not_spoil_the_rest_of_their_batch(everything, signals, method, status):
    rows, _, _ = everything
    own = rows[rows.method == method].set_index("case")
    worst = set(np.argsort(signals.sum(axis=(1, 2, 3)))[-3:])
    assert set(own.index[own.status == status]) == worst
    assert (own.status.drop(list(worst)) == "ok").all()
    spoiled = [case for case in own.index if any(case // 16 == bad // 16 for bad in worst)]
    assert (own.batch[spoiled] == 1).all()


@pytest.mark.parametrize(
    ("method", "status", "reason"),
    [
        ("shape", "invalid", "shape (1, 15, 16) where (1, 16, 16)"),
        ("negative", "invalid", "negative"),
        ("leaves", "error", "SystemExit: 3"),
        ("shadows", "invalid", "'kl' is a column"),
        ("misreports", "invalid", "diagnostic 'alpha' has shape"),
        ("declines", "unsupported", "not on Mondays"),
        ("unready", "unsupported", "no weights"),
    ],
)
def test_status_and_reason_say_what_was_wrong(everything, method, status, reason):
    rows, _, _ = everything
    own = rows[rows.method == method]
    assert (own.status == status).all()
    assert own.reason.str.contains(reason, regex=False).all()
    assert not own.reason.str.contains("\n").any()
    assert own.kl.isna().all()


def test_what_a_hanging_method_started_is_stopped_with_it(everything, include):
    """A process of that number may still be there: dead and not yet reaped, or another one."""
    pid = int((include / "child.pid").read_text())
    assert (pid, ["sleep", "600"]) not in [
        (found.pid, found.info["cmdline"]) for found in psutil.process_iter(["cmdline"])
    ]


def test_a_method_sees_the_scenario_s_own_cases_and_is_scored(everything, signals):
    rows, _, _ = everything
    own = rows[rows.method == "fingerprint"]
    expected = signals.sum(axis=(1, 2, 3)) + signals[:, 0, 3, 5]
    np.testing.assert_allclose(own.objective, expected, rtol=1e-12)
    np.testing.assert_array_equal(own.seen_corner, signals[:, 0, -1, -1])
    assert own[["kl", "js", "w1", "residual", "seconds", "seconds_alone", "setup_seconds"]].notna().all().all()
    assert (own.peak_memory_mb > 10).all()
    assert list(own.batch) == [16] * 16 + [2] * 2
    assert rows[rows.method != "fingerprint"].seen_corner.isna().all()


def test_estimates_are_kept_where_they_are_valid(everything, signals):
    _, _, out = everything
    np.testing.assert_allclose(load_estimate(out, "fingerprint", "tiny", 50.0, 17), 1 / 256)
    bad = int(np.argmax(signals.sum(axis=(1, 2, 3))))
    assert load_estimate(out, "nan", "tiny", 50.0, bad) is None
    assert load_estimate(out, "hangs", "tiny", 50.0, 17) is None
    assert load_estimate(out, "hangs", "tiny", 50.0, 0).shape == (1, 16, 16)


def test_failures_are_kept_and_not_computed_again(everything, include):
    _, _, out = everything
    before, rows = shards(out), table(out)
    printed = run("-s", "tiny", "-n", CASES, "-m", "killed", "-m", "nan", "--keep-estimates", 18, "--out", out,
                  include=include)  # fmt: skip
    assert "36 cases were there already" in printed
    assert shards(out) == before
    pd.testing.assert_frame_equal(table(out), rows)


def test_the_manifest_tells_how_the_folder_was_made(everything):
    manifest = load_manifest(everything[2])
    first = manifest["history"][0]
    assert "--timeout 4" in first["command"]
    assert "fingerprint" in first["methods"]
    assert first["cells"] == [{"scenario": "tiny", "snr": "50", "start": 0, "stop": CASES}]
    assert first["machine"]["packages"]["numpy"] == np.__version__
    assert first["machine"]["cpu"]
    assert manifest["scenarios"]["tiny"]["grid"]["n"] == 16


# Same data, whatever else is run ------------------------------------------------------------


def test_rows_do_not_depend_on_methods_order_batch_or_workers(everything, tmp_path, include):
    _, _, out = everything
    expected = table(out).query("method == 'fingerprint'").dropna(axis=1, how="all")
    run("-s", "tiny", "-n", CASES, "--jobs", 1, "-m", "nan", "-m", "fingerprint", "--out", tmp_path / "one",
        include=include)  # fmt: skip
    run("-s", "tiny", "-n", 5, "-m", "fingerprint", "--out", tmp_path / "five", include=include)
    one = table(tmp_path / "one").query("method == 'fingerprint'")[expected.columns]
    five = table(tmp_path / "five")[expected.columns]
    pd.testing.assert_frame_equal(one.reset_index(drop=True), expected.reset_index(drop=True), check_exact=True)
    pd.testing.assert_frame_equal(
        five.drop(columns="batch"), expected[:5].drop(columns="batch").reset_index(drop=True), check_exact=True
    )


# Stopping and going on ----------------------------------------------------------------------

SLOW = ("-s", "tiny", "--snr", 50, "--snr", 80, "-n", 40, "-m", "slow", "--jobs", 2)  # 6 jobs of .8 s


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, include):
    out = tmp_path_factory.mktemp("whole") / "run"
    run(*SLOW, "--out", out, include=include)
    return table(out)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_goes_on_to_the_same_table(how, tmp_path, include, uninterrupted):
    out = tmp_path / "run"
    process = subprocess.Popen(
        command(*SLOW, "--out", out, include=include), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    wait_for(lambda: out.exists() and len(shards(out)) >= 2)
    workers = workers_of(process)
    assert workers
    process.send_signal(how)
    printed, _ = process.communicate(timeout=30)
    assert process.returncode == (-signal.SIGKILL if how == signal.SIGKILL else 130)
    wait_for(lambda: not any(worker.is_running() and worker.status() != "zombie" for worker in workers))
    if how != signal.SIGKILL:
        assert "the same command continues" in printed
        assert "Traceback" not in printed
    finished = shards(out)
    assert len(finished) < 6, "the run ended before it was stopped"
    run(*SLOW, "--out", out, include=include)
    assert {name: stat for name, stat in shards(out).items() if name in finished} == finished
    pd.testing.assert_frame_equal(table(out), uninterrupted, check_exact=True)
    assert not list(out.glob("*/.*.tmp"))


def test_a_second_run_into_the_same_folder_is_refused(tmp_path, include):
    out = tmp_path / "run"
    first = subprocess.Popen(command(*SLOW, "--out", out, include=include), stdout=subprocess.DEVNULL)
    wait_for(lambda: out.exists() and len(shards(out)) >= 1)
    printed = run(*SLOW, "--out", out, include=include, expect=2)
    assert f"another run is writing to {out}" in printed
    assert first.wait(60) == 0
    assert len(load_rows(out)) == 80


def test_a_damaged_shard_is_put_aside_and_computed_again(tmp_path, include):
    out = tmp_path / "run"
    arguments = ("-s", "tiny", "-n", CASES, "-m", "fingerprint", "--out", out)
    run(*arguments, include=include)
    whole, before = table(out), shards(out)
    flipped, short = sorted((out / "rows").iterdir())
    content = bytearray(flipped.read_bytes())
    content[len(content) // 4] ^= 0xFF
    flipped.write_bytes(content)
    short.write_bytes(short.read_bytes()[:-100])
    printed = run(*arguments, include=include)
    assert printed.count("is damaged; moved to") == 2
    assert {file.name for file in (out / "corrupt").iterdir()} == {flipped.name, short.name}
    assert set(shards(out)) == set(before)
    pd.testing.assert_frame_equal(table(out), whole, check_exact=True)


def test_a_full_disk_stops_the_run_and_leaves_what_was_finished(tmp_path, include):
    out = tmp_path / "run"
    run("-s", "tiny", "-n", 2, "-m", "fingerprint", "--out", out, include=include)
    before = shards(out)

    def little_room():
        resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))

    printed = run("-s", "tiny", "-n", CASES, "-m", "fingerprint", "--out", out, include=include, expect=2,
                  preexec_fn=little_room)  # fmt: skip
    assert f"cannot write to {out}: File too large" in printed
    assert "Traceback" not in printed
    assert shards(out) == before
    assert not list(out.glob("*/.*.tmp"))
    run("-s", "tiny", "-n", CASES, "-m", "fingerprint", "--out", out, include=include)
    assert len(load_rows(out)) == CASES


# What is computed and what is not -----------------------------------------------------------


def test_more_cases_and_changed_methods_replace_rows_and_never_double_them(tmp_path):
    include = faults.write(tmp_path / "include")
    out = tmp_path / "run"
    arguments = ("-s", "tiny", "-m", "fingerprint", "--out", out)
    run(*arguments, "-n", 5, include=include)
    run(*arguments, "-n", CASES, include=include)
    assert list(load_rows(out).case) == list(range(CASES))
    assert len(list((out / "superseded").iterdir())) == 1
    assert "9 cases were there already" in run(*arguments, "-n", 9, include=include)

    (include / "fingerprint.py").write_text((include / "fingerprint.py").read_text() + "\n# changed\n")
    printed = run(*arguments, "-n", CASES, "--cache", "only", include=include, expect=1)
    assert "missing: fingerprint · tiny · SNR 50 (2 jobs)" in printed
    run(*arguments, "-n", CASES, include=include)
    assert list(load_rows(out).case) == list(range(CASES))
    assert len(list((out / "superseded").iterdir())) == 3

    before = shards(out)
    run(*arguments, "-n", CASES, "--cache", "ignore", include=include)
    assert set(shards(out)) == set(before)
    assert all(shards(out)[name] != before[name] for name in before)
    assert len(list((out / "superseded").iterdir())) == 5
    run(*arguments, "-n", CASES, "--cache", "only", include=include)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["qick"], "did you mean 'quick'"),
        (["-m", "prior_men"], "did you mean 'prior_mean'"),
        (["-m", "prior_mean[drws=3]"], "did you mean 'draws'"),
        (["-s", "two_compartments"], "did you mean 'two_compartment'"),
        (["--snr", "-3"], "must be positive"),
        (["--snr", "nan"], "must be positive"),
        (["--include", "missing.py"], "no such file"),
        (["--data", "missing"], "no such folder"),
        (["quick", "--data", "missing"], "leave out SUITE"),
    ],
)
def test_bad_arguments_are_refused_before_anything_starts(arguments, message, tmp_path):
    printed = run(*arguments, expect=2, cwd=tmp_path)
    assert message in printed
    assert "Traceback" not in printed
    assert not list(tmp_path.iterdir())


def test_default_folder_is_named_after_what_was_run(tmp_path, include):
    run("-s", "tiny", "-n", 1, "-m", "fingerprint", "--snr", "inf", include=include, cwd=tmp_path)
    rows = load_rows(tmp_path / "results" / "tiny")
    assert np.isinf(rows.snr).all()
    assert load_manifest(tmp_path / "results" / "tiny")["history"][0]["suite"] == "tiny"


def test_a_folder_of_cases_is_run_as_the_scenario_it_came_from(everything, tmp_path, include):
    _, _, out = everything
    data = tmp_path / "mine"
    generate = ["generate", "tiny", "-n", 5, "--snr", 50, "--out", data, "--include", include]
    subprocess.run([sys.executable, "-m", "dexsy_bench", *map(str, generate)], check=True, capture_output=True)
    run("--data", data, "-m", "fingerprint", "--out", tmp_path / "run", include=include)
    expected = table(out).query("method == 'fingerprint'")[:5].dropna(axis=1, how="all")
    found = table(tmp_path / "run")[expected.columns]
    pd.testing.assert_frame_equal(
        found.drop(columns="batch"), expected.drop(columns="batch").reset_index(drop=True), rtol=1e-12
    )
    assert "-n 6: " in run("--data", data, "-n", 6, "-m", "fingerprint", include=include, expect=2, cwd=tmp_path)


@pytest.mark.parametrize("option", ["--timeout", "--memory"])
def test_endless_limits_are_refused(tmp_path, option):
    assert f"'{option}'" in run(option, "inf", "--out", tmp_path / "out", expect=2)


def test_a_method_that_cannot_be_loaded_costs_its_own_rows_only(tmp_path):
    faults.write(tmp_path / "mine")
    for name in set(faults.BODIES) - {"fingerprint"}:
        (tmp_path / "mine" / f"{name}.py").unlink()
    (tmp_path / "mine" / "broken.py").write_text("import nothing_of_that_name")
    arguments = ("-s", "tiny", "-n", 1, "--out", tmp_path / "out")
    told = run(*arguments, include=tmp_path / "mine")
    assert "broken is left out" in told
    assert "nothing_of_that_name" in told
    assert "broken" not in set(load_rows(tmp_path / "out")["method"])
    assert {"fingerprint", "nnls"} <= set(load_rows(tmp_path / "out")["method"])
    assert "nothing_of_that_name" in run(*arguments, "-m", "broken", include=tmp_path / "mine", expect=2)


def test_a_suite_says_with_which_methods_and_who_gets_fewer_cases(tmp_path):
    folder = faults.write(tmp_path / "scenario")
    (tmp_path / "own").mkdir()
    (folder / "slow.py").rename(tmp_path / "own" / "slow.py")
    (folder / "tiny.toml").rename(tmp_path / "own" / "tiny.toml")
    (tmp_path / "own" / "suites.toml").write_text(
        '[mine]\ntitle = "t"\nscenarios = ["tiny"]\ncases = 4\nmethods = ["prior_mean"]\nfewer = { slow = 2 }\n'
    )

    def counts(name, *arguments):
        run("mine", *arguments, "--out", tmp_path / name, include=tmp_path / "own")
        return load_rows(tmp_path / name).groupby("method")["case"].count().to_dict()

    assert counts("usual") == {"prior_mean": 4, "slow": 2}
    assert counts("named", "-m", "slow") == {"slow": 2}
    assert counts("asked", "-m", "slow", "-n", 3) == {"slow": 3}
