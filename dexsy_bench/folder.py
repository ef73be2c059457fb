"""The folder that people in this field exchange: ``f_0.npy``, ``S_clean_0.npy``, ``S_noisy_0.npy``, ``D_vals.npy``."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from dexsy_bench import __version__
from dexsy_bench.errors import UserError
from dexsy_bench.physics import KERNELS, forward, normalise
from dexsy_bench.problem import Acquisition, Floats, Grid, Problem
from dexsy_bench.scenario import Cases, Scenario

FORMAT = 1
"""Of ``dataset.json``."""
BATCH = 256
MASS_TOLERANCE = 1e-3
"""How far a distribution on disk may be from mass 1 (single precision, printed digits) and still be scaled to it."""
_CLEAN_TOLERANCE = 0.02
_CASE_FILE = re.compile(r"(f|S_clean|S_noisy)_(\d+)\.npy")
_SHARED_FILES = {
    *(f"{axis}_vals.npy" for axis in ("D", "D1", "D2", "b", "b1", "b2")),
    "mixing_times.npy",
    "mask.npy",
    "parameters.csv",
    "dataset.json",
}


class FolderError(UserError):
    """A folder of cases that cannot be written or read; the message names the file and the fix."""


def in_layout(name: str) -> bool:
    """Whether a file of that name belongs to the layout."""
    return name in _SHARED_FILES or _CASE_FILE.fullmatch(name) is not None


@dataclass(frozen=True, eq=False)
class Folder:
    """Cases in a folder, as a source for the runner: made by `dexsy-bench generate`, or from elsewhere.

    A folder from elsewhere needs ``f_*.npy``, ``S_noisy_*.npy``, ``D_vals.npy`` and ``b_vals.npy``
    (or ``D1_vals.npy``, ``D2_vals.npy``, ``b1_vals.npy``, ``b2_vals.npy``), and ``mixing_times.npy``
    where arrays have three axes. ``S_clean_*.npy`` is computed where it is missing.

    Attributes
    ----------
    path : Path
    snr : float
        NaN when not known.
    numbers : range
        Of its cases.
    known : Problem
        The inverse problem; sigma is None when not known.
    parameters : dict of arrays
        As drawn; empty when not known.
    scenario : Scenario or None
        Whose own test cases these are, which is found out by generating them again.
    """

    path: Path
    snr: float
    numbers: range
    known: Problem
    parameters: dict[str, Any]
    scenario: Scenario | None = None

    @classmethod
    def read(cls, path: str | Path) -> Folder:
        """Read a folder and check every file in it.

        Raises
        ------
        FolderError
            Naming the file, what is wrong with it and how to mend it.
        """
        path = Path(path)
        if not path.is_dir():
            raise FolderError(f"{path}: no such folder")
        dataset = _dataset(path)
        numbers = _numbers(path)
        scenario = None if dataset is None else _scenario(path, dataset)
        snr = float("nan")
        if dataset is not None:
            snr = float(dataset["snr"])
            if (numbers.start, len(numbers)) != (dataset["first"], dataset["cases"]):
                raise FolderError(
                    f"{path} holds cases {_span(numbers)}, but dataset.json names {dataset['cases']} from number "
                    f"{dataset['first']}: its generation was interrupted or files were moved; generate it again "
                    "with --force"
                )
        grid = _checked(path, lambda: Grid(*_axes(path, "D")))
        times = _array(path / "mixing_times.npy") if (path / "mixing_times.npy").exists() else None
        if times is None and _array(path / f"f_{numbers.start}.npy").shape[:-2] > (1,):
            raise FolderError(
                f"{path}: arrays have a mixing-time axis; put the times, in s, in mixing_times.npy beside them"
            )
        mask = _array(path / "mask.npy") if (path / "mask.npy").exists() else None
        if mask is not None and mask.ndim == 2:
            mask = mask[None]
        acquisition = _checked(path, lambda: Acquisition(*_axes(path, "b"), times, mask))
        known = Problem(
            grid=grid,
            acquisition=acquisition,
            kernel=KERNELS[scenario.kernel if scenario else "diffusion"],
            sigma=None if np.isnan(snr) else 0.0 if np.isinf(snr) else 1.0 / snr,
            prior=scenario,
        )
        parameters = {} if scenario is None else _parameters(path / "parameters.csv", numbers)
        folder = cls(path.resolve(), snr, numbers, known, parameters)
        own = folder._check_cases(scenario if dataset and dataset["purpose"] == "test" else None)
        return replace(folder, scenario=scenario if own else None)

    @property
    def name(self) -> str:
        """What rows call it: the scenario, so that they stand beside those of `run`, or else the folder."""
        return self.path.name if self.scenario is None else self.scenario.name

    @cached_property
    def digest(self) -> str:
        """Hash of all that defines its cases."""
        if self.scenario is not None:
            return self.scenario.digest
        digest = hashlib.sha256()
        for path in sorted(self.path.iterdir()):
            if in_layout(path.name):
                digest.update(path.name.encode() + b"\0" + path.read_bytes())
        return digest.hexdigest()[:16]

    def problem(self, snr: float) -> Problem:
        """The inverse problem; snr has to be the folder's own."""
        self._check_snr(snr)
        return self.known

    def cases(self, start: int, stop: int, snr: float) -> Cases:
        """Cases number start to stop - 1, from disk.

        Raises
        ------
        FolderError
            If one is not there, or not what was found on reading the folder.
        """
        self._check_snr(snr)
        if not self.numbers.start <= start < stop <= self.numbers.stop:
            raise FolderError(f"{self.path} holds cases {_span(self.numbers)}, not {start} to {stop - 1}")
        rows = slice(start - self.numbers.start, stop - self.numbers.start)
        parts = [self._case(number) for number in range(start, stop)]
        f, clean, noisy = (np.stack(arrays) for arrays in zip(*parts, strict=True))
        return Cases(f, clean, noisy, {key: values[rows] for key, values in self.parameters.items()})

    def _check_snr(self, snr: float) -> None:
        if not (snr == self.snr or (np.isnan(snr) and np.isnan(self.snr))):
            raise FolderError(f"{self.path} was made at SNR {self.snr:g}, not {snr:g}; leave --snr out")

    def _check_cases(self, scenario: Scenario | None) -> bool:
        """Load every case; True if all are the scenario's own test cases."""
        own = scenario is not None
        for first in range(self.numbers.start, self.numbers.stop, BATCH):
            last = min(first + BATCH, self.numbers.stop)
            here = self.cases(first, last, self.snr)
            if scenario is not None and own:
                there = scenario.cases(first, last, self.snr)
                own = all(
                    a.shape == b.shape and np.allclose(a, b, rtol=1e-7, atol=1e-9)
                    for a, b in ((here.distributions, there.distributions), (here.noisy, there.noisy))
                )
        return own

    def _case(self, number: int) -> tuple[Floats, Floats, Floats]:
        """(T, D1, D2) truth, (T, B1, B2) clean and noisy signal of one case."""
        acquisition = self.known.acquisition
        times = acquisition.n_mixing
        f = _stack(self.path / f"f_{number}.npy", (times, *self.known.grid.shape), "D_vals.npy")
        if (f < 0).any():
            raise FolderError(f"{self.path / f'f_{number}.npy'} goes negative, down to {f.min():.3g}")
        mass = f.sum(axis=(-1, -2))
        if not np.allclose(mass, 1, rtol=0, atol=MASS_TOLERANCE):
            raise FolderError(
                f"{self.path / f'f_{number}.npy'} sums to {mass[np.abs(mass - 1).argmax()]:.6g}, not 1; "
                "divide each f by its sum"
            )
        if not np.allclose(mass, 1, rtol=0, atol=1e-12):
            f = f / mass[:, None, None]
        noisy_file = self.path / f"S_noisy_{number}.npy"
        noisy = _stack(noisy_file, acquisition.signal_shape, "b_vals.npy", acquisition.mask)
        if (noisy[:, 0, 0] <= 0).any():
            raise FolderError(f"{noisy_file}: S(0,0) is {noisy[:, 0, 0].min():g}, by which the signal is to be divided")
        expected = normalise(forward(f, self.known.k1, self.known.k2))
        clean_file = self.path / f"S_clean_{number}.npy"
        if not clean_file.exists():
            return f, expected, normalise(noisy)
        clean = _stack(clean_file, acquisition.signal_shape, "b_vals.npy")
        if self.known.prior is None and np.abs(normalise(clean) - expected).max() > _CLEAN_TOLERANCE:
            raise FolderError(
                f"{clean_file} is not what f_{number}.npy gives (off by up to "
                f"{np.abs(normalise(clean) - expected).max():.2g}): check D_vals.npy (µm²/ms) and b_vals.npy (ms/µm²), "
                "or remove the S_clean files if another kernel made the signals"
            )
        return f, clean, normalise(noisy)


