"""Physical coordinates of a family, in which signals are as nearly linear as can be, with exact derivatives.

The unit cube of :mod:`dexsy_bench.inference.model` makes the prior uniform. These coordinates make the likelihood
nearly Gaussian: variances of blobs rather than their SD, and the progress of exchange, 1 - exp(-k t), rather than its
rate. They live in a box, so that fits and bounds work on them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from dexsy_bench.compartments import Compartments, blobs, exchange_weights
from dexsy_bench.compartments import distributions as distributions_of
from dexsy_bench.physics import Array
from dexsy_bench.problem import Floats, Problem

COMPLETE = 1 - 1e-6
"""Progress of exchange beyond which it counts as complete: signals no longer change."""

STEP = 1e-100
"""Of complex differentiation."""

SHORTEST = 1e-6
"""A mixing time of 0 counts as so many seconds in the geometric mean of all."""


class Coordinates:
    """Points theta (N, P) of a box, for distributions and signals of a family.

    Parameters
    ----------
    family : Compartments
        What it draws. Its ranges are the box.
    problem : Problem
        Grid, acquisition and kernel.

    Attributes
    ----------
    names : tuple of str
        One a coordinate: ``centre i`` (log10 D), ``variance i`` (decades squared), ``share i`` (of what the fractions
        before it leave), out of equilibrium ``initial share i``, and, with two compartments or more, ``progress``:
        1 - exp(-k t), with t the mixing time, or the geometric mean of those that the acquisition fixes.
    low, high : (P,)
        The box.
    points : list of slice
        Where the measured points of each mixing time stand in a signal; the first of each is its S(0,0).
    """

    def __init__(self, family: Compartments, problem: Problem) -> None:
        self.family, self.problem = family, problem
        count, times = family.count, problem.acquisition.mixing_times
        self._known = times is not None
        self._times = np.ones(1) if times is None else times
        self._typical = float(np.exp(np.log(np.maximum(self._times, SHORTEST)).mean()))
        typical = family.mixing_time if times is None else (self._typical, self._typical)
        kinds = [
            ("centre", count, np.log10(np.array(family.diffusivity, dtype=np.float64))),
            ("variance", count, np.array(family.width, dtype=np.float64) ** 2),
            ("share", count - 1, np.array([0.0, 1.0])),
            ("initial share", 0 if family.equilibrium else count - 1, np.array([0.0, 1.0])),
        ]
        self.names = tuple(f"{kind} {i + 1}" for kind, n, _ in kinds for i in range(n))
        box = [np.broadcast_to(interval, (n, 2)) for _, n, interval in kinds]
        if count > 1:
            self.names += ("progress",)
            box.append(_progress(np.multiply(family.exchange_rate, typical))[None])
        self.low, self.high = np.concatenate(box).T
        self.size = len(self.names)
        self._mask, self._k1, self._k2 = problem.acquisition.mask, problem.k1, problem.k2
        measured = np.ones(problem.acquisition.signal_shape, dtype=bool) if self._mask is None else self._mask
        ends = np.cumsum(measured.sum(axis=(1, 2)))
        self.points = [slice(int(a), int(b)) for a, b in zip([0, *ends[:-1]], ends, strict=True)]

    def parameters(self, theta: Array) -> dict[str, Array]:
        """What :meth:`Compartments.draw` returns, for theta (N, P), in the array library of theta.

        Where the mixing time is not known, ``mixing_times`` is 1 s and ``k`` the product.
        """
        xp = array_namespace(theta)
        count = self.family.count
        ones = xp.ones_like(theta[:, :1])
        fractions = initial = _broken_sticks(theta[:, 2 * count : 3 * count - 1], ones)
        if not self.family.equilibrium:
            initial = _broken_sticks(theta[:, 3 * count - 1 : 4 * count - 2], ones)
        times = xp.asarray(self._times.copy(), dtype=theta.dtype, device=theta.device)
        return {
            "centres": 10 ** theta[:, :count],
            "widths": theta[:, count : 2 * count] ** 0.5,
            "fractions": fractions,
            "initial_fractions": initial,
            "k": -xp.log1p(-theta[:, -1]) / self._typical if count > 1 else ones[:, 0],
            "mixing_times": ones * times,
        }

    def theta(self, parameters: dict[str, Array]) -> Floats:
        """The inverse of :meth:`parameters`, for NumPy arrays as :meth:`Compartments.draw` returns them."""
        parts = [np.log10(parameters["centres"]), parameters["widths"] ** 2, _shares(parameters["fractions"])]
        if not self.family.equilibrium:
            parts.append(_shares(parameters["initial_fractions"]))
        if self.family.count > 1:
            times = self._typical if self._known else parameters["mixing_times"][:, 0]
            parts.append(_progress(parameters["k"] * times)[:, None])
        return np.concatenate(parts, axis=1)

    def distributions(self, theta: Floats) -> Floats:
        """f (N, T, D1, D2)."""
        grid = self.problem.grid
        return np.asarray(distributions_of(grid.log_d1, grid.log_d2, self.parameters(theta)))

    def signals(self, theta: Floats) -> Floats:
        """Clean signals at the measured points, (N, n), 1 at S(0,0)."""
        e1, weights, e2 = self._factors(theta)
        s = e1[:, None] @ weights @ e2.swapaxes(1, 2)[:, None]
        return self._points(s / s[..., :1, :1])

    def jacobian(self, theta: Floats) -> tuple[Floats, Floats]:
        """Signals (N, n) as :meth:`signals`, and their derivatives (N, P, n) by theta."""
        e1, weights, e2 = (factor[:, None] for factor in self._factors(theta))
        d1, dw, d2 = complex_step(self._factors, theta)  # (N, P, ...)
        left, right = e1[:, :, None] @ weights, weights @ e2.swapaxes(-1, -2)[:, :, None]
        s = left @ e2.swapaxes(-1, -2)[:, :, None]
        slope = d1[:, :, None] @ right + e1[:, :, None] @ dw @ e2.swapaxes(-1, -2)[:, :, None]
        slope += left @ d2.swapaxes(-1, -2)[:, :, None]
        first = s[..., :1, :1]
        s = s / first
        slope = (slope - s * slope[..., :1, :1]) / first
        return self._points(s[:, 0]), self._points(slope)

    def curvature(self, theta: Floats, weights: Floats) -> Floats:
        """Second derivatives (N, P, P) of the sum of the signals with weights (N, n), to about six digits.

        Differences of the first derivatives, one step into the box.
        """
        n, size = theta.shape
        span = np.where(self.high > self.low, self.high - self.low, 1e-3)
        step = np.where(theta >= 0.5 * (self.low + self.high), -1e-6, 1e-6) * span
        moved = theta[:, None] + step[:, :, None] * np.eye(size)
        points = np.concatenate([theta[:, None], moved], axis=1).reshape(-1, size)
        slopes = self.jacobian(points)[1].reshape(n, size + 1, size, -1) @ weights[:, None, :, None]
        return np.asarray((slopes[:, 1:, :, 0] - slopes[:, :1, :, 0]) / step[:, :, None])

    def _factors(self, theta: Array) -> tuple[Array, Array, Array]:
        """The signal is E1 W E2^T, of the rank of the compartments: (N, B1, C), (N, T, C, C), (N, B2, C)."""
        grid, p = self.problem.grid, self.parameters(theta)
        weights = exchange_weights(p["fractions"], p["initial_fractions"], p["k"], p["mixing_times"])
        e1 = self._k1 @ blobs(grid.log_d1, p["centres"], p["widths"])
        return e1, weights, self._k2 @ blobs(grid.log_d2, p["centres"], p["widths"])

    def _points(self, signals: Floats) -> Floats:
        """The measured ones (..., n) of (..., T, B1, B2)."""
        return signals.reshape(*signals.shape[:-3], -1) if self._mask is None else signals[..., self._mask]


def complex_step(function: Callable[[Any], tuple[Any, ...]], theta: Floats) -> tuple[Floats, ...]:
    """Derivatives (N, P, ...) of the results (N, ...) of a function of theta (N, P) that treats rows alike.

    Exact to rounding: the imaginary parts at an imaginary step too small to have a square (Squire & Trapp, SIAM Rev.
    40, 110, 1998).
    """
    n, size = theta.shape
    rows = (theta[:, None] + 1j * STEP * np.eye(size)).reshape(-1, size)
    return tuple(np.imag(result).reshape(n, size, *result.shape[1:]) / STEP for result in function(rows))


def _broken_sticks(shares: Array, left: Array) -> Array:
    """Fractions (N, C) from shares (N, C - 1): each takes its share of what the ones before it left of ones (N, 1)."""
    parts = []
    for i in range(shares.shape[1]):
        parts.append(left * shares[:, i : i + 1])
        left = left * (1 - shares[:, i : i + 1])
    return array_namespace(left).concat([*parts, left], axis=1)


def _progress(exchange: Floats) -> Floats:
    """1 - exp(-k t), not quite 1, where k would be lost."""
    return np.asarray(np.minimum(-np.expm1(-exchange), COMPLETE))


def _shares(fractions: Floats) -> Floats:
    """The inverse of :func:`_broken_sticks`."""
    left = 1 - np.cumsum(fractions, axis=1)[:, :-1] + fractions[:, :-1]
    return fractions[:, :-1] / np.maximum(left, math.ulp(0.0))
