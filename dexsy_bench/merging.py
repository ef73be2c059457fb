"""Results folders put together in one; what does not fit is refused."""

from __future__ import annotations

import filecmp
import json
import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from glob import escape
from itertools import combinations
from pathlib import Path
from typing import Any

from dexsy_bench import estimates
from dexsy_bench.jobs import PACKAGES
from dexsy_bench.joining import MergeError, check_definitions, once
from dexsy_bench.store import FORMAT, Shard, Store, StoreError, load_manifest, read_shard

_STAGES = ".*.merging"
"""Folders that a merge into a folder writes its files to, before it moves them."""


@dataclass(frozen=True)
class Merged:
    """What became of the shards.

    Attributes
    ----------
    path : Path
        The folder that holds them all.
    shards, cases : int
        In it now.
    identical : int
        Shards that several folders had, and that were taken once.
    aside : int
        Shards with the same results as others but other times, or fewer cases; they are in ``superseded/``.
    """

    path: Path
    shards: int
    cases: int
    identical: int
    aside: int


@dataclass(frozen=True)
class _Found:
    """A shard in a folder."""

    shard: Shard
    run: Path

    @property
    def rows(self) -> Path:
        return self.run / "rows" / f"{self.shard.stem}.parquet"

    @property
    def estimates(self) -> Path:
        return self.run / "estimates" / f"{self.shard.stem}.safetensors"


def merge(
    runs: Sequence[Path], out: Path, *, add: bool = False, progress: Callable[[int, int], object] = lambda *_: None
) -> Merged:
    """Join results folders, as of several machines, in one: all of it or, where anything does not fit, nothing.

    The folders that are merged stay as they are. Rows are verified by checksum, estimates by length. Rows that several
    folders have must have the same status and metrics: of those that differ in times alone the first folder's count,
    and the others go to ``superseded/``.

    Parameters
    ----------
    runs : sequence of Path
        Results folders.
    out : Path
        A new or empty folder.
    add : bool
        `out` is a results folder, which the others are added to.
    progress : callable
        Told how many shards of how many were read.

    Raises
    ------
    MergeError
        If a folder is none of results or holds damaged files; a scenario is defined differently, a cell computed
        differently or a case has different results; or `out` is not what `add` says, or cannot be written.
    """
    runs = _distinct([out, *runs] if add else runs, out, add)
    check_definitions(runs)
    found = _read(runs, progress)
    _check_defined(found)
    cells = _by_cell(found)
    _check_keys(cells)
    kept, aside = _chosen(cells)
    identical = len(found) - len(kept) - len(aside)
    manifest = _manifest(runs)
    try:
        if add:
            with Store(out):
                if {one.rows for one in found if one.run == out} != set((out / "rows").glob("*.parquet")):
                    raise MergeError(f"{out} changed while it was read; merge again when no run writes to it")
                _add(kept, aside, manifest, out)
        else:
            _create(kept, aside, manifest, out)
    except OSError as error:
        raise MergeError(
            f"cannot write {out}: {error.strerror or error}; give the same command again once that is mended"
        ) from error
    cases = sum(shard.shard.stop - shard.shard.start for shard, _ in kept)
    return Merged(out, len(kept), cases, identical, len(aside))


def _distinct(runs: Sequence[Path], out: Path, add: bool) -> list[Path]:
    """The folders, if they can be merged into the other."""
    is_results = (out / "manifest.json").exists()
    if add and not is_results:
        raise MergeError(f"{out} is no results folder that one could add to; leave out --add to make one")
    if not add and is_results:
        raise MergeError(f"{out} holds results already; say --add to add the others to them, or choose another --out")
    if not add and out.exists() and (not out.is_dir() or set(out.iterdir()) - set(out.glob(_STAGES))):
        raise MergeError(f"{out} is no empty folder; choose another --out")
    distinct = list({run.resolve(): run for run in reversed(runs)}.values())[::-1]
    if len(distinct) < 2:
        raise MergeError("name two different results folders at least")
    for run in distinct:
        if not (run / "manifest.json").exists():
            raise MergeError(
                f"{run} is not a results folder, or lost its manifest.json, without which nobody knows its scenarios; "
                "leave it out, or run the same benchmark into it again"
            )
    return distinct


def _read(runs: Sequence[Path], progress: Callable[[int, int], object]) -> list[_Found]:
    """Every shard: rows verified by their checksums, estimates by their length."""
    files = [(run, file) for run in runs for file in sorted((run / "rows").glob("*.parquet"))]
    found, damaged, cut = [], [], []
    for number, (run, file) in enumerate(files, 1):
        try:
            one = _Found(read_shard(file)[0], run)
            damaged += [] if one.rows == file else [file]
            cut += [] if _kept(one) is not None or not one.estimates.exists() else [one.estimates]
            found.append(one)
        except StoreError:
            damaged.append(file)
        progress(number, len(files))
    reasons = [
        f"damaged: {_names(paths)}; {cure}"
        for paths, cure in (
            (damaged, "run the same benchmark into that folder again to replace it"),
            (cut, "give that folder's run again with --keep-estimates, or delete the file"),
        )
        if paths
    ]
    if reasons:
        raise MergeError("; ".join(reasons))
    if not found:
        raise MergeError(f"{', '.join(map(str, runs))} hold no rows yet; run a benchmark into them first")
    return found


