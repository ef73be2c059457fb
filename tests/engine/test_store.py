import errno
import os

import numpy as np
import pandas as pd
import pytest

from dexsy_bench.rows import Outcome, blank, columns, failed
from dexsy_bench.store import Shard, Store, StoreError, load_estimate, load_manifest, load_rows


def job(label="m", start=0, stop=4, key="k", snr=30.0):
    from dexsy_bench.jobs import Job

    given = (("a", 1),) if label != "m" else ()
    return Job("m", given, (), "default", "classical", "", "", "s", snr, start, stop, key)


def outcome(of, value=1.0, **extra):
    rows = [blank(of, case, "ok") | {"js": value, **extra} for case in range(of.start, of.stop)]
    estimates = np.full((of.stop - of.start, 1, 2, 2), value)
    return Outcome(rows, estimates, tuple(range(of.start, of.stop)))


def put(store, of, value=1.0, keep_below=0, **extra):
    store.write(Shard.of(of), outcome(of, value, **extra), keep_below)


def test_rows_come_back_as_they_were_in_a_fixed_order(tmp_path):
    with Store(tmp_path) as store:
        put(store, job(start=4, stop=8), 2.0)
        put(store, job(snr=float("inf")), 4.0)
        put(store, job("m[a=1]"), 3.0, homemade=7.0)
        put(store, job(), 1.0)
    frame = load_rows(tmp_path)
    assert list(frame.columns) == [*columns(), "homemade"]
    keys = list(zip(frame.snr, frame.options, frame.case, frame.js, strict=True))
    plain = [(30.0, "", case, 1.0 + case // 4) for case in range(8)]
    assert keys == plain + [(30.0, "a=1", case, 3.0) for case in range(4)] + [(np.inf, "", c, 4.0) for c in range(4)]
    assert frame.homemade.count() == 4
    assert frame.case.dtype == np.int64
    assert frame.snr.dtype == frame.js.dtype == frame.homemade.dtype == np.float64


def test_a_store_knows_what_it_holds_when_opened_again(tmp_path):
    unknown = job(snr=float("nan"))
    with Store(tmp_path) as store:
        assert not store.holds(Shard.of(job()))
        put(store, job(stop=16))
        put(store, unknown)
    with Store(tmp_path) as store:
        assert store.holds(Shard.of(job(stop=16)))
        assert store.holds(Shard.of(job(start=2, stop=5)))
        assert store.holds(Shard.of(unknown))
        for other in (job(stop=17), job(key="other"), job("m[a=1]"), job(snr=31.0), job(start=16, stop=20)):
            assert not store.holds(Shard.of(other))


@pytest.mark.parametrize(
    ("new", "cases"),
    [
        (job(start=0, stop=16), range(16)),  # the same computation, more cases
        (job(start=0, stop=4), range(4)),  # the same again
        (job(start=16, stop=20), [*range(4), *range(16, 20)]),  # more of it: nothing to replace
        (job(start=16, stop=20, key="changed"), range(16, 20)),  # two versions of a method do not mix in a cell
    ],
)
@pytest.mark.parametrize("reopened", [False, True])
def test_replaced_rows_leave_the_table_but_not_the_folder(tmp_path, new, cases, reopened):
    store = Store(tmp_path)
    with store:
        put(store, job(), 1.0, keep_below=100)
        put(store, job(snr=31.0), 1.0)
    with Store(tmp_path) if reopened else store as again:
        put(again, new, 2.0, keep_below=100)
    frame = load_rows(tmp_path)
    assert list(frame[frame.snr == 30.0].case) == list(cases)
    assert (frame.snr == 31.0).sum() == 4
    moved = len(list((tmp_path / "superseded").iterdir())) if (tmp_path / "superseded").exists() else 0
    assert moved == (0 if 0 in cases and 16 in cases else 2)


def test_the_same_shard_replaced_twice_is_kept_twice(tmp_path):
    with Store(tmp_path) as store:
        for value in (1.0, 2.0, 3.0):
            put(store, job(), value)
    assert len(list((tmp_path / "superseded").iterdir())) == 2
    assert (load_rows(tmp_path).js == 3.0).all()


@pytest.mark.parametrize("reopened", [False, True])
def test_rows_beside_those_that_are_replaced_stay_in_the_table(tmp_path, reopened):
    whole = job(stop=40)
    store = Store(tmp_path)
    with store:
        put(store, whole, 1.0, keep_below=40, homemade=7.0)
    before = load_rows(tmp_path)
    with Store(tmp_path) if reopened else store as again:
        put(again, job(start=16, stop=32), 2.0)
        for rest in (job(stop=16), job(start=32, stop=40)):
            assert again.holds(Shard.of(rest), keep_below=40)
        assert again.batch(Shard.of(job(start=32, stop=33))) == (32, 40)
    rows = load_rows(tmp_path)
    inside = rows["case"].between(16, 31)
    pd.testing.assert_frame_equal(rows[~inside], before[~inside])
    assert (rows["js"][inside] == 2.0).all()
    kept = [case for case in range(40) if load_estimate(tmp_path, "m", "s", 30.0, case) is not None]
    assert kept == [*range(16), *range(32, 40)]
    assert len(list((tmp_path / "superseded").iterdir())) == 2


def test_the_batch_of_cases_that_are_wanted_again(tmp_path):
    with Store(tmp_path) as store:
        put(store, job(stop=16))
        put(store, job(start=16, stop=20))
        put(store, job(snr=31.0, stop=64))
        for wanted, batch in (
            (job(stop=2), (0, 16)),
            (job(start=16, stop=18), (16, 20)),
            (job(start=16, stop=32), (16, 32)),
            (job(stop=2, key="other"), (0, 2)),
            (job(snr=31.0, start=16, stop=17), (16, 32)),
        ):
            assert store.batch(Shard.of(wanted)) == batch


@pytest.mark.parametrize("left", [0, 4, -50])
def test_estimates_that_were_cut_are_as_good_as_none(tmp_path, left):
    with Store(tmp_path) as store:
        put(store, job(), 1.0, keep_below=4)
        (file,) = (tmp_path / "estimates").iterdir()
        file.write_bytes(file.read_bytes()[:left])
        assert load_estimate(tmp_path, "m", "s", 30.0, 1) is None
        assert store.holds(Shard.of(job()))
        assert not store.holds(Shard.of(job()), keep_below=1)
        put(store, job(), 1.0, keep_below=4)
    assert load_estimate(tmp_path, "m", "s", 30.0, 1) is not None


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_disk_that_refuses_leaves_the_folder_as_it_was(tmp_path, monkeypatch, code):
    def refuse(_):
        raise OSError(code, os.strerror(code))

    with Store(tmp_path) as store:
        put(store, job(), 1.0, keep_below=100)
        before = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*"))
        with monkeypatch.context() as full:
            full.setattr(os, "fsync", refuse)
            with pytest.raises(StoreError, match=os.strerror(code)):
                put(store, job(stop=16), 2.0, keep_below=100)
        assert sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*")) == before
        assert store.holds(Shard.of(job()))
        put(store, job(stop=16), 2.0)
    assert len(load_rows(tmp_path)) == 16


@pytest.mark.parametrize("step", range(6))
def test_death_at_any_step_never_doubles_a_row_nor_leaves_half_a_shard(tmp_path, step):
    """The process ends between two file operations, as SIGKILL ends it: nothing cleans up."""
    done = []

    def mortal(operation):
        def call(*arguments):
            if len(done) == step:
                os._exit(0)
            done.append(operation)
            return operation(*arguments)

        return call

    with Store(tmp_path) as store:
        put(store, job(), 1.0, keep_below=100)
    child = os.fork()
    if child == 0:
        os.fsync, os.replace = mortal(os.fsync), mortal(os.replace)
        with Store(tmp_path) as store:
            put(store, job(stop=16), 2.0, keep_below=100)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, "it was to die before the end"
    with Store(tmp_path) as store:
        assert not list(tmp_path.glob("*/.*.tmp"))
        if not store.holds(Shard.of(job(stop=16)), keep_below=100):
            put(store, job(stop=16), 2.0, keep_below=100)
    frame = load_rows(tmp_path)
    assert list(frame.case) == list(range(16))
    assert (frame.js == 2.0).all()


def test_damaged_shards_are_named_and_put_aside(tmp_path):
    with Store(tmp_path) as store:
        put(store, job(), 1.0)
        put(store, job(start=16, stop=20), 1.0)
    damaged = min((tmp_path / "rows").iterdir())
    damaged.write_bytes(b"PAR1 no longer")
    with pytest.raises(StoreError, match="damaged"):
        load_rows(tmp_path)
    warnings = []
    with Store(tmp_path, warn=warnings.append) as store:
        assert not store.holds(Shard.of(job()))
        assert store.holds(Shard.of(job(start=16, stop=20)))
    assert damaged.name in warnings[0]
    assert [path.name for path in (tmp_path / "corrupt").iterdir()] == [damaged.name]
    assert list(load_rows(tmp_path).case) == list(range(16, 20))


def test_every_flipped_byte_is_noticed_or_harmless(tmp_path):
    with Store(tmp_path) as store:
        put(store, job(), 1.0)
    (shard,) = (tmp_path / "rows").iterdir()
    whole, content = load_rows(tmp_path), shard.read_bytes()
    noticed = 0
    for place in np.random.default_rng(0).integers(len(content), size=60):
        changed = bytearray(content)
        changed[place] ^= 0x10
        shard.write_bytes(changed)
        try:
            frame = load_rows(tmp_path)
        except StoreError:
            noticed += 1
        else:
            pd.testing.assert_frame_equal(frame, whole)
    assert noticed > 20


def test_one_writer_at_a_time(tmp_path):
    with Store(tmp_path), pytest.raises(StoreError, match="another run is writing"), Store(tmp_path):
        pass
    with Store(tmp_path):
        pass


def test_estimates_are_found_by_case(tmp_path):
    with Store(tmp_path) as store:
        put(store, job(), 1.0, keep_below=100)
        put(store, job(start=16, stop=18), 2.0, keep_below=100)
        put(store, job("m[a=1]"), 3.0)
        assert store.holds(Shard.of(job()), keep_below=100)
        assert not store.holds(Shard.of(job("m[a=1]")), keep_below=100)
        failure = job(start=32, stop=34)
        store.write(Shard.of(failure), Outcome(failed(failure, "timeout", "late")), keep_below=100)
        assert store.holds(Shard.of(failure), keep_below=100), "there is nothing to compute again"
        put(store, job(snr=99.0, stop=8), 1.0, keep_below=4)
        assert store.holds(Shard.of(job(snr=99.0, stop=8)), keep_below=4)
        assert not store.holds(Shard.of(job(snr=99.0, stop=8)), keep_below=8), (
            "more estimates are wanted than were kept"
        )
        put(store, job(snr=99.0, start=16, stop=18), 1.0, keep_below=4)
        assert store.holds(Shard.of(job(snr=99.0, start=16, stop=18)), keep_below=4), "none of its cases is wanted"
    assert load_estimate(tmp_path, "m", "s", 30.0, 17).tolist() == [[[2.0, 2.0], [2.0, 2.0]]]
    for absent in [("m", "s", 30.0, 32), ("m", "s", 30.0, 9), ("m", "s", 31.0, 0), ("m[a=1]", "s", 30.0, 0)]:
        assert load_estimate(tmp_path, *absent) is None


@pytest.mark.parametrize("text", ["[]", "{", '{"format": 99}'])
def test_a_manifest_that_is_none_is_refused(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(StoreError, match=r"manifest\.json cannot be read"):
        load_manifest(tmp_path)


def test_the_manifest_keeps_its_history_and_all_definitions(tmp_path):
    with Store(tmp_path) as store:
        store.write_manifest({"scenarios": {"a": 1}}, {"command": "one"})
        store.write_manifest({"scenarios": {"b": 2}}, {"command": "two"})
    manifest = load_manifest(tmp_path)
    assert manifest["scenarios"] == {"a": 1, "b": 2}
    assert [entry["command"] for entry in manifest["history"]] == ["one", "two"]


def test_a_folder_without_rows_says_what_to_do(tmp_path):
    with pytest.raises(StoreError, match=r"is not a results folder; `dexsy-bench run --out"):
        load_rows(tmp_path)
    with Store(tmp_path) as store:
        store.write_manifest({}, {})
    with pytest.raises(StoreError, match="holds no rows yet"):
        load_rows(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write"), Store(tmp_path / "file"):
        pass
