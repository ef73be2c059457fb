"""A results folder: Parquet shards of rows, estimates on request, and a manifest that says how they were made.

``RUN/rows/*.parquet`` holds one shard a finished job, written under a temporary name and moved, so a
shard is whole or not there. Nothing that was finished is ever deleted: shards that a newer one replaces
go to ``RUN/superseded/``, damaged ones to ``RUN/corrupt/``. Of an older shard that a newer one replaces in part,
the rest of the rows stay in a shard of their own.
"""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dexsy_bench import estimates
from dexsy_bench.errors import UserError
from dexsy_bench.jobs import CHUNK, Job
from dexsy_bench.rows import TEXT, WHOLE, Outcome, Row, columns

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

FORMAT = 1
_METADATA = "dexsy_bench"


class StoreError(UserError):
    """A results folder that cannot be read or written."""


@dataclass(frozen=True)
class Shard:
    """What one file of rows holds: cases start to stop - 1 of a cell, computed as ``key`` says."""

    label: str
    scenario: str
    snr: float
    start: int
    stop: int
    key: str

    @classmethod
    def of(cls, job: Job) -> Shard:
        """The shard that a job is to write."""
        return cls(*job.cell, job.start, job.stop, job.key)

    @property
    def cell(self) -> tuple[str, str, str]:
        """What it is a part of; the SNR as text, for one that is not known is NaN, which does not equal itself."""
        return self.label, self.scenario, f"{self.snr:g}"

    @property
    def stem(self) -> str:
        """Name of its files, without the ending."""
        return f"{self.stem_of_cell}.{self.start:05d}-{self.stop:05d}.{self.key}"

    @property
    def stem_of_cell(self) -> str:
        """What the names of all files of the cell begin with."""
        label, scenario = (re.sub(r"[^\w.=+-]+", "_", name)[:80] for name in (self.label, self.scenario))
        return f"{label}.{scenario}.snr{self.snr:g}"

    def covers(self, other: Shard) -> bool:
        """True if it holds the other's rows, computed the same way."""
        same = (self.cell, self.key) == (other.cell, other.key)
        return same and self.start <= other.start and other.stop <= self.stop

    def outdates(self, other: Shard) -> bool:
        """True if the other's rows must leave the table once this one is in: same cell, other key or same cases."""
        overlaps = self.start < other.stop and other.start < self.stop
        return self.cell == other.cell and (self.key != other.key or overlaps)


