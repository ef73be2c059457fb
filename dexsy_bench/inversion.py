"""One measured signal inverted, and what a user wants to know of the result."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from dexsy_bench.errors import UserError
from dexsy_bench.exchange_results import Quantity, quantities
from dexsy_bench.measured import Measurement
from dexsy_bench.method import Inverter, Method, Unsupported, normalised
from dexsy_bench.metrics import Peaks, diffusion_exchange_index, find_peaks
from dexsy_bench.metrics.exchange import compartment_masses
from dexsy_bench.physics import forward
from dexsy_bench.problem import Floats, Grid

SMOOTHING = 0.1
"""SD in decades by which marginals are smoothed before their valleys are looked for."""

PROMINENCE = 0.02
"""Height of a compartment's peak over its valleys, relative to the largest peak."""


@dataclass(frozen=True, eq=False)
class Inversion:
    """A distribution and what was read off it.

    Attributes
    ----------
    measurement : Measurement
        What was inverted.
    label : str
        The method with its options.
    f : (D1, D2)
        The distribution, of mass 1.
    predicted : (B1, B2)
        The signal that it gives, at the amplitude that fits the measured one best: S(0,0), by which that
        was divided, is noisy too.
    peaks : Peaks
        Those with at least 1% of the mass.
    splits : (C - 1,)
        Borders between the C compartments, in units of D.
    masses : (C, C)
        Mass in each pair of compartments; the diagonal did not exchange.
    diagnostics : dict
        As the method reports them.
    samples : (P, D1, D2) or None
        Distributions that the signal does not tell apart, where the method has an uncertainty.
    """

    measurement: Measurement
    label: str
    f: Floats
    predicted: Floats
    peaks: Peaks
    splits: Floats
    masses: Floats
    diagnostics: dict[str, float]
    samples: Floats | None = None

    @cached_property
    def quantities(self) -> dict[str, Quantity]:
        """Exchanged fraction, compartments and rate, with 95 % intervals where there are samples."""
        problem = self.measurement.problem
        times = problem.acquisition.mixing_times
        tm = None if times is None else float(times[0])
        return quantities(self.f, self.samples, problem.grid, self.splits, tm)

    @property
    def exchanged_fraction(self) -> float | None:
        """Mass in different compartments along the two axes; None where there is one compartment."""
        return self._value("exchanged fraction")

    @property
    def exchange_rate(self) -> float | None:
        """k in 1/s, from one mixing time; None where that is not known, or exchange absent or complete."""
        return self._value("exchange rate")

    def _value(self, name: str) -> float | None:
        return self.quantities[name].value if name in self.quantities else None

    @property
    def exchange_index(self) -> float:
        """The diffusion exchange index: mass more than 5 cells off the diagonal over the rest."""
        return float(diffusion_exchange_index(self.f[None])[0])

    @property
    def residual(self) -> Floats:
        """Signal less prediction, in units of S(0,0), (B1, B2)."""
        return self.measurement.signal - self.predicted

    @property
    def residual_over_noise(self) -> float | None:
        """RMS residual over the estimated noise SD: about 1 is consistent, below 1 over-fits, above 1 under-fits."""
        sigma = self.measurement.problem.sigma
        return float(np.sqrt(np.mean(self.residual**2)) / sigma) if sigma else None

    def summary(self) -> dict[str, Any]:
        """All numbers, ready for JSON."""
        problem = self.measurement.problem
        times = problem.acquisition.mixing_times
        return {
            "method": self.label,
            "exchanged_fraction": self.exchanged_fraction,
            "exchange_rate_per_s": self.exchange_rate,
            "diffusion_exchange_index": self.exchange_index,
            "quantities": {
                quantity.name: {"value": quantity.value}
                | ({} if np.isnan(quantity.low) else {"low": quantity.low, "high": quantity.high})
                for quantity in self.quantities.values()
            },
            "splits": self.splits.tolist(),
            "compartment_masses": self.masses.tolist(),
            "peaks": [{"value1": d1, "value2": d2, "mass": mass} for d1, d2, mass in self.peak_rows()],
            "residual_over_noise": self.residual_over_noise,
            "noise_sd": problem.sigma,
            "s0": self.measurement.s0,
            "mixing_time_s": None if times is None else float(times[0]),
            "kernel": problem.kernel.name,
            "units": {
                problem.kernel.quantity: problem.kernel.quantity_unit,
                problem.kernel.encoding: problem.kernel.encoding_unit,
            },
            "diagnostics": self.diagnostics,
            "notes": list(self.measurement.notes),
        }

    def peak_rows(self) -> list[tuple[float, float, float]]:
        """(D1, D2, mass) of each peak, the one with most mass first."""
        d = 10**self.peaks.log_d
        return [(float(d1), float(d2), float(mass)) for (d1, d2), mass in zip(d, self.peaks.mass, strict=True)]


