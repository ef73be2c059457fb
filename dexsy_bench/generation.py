"""Writes the numbered cases of a scenario into a folder that people and programs in any language can read."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dexsy_bench import __version__, seeds
from dexsy_bench.errors import UserError
from dexsy_bench.folder import BATCH, FORMAT, FolderError, in_layout
from dexsy_bench.problem import Floats
from dexsy_bench.scenario import Scenario


def generate(
    scenario: Scenario,
    n: int,
    snr: float,
    out: Path,
    *,
    purpose: seeds.Purpose = "test",
    start: int = 0,
    force: bool = False,
    progress: Callable[[int], None] = lambda cases: None,
) -> None:
    """Write cases start to start + n - 1 of a scenario into a folder.

    Files carry the number of their case. Each is written under another name and then moved, and
    ``dataset.json`` comes first, so that :meth:`Folder.read <dexsy_bench.folder.Folder.read>` notices a folder
    left half written.

    Parameters
    ----------
    scenario : Scenario
    n, start : int
        How many cases, and the number of the first.
    snr : float
        1/sigma; inf for no noise.
    out : Path
        Made where needed.
    purpose : str
        The random stream: test (what `run` scores), validation or training.
    force : bool
        Replace the cases that the folder holds; files that are not of this layout stay.
    progress : callable
        Told the number of cases written since the last call.

    Raises
    ------
    UserError
        If the SNR is not positive.
    FolderError
        If the folder is not empty and force is not given, or cannot be written.
    """
    if not snr > 0:
        raise UserError(f"--snr {snr:g}: a signal-to-noise ratio is positive; `inf` means no noise")
    problem = scenario.problem(snr)
    try:
        _clear(out, force)
        dataset = {
            "format": FORMAT,
            "version": __version__,
            "scenario": scenario.model_dump(mode="json"),
            "purpose": purpose,
            "snr": snr if np.isfinite(snr) else str(snr),
            "sigma": problem.sigma,
            "first": start,
            "cases": n,
            "kernel": problem.kernel.name,
            "units": {
                problem.kernel.encoding: problem.kernel.encoding_unit,
                problem.kernel.quantity: problem.kernel.quantity_unit,
                "k": "1/s",
                "mixing_times": "s",
                "widths": "decades",
            },
            "mask": None if problem.acquisition.mask is None else "mask.npy",
        }
        _write(out / "dataset.json", lambda file: file.write(json.dumps(dataset, indent=2).encode()))
        _save_axis(out, "D", problem.grid.d1, problem.grid.d2)
        _save_axis(out, "b", problem.acquisition.b1, problem.acquisition.b2)
        if problem.acquisition.mixing_times is not None:
            _save(out / "mixing_times.npy", problem.acquisition.mixing_times)
        if problem.acquisition.mask is not None:
            _save(out / "mask.npy", problem.acquisition.mask)
        rows: list[dict[str, float]] = []
        for first in range(start, start + n, BATCH):
            numbers = range(first, min(first + BATCH, start + n))
            cases = scenario.cases(numbers.start, numbers.stop, snr, purpose)
            for row, number in enumerate(numbers):
                for kind, arrays in (("f", cases.distributions), ("S_clean", cases.clean), ("S_noisy", cases.noisy)):
                    _save(out / f"{kind}_{number}.npy", arrays[row, 0] if arrays.shape[1] == 1 else arrays[row])
                rows.append({"case": number, **_flatten(cases.parameters, row)})
            progress(len(numbers))
        _write(out / "parameters.csv", lambda file: file.write(_table(rows).encode()))
    except OSError as error:
        raise FolderError(f"cannot write {out}: {error.strerror or error}") from error


def _clear(out: Path, force: bool) -> None:
    """Make the folder, empty of cases."""
    if out.exists() and not out.is_dir():
        raise FolderError(f"{out} is a file; --out names a folder")
    if out.is_dir() and any(out.iterdir()) and not force:
        raise FolderError(f"{out} is not empty; choose another --out, or replace the cases in it with --force")
    out.mkdir(parents=True, exist_ok=True)
    for path in out.iterdir():
        if in_layout(path.name.removeprefix(".").removesuffix(".part")):
            path.unlink()


def _write(path: Path, write: Callable[[Any], Any]) -> None:
    """Write a file so that it is there as a whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        write(file)
    os.replace(part, path)


def _save(path: Path, array: NDArray[Any]) -> None:
    _write(path, lambda file: np.save(file, array, allow_pickle=False))


def _save_axis(out: Path, axis: str, first: Floats, second: Floats) -> None:
    """One file where both axes are alike, two where they differ."""
    if np.array_equal(first, second):
        _save(out / f"{axis}_vals.npy", first)
    else:
        _save(out / f"{axis}1_vals.npy", first)
        _save(out / f"{axis}2_vals.npy", second)


def _flatten(parameters: Mapping[str, Any], row: int) -> dict[str, float]:
    """Columns of one case: ``k``, and ``centres_1``, ``centres_2``, ... for vectors."""
    columns: dict[str, float] = {}
    for key, values in parameters.items():
        value = np.asarray(values)[row]
        columns.update(
            {key: value.item()} if value.ndim == 0 else {f"{key}_{i}": v.item() for i, v in enumerate(value, 1)}
        )
    return columns


def _table(rows: list[dict[str, float]]) -> str:
    lines = [",".join(rows[0])] + [",".join(repr(value) for value in row.values()) for row in rows]
    return "\n".join(lines) + "\n"