class Store:
    """A results folder, open for writing by this process alone; use as a context manager.

    Parameters
    ----------
    path : Path
        The folder; made if needed.
    warn : callable
        Told of damaged shards that were moved aside.

    Raises
    ------
    StoreError
        If another process writes to it, or it cannot be written.
    """

    def __init__(self, path: Path, warn: Callable[[str], None] = print) -> None:
        self.path = path
        self._warn = warn
        self._shards: dict[tuple[str, str, str], list[Shard]] = defaultdict(list)

    def __enter__(self) -> Store:
        from filelock import FileLock, Timeout

        with _explained(self.path):
            for name in ("rows", "estimates"):
                (self.path / name).mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(self.path / ".lock", blocking=False)
            try:
                self._lock.acquire()
            except Timeout as error:
                raise StoreError(
                    f"another run is writing to {self.path}; wait until it ends, or choose another folder with --out"
                ) from error
            try:
                self._scan()
            except BaseException:
                self._lock.release()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def _scan(self) -> None:
        self._shards.clear()
        for leftover in self.path.glob("*/.*.tmp"):
            leftover.unlink()  # the writer died before it was whole
        for path in sorted((self.path / "rows").glob("*.parquet")):
            try:
                shard = read_shard(path)[0]
                self._shards[shard.cell].append(shard)
            except StoreError:
                moved = self._move(path, "corrupt")
                self._warn(f"{path.name} is damaged; moved to {moved.parent}, its cases are computed again")

    def holds(self, shard: Shard, keep_below: int = 0) -> bool:
        """True if a finished shard covers this one, with the estimates of its cases below that number."""
        wanted = min(keep_below, shard.stop)
        return any(
            found.covers(shard) and (wanted <= shard.start or self._kept_below(found) >= wanted)
            for found in self._shards[shard.cell]
        )

    def batch(self, shard: Shard) -> tuple[int, int]:
        """The cases to compute where these are wanted again: with them those of their batch that are there already."""
        for found in self._shards[shard.cell]:
            if found.covers(shard):
                first = shard.start - shard.start % CHUNK
                return max(first, found.start), min(max(first + CHUNK, shard.stop), found.stop)
        return shard.start, shard.stop

    def write(self, shard: Shard, outcome: Outcome, keep_below: int = 0) -> None:
        """Add a shard, whole or not at all, and move those aside whose rows it replaces.

        Their other rows, if they were computed the same way, stay in the table.

        Parameters
        ----------
        shard : Shard
        outcome : Outcome
        keep_below : int
            The outcome has the estimates of the cases below that number.

        Raises
        ------
        StoreError
            If the disk is full or refuses; what was finished before stays.
        """
        with _explained(self.path):
            outdated = [old for old in self._shards[shard.cell] if shard.outdates(old)]
            new = [(shard, outcome, keep_below), *(rest for old in outdated for rest in self._rests(old, shard))]
            with ExitStack() as whole:  # moves its files into place in reverse order: rows last
                for one, content, _ in new:
                    whole.enter_context(_whole(self._rows(one), _row_bytes(one, content.rows)))
                for one, content, below in new:
                    if below > one.start:
                        data = estimates.pack(asdict(one), content.cases, content.estimates, below)
                        whole.enter_context(_whole(self._estimates(one), data))
                for old in outdated:
                    self._shards[shard.cell].remove(old)
                    self._move(self._rows(old), "superseded")
                    if self._estimates(old).exists():
                        self._move(self._estimates(old), "superseded")
            self._shards[shard.cell] += [one for one, _, _ in new]

    def _rests(self, old: Shard, new: Shard) -> Iterator[tuple[Shard, Outcome, int]]:
        """What a shard has before and after another one that was computed the same way; as `write` takes it."""
        ranges = [(old.start, new.start), (new.stop, old.stop)] if old.key == new.key else []
        for start, stop in ranges:
            if start >= stop:
                continue
            rows, kept = read_shard(self._rows(old))[1].to_pylist(), estimates.kept(self._estimates(old))
            outcome = Outcome([row for row in rows if start <= row["case"] < stop])
            if kept is not None:
                here = [place for place, case in enumerate(kept.cases) if start <= case < stop]
                distributions = estimates.distributions(self._estimates(old))[here]
                outcome = Outcome(outcome.rows, distributions, tuple(kept.cases[place] for place in here))
            yield replace(old, start=start, stop=stop), outcome, kept.below if kept is not None else 0

    def write_manifest(self, content: dict[str, Any], entry: dict[str, Any]) -> None:
        """Add definitions of scenarios (``content``) and an entry of the history to the manifest."""
        with _explained(self.path):
            path = self.path / "manifest.json"
            before = load_manifest(self.path) if path.exists() else {}
            manifest = {
                "format": FORMAT,
                **content,
                "scenarios": {**before.get("scenarios", {}), **content.get("scenarios", {})},
                "history": [*before.get("history", []), entry],
            }
            with _whole(path, (json.dumps(manifest, indent=1, ensure_ascii=False, default=str) + "\n").encode()):
                pass

    def _rows(self, shard: Shard) -> Path:
        return self.path / "rows" / f"{shard.stem}.parquet"

    def _estimates(self, shard: Shard) -> Path:
        return self.path / "estimates" / f"{shard.stem}.safetensors"

    def _kept_below(self, shard: Shard) -> int:
        kept = estimates.kept(self._estimates(shard))
        return 0 if kept is None else kept.below  # a damaged file is made again

    def _move(self, path: Path, room: str) -> Path:
        folder = self.path / room
        folder.mkdir(exist_ok=True)
        target = folder / path.name
        for number in range(1, 1_000_000):
            if not target.exists():
                break
            target = folder / f"{path.stem}~{number}{path.suffix}"
        os.replace(path, target)
        return target


