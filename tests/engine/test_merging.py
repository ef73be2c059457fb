"""Results folders joined: nothing is lost or doubled, and what does not fit is refused before anything is written."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dexsy_bench.jobs import Job
from dexsy_bench.joining import MergeError, check_definitions, join_rows
from dexsy_bench.leaderboard import with_labels
from dexsy_bench.merging import merge
from dexsy_bench.rows import Outcome, blank
from dexsy_bench.store import Shard, Store, load_estimate, load_manifest, load_rows

SCENARIO = {"title": "A scenario", "grid": {"n": 16}}


def job(method="m", scenario="s", snr=30.0, cases=(0, 4), key="k"):
    about = {"given": (), "tuned": (), "tuning": "default", "family": "classical", "bound": "", "told": ""}
    return Job(method=method, **about, scenario=scenario, snr=snr, start=cases[0], stop=cases[1], key=key)


def entry(when, *jobs, revision="1234567890abcdef", numpy="2.0"):
    cells = [{"scenario": one.scenario, "snr": f"{one.snr:g}"} for one in jobs]
    machine = {"packages": {"numpy": numpy}}
    return {"when": when, "methods": [one.method for one in jobs], "cells": cells, "revision": revision,
            "machine": machine}  # fmt: skip


def make(path, *jobs, when="2026-01-01", js=1.0, seconds=0.5, keep=0, scenario=SCENARIO, **made):
    """A results folder; `js` and `seconds` are those of case 0, and others have their number added."""
    with Store(path) as store:
        store.write_manifest({"scenarios": {one.scenario: scenario for one in jobs}}, entry(when, *jobs, **made))
        for one in jobs:
            numbers = range(one.start, one.stop)
            rows = [blank(one, case, "ok") | {"js": js + case, "seconds": seconds} for case in numbers]
            kept = [case for case in numbers if case < keep]
            estimates = np.full((len(kept), 1, 2, 2), js)
            store.write(Shard.of(one), Outcome(rows, estimates if kept else None, tuple(kept)), keep)
    return path


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_shared_out_by_method_scenario_level_and_cases_comes_back_whole(tmp_path):
    parts = [job("m"), job("m", cases=(16, 32)), job("n"), job("n", "other"), job("n", "other", float("inf"))]
    whole = make(tmp_path / "whole", *parts, keep=2)
    folders = [make(tmp_path / str(i), one, keep=2) for i, one in enumerate(parts)]
    merged = merge(folders, tmp_path / "merged")
    assert (merged.shards, merged.cases, merged.identical, merged.aside) == (5, 32, 0, 0)
    pd.testing.assert_frame_equal(load_rows(tmp_path / "merged"), load_rows(whole))
    assert files(tmp_path / "merged" / "rows") == files(whole / "rows")
    assert load_estimate(tmp_path / "merged", "n", "other", float("inf"), 1).shape == (1, 2, 2)
    with Store(tmp_path / "merged") as store:  # can be gone on with
        assert all(store.holds(Shard.of(one), keep_below=2) for one in parts)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sets(st.sampled_from(range(6)), min_size=1), min_size=2, max_size=3))
def test_the_order_of_folders_and_what_they_share_change_nothing(tmp_path_factory, shares):
    home = tmp_path_factory.mktemp("shares")
    parts = [job(method, cases=cases) for method in "mno" for cases in ((0, 16), (16, 20))]
    folders = [make(home / str(i), *(parts[part] for part in sorted(share))) for i, share in enumerate(shares)]
    forward, backward = merge(folders, home / "forward"), merge(folders[::-1], home / "backward")
    assert files(home / "forward" / "rows") == files(home / "backward" / "rows")
    assert forward.shards == backward.shards == len(set().union(*shares))
    assert forward.identical == sum(map(len, shares)) - forward.shards
    assert forward.cases == len(load_rows(home / "forward"))


def test_definitions_and_histories_are_joined_in_the_order_of_time(tmp_path):
    late = make(tmp_path / "late", job("m"), when="2026-02-02T00:00:00+00:00")
    early = make(tmp_path / "early", job("n", "other"), when="2026-01-01T00:00:00+00:00")
    merge([late, early], tmp_path / "ab")
    merge([tmp_path / "ab", late], tmp_path / "again")
    manifest = load_manifest(tmp_path / "again")
    assert [one["when"][:7] for one in manifest["history"]] == ["2026-01", "2026-02"]
    assert set(manifest["scenarios"]) == {"s", "other"}


def test_inputs_stay_as_they_are(tmp_path):
    a, b = make(tmp_path / "a", job("m"), keep=4), make(tmp_path / "b", job("n"))
    before = files(a), files(b)
    merge([a, b], tmp_path / "out")
    assert (files(a), files(b)) == before


# Overlaps ----------------------------------------------------------------------------------


def test_of_the_same_results_with_other_times_the_first_count_and_the_others_are_put_aside(tmp_path):
    a, b = make(tmp_path / "a", job(), seconds=1.0), make(tmp_path / "b", job(), seconds=2.0, keep=4)
    merged = merge([a, b], tmp_path / "out")
    assert (merged.shards, merged.identical, merged.aside) == (1, 0, 1)
    assert (load_rows(tmp_path / "out").seconds == 1.0).all()
    (aside,) = (tmp_path / "out" / "superseded").glob("*.parquet")
    assert aside.read_bytes() == next((b / "rows").iterdir()).read_bytes()
    assert load_estimate(tmp_path / "out", "m", "s", 30.0, 3) is not None, "no rows were lost, nor their estimates"


@pytest.mark.parametrize("larger_first", [True, False])
def test_more_cases_cover_fewer(tmp_path, larger_first):
    small, large = make(tmp_path / "small", job(cases=(0, 4))), make(tmp_path / "large", job(cases=(0, 16)))
    merged = merge([large, small] if larger_first else [small, large], tmp_path / "out")
    assert list(load_rows(tmp_path / "out").case) == list(range(16))
    assert merged.aside == 1
    assert len(list((tmp_path / "out" / "superseded").iterdir())) == 1


def test_another_result_for_a_case_is_refused(tmp_path):
    a = make(tmp_path / "a", job(cases=(0, 4)))
    for cases in ((0, 4), (0, 16)):
        b = make(tmp_path / f"b{cases[1]}", job(cases=cases), js=1.0 + 1e-12)
        with pytest.raises(MergeError, match=r"m has different results for case 0 of s at SNR 30 in .*leave one out"):
            merge([a, b], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_case_ranges_that_overlap_in_part_are_refused(tmp_path):
    a, b = make(tmp_path / "a", job(cases=(0, 16))), make(tmp_path / "b", job(cases=(8, 24)))
    with pytest.raises(MergeError, match="share some of their cases: leave one of"):
        merge([a, b], tmp_path / "out")


# Refusals ----------------------------------------------------------------------------------


def test_another_version_is_refused_with_both_revisions(tmp_path):
    a = make(tmp_path / "a", job("m"), job("n"), numpy="2.0")
    b = make(tmp_path / "b", job("m", key="x"), job("n", key="y"), revision="fedcba0987654321+", numpy="2.1")
    with pytest.raises(MergeError) as refused:
        merge([a, b], tmp_path / "out")
    said = str(refused.value)
    assert f"{a} (revision 1234567890, numpy 2.0) and {b} (revision fedcba0987+, numpy 2.1)" in said
    assert "m · s · SNR 30" in said
    assert "1 other cells" in said
    assert f"dexsy-bench run -s s --snr 30 -m 'm' --out {b}" in said
    c = make(tmp_path / "c", job("m", key="z"))
    with pytest.raises(MergeError, match="the file of the method or its weights differ"):
        merge([a, c], tmp_path / "out")


def test_another_definition_is_refused_whatever_else_fits(tmp_path):
    a = make(tmp_path / "a", job("m"))
    b = make(tmp_path / "b", job("n"), scenario={**SCENARIO, "grid": {"n": 32}})
    for fails in (lambda: merge([a, b], tmp_path / "out"), lambda: check_definitions([a, b])):
        with pytest.raises(MergeError, match=r"another definition of s than .*differ in grid"):
            fails()
    c = make(tmp_path / "c", job("n"), scenario={**SCENARIO, "title": "Another title"})
    assert merge([a, c], tmp_path / "out").shards == 2


def test_damaged_files_are_named_and_nothing_is_written(tmp_path):
    a, b = make(tmp_path / "a", job("m"), keep=4), make(tmp_path / "b", job("n"), job("o"))
    estimates, rows = next((a / "estimates").iterdir()), min((b / "rows").iterdir())
    estimates.write_bytes(estimates.read_bytes()[:-8])
    content = bytearray(rows.read_bytes())
    content[len(content) // 4] ^= 0xFF
    rows.write_bytes(content)
    with pytest.raises(MergeError) as refused:
        merge([a, b], tmp_path / "out")
    assert str(estimates) in str(refused.value)
    assert str(rows) in str(refused.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_damaged_estimates_come_with_their_own_cure(tmp_path):
    a, b = make(tmp_path / "a", job("m"), keep=4), make(tmp_path / "b", job("n"))
    (estimates,) = (a / "estimates").iterdir()
    estimates.write_bytes(estimates.read_bytes()[:-50])
    with pytest.raises(MergeError, match="--keep-estimates, or delete the file"):
        merge([a, b], tmp_path / "out")
    estimates.unlink()
    assert merge([a, b], tmp_path / "out").shards == 2


def test_rows_of_a_scenario_without_a_definition_are_refused(tmp_path):
    a, b = make(tmp_path / "a", job("m")), make(tmp_path / "b", job("n"), job("n", "other"))
    manifest = load_manifest(b)
    del manifest["scenarios"]["other"]
    (b / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(MergeError, match=r"/b has rows of other, of which its manifest.json has no definition"):
        merge([a, b], tmp_path / "out")


@pytest.mark.parametrize("given", [".", "link", "dangling"])
def test_an_empty_folder_is_filled_and_stays_the_folder_it_is(tmp_path, monkeypatch, given):
    a, b, here = make(tmp_path / "a", job("m")), make(tmp_path / "b", job("n")), tmp_path / "here"
    here.mkdir()
    (here / ".left.merging").mkdir()  # of a merge that was killed
    monkeypatch.chdir(here if given == "." else tmp_path)
    (tmp_path / "link").symlink_to(here)
    (tmp_path / "dangling").symlink_to(tmp_path / "new")
    number = here.stat().st_ino
    assert str(merge([a, b], Path(given)).path) == given
    assert len(load_rows(given)) == 8
    assert here.stat().st_ino == number
    assert (tmp_path / "link").is_symlink()
    if given != "dangling":
        assert sorted(path.name for path in here.iterdir()) == ["manifest.json", "rows"]


def test_what_a_killed_merge_left_is_removed_by_the_next(tmp_path):
    a, b = make(tmp_path / "a", job("m")), make(tmp_path / "b", job("n"))
    for leftover in (a / ".x.merging" / "rows", tmp_path / ".out.x.merging" / "out"):
        leftover.mkdir(parents=True)
    merge([b], a, add=True)
    merge([a, b], tmp_path / "out")
    assert not list(tmp_path.rglob("*.merging"))


def test_folders_that_cannot_be_merged_are_refused(tmp_path):
    a, b = make(tmp_path / "a", job("m")), make(tmp_path / "b", job("n"))
    empty, bare, other = make(tmp_path / "empty"), make(tmp_path / "bare"), tmp_path / "other"
    other.mkdir()
    (other / "letter.txt").write_text("dear")
    for runs, out, add, message in (
        ([a], "out", False, "two different results folders"),
        ([a, tmp_path / "b" / ".." / "a"], "out", False, "two different results folders"),
        ([a, other], "out", False, "is not a results folder"),
        ([empty, bare], "out", False, "hold no rows yet"),
        ([a, b], "other", False, "is no empty folder"),
        ([a, b], "a", False, "say --add"),
        ([a, b], "out", True, "leave out --add"),
    ):
        with pytest.raises(MergeError, match=message):
            merge(runs, tmp_path / out, add=add)
    assert not (tmp_path / "out").exists()
    assert [path.name for path in other.iterdir()] == ["letter.txt"]


# Adding to a folder, and faults ------------------------------------------------------------


def test_adding_keeps_what_the_folder_has_besides(tmp_path):
    a = make(tmp_path / "a", job("m", cases=(0, 4)), keep=4)
    b = make(tmp_path / "b", job("m", cases=(0, 16)), job("n"), when="2025-01-01")
    (a / "README.md").write_text("ours")
    small = next((a / "rows").iterdir()).read_bytes()
    merged = merge([b], a, add=True)
    assert (merged.shards, merged.cases, merged.aside) == (2, 20, 1)
    assert len(load_rows(a)) == 20
    assert (a / "README.md").read_text() == "ours"
    assert next((a / "superseded").glob("*.parquet")).read_bytes() == small
    assert len(list((a / "superseded").iterdir())) == 2, "its estimates, too"
    assert not list(a.glob(".*.merging"))
    assert [one["when"] for one in load_manifest(a)["history"]] == ["2025-01-01", "2026-01-01"]
    before = files(a)
    assert merge([a, b], a, add=True).identical == 2
    assert files(a) == before


def test_adding_waits_for_no_other_writer(tmp_path):
    a, b = make(tmp_path / "a", job("m")), make(tmp_path / "b", job("n"))
    with Store(a), pytest.raises(Exception, match="another run is writing"):
        merge([b], a, add=True)


@pytest.mark.parametrize("add", [False, True])
def test_a_full_disk_leaves_everything_as_it_was(tmp_path, monkeypatch, add):
    a, b, c = (make(tmp_path / name, job(name)) for name in "abc")
    before, number = files(tmp_path), []

    def refuse(_):
        number.append(1)
        if len(number) == 2:
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(os, "fsync", refuse)
        with pytest.raises(MergeError, match="No space left on device"):
            merge([b, c], a if add else tmp_path / "out", add=add)
    assert {name: data for name, data in files(tmp_path).items() if name.name != ".lock"} == {
        name: data for name, data in before.items() if name.name != ".lock"
    }
    assert merge([b, c], a if add else tmp_path / "out", add=add).shards == (3 if add else 2)


@pytest.mark.parametrize("step", range(7))
def test_adding_that_was_killed_is_finished_by_the_same_command(tmp_path, step):
    a = make(tmp_path / "a", job("m", cases=(0, 4)), keep=4)
    b = make(tmp_path / "b", job("m", cases=(0, 16)), job("n"), keep=4)
    child = os.fork()
    if child == 0:
        done, replace = [], os.replace

        def mortal(*arguments):
            if len(done) == step:
                os._exit(0)
            done.append(1)
            replace(*arguments)

        os.replace = mortal
        merge([b], a, add=True)
        os._exit(0)
    os.waitpid(child, 0)
    if any((a / "rows").iterdir()):
        assert not load_rows(a).duplicated(["method", "case"]).any()
    merge([b], a, add=True)
    assert sorted(load_rows(a)["case"]) == sorted([*range(16), *range(4)])
    assert load_estimate(a, "m", "s", 30.0, 3) is not None
    assert len(list((a / "superseded").glob("*.parquet"))) == 1


# Rows --------------------------------------------------------------------------------------


def test_rows_of_several_folders_stand_in_one_table_once(tmp_path):
    a, b = make(tmp_path / "a", job("m")), make(tmp_path / "b", job("m"), job("n"), seconds=3.0)
    own = with_labels(load_rows(a))
    assert join_rows(a, own, []) is own
    rows = join_rows(a, own, [b, a])
    assert rows["label"].value_counts().to_dict() == {"m": 4, "n": 4}
    pd.testing.assert_frame_equal(rows.loc[own.index], own)
    with pytest.raises(MergeError, match="different results for case 0"):
        join_rows(a, own, [make(tmp_path / "c", job("m"), js=2.0)])


def test_a_manifest_is_json_that_other_commands_read(tmp_path):
    a, b = make(tmp_path / "a", job("m")), make(tmp_path / "b", job("n"))
    merge([a, b], tmp_path / "new" / "out")
    assert json.loads((tmp_path / "new" / "out" / "manifest.json").read_text())["format"] == 1
