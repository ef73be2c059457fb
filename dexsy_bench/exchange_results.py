"""What an exchange experiment is for, read off a distribution, with intervals where there are samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dexsy_bench.metrics.calibration import WIDEST, exchange_quantities, interval
from dexsy_bench.metrics.exchange import PROGRESS, compartment_masses, exchange_progress
from dexsy_bench.problem import Floats, Grid


@dataclass(frozen=True)
class Quantity:
    """A number with the ends of its central 95 % interval, NaN without samples.

    Attributes
    ----------
    name : str
        ``exchanged fraction``, ``diffusivity i``, ``fraction i`` (from the slowest) or ``exchange rate``.
    value, low, high : float
        In units of D, or 1/s for the rate.
    """

    name: str
    value: float
    low: float
    high: float

    def __str__(self) -> str:
        spread = "" if np.isnan(self.low) else f" ({self.low:.3g} to {self.high:.3g})"
        return f"{self.value:.3g}{spread}"


def quantities(
    f: Floats, samples: Floats | None, grid: Grid, splits: Floats, mixing_time: float | None
) -> dict[str, Quantity]:
    """Exchanged fraction, diffusivity and fraction of each compartment, and the rate, by name.

    Parameters
    ----------
    f : (D1, D2)
    samples : (P, D1, D2) or None
    grid : Grid
    splits : (C - 1,)
        Borders between compartments in units of D; the same for f and all samples.
    mixing_time : float or None
        In s. Without it, or where exchange has not begun or is complete in f, there is no rate.

    Returns
    -------
    dict
        In the order of reading; without borders there is nothing to exchange, and it holds compartment 1 alone.
    """
    every = f[None] if samples is None else np.concatenate([f[None], samples])
    exchanged, fractions, positions = exchange_quantities(every, grid, splits)
    found = {"exchanged fraction": exchanged} if splits.size else {}
    for i in range(splits.size + 1):
        found |= {f"diffusivity {i + 1}": 10 ** positions[:, i], f"fraction {i + 1}": fractions[:, i]}
    if mixing_time is not None and splits.size:
        progress = exchange_progress(compartment_masses(every, grid, splits))
        if PROGRESS[0] <= progress[0] <= PROGRESS[1]:
            found["exchange rate"] = -np.log1p(-np.clip(progress, *PROGRESS)) / mixing_time
    return {name: _quantity(name, values) for name, values in found.items()}


def _quantity(name: str, values: Floats) -> Quantity:
    low, high = interval(values[1:], WIDEST) if values.size > 1 else (np.nan, np.nan)
    return Quantity(name, float(values[0]), float(low), float(high))
