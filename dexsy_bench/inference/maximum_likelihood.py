"""Maximum likelihood in a family of distributions: Rice's law, the box of the family, many starts.

The unknowns phi (P + T) are the coordinates of :class:`~dexsy_bench.inference.coordinates.Coordinates` and, for each
mixing time, the logarithm of the magnitude m_0 by which its signal was divided. Each start climbs by Fisher scoring:
Newton steps with the expected information, damped as Levenberg and Marquardt do, within the box. The best end by
Newton's own steps, since Fisher's converge slowly where the likelihood is nearly flat. The starts are those of many
draws from the family whose expected magnitudes come closest to the data.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import i0e, i1e

from dexsy_bench.compartments import Compartments
from dexsy_bench.inference import fisher, rice
from dexsy_bench.inference.coordinates import Coordinates
from dexsy_bench.numerics.compression import Compression
from dexsy_bench.problem import Floats, Problem
from dexsy_bench.seeds import generator

LEAST_SIGMA = 1e-6
"""Signals without noise are fitted as if they had this much."""

KKT_TOLERANCE = 1e-5
"""Largest score of a converged fit, in units of the SD that it has at the truth."""

ROUNDING = 1e-12
"""Relative change of a log likelihood that says nothing."""

HEATS = ((5, 8), (5, 3), (20, 2))
"""After so many steps, so many starts go on."""

MAX_NEWTON = 60
CHUNK = 256


@dataclass(frozen=True, eq=False)
class Fit:
    """Local maxima of the likelihood of one signal, (N, ...) for N starts.

    Attributes
    ----------
    phi : (N, P + T)
        Coordinates, and log m_0 at each mixing time.
    log_likelihood : (N,)
        Log density of the signal and of log m_0.
    kkt : (N,)
        Largest score that no bound holds back, in units of the SD that it has at the truth.
    iterations : (N,)
    """

    phi: Floats
    log_likelihood: Floats
    kkt: Floats
    iterations: NDArray[np.int64]

    @property
    def converged(self) -> NDArray[np.bool_]:
        """Whether the score vanishes, (N,)."""
        return self.kkt <= KKT_TOLERANCE

    def __getitem__(self, rows: Any) -> Fit:
        return Fit(self.phi[rows], self.log_likelihood[rows], self.kkt[rows], self.iterations[rows])


class MaximumLikelihood:
    """Fits of a family to signals of a problem.

    Parameters
    ----------
    family : Compartments
        What is fitted, within its ranges.
    problem : Problem
        With sigma.
    draws : int
        Candidates for starts.
    starts : int
        How many of them climb.
    """

    def __init__(self, family: Compartments, problem: Problem, draws: int = 2048, starts: int = 24) -> None:
        if problem.sigma is None:
            raise ValueError("the likelihood needs the noise SD")
        self.coordinates = Coordinates(family, problem)
        self.sigma = max(problem.sigma, LEAST_SIGMA)
        self.starts = starts
        self._mask = problem.acquisition.mask
        unbounded = np.full(problem.acquisition.n_mixing, np.inf)
        self.low = np.concatenate([self.coordinates.low, -unbounded])
        self.high = np.concatenate([self.coordinates.high, unbounded])
        self._compressions = [
            Compression(problem.at_mixing_time(t), rtol=1e-4) for t in range(problem.acquisition.n_mixing)
        ]
        uniforms = generator("training", "maximum likelihood", family.count).random((draws, family.n_uniforms))
        self._draws = self.coordinates.theta(family.draw(uniforms, problem.acquisition.mixing_times))
        self._expected = np.concatenate(
            [
                self._compressed(expected_magnitude(self.coordinates.signals(chunk), self.sigma))
                for chunk in np.split(self._draws, range(CHUNK, draws, CHUNK))
            ]
        )

    def fit(self, x: Floats, more: Floats | None = None) -> Fit:
        """The best fit (N = 1) of a signal, its measured points (n,); `more` (M, P + T) are starts besides."""
        phi = self._starts(x)
        if more is not None:
            phi = np.concatenate([phi, more])
        iterations = np.zeros(len(phi), dtype=np.int64)
        for steps, survivors in HEATS:
            fits = self.climb(x, phi, steps)
            best = np.argsort(-fits.log_likelihood, kind="stable")[:survivors]
            phi, iterations = fits.phi[best], (iterations + fits.iterations)[best]
        fits = self.climb(x, phi, MAX_NEWTON, newton=True)
        fits.iterations[:] += iterations
        return fits[[np.argmax(fits.log_likelihood)]]

    def climb(self, x: Floats, phi: Floats, steps: int = MAX_NEWTON, newton: bool = False) -> Fit:
        """Where so many steps lead from starts phi (N, P + T): Fisher scoring, or Newton's, which ends faster."""
        phi = np.clip(phi, self.low, self.high)
        value = self.log_likelihood(x, phi)
        slope, unit, curvature = self._slopes(x, phi, newton)
        damping, growth = np.full(len(phi), 1e-3), np.full(len(phi), 2.0)
        kkt, iterations = np.empty(len(phi)), np.zeros(len(phi), dtype=np.int64)
        todo = np.arange(len(phi))
        for iteration in range(steps + 1):
            held = (phi[todo] <= self.low) & (slope[todo] <= 0) | (phi[todo] >= self.high) & (slope[todo] >= 0)
            kkt[todo] = np.where(held, 0.0, np.abs(slope[todo] / unit[todo])).max(axis=1)
            going = kkt[todo] > KKT_TOLERANCE
            todo, held = todo[going], held[going]
            if iteration == steps or todo.size == 0:
                break
            push, matrix = slope[todo] / unit[todo], curvature[todo] / (unit[todo, :, None] * unit[todo, None, :])
            box = (self.low - phi[todo]) * unit[todo], (self.high - phi[todo]) * unit[todo]
            step, promised = _step(push, matrix, damping[todo], held, *box)
            trial = np.clip(phi[todo] + step / unit[todo], self.low, self.high)
            reached = self.log_likelihood(x, trial)
            gain = (reached - value[todo]) / promised
            better = reached >= value[todo] - ROUNDING * np.abs(value[todo])
            # Damping as of H. B. Nielsen (Technical University of Denmark, IMM-REP-1999-05).
            damping[todo] *= np.where(better, np.clip(1 - (2 * gain - 1) ** 3, 0.1, 2), growth[todo])
            growth[todo] = np.where(better, 2.0, 2 * growth[todo])
            iterations[todo] += 1
            moved = todo[better]
            phi[moved], value[moved] = trial[better], reached[better]
            if moved.size:
                slope[moved], unit[moved], curvature[moved] = self._slopes(x, phi[moved], newton)
        return Fit(phi, value, kkt, iterations)

    def log_likelihood(self, x: Floats, phi: Floats) -> Floats:
        """Log density of the measured points x (n,) and of log m_0, for each phi (N, P + T)."""
        c = self.coordinates
        signal, log_scale = c.signals(phi[:, : c.size]), phi[:, c.size :]
        parts = [
            rice.log_likelihood(x[here], signal[:, here], np.exp(log_scale[:, t]), self.sigma) + log_scale[:, t]
            for t, here in enumerate(c.points)
        ]
        return np.asarray(np.sum(parts, axis=0))

    def _slopes(self, x: Floats, phi: Floats, newton: bool) -> tuple[Floats, Floats, Floats]:
        """Its derivatives (N, P + T), their SD, and expected or actual second derivatives with their sign changed."""
        c, theta = self.coordinates, phi[:, : self.coordinates.size]
        signal, jacobian = c.jacobian(theta)
        magnitude = np.concatenate(
            [np.exp(phi[:, c.size + t, None]) * x[None, here] for t, here in enumerate(c.points)], axis=1
        )
        slope = fisher.score(jacobian, signal, magnitude, self.sigma, c.points)
        curvature = fisher.information(jacobian, signal, self.sigma, c.points)
        unit = np.sqrt(np.diagonal(curvature, axis1=1, axis2=2))
        if newton:
            second = partial(c.curvature, theta)
            curvature = fisher.observed_information(jacobian, second, signal, magnitude, self.sigma, c.points)
        return slope, np.where(unit > 0, unit, 1.0), curvature

    def points(self, signals: Floats) -> Floats:
        """Measured points (N, n) of signals (N, T, B1, B2); one of 0, of no density, is as small as can be instead."""
        points = signals.reshape(len(signals), -1) if self._mask is None else signals[:, self._mask]
        return np.maximum(points, np.finfo(np.float64).tiny)

    def _starts(self, x: Floats) -> Floats:
        """The draws (N, P + T) whose expected magnitudes come closest to x, at whatever scale."""
        y = self._compressed(x[None])[0]
        fit = (self._expected @ y) / (self._expected**2).sum(axis=1)
        distance = ((fit[:, None] * self._expected - y) ** 2).sum(axis=1)
        nearest = np.argsort(distance, kind="stable")[: self.starts]
        return np.pad(self._draws[nearest], ((0, 0), (0, len(self._compressions))))

    def _compressed(self, points: Floats) -> Floats:
        """(N, M) numbers, for all mixing times, that stand for measured points (N, n)."""
        out = []
        for t, (here, compression) in enumerate(zip(self.coordinates.points, self._compressions, strict=True)):
            shape = self.coordinates.problem.acquisition.signal_shape[1:]
            signals = np.zeros((len(points), *shape))
            signals[:, self._mask[t] if self._mask is not None else np.ones(shape, bool)] = points[:, here]
            out.append(compression.project(signals)[0])
        return np.concatenate(out, axis=1)