# Reading -----------------------------------------------------------------------------------


def load_rows(path: str | Path) -> pd.DataFrame:
    """All rows of a results folder, sorted by scenario, SNR, method, options and case.

    Raises
    ------
    StoreError
        If it is not a results folder, holds no rows, or a shard is damaged.
    """
    import pyarrow as pa

    path = Path(path)
    files = sorted((path / "rows").glob("*.parquet"))
    if not files:
        what = "holds no rows yet" if (path / "manifest.json").exists() else "is not a results folder"
        raise StoreError(f"{path} {what}; `dexsy-bench run --out {path}` makes one")
    tables = [read_shard(file)[1] for file in files]
    frame: pd.DataFrame = pa.concat_tables(tables, promote_options="default").to_pandas()
    extra = sorted(set(frame.columns) - set(columns()))
    frame = frame.reindex(columns=[*columns(), *extra])
    return frame.sort_values(["scenario", "snr", "method", "options", "case"], kind="stable", ignore_index=True)


def read_shard(path: Path) -> tuple[Shard, pa.Table]:
    """A shard and its rows, checksums verified.

    Raises
    ------
    StoreError
        If the file is damaged.
    """
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            table = file.read()
        shard = Shard(**json.loads(table.schema.metadata[_METADATA.encode()]))
        if table.num_rows != shard.stop - shard.start:
            raise ValueError("rows are missing")
    except Exception as error:  # whatever a damaged file makes of the reader
        raise StoreError(
            f"{path} is damaged ({type(error).__name__}); run the benchmark into this folder again to replace it"
        ) from error
    return shard, table.replace_schema_metadata(None)


def load_manifest(path: str | Path) -> dict[str, Any]:
    """How a results folder was made."""
    file = Path(path) / "manifest.json"
    try:
        manifest: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
            raise ValueError(f"it is not of format {FORMAT}")
    except (OSError, ValueError) as error:
        raise StoreError(f"{file} cannot be read ({error}); move it away, the next run writes a new one") from error
    return manifest


def load_estimate(run: str | Path, label: str, scenario: str, snr: float, case: int) -> NDArray[np.float32] | None:
    """The distribution (T, D1, D2) that a method gave for a case; None if it was not kept or not valid."""
    wanted = Shard(label, scenario, snr, case, case + 1, "")
    for path in sorted((Path(run) / "estimates").glob(f"{wanted.stem_of_cell}.*.safetensors")):
        kept = estimates.kept(path)  # None: it is damaged, and as good as none
        if kept is not None and case in kept.cases and replace(Shard(**kept.shard), key="").covers(wanted):
            found: NDArray[np.float32] = estimates.distributions(path)[kept.cases.index(case)]
            return found
    return None


# Bytes on disk -----------------------------------------------------------------------------


def _row_bytes(shard: Shard, rows: list[Row]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    def kind(name: str) -> pa.DataType:
        return pa.string() if name in TEXT else pa.int64() if name in WHOLE else pa.float64()

    names = list(dict.fromkeys(name for row in rows for name in row))
    metadata = {_METADATA: json.dumps(asdict(shard))}
    schema = pa.schema([(name, kind(name)) for name in names], metadata=metadata)
    sink = pa.BufferOutputStream()
    table = pa.table({name: [row.get(name, np.nan) for row in rows] for name in names}, schema=schema)
    pq.write_table(table, sink, write_page_checksum=True)
    return bytes(sink.getvalue())


@contextmanager
def _whole(path: Path, data: bytes) -> Iterator[None]:
    """Put data on the disk under a temporary name, run the body, move it into place."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"cannot write to {path}: {error.strerror or error}; what was finished is kept, "
            "and the same command continues it once that is mended"
        ) from error