def _dataset(path: Path) -> dict[str, Any] | None:
    file = path / "dataset.json"
    if not file.exists():
        return None
    try:
        dataset: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if dataset["format"] != FORMAT:
            raise FolderError(
                f"{file} is of format {dataset['format']}; this version reads format {FORMAT}: upgrade dexsy-bench"
            )
        for field in ("scenario", "snr", "purpose", "first", "cases"):
            dataset[field]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise FolderError(
            f"{file} is not one that `generate` wrote ({type(error).__name__}: {error}); remove it to read the folder "
            "as one from elsewhere"
        ) from error
    return dataset


def _scenario(path: Path, dataset: dict[str, Any]) -> Scenario:
    try:
        return Scenario(**dataset["scenario"])
    except (ValidationError, TypeError) as error:
        raise FolderError(
            f"{path / 'dataset.json'} describes a scenario that version {__version__} cannot read; remove it to read "
            "the folder as one from elsewhere"
        ) from error


def _numbers(path: Path) -> range:
    """Numbers of the cases, which have to be consecutive and complete."""
    found: dict[str, set[int]] = {"f": set(), "S_noisy": set(), "S_clean": set()}
    for file in path.iterdir():
        if match := _CASE_FILE.fullmatch(file.name):
            found[match[1]].add(int(match[2]))
    every = found["f"] | found["S_noisy"] | found["S_clean"]
    if not every:
        raise FolderError(f"{path} holds no f_0.npy, S_noisy_0.npy, ...; `dexsy-bench generate` writes such a folder")
    numbers = range(min(every), max(every) + 1)
    for kind in ("f", "S_noisy", *(["S_clean"] if found["S_clean"] else [])):
        missing = sorted(set(numbers) - found[kind])
        if missing:
            more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
            raise FolderError(f"{path}: {kind}_{missing[0]}.npy is missing{more}; cases are numbered without gaps")
    return numbers


