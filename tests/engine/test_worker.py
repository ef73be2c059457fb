import faults
import numpy as np
import pytest

from dexsy_bench import worker
from dexsy_bench.jobs import Cell, plan
from dexsy_bench.metrics import score
from dexsy_bench.registry import Registry
from dexsy_bench.rows import columns, metric_names
from dexsy_bench.worker import blame, work


@pytest.fixture(autouse=True)
def fresh_process():
    worker._ready.clear()
    worker.registry_of.cache_clear()


def jobs_of(folder, method, stop=18, snr=50.0):
    registry = Registry([folder])
    return plan(registry, [registry.select(method)], [Cell(registry.scenario("tiny"), snr, 0, stop)])


@pytest.fixture
def folder(tmp_path):
    return faults.write(tmp_path / "include")


def test_rows_hold_what_the_scorer_says(folder):
    job = jobs_of(folder, "fingerprint")[1]
    outcome = work(job)
    scenario = Registry([folder]).scenario("tiny")
    cases = scenario.cases(16, 18, 50.0)
    expected = score(cases, np.full((2, 1, 16, 16), 1 / 256), scenario.problem(50.0))
    for i, row in enumerate(outcome.rows):
        assert row["case"] == 16 + i
        assert row["status"] == "ok"
        for name in metric_names():
            np.testing.assert_equal(row[name], float(expected[name][i]))
        assert row["objective"] == pytest.approx(cases.noisy[i, 0].sum() + cases.noisy[i, 0, 3, 5])
        assert set(columns()) <= set(row)
        assert {type(value) for value in row.values()} <= {str, int, float}
    assert outcome.estimates is None


def test_estimates_are_those_of_valid_cases(folder):
    job = jobs_of(folder, "fingerprint")[1]
    outcome = work(job, keep_below=100)
    assert outcome.cases == (16, 17)
    np.testing.assert_array_equal(outcome.estimates, np.full((2, 1, 16, 16), 1 / 256))
    assert work(jobs_of(folder, "negative")[1], keep_below=100).estimates is None


def test_a_method_is_prepared_once_a_cell(folder):
    (folder / "counting.py").write_text(
        faults.HEAD + "class Counting(Method):\n"
        "    name = 'counting'\n"
        "    prepared = 0\n"
        "    def prepare(self, problem):\n"
        "        super().prepare(problem)\n"
        "        Counting.prepared += 1\n"
        "    def invert(self, signals):\n"
        "        n = len(signals)\n"
        "        return Estimate(flat(self.problem, n), diagnostics={'alpha': np.full(n, float(Counting.prepared))})\n"
    )
    first, second = jobs_of(folder, "counting")
    other = jobs_of(folder, "counting", snr=80.0)[0]
    outcomes = [work(job) for job in (first, second, other)]
    assert [outcome.rows[0]["alpha"] for outcome in outcomes] == [1, 1, 2]
    assert outcomes[0].rows[0]["setup_seconds"] == outcomes[1].rows[0]["setup_seconds"]


def test_a_case_on_its_own_is_timed_where_the_batch_is_short(folder, monkeypatch):
    first, second = jobs_of(folder, "fingerprint")
    assert work(second).rows[0]["seconds_alone"] > 0
    monkeypatch.setattr(worker, "ALONE_BUDGET", 0.0)
    assert np.isnan(work(second).rows[0]["seconds_alone"])
    assert work(first).rows[0]["seconds_alone"] > 0, "always in the job that holds case 0"
    (one,) = jobs_of(folder, "fingerprint", stop=1)
    row = work(one).rows[0]
    assert row["seconds_alone"] == row["seconds"]


class OutOfMemoryError(RuntimeError):
    pass


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (MemoryError(), "oom", "out of memory"),
        (np._core._exceptions._ArrayMemoryError((2, 3), np.dtype(float)), "oom", "Unable to allocate"),
        (OutOfMemoryError("CUDA out of memory"), "oom", "CUDA"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "oom", "DefaultCPU"),
        (np.linalg.LinAlgError("Singular\n matrix"), "error", "LinAlgError: Singular matrix"),
        (ZeroDivisionError(), "error", "ZeroDivisionError"),
        (SystemExit(3), "error", "SystemExit: 3"),
        (ValueError("x" * 1000), "error", "…"),
    ],
)
def test_blame(error, status, reason, capsys):
    found, text = blame(error)
    assert (type(error).__name__ in capsys.readouterr().err) == (status == "error"), "the log has the traceback"
    assert found == status
    assert reason in text
    assert len(text) < 350
    assert "\n" not in text


REFUSING = """class Refusing(Method):
    name = 'refusing'
    def invert(self, signals):
        n = len(signals)
        samples = np.repeat(flat(self.problem, n)[:, None], 3, axis=1)
        return Estimate(flat(self.problem, n), samples, {'iterations': np.arange(n)}, {1: 'two runs\\ndisagree'})
"""


def test_a_refused_case_has_a_reason_and_no_scores(folder):
    (folder / "refusing.py").write_text(faults.HEAD + REFUSING)
    outcome = work(jobs_of(folder, "refusing")[1], keep_below=100)
    given, refused = outcome.rows
    assert (given["status"], refused["status"]) == ("ok", "unsupported")
    assert refused["reason"] == "two runs disagree"
    assert refused["iterations"] == 1
    assert all(np.isnan(refused[name]) for name in metric_names())
    assert outcome.cases == (16,)
    assert given["energy"] > 0
    assert given["coverage_95"] in (0, 1)


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (("np.arange(n)", "np.arange(n + 1)"), "diagnostic 'iterations' has shape"),
        (("flat(self.problem, n)[:, None]", "-flat(self.problem, n)[:, None]"), "samples go negative"),
        (("axis=1)", "axis=1)[1:]"), "samples have shape"),
        (("{1:", "{n:"), "refused names case"),
    ],
)
def test_what_comes_with_an_estimate_is_checked_too(folder, broken, reason):
    (folder / "refusing.py").write_text(faults.HEAD + REFUSING.replace(*broken))
    for row in work(jobs_of(folder, "refusing")[1]).rows:
        assert row["status"] == "invalid"
        assert row["reason"].startswith(reason)