def _names(paths: Sequence[Path]) -> str:
    return ", ".join(map(str, paths[:4])) + (f" and {len(paths) - 4} more" if len(paths) > 4 else "")


def _kept(one: _Found) -> int | None:
    """How many estimates there are beside a shard; None where there is no such file, or it is damaged."""
    kept = estimates.kept(one.estimates)
    return None if kept is None else len(kept.cases)


def _check_defined(found: Sequence[_Found]) -> None:
    """Raise MergeError where a folder has rows of a scenario that its manifest does not define."""
    known = {run: load_manifest(run).get("scenarios", {}) for run in {one.run for one in found}}
    for one in found:
        if one.shard.scenario not in known[one.run]:
            raise MergeError(
                f"{one.run} has rows of {one.shard.scenario}, of which its manifest.json has no definition, so that "
                "nobody knows its cases; leave it out, or run the same benchmark into it again"
            )


Cells = dict[tuple[str, str, str], list[_Found]]


def _by_cell(found: Sequence[_Found]) -> Cells:
    cells: Cells = defaultdict(list)
    for one in found:
        cells[one.shard.cell].append(one)
    return cells


def _check_keys(cells: Cells) -> None:
    """Two versions of a method never mix in a cell."""
    clashes = [
        (cell, first, other)
        for cell, found in cells.items()
        for first, other in combinations({one.shard.key: one for one in found}.values(), 2)
    ]
    if not clashes:
        return
    (label, scenario, snr), first, other = clashes[0]
    ours, theirs = _origin(first), _origin(other)
    differ = [name for name in PACKAGES if _version(ours, name) != _version(theirs, name)]
    same = ours.get("revision") == theirs.get("revision") and not differ
    more = f", and so were {len(clashes) - 1} other cells" if len(clashes) > 1 else ""
    raise MergeError(
        f"{label} · {scenario} · SNR {snr} was computed by different versions in {first.run} ({_made(ours, differ)}) "
        f"and {other.run} ({_made(theirs, differ)}){more}"
        + ("; the file of the method or its weights differ" if same else "")
        + f": leave one out, or run `dexsy-bench run -s {scenario} --snr {snr} -m '{label}' --out {other.run}` again "
        f"with the version of {first.run}"
    )


def _origin(one: _Found) -> dict[str, Any]:
    """The last entry of the history that asked for a shard."""
    for entry in reversed(load_manifest(one.run).get("history", [])):
        asked = [(cell["scenario"], cell["snr"]) for cell in entry.get("cells", ())]
        if one.shard.label in entry.get("methods", ()) and one.shard.cell[1:] in asked:
            return dict(entry)
    return {}


def _version(entry: dict[str, Any], package: str) -> Any:
    return entry.get("machine", {}).get("packages", {}).get(package)


def _made(entry: dict[str, Any], packages: Sequence[str]) -> str:
    revision = str(entry.get("revision") or "unknown")
    short = revision[:10] + ("+" if revision.endswith("+") else "")
    return ", ".join([f"revision {short}", *(f"{name} {_version(entry, name)}" for name in packages)])


def _chosen(cells: Cells) -> tuple[list[tuple[_Found, _Found | None]], list[_Found]]:
    """The shards that count, each with where its estimates are; and those that others cover, but not byte for byte."""
    kept: list[tuple[_Found, _Found | None]] = []
    aside: list[_Found] = []
    for found in cells.values():
        for group in _overlapping(found):
            best, *others = group
            unlike = [one for one in others if not _same_file(one.rows, best.rows)]
            if unlike:
                _check_agreement([best, *unlike])
            alike = [one for one in group if one.shard == best.shard and _kept(one) is not None]
            kept.append((best, max(alike, key=lambda one: _kept(one) or 0, default=None)))
            aside += unlike
    return kept, aside


def _overlapping(found: Sequence[_Found]) -> Iterator[list[_Found]]:
    """Groups of shards of a cell that share cases; the first of each covers the others."""
    group: list[_Found] = []
    for one in sorted(found, key=lambda one: (one.shard.start, -one.shard.stop)):
        if group and group[0].shard.covers(one.shard):
            group.append(one)
            continue
        if group and one.shard.start < group[0].shard.stop:
            raise MergeError(
                f"{group[0].rows} and {one.rows} share some of their cases: leave one of {group[0].run} and {one.run} "
                "out, or run the same cases in both"
            )
        if group:
            yield group
        group = [one]
    yield group