def invert(
    measurement: Measurement, method: type[Method], options: Any, label: str, splits: Floats | None = None
) -> Inversion:
    """Invert one measurement.

    Parameters
    ----------
    measurement : Measurement
    method : type of Method
    options : Method.Options
    label : str
        What the result is called.
    splits : (C - 1,), optional
        Borders between compartments in units of D, ascending; found by :func:`valleys` without it.

    Raises
    ------
    Unsupported
        If the method declines the problem, or this signal.
    InvalidEstimate
        If it returns something else than a distribution.
    UserError
        If splits are not ascending and inside the grid.
    """
    problem = measurement.problem
    if splits is not None:
        low, high = problem.grid.d1[0], problem.grid.d1[-1]
        if not ((splits > low) & (splits < high)).all() or (np.diff(splits) <= 0).any():
            given = ", ".join(f"{split:g}" for split in splits)
            raise UserError(f"--split {given}: borders have to be ascending, between {low:g} and {high:g}")
    estimate = Inverter(method, options, problem)(measurement.signal[None, None])
    if estimate.refused:
        raise Unsupported(estimate.refused[0])
    shifted = np.asarray(estimate.distributions, dtype=np.float64)[0, 0]
    f = normalised(shifted / measurement.remaining)
    found = valleys(f, problem.grid) if splits is None else splits
    samples = estimate.samples
    predicted = np.asarray(forward(normalised(shifted), problem.k1, problem.k2))
    amplitude = (predicted * measurement.signal).sum() / (predicted**2).sum()
    return Inversion(
        measurement=measurement,
        label=label,
        f=f,
        predicted=amplitude * predicted,
        peaks=find_peaks(f[None], problem.grid)[0],
        splits=found,
        masses=compartment_masses(f[None], problem.grid, found)[0],
        diagnostics={name: float(np.asarray(values)[0]) for name, values in estimate.diagnostics.items()},
        samples=None if samples is None else normalised(np.asarray(samples)[0, 0] / measurement.remaining),
    )


def valleys(f: Floats, grid: Grid) -> Floats:
    """Borders between compartments: the lowest points between peaks of the mean of both marginals.

    The marginal is first smoothed with a Gaussian of 0.1 decades, so that the spikes of a sparse
    estimate do not count as compartments; peaks have to stand out by 2% of the largest one.

    Parameters
    ----------
    f : (D, D)
        On a grid with the same log-spaced values on both axes.
    grid : Grid

    Returns
    -------
    (C - 1,) values of D; empty for one compartment.
    """
    from scipy.ndimage import gaussian_filter1d
    from scipy.signal import find_peaks as find_maxima

    marginal = (f.sum(axis=0) + f.sum(axis=1)) / 2
    step = (grid.log_d1[-1] - grid.log_d1[0]) / (grid.d1.size - 1)
    smooth = np.pad(gaussian_filter1d(marginal, SMOOTHING / step, mode="constant"), 1)
    maxima, _ = find_maxima(smooth, prominence=PROMINENCE * smooth.max())
    lowest = [a + int(smooth[a:b].argmin()) for a, b in pairwise(maxima)]
    return np.asarray(grid.d1[np.array(lowest, dtype=int) - 1])
