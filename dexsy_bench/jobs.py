"""A run as a list of frozen jobs, each with a key that names what it computes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import dexsy_bench
from dexsy_bench.learning.method import LearnedMethod
from dexsy_bench.machine import installed_version
from dexsy_bench.method import Wrapper
from dexsy_bench.numerics.peers import Peer
from dexsy_bench.registry import Registry, Selection, digest_of_files
from dexsy_bench.scenario import CaseSource
from dexsy_bench.tuning import resolve

CHUNK = 16
"""Cases a job. Jobs start at its multiples, so that a resumed run forms the same batches."""

ENGINE = "compartments folder method metrics physics problem rows scenario seeds worker"
"""The files and folders of the engine that the rows of every method depend on."""

PACKAGES = ("numpy", "scipy", "cvxpy", "clarabel", "POT", "torch")
"""The packages whose versions rows depend on."""


@dataclass(frozen=True)
class Job:
    """A method on a batch of cases: small, picklable, enough to compute its rows anywhere.

    Attributes
    ----------
    method : str
        Its name.
    given : tuple of (option, value)
        What the selection sets; with the name, the label that rows carry.
    tuned : tuple of (option, value)
        Values found on validation draws, which take the place of those options.
    tuning : str
        ``default``, ``data-driven``, ``tuned`` or ``given``: where the hyper-parameters come from.
    family, bound, told : str
        As the method declares them.
    scenario : str
        What rows call the source of the cases.
    snr : float
    start, stop : int
        Cases number start to stop - 1.
    key : str
        Hash of all that the rows depend on, save the range of cases.
    include : tuple of Path
        Where methods and scenarios are looked for besides the built-in ones.
    data : Path or None
        The folder that holds the cases; None: they are drawn from the scenario.
    """

    method: str
    given: tuple[tuple[str, Any], ...]
    tuned: tuple[tuple[str, Any], ...]
    tuning: str
    family: str
    bound: str
    told: str
    scenario: str
    snr: float
    start: int
    stop: int
    key: str
    include: tuple[Path, ...] = ()
    data: Path | None = None

    @property
    def label(self) -> str:
        """The method as users type it: ``tikhonov[order=0]``."""
        return Selection(self.method, self.given).label

    @property
    def options(self) -> str:
        """The inner part of the label."""
        return self.label.removeprefix(self.method)[1:-1]

    @property
    def cell(self) -> tuple[str, str, float]:
        """Label, scenario and SNR: what a leaderboard averages over."""
        return self.label, self.scenario, self.snr

    def __str__(self) -> str:
        return f"{self.label} · {self.scenario} · SNR {self.snr:g}"


@dataclass(frozen=True, eq=False)
class Cell:
    """Cases ``start`` to ``stop`` - 1 of a source at one SNR; ``data`` is the folder, where they come from one."""

    source: CaseSource
    snr: float
    start: int
    stop: int
    data: Path | None = None


def source_of(job: Job, registry: Registry) -> CaseSource:
    """Where the job's cases come from.

    Raises
    ------
    UserError
        If there is no such scenario, or the folder cannot be read.
    """
    if job.data is None:
        return registry.scenario(job.scenario)
    from dexsy_bench.folder import Folder

    return Folder.read(job.data)


def plan(registry: Registry, selections: Sequence[Selection], cells: Sequence[Cell]) -> list[Job]:
    """Every selection on every cell, a method at a time, in chunks of `CHUNK` cases.

    Raises
    ------
    UserError
        If a method or option is not known, or a tuned value is asked for and was not stored.
    """
    jobs = []
    for selection in selections:
        method = registry.method(selection.name)
        for cell in cells:
            tuned, tuning = resolve(selection, registry, cell.source.name, cell.snr)
            whole = Job(
                method=selection.name,
                given=selection.given,
                tuned=tuned,
                tuning=tuning,
                family=family_of(selection, registry),
                bound=method.bound,
                told=",".join(sorted(method.told)),
                scenario=cell.source.name,
                snr=cell.snr,
                start=cell.start,
                stop=cell.stop,
                key=content_key(selection, tuned, cell, registry),
                include=registry.include,
                data=cell.data,
            )
            jobs += [dataclasses.replace(whole, start=a, stop=b) for a, b in chunks(cell.start, cell.stop)]
    return jobs


def family_of(selection: Selection, registry: Registry) -> str:
    """What the method declares; for one that wraps another, what that declares."""
    method = registry.method(selection.name)
    if issubclass(method, Wrapper):
        return family_of(registry.select(registry.options_of(selection).method), registry)
    return method.family


def chunks(start: int, stop: int) -> Iterator[tuple[int, int]]:
    """The ranges in which cases start to stop - 1 are computed: cut at the multiples of `CHUNK`."""
    while start < stop:
        end = min(start - start % CHUNK + CHUNK, stop)
        yield start, end
        start = end


def content_key(selection: Selection, tuned: Iterable[tuple[str, Any]], cell: Cell, registry: Registry) -> str:
    """Hash of all that the rows of a cell depend on, whichever of its cases they are."""
    content = _content(selection, tuned, registry) | {
        "cases": [cell.source.name, cell.source.digest, f"{cell.snr:g}"],
        "engine": engine_digest(),
        "packages": package_versions(),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=repr).encode()).hexdigest()[:16]


def _content(selection: Selection, tuned: Iterable[tuple[str, Any]], registry: Registry) -> dict[str, Any]:
    """What the method with its options is made of."""
    options = registry.make_options(selection.name, {**dict(selection.given), **dict(tuned)})
    content: dict[str, Any] = {
        "method": [selection.name, registry.method_digest(selection.name)],
        "options": dataclasses.asdict(options),
    }
    method = registry.method(selection.name)
    if issubclass(method, LearnedMethod):
        content["learned"] = [method.digest(options), learning_digest()]
    if issubclass(method, Peer):
        content["peer"] = installed_version(method.project)
    if issubclass(method, Wrapper):
        content["wrapped"] = _content(registry.select(options.method), (), registry)
    return content


@cache
def engine_digest() -> str:
    """Hash of the engine's own source, as far as rows depend on it."""
    room = Path(dexsy_bench.__file__).parent
    paths = [path for name in ENGINE.split() for path in (room / name, room / f"{name}.py") if path.exists()]
    return digest_of_files(paths)


@cache
def learning_digest() -> str:
    """Hash of what turns weights into a method; how they were trained is in the weights."""
    room = Path(dexsy_bench.__file__).parent / "learning"
    return digest_of_files([room / "method.py", room / "weights.py"])


@cache
def package_versions() -> dict[str, str | None]:
    """Versions of `PACKAGES`; None where one is not installed."""
    return {name: installed_version(name) for name in PACKAGES}
