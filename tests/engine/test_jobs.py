import dataclasses
import pickle

import faults
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dexsy_bench import jobs
from dexsy_bench.jobs import CHUNK, Cell, chunks, plan, source_of
from dexsy_bench.registry import Registry


@given(st.integers(0, 200), st.integers(0, 200))
@settings(derandomize=True)
def test_chunks_cover_the_cases_once_and_are_cut_at_fixed_places(start, length):
    parts = list(chunks(start, start + length))
    assert [case for a, b in parts for case in range(a, b)] == list(range(start, start + length))
    assert all(a % CHUNK == 0 for a, _ in parts[1:])
    assert all(0 < b - a <= CHUNK for a, b in parts)


@pytest.fixture
def folder(tmp_path):
    return faults.write(tmp_path / "include")


def cell_of(registry, snr=50.0, stop=40):
    return Cell(registry.scenario("tiny"), snr, 0, stop)


def key(folder, text="prior_mean", snr=50.0, stop=40):
    registry = Registry([folder])
    keys = {job.key for job in plan(registry, [registry.select(text)], [cell_of(registry, snr, stop)])}
    assert len(keys) == 1, "a cell has one key"
    return keys.pop()


def test_a_plan_takes_a_method_at_a_time_over_all_cells(folder):
    registry = Registry([folder])
    selections = [registry.select("fingerprint"), registry.select("prior_mean[draws=8]")]
    cells = [cell_of(registry), cell_of(registry, snr=80.0, stop=16)]
    found = [(job.label, job.snr, job.start, job.stop) for job in plan(registry, selections, cells)]
    one = [(50.0, 0, 16), (50.0, 16, 32), (50.0, 32, 40), (80.0, 0, 16)]
    assert found == [(label, *rest) for label in ("fingerprint", "prior_mean[draws=8]") for rest in one]


def test_a_job_is_small_enough_to_send_and_says_what_it_is(folder):
    registry = Registry([folder])
    job = plan(registry, [registry.select("prior_mean[draws=8]")], [cell_of(registry)])[1]
    assert pickle.loads(pickle.dumps(job)) == job
    assert len(pickle.dumps(job)) < 2000
    assert (job.method, job.options, job.told, job.family) == ("prior_mean", "draws=8", "prior", "reference")
    assert str(job) == "prior_mean[draws=8] · tiny · SNR 50"
    assert source_of(job, registry).digest == registry.scenario("tiny").digest
    assert dataclasses.replace(job, given=()).options == ""


def test_the_key_names_all_that_rows_depend_on_but_not_the_range(folder, monkeypatch):
    base = key(folder)
    assert key(folder) == base
    assert key(folder, stop=7) == base
    assert key(folder, "prior_mean[draws=4096]") == base, "a default given is a default"
    others = [key(folder, "prior_mean[draws=8]"), key(folder, snr=51.0), key(folder, "fingerprint")]
    scenario = folder / "tiny.toml"
    scenario.write_text(scenario.read_text().replace('title = "', 'title = "Very '))
    assert key(folder) == base, "a title changes no case"
    scenario.write_text(scenario.read_text().replace("2.5", "2.6"))
    others.append(key(folder))
    monkeypatch.setattr(jobs, "engine_digest", lambda: "another")
    others.append(key(folder))
    monkeypatch.setattr(jobs, "package_versions", lambda: {"numpy": "0"})
    others.append(key(folder))
    assert len({base, *others}) == 1 + len(others)


def test_the_key_follows_the_source_of_a_method_and_of_what_it_shares(folder):
    before = key(folder, "fingerprint")
    (folder / "_shared.py").write_text("x = 1\n")
    shared = key(folder, "fingerprint")
    (folder / "fingerprint.py").write_text((folder / "fingerprint.py").read_text() + "\n")
    assert len({before, shared, key(folder, "fingerprint")}) == 3


def test_tuned_values_are_part_of_the_key(folder, monkeypatch):
    registry = Registry([folder])
    selection = registry.select("prior_mean")
    plain = plan(registry, [selection], [cell_of(registry)])[0]
    monkeypatch.setattr(jobs, "resolve", lambda *_: ((("draws", 16),), "tuned"))
    tuned = plan(registry, [selection], [cell_of(registry)])[0]
    assert (tuned.tuned, tuned.tuning, tuned.label) == ((("draws", 16),), "tuned", "prior_mean")
    assert tuned.key != plain.key


def test_every_file_that_the_engine_digest_names_is_there():
    from pathlib import Path

    room = Path(jobs.__file__).parent
    for name in jobs.ENGINE.split():
        assert (room / name).is_dir() or (room / f"{name}.py").is_file(), name