def _check_agreement(group: Sequence[_Found]) -> None:
    """Raise MergeError where shards that share cases have different results for one."""
    import pandas as pd

    from dexsy_bench.leaderboard import with_labels

    rows = pd.concat([read_shard(one.rows)[1].to_pandas() for one in group], ignore_index=True)
    once(with_labels(rows), [one.run for one in group])


def _same_file(a: Path, b: Path) -> bool:
    return filecmp.cmp(a, b, shallow=False)


def _manifest(runs: Sequence[Path]) -> bytes:
    """All definitions, the first where several say the same; the histories in the order of time."""
    manifests = [load_manifest(run) for run in runs]
    scenarios: dict[str, Any] = {}
    for manifest in reversed(manifests):
        scenarios |= manifest.get("scenarios", {})
    entries = {json.dumps(e, sort_keys=True): e for m in manifests for e in m.get("history", [])}
    history = sorted(entries.values(), key=lambda entry: str(entry.get("when", "")))
    merged = {"format": FORMAT, "scenarios": scenarios, "history": history}
    return (json.dumps(merged, indent=1, ensure_ascii=False) + "\n").encode()


# Writing -----------------------------------------------------------------------------------


def _create(kept: Sequence[tuple[_Found, _Found | None]], aside: Sequence[_Found], manifest: bytes, out: Path) -> None:
    """Make the folder under another name, and move it into place as a whole; one that is there already is filled."""
    if out.exists():  # a shell may stand in it, or a link lead to it: it must stay the folder it is
        _add(kept, aside, manifest, out)
        return
    place = out.resolve()
    place.parent.mkdir(parents=True, exist_ok=True)
    _clear(place.parent, f".{escape(place.name)}.*.merging")
    with tempfile.TemporaryDirectory(prefix=f".{place.name}.", suffix=".merging", dir=place.parent) as temporary:
        stage = Path(temporary) / place.name
        _write(kept, aside, manifest, stage, out)
        os.rename(stage, place)


def _clear(folder: Path, pattern: str = _STAGES) -> None:
    """Remove what merges that were killed left."""
    for leftover in folder.glob(pattern):
        shutil.rmtree(leftover, ignore_errors=True)


def _add(kept: Sequence[tuple[_Found, _Found | None]], aside: Sequence[_Found], manifest: bytes, out: Path) -> None:
    """Write all that is new beside the folder's own files, then move it in; ended in between, it can be repeated."""
    _clear(out)
    with tempfile.TemporaryDirectory(prefix=".", suffix=".merging", dir=out) as temporary:
        stage = Path(temporary)
        _write(kept, aside, manifest, stage, out)
        for room in (".", "superseded", "estimates"):
            _move_in(stage, out, room)
        for one in aside:
            if one.run == out:
                one.estimates.unlink(missing_ok=True)  # a copy of both is in superseded
                one.rows.unlink()
        _move_in(stage, out, "rows")


def _move_in(stage: Path, out: Path, room: str) -> None:
    for file in sorted(path for path in (stage / room).glob("*") if path.is_file()):
        (out / room).mkdir(exist_ok=True)
        os.replace(file, out / room / file.name)


def _write(
    kept: Sequence[tuple[_Found, _Found | None]], aside: Sequence[_Found], manifest: bytes, stage: Path, out: Path
) -> None:
    """Everything that the folder lacks, to the stage."""
    for room in ("rows", "estimates", "superseded"):
        (stage / room).mkdir(parents=True, exist_ok=True)
    (stage / "manifest.json").write_bytes(manifest)
    for one, with_estimates in kept:
        if one.run != out:
            _copy(one.rows, stage / "rows" / one.rows.name)
        if with_estimates is not None and with_estimates.run != out:
            _copy(with_estimates.estimates, stage / "estimates" / one.estimates.name)
    for one in aside:
        for file in (one.rows, one.estimates):
            if file.exists() and (name := _free_name(file, [stage / "superseded", out / "superseded"])):
                _copy(file, stage / "superseded" / name)
    if not any((stage / "superseded").iterdir()):
        (stage / "superseded").rmdir()


def _free_name(file: Path, folders: Sequence[Path]) -> str | None:
    """A name that none of the folders has; None if one has the same file."""
    name, number = file.name, 0
    while taken := [folder / name for folder in folders if (folder / name).exists()]:
        if any(_same_file(file, other) for other in taken):
            return None
        number += 1
        name = f"{file.stem}~{number}{file.suffix}"
    return name


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as reader, target.open("wb") as writer:
        shutil.copyfileobj(reader, writer)
        writer.flush()
        os.fsync(writer.fileno())