def split(phi: Floats, lower: Coordinates, upper: Coordinates) -> Floats:
    """Starts (C, P' + T) with one compartment more from a fit (P + T): each compartment in turn becomes two."""
    p = lower.parameters(phi[None, : lower.size])
    parts = []
    for i in range(lower.family.count):
        old = np.sort(np.append(np.arange(lower.family.count), i))
        apart, share = np.zeros(old.size), np.ones(old.size)
        apart[i : i + 2], share[i : i + 2] = (-1, 1), 0.5
        centres = p["centres"][:, old] * 10 ** (apart * p["widths"][:, old])
        fractions = {name: p[name][:, old] * share for name in ("fractions", "initial_fractions")}
        parts.append(upper.theta({**p, **fractions, "centres": centres, "widths": p["widths"][:, old]}))
    return np.pad(np.concatenate(parts), ((0, 0), (0, phi.size - lower.size)))


def _step(
    push: Floats, matrix: Floats, damping: Floats, fixed: NDArray[np.bool_], low: Floats, high: Floats
) -> tuple[Floats, Floats]:
    """Where ``push.x - 1/2 x^T (matrix + damping) x`` is largest in a box around 0: x (N, P), and that value, (N,).

    Coordinates that are not fixed at 0 and would leave the box are set on its surface, the one farthest out first, and
    the others follow. Where the matrix curves up, it is turned to curve down.
    """
    size = push.shape[1]
    step = np.zeros_like(push)
    eye = np.eye(size)

    def free(matrix: Floats) -> Floats:
        return np.where(fixed[:, :, None] | fixed[:, None, :], eye, matrix)

    values, vectors = np.linalg.eigh(free(matrix))
    matrix = (vectors * (np.abs(values) + damping[:, None])[:, None]) @ vectors.swapaxes(1, 2)
    for _ in range(size):
        rest = push - (matrix @ np.where(fixed, step, 0.0)[:, :, None])[:, :, 0]
        step = np.asarray(np.linalg.solve(free(matrix), np.where(fixed, step, rest)[:, :, None]))[:, :, 0]
        beyond = np.where(fixed, 0.0, np.maximum(low - step, step - high))
        out = (beyond > 0) & (beyond == beyond.max(axis=1, keepdims=True))
        if not out.any():
            break
        step = np.where(out, np.clip(step, low, high), step)
        fixed = fixed | out
    return step, (step * (push - 0.5 * (matrix @ step[:, :, None])[:, :, 0])).sum(axis=1)


def expected_magnitude(signal: Floats, sigma: float) -> Floats:
    """Mean of Rice's law, elementwise."""
    z = (0.5 * signal / sigma) ** 2
    return np.asarray(sigma * np.sqrt(np.pi / 2) * ((1 + 2 * z) * i0e(z) + 2 * z * i1e(z)))
