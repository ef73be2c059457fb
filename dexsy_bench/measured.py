"""A user's own signal: read from the formats that laboratories use, and checked before anything is inverted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dexsy_bench.errors import UserError
from dexsy_bench.numerics.compression import noise_sd
from dexsy_bench.physics import Kernel
from dexsy_bench.problem import Acquisition, Floats, Grid, Problem

Parts = Literal["magnitude", "real"]

_RISE = 10.0
"""Noise SDs by which a signal may rise along b: the range of pure noise in 64 points, over 64 rows, stays below 9."""
_RISE_FLOOR = 0.01
"""A rise by this share of S(0,0) is never called one, however small the noise."""
_DROWNED = 0.5
"""Noise SD, as a share of S(0,0), above which there is no signal to speak of."""
_EXTRAPOLATION = 10.0
"""Where b does not start at 0, the largest factor by which masses may be scaled to b = 0."""


class SignalError(UserError):
    """A measured signal, or its b values, that cannot be inverted; the message says why and what to do."""


# Files -------------------------------------------------------------------------------------


def read_array(name: str | Path) -> NDArray[Any]:
    """The numbers in a file; ``FILE:variable`` picks one of several in .npz and .mat files.

    Parameters
    ----------
    name : str or Path
        .npy, .npz, .csv (commas or semicolons), .tsv or .txt (tabs or spaces; ``#`` starts a
        comment), or .mat up to MATLAB version 7.

    Returns
    -------
    Real or complex array.

    Raises
    ------
    SignalError
        Naming the file and the fix.
    """
    path, variable = _split_variable(str(name))
    if not path.is_file():
        raise SignalError(f"{path}: no such file")
    ending = path.suffix.lower()
    if variable and ending not in (".npz", ".mat"):
        raise SignalError(f"{path} holds one array; leave ':{variable}' out")
    readers = {".npy": _read_npy, ".csv": _read_text, ".tsv": _read_text, ".txt": _read_text}
    if ending in readers:
        array = readers[ending](path)
    elif ending in (".npz", ".mat"):
        array = _pick(path, _read_npz(path) if ending == ".npz" else _read_mat(path), variable)
    else:
        raise SignalError(f"{path}: cannot read '{ending}' files; use .npy, .npz, .csv, .tsv, .txt or .mat")
    if array.dtype.kind not in "fiubc":
        raise SignalError(f"{path} does not hold numbers but {array.dtype}")
    return array


def read_vector(name: str | Path) -> Floats:
    """A vector of real numbers; a single row or column, as MATLAB saves vectors, is one too."""
    array = read_array(name)
    if array.dtype.kind == "c" or max(array.shape, default=0) != array.size:
        raise SignalError(f"{name} holds {_describe(array)} where a vector of real numbers is needed")
    return np.asarray(array, dtype=np.float64).reshape(-1)


def _split_variable(name: str) -> tuple[Path, str]:
    """``file.mat:S`` -> (file.mat, S); a colon that belongs to an existing path is left alone."""
    head, colon, tail = name.rpartition(":")
    if not colon or Path(name).exists() or not Path(head).suffix:
        return Path(name), ""
    return Path(head), tail


def _read_npy(path: Path) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise SignalError(f"{path} cannot be read as a NumPy array: {error}") from error
    return array


def _read_npz(path: Path) -> dict[str, NDArray[Any]]:
    import zipfile

    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise SignalError(f"{path} cannot be read as a NumPy archive: {error}") from error


def _read_text(path: Path) -> NDArray[Any]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SignalError(f"{path} cannot be read as text: {error}") from error
    first = next((line for line in lines if line.strip() and not line.lstrip().startswith("#")), "")
    if not first:
        raise SignalError(f"{path} holds no numbers")
    delimiter = ";" if ";" in first else "," if "," in first else None
    reason: Exception | None = None
    for kind in (np.float64, np.complex128):
        try:
            return np.loadtxt(lines, dtype=kind, delimiter=delimiter, ndmin=2)
        except ValueError as error:
            reason = reason or error
    what = str(reason).partition(";")[0].rstrip(".")  # the rest is advice to programmers
    raise SignalError(
        f"{path}: {what}; leave only numbers in it, with decimal points (# starts a comment line)"
    ) from reason


def _read_mat(path: Path) -> dict[str, NDArray[Any]]:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        content = loadmat(path)
    except NotImplementedError as error:
        raise SignalError(
            f"{path} is a MATLAB 7.3 file; save it in MATLAB once more with save('{path.name}', 'S', '-v7')"
        ) from error
    except (OSError, ValueError, TypeError, EOFError, MatReadError) as error:
        raise SignalError(f"{path} cannot be read as a MATLAB file: {error}") from error
    return {key: np.asarray(value) for key, value in content.items() if not key.startswith("__")}


def _pick(path: Path, arrays: dict[str, NDArray[Any]], variable: str) -> NDArray[Any]:
    names = ", ".join(sorted(arrays)) or "none"
    if variable:
        if variable not in arrays:
            raise SignalError(f"{path} has no variable '{variable}'; its variables: {names}")
        return arrays[variable]
    if len(arrays) != 1:
        raise SignalError(f"{path} holds {len(arrays)} variables ({names}); say which as {path.name}:NAME")
    return next(iter(arrays.values()))


# Checks ------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Measurement:
    """A measured signal, ready to be inverted.

    Attributes
    ----------
    signal : (B1, B2)
        Divided by its first value.
    s0 : float
        That value, in the units of the file.
    b1, b2 : (B1,), (B2,)
        As measured.
    problem : Problem
        With the noise SD as estimated from the signal (None where there are no points to spare), and
        with b counted from its first value: ``exp(-b D) = exp(-b_first D) exp(-(b - b_first) D)``,
        so that a method finds the S(0,0) = 1 that it expects.
    remaining : (D1, D2)
        Share of each component that is left at the first b, 1 where b starts at 0: the estimate has
        to be divided by it.
    notes : tuple of str
        What was done to the signal, a sentence each.
    """

    signal: Floats
    s0: float
    b1: Floats
    b2: Floats
    problem: Problem
    remaining: Floats
    notes: tuple[str, ...]


def check(
    signal: NDArray[Any],
    b1: NDArray[Any],
    b2: NDArray[Any],
    grid: Grid,
    kernel: Kernel,
    *,
    mixing_time: float | None = None,
    parts: Parts | None = None,
) -> Measurement:
    """Check a signal against its b values, and divide it by S(0,0).

    Parameters
    ----------
    signal : (B1, B2)
        On any scale; complex only where parts says what to take.
    b1, b2 : (B1,), (B2,)
        Ascending, in the unit of the kernel (ms/µm² for diffusion).
    grid : Grid
        Where the distribution will be sought.
    kernel : Kernel
    mixing_time : float, optional
        In s.
    parts : str, optional
        ``magnitude``, or ``real``: the real part after the phase of S(0,0) was taken off all.

    Raises
    ------
    SignalError
        In one sentence, with the fix.
    """
    b1, b2 = _encoding(b1, f"{kernel.encoding}1"), _encoding(b2, f"{kernel.encoding}2")
    _check_shape(signal, b1.size, b2.size, kernel.encoding)
    bad = np.argwhere(~np.isfinite(signal))
    if bad.size:
        raise SignalError(
            f"the signal holds {len(bad)} NaN or infinite values, the first in row {bad[0][0]}, column {bad[0][1]} "
            "(counted from 0); measure these again, or leave their rows or columns out of the signal and of b"
        )
    notes: list[str] = []
    signal = _real(signal, parts, notes)
    s0 = float(signal[0, 0])
    if s0 <= 0:
        raise SignalError(f"S(0,0), the first value, is {s0:g}; it has to be positive, as the signal is divided by it")
    notes.append(f"the signal was divided by S(0,0) = {s0:g}")
    signal = signal / s0
    _check_range(b1, grid.d1, kernel)
    _check_range(b2, grid.d2, kernel)
    if mixing_time is not None and not (np.isfinite(mixing_time) and mixing_time > 0):
        raise SignalError(f"a mixing time of {mixing_time:g} s: it has to be positive")
    times = None if mixing_time is None else np.array([mixing_time])
    remaining = kernel.matrix(b1[:1], grid.d1).T * kernel.matrix(b2[:1], grid.d2)
    if remaining.min() < 1 / _EXTRAPOLATION:
        raise SignalError(
            f"{kernel.encoding} starts at {b1[0]:g} and {b2[0]:g} {kernel.encoding_unit}, where as little as "
            f"{remaining.min():.2g} of the fastest component of the grid remains; measure "
            f"{kernel.encoding} = 0 too, or narrow --d-range"
        )
    if remaining.min() < 1:
        notes.append(
            f"{kernel.encoding} starts at {b1[0]:g} and {b2[0]:g} {kernel.encoding_unit}: masses were scaled to "
            f"{kernel.encoding} = 0, by up to a factor of {1 / remaining.min():.3g}"
        )
    problem = Problem(grid, Acquisition(b1 - b1[0], b2 - b2[0], times), kernel)
    sigma = float(noise_sd(problem, signal[None])[0])
    if np.isnan(sigma):
        notes.append("too few points to estimate the noise from")
    elif sigma > _DROWNED:
        raise SignalError(
            f"S(0,0) is only {1 / sigma:.2g} times the noise, too little to invert; check that the first row and "
            f"column are those of the lowest {kernel.encoding}"
        )
    _check_rise(signal, 0.0 if np.isnan(sigma) else sigma, kernel.encoding)
    problem = replace(problem, sigma=None if np.isnan(sigma) else sigma)
    return Measurement(signal, s0, b1, b2, problem, remaining, tuple(notes))


def _encoding(b: NDArray[Any], name: str) -> Floats:
    b = np.asarray(b, dtype=np.float64)
    if b.size < 2:
        raise SignalError(f"{name} holds {b.size} value; an inversion needs several")
    if not np.isfinite(b).all():
        raise SignalError(f"{name} holds NaN or infinite values")
    if (b < 0).any():
        raise SignalError(f"{name} goes negative, down to {b.min():g}; weightings are 0 or more")
    steps = np.diff(b)
    if (steps < 0).all():
        raise SignalError(f"{name} is descending; reverse it, and that axis of the signal with it")
    if (steps == 0).any():
        raise SignalError(f"{name} holds {b[:-1][steps == 0][0]:g} more than once; average the repeated measurements")
    if (steps < 0).any():
        at = int(np.flatnonzero(steps < 0)[0])
        raise SignalError(
            f"{name} is not in order ({b[at]:g} is followed by {b[at + 1]:g}); sort it, and the signal with it"
        )
    return b


def _check_shape(signal: NDArray[Any], n1: int, n2: int, e: str) -> None:
    if signal.shape == (n1, n2):
        return
    wanted = f"{e}1 x {e}2 = {n1} x {n2}"
    if signal.ndim == 2 and signal.shape == (n2, n1):
        raise SignalError(
            f"the signal is {_describe(signal)}, but {wanted}: it is transposed, or {e}1 and {e}2 swapped"
        )
    if signal.ndim > 2:
        raise SignalError(
            f"the signal has {signal.ndim} axes ({_describe(signal)}); give one matrix at a time, {wanted}"
        )
    if signal.size == n1 * n2:
        raise SignalError(f"the signal is {_describe(signal)}; reshape it to {wanted}")
    raise SignalError(
        f"the signal is {_describe(signal)}, but {wanted}; there is one row for each {e}1, one column for each {e}2 "
        "(--b2 gives the latter where they differ)"
    )


def _real(signal: NDArray[Any], parts: Parts | None, notes: list[str]) -> Floats:
    if signal.dtype.kind != "c" or not signal.imag.any():
        return np.asarray(signal.real, dtype=np.float64)
    if parts is None:
        raise SignalError(
            "the signal is complex; say --complex magnitude, or --complex real for the real part once the phase of "
            "S(0,0) is taken off (better at low SNR, if the phase is the same for all points)"
        )
    if parts == "magnitude":
        notes.append("the magnitude of the complex signal was taken")
        return np.asarray(np.abs(signal))
    phase = float(np.angle(signal[0, 0]))
    notes.append(f"the real part of the complex signal was taken, after a phase of {np.degrees(phase):.1f}°")
    return np.asarray((signal * np.exp(-1j * phase)).real)


def _check_range(b: Floats, values: Floats, kernel: Kernel) -> None:
    """Whether b and the grid belong together; wrong units are the usual reason if not."""
    e, unit = kernel.encoding, kernel.encoding_unit
    last = kernel.matrix(b[-1:], values)
    hint = " (1 ms/µm² = 1000 s/mm²: divide values in s/mm² by 1000)" if kernel.name == "diffusion" else ""
    if last.max() < np.exp(-5):
        raise SignalError(
            f"{e} goes up to {b[-1]:g} {unit}, where nothing on the grid of {kernel.quantity} is left to see; "
            f"check the unit of {e}{hint}, or widen --d-range"
        )
    if last.min() > np.exp(-0.5):
        raise SignalError(
            f"{e} goes up to {b[-1]:g} {unit} only, where nothing on the grid of {kernel.quantity} has decayed; "
            f"check the unit of {e}{hint}, or widen --d-range"
        )


def _check_rise(signal: Floats, sigma: float, e: str) -> None:
    """Attenuation can only grow with b: a signal that rises by more than noise is not ordered as b is."""
    allowed = max(_RISE * sigma, _RISE_FLOOR)
    largest = np.unravel_index(signal.argmax(), signal.shape)
    if signal[largest] > 1 + allowed:
        raise SignalError(
            f"S(0,0) is not the largest value: row {largest[0]}, column {largest[1]} (counted from 0) is "
            f"{signal[largest]:.3g} times as large; check that the signal is ordered as {e} is, from low to high"
        )
    for axis in (0, 1):
        rise = signal - np.minimum.accumulate(signal, axis=axis)
        row, column = np.unravel_index(rise.argmax(), rise.shape)
        if rise[row, column] > allowed:
            raise SignalError(
                f"the signal grows along {e}{axis + 1}: by {rise[row, column]:.2g} of S(0,0) up to row {row}, column "
                f"{column} (counted from 0), where noise is about {sigma:.2g}; check the order of the points, and that "
                "no point is an outlier"
            )


def _describe(array: NDArray[Any]) -> str:
    return f"{' x '.join(map(str, array.shape)) or 'one number'}{' (complex)' if array.dtype.kind == 'c' else ''}"