def _axes(path: Path, axis: str) -> tuple[Floats, Floats]:
    """The two axes called ``D_vals`` or ``b_vals``."""
    units = {"D": "µm²/ms", "b": "ms/µm²"}[axis]
    both = path / f"{axis}_vals.npy"
    one, two = path / f"{axis}1_vals.npy", path / f"{axis}2_vals.npy"
    if both.exists():
        return _array(both), _array(both)
    if one.exists() and two.exists():
        return _array(one), _array(two)
    raise FolderError(
        f"{path} has no {axis}_vals.npy: put the values of {axis} there, in {units} and ascending "
        f"(or {axis}1_vals.npy and {axis}2_vals.npy where the axes differ)"
    )


def _array(file: Path) -> NDArray[Any]:
    try:
        array = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise FolderError(f"{file} cannot be read as a NumPy array: {error}") from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub":
        raise FolderError(f"{file} does not hold an array of real numbers")
    return array


def _stack(file: Path, shape: tuple[int, int, int], axis_file: str, mask: NDArray[np.bool_] | None = None) -> Floats:
    """An array of (T, ., .), or (., .) where T = 1; 0 where the mask says not sampled."""
    array = _array(file).astype(np.float64)
    if array.ndim == 2:
        array = array[None]
    if array.shape != shape:
        raise FolderError(
            f"{file} has shape {array.shape[-2:] if len(array) == 1 else array.shape}, but {axis_file} "
            f"and mixing times ask for {shape[1:] if shape[0] == 1 else shape}"
        )
    if mask is not None:
        array = np.where(mask, array, 0.0)
    if not np.isfinite(array).all():
        raise FolderError(f"{file} holds NaN or infinite values")
    return array


def _parameters(file: Path, numbers: range) -> dict[str, Any]:
    """Drawn parameters, as ``Compartments.draw`` returned them."""
    try:
        with file.open(newline="", encoding="utf-8") as lines:
            names, *rows = list(csv.reader(lines))
        values = np.array(rows, dtype=np.float64)
        if names[0] != "case" or not np.array_equal(values[:, 0], numbers):
            raise ValueError(f"its cases are not {_span(numbers)}")
    except (OSError, ValueError, IndexError) as error:
        raise FolderError(f"{file} cannot be used ({error}); generate the folder again with --force") from error
    parameters: dict[str, list[Floats]] = {}
    for name, column in zip(names[1:], values.T[1:], strict=True):
        parameters.setdefault(re.sub(r"_\d+$", "", name), []).append(column)
    return {key: columns[0] if key in names else np.stack(columns, axis=1) for key, columns in parameters.items()}


def _checked(path: Path, make: Callable[[], Any]) -> Any:
    try:
        return make()
    except ValueError as error:
        raise FolderError(f"{path}: {error}") from error


def _span(numbers: range) -> str:
    return f"{numbers.start} to {numbers.stop - 1}"
