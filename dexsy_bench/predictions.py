"""Estimates that another program made of a generated folder: read, judged by the contract, scored."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Container
from dataclasses import replace
from pathlib import Path

from dexsy_bench.errors import UserError
from dexsy_bench.folder import MASS_TOLERANCE, Folder
from dexsy_bench.jobs import Cell, Job, chunks, engine_digest
from dexsy_bench.measured import SignalError, read_array
from dexsy_bench.method import Estimate, InvalidEstimate, normalised, validate
from dexsy_bench.rows import Outcome, Row, Status
from dexsy_bench.worker import Attempt, rows_of

ENDINGS = (".npy", ".csv", ".tsv", ".txt", ".mat")


def score_predictions(
    predictions: Path, folder: Folder, name: str, taken: Container[str], progress: Callable[[int], None]
) -> tuple[Job, Outcome]:
    """Rows of ``f_hat_0.npy``, ... for every case of a folder.

    A missing or unreadable file gives a row of status `error`; one of another shape, with negative or
    non-finite values, or with a mass further than `MASS_TOLERANCE` from 1 gives `invalid`; within
    that, which is what single precision or printed digits leave, it is scaled to 1.

    Parameters
    ----------
    predictions : Path
        Folder with ``f_hat_N`` of .npy, .csv, .tsv, .txt or .mat, N as in the folder of cases.
    folder : Folder
    name : str
        Of the method in the results.
    taken : container of str
        Names that it cannot have.
    progress : callable
        Told the number of cases done since the last call.

    Returns
    -------
    job, outcome
        Ready for :meth:`~dexsy_bench.store.Store.write`.

    Raises
    ------
    UserError
        If the name is taken or unusable, or the folder holds no prediction at all.
    """
    if not re.fullmatch(r"[\w.-]+", name):
        raise UserError(f"--name '{name}': use letters, digits, '.', '_' and '-'")
    if name in taken:
        raise UserError(f"--name {name}: there is a method of that name already; choose another")
    files = _files(predictions)
    found = [number for number in folder.numbers if number in files]
    if not found:
        raise UserError(
            f"{predictions} holds no f_hat_{folder.numbers.start}.npy, ...; estimates carry the number of their case"
        )
    digest = hashlib.sha256()
    for number in found:
        digest.update(f"{number}:".encode() + files[number].read_bytes())
    key = hashlib.sha256(f"{name} {digest.hexdigest()} {folder.digest} {engine_digest()}".encode()).hexdigest()[:16]
    whole = Job(
        method=name,
        given=(),
        tuned=(),
        tuning="given",
        family="external",
        bound="",
        told="",
        scenario=folder.name,
        snr=folder.snr,
        start=folder.numbers.start,
        stop=folder.numbers.stop,
        key=key,
        data=folder.path,
    )
    rows: list[Row] = []
    for start, stop in chunks(whole.start, whole.stop):
        cases = folder.cases(start, stop, folder.snr)
        job = replace(whole, start=start, stop=stop)
        for position, number in enumerate(range(start, stop)):
            attempt = _judge(files.get(number), number, position, folder)
            rows += rows_of(job, folder.known, cases, attempt, {})
        progress(stop - start)
    return whole, Outcome(rows)


def score_into(
    out: Path,
    predictions: Path,
    folder: Folder,
    name: str,
    command: str,
    progress: Callable[[int], None] = lambda cases: None,
) -> list[Row]:
    """Add the rows of :func:`score_predictions` to a results folder, and say there which command did."""
    from dexsy_bench.planning import manifest
    from dexsy_bench.registry import Registry, Selection
    from dexsy_bench.store import Shard, Store

    job, outcome = score_predictions(predictions, folder, name, Registry().method_names, progress)
    cell = Cell(folder, folder.snr, job.start, job.stop, folder.path)
    with Store(out) as store:
        store.write_manifest(*manifest(folder.name, [Selection(name)], [cell], command))
        store.write(Shard.of(job), outcome)
    return outcome.rows


def unused(predictions: Path, folder: Folder) -> list[str]:
    """Names of estimates that no case of the folder belongs to."""
    return sorted(path.name for number, path in _files(predictions).items() if number not in folder.numbers)


def _files(predictions: Path) -> dict[int, Path]:
    """Estimates by number."""
    if not predictions.is_dir():
        raise UserError(f"{predictions}: no such folder")
    files: dict[int, Path] = {}
    for path in sorted(predictions.iterdir()):
        match = re.fullmatch(r"f_hat_(\d+)", path.stem)
        if match and path.suffix in ENDINGS:
            number = int(match[1])
            if number in files:
                raise UserError(f"{predictions} holds both {files[number].name} and {path.name}; keep one of them")
            files[number] = path
    return files


def _judge(file: Path | None, number: int, position: int, folder: Folder) -> Attempt:
    positions = range(position, position + 1)

    def fault(status: Status, reason: str) -> Attempt:
        return Attempt(positions, float("nan"), None, status, reason)

    if file is None:
        return fault("error", f"f_hat_{number}.npy is missing")
    try:
        f = read_array(file)
    except SignalError as error:
        return fault("error", str(error))
    times, grid = folder.known.acquisition.n_mixing, folder.known.grid
    if f.dtype.kind == "c":
        return fault("invalid", f"{file.name}: holds complex numbers")
    try:
        validate(f, grid.shape if times == 1 and f.ndim == 2 else (times, *grid.shape), tolerance=MASS_TOLERANCE)
    except InvalidEstimate as error:
        return fault("invalid", f"{file.name}: {error}")
    return Attempt(positions, float("nan"), Estimate(normalised(f).reshape(1, times, *grid.shape)))
