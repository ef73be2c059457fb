"""A measured signal, as arrays or files, inverted as a user asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from dexsy_bench import inversion, measured
from dexsy_bench.errors import UserError
from dexsy_bench.inversion import Inversion
from dexsy_bench.physics import KERNELS
from dexsy_bench.problem import Grid
from dexsy_bench.registry import Registry
from dexsy_bench.tuning import resolve

Array = NDArray[Any] | str | Path
"""Numbers, or the file that holds them (``FILE:NAME`` for one variable of several)."""

D_RANGE = {"diffusion": (0.01, 10.0), "relaxation": (1.0, 1000.0)}


def invert(
    signal: Array,
    b: Array,
    b2: Array | None = None,
    *,
    method: str = "tikhonov",
    d_range: tuple[float, float] | None = None,
    n: int = 64,
    split: Sequence[float] = (),
    mixing_time: float | None = None,
    parts: Literal["magnitude", "real"] | None = None,
    kernel: Literal["diffusion", "relaxation"] = "diffusion",
    bootstrap: int | None = None,
    include: Sequence[Path | str] = (),
) -> Inversion:
    """Invert a measured signal into a distribution, its peaks and the exchanged fraction.

    Parameters
    ----------
    signal : (B1, B2) array, or file
        Divided by S(0,0) if it is not.
    b, b2 : array, or file
        ms/um2; `b2` where it differs.
    method : str
        As in ``tikhonov[order=0]``.
    d_range : (float, float), optional
        Lowest and highest D of the grid, um2/ms; 0.01 and 10 (T2: 1 and 1000 ms) if not given.
    n : int
        Log-spaced values of D on each axis.
    split : sequence of float
        Borders between compartments, um2/ms; valleys of the marginals if none is given.
    mixing_time : float, optional
        In s; gives the exchange rate besides.
    parts : {'magnitude', 'real'}, optional
        What to take of a complex signal.
    kernel : {'diffusion', 'relaxation'}
        exp(-b D), or exp(-t / T2): then t in ms takes the place of b, T2 in ms that of D.
    bootstrap : int, optional
        Simulated repetitions of the measurement to invert, for 95 % intervals.
    include : sequence of Path
        Methods of your own.

    Raises
    ------
    UserError
        If the signal cannot be read or makes no sense, or the method fails.
    """
    low, high = d_range or D_RANGE[kernel]
    if not 1e-9 <= low < high <= 1e9:
        raise UserError(f"--d-range {low:g} {high:g}: give the lowest and the highest value, between 1e-9 and 1e9")
    registry = Registry(include)
    selection = registry.select(method)
    b1 = _vector(b)
    measurement = measured.check(
        signal if isinstance(signal, np.ndarray) else measured.read_array(signal),
        b1,
        b1 if b2 is None else _vector(b2),
        Grid.log(low, high, n),
        KERNELS[kernel],
        mixing_time=mixing_time,
        parts=parts,
    )
    noise = measurement.problem.sigma
    tuned, _ = resolve(selection, registry, None, 1 / noise if noise else np.inf)
    label = selection.label
    selection = replace(selection, given=tuple({**dict(selection.given), **dict(tuned)}.items()))
    if bootstrap is not None:
        label = f"bootstrap[method={label},samples={bootstrap}]"
        selection = registry.select(f"bootstrap[method={selection.label},samples={bootstrap}]")
    try:
        with threadpool_limits(1):
            return inversion.invert(
                measurement,
                registry.method(selection.name),
                registry.options_of(selection),
                label,
                np.array(split) if len(split) else None,
            )
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{label} failed: {type(error).__name__}: {error}") from error


def _vector(values: Array) -> NDArray[Any]:
    return values if isinstance(values, np.ndarray) else measured.read_vector(values)
