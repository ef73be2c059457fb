"""The likelihood of a family near its peak: a quadratic form in the compressed signal, a few microseconds a point.

A signal of a few parameters is known far better than one datum, so wherever the likelihood is not negligible, each
datum's log likelihood is a parabola in its own clean signal, and their sum one in the hundred numbers that are left of
the signal when it is projected on the singular vectors of the kernel. The expansion takes the gradient as it is and the
expected (Fisher) information for the curvature, which is never negative. What it neglects is put right by weights, with
the likelihood as it is (:meth:`Likelihood.correction`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.special import ndtr

from dexsy_bench.inference import rice
from dexsy_bench.inference.model import FamilyModel
from dexsy_bench.numerics.compression import Compression
from dexsy_bench.problem import Acquisition, Floats, Problem

NEGLIGIBLE = 0.1
"""Products of singular values below this much of sigma are left out: f, of mass 1, has far smaller coefficients."""

DRAWS = 2000
"""Points of the cube from which the Gaussian that stands for the family in :meth:`Likelihood.guess` is estimated."""

UNINFORMED = 1e-4
"""Directions of c in which the data hold less information than this are left out, such as those a mask has emptied."""

TINY = 1e-12
"""Least magnitude, relative to S(0,0)."""

CHUNK = 64
"""Signals whose exact likelihood is computed at once, so that they stay in the cache."""


class Coefficients:
    """Clean signals of a family in the basis of the kernel's leading singular vectors.

    Attributes
    ----------
    basis : (B1 * B2, M)
        Signals are ``basis @ c``.
    """

    def __init__(self, model: FamilyModel, sigma: float) -> None:
        problem, self.model = model.problem, model
        largest = np.linalg.norm(problem.k1, 2) * np.linalg.norm(problem.k2, 2)
        compression = Compression(_unmasked(problem), rtol=float(NEGLIGIBLE * sigma / largest))
        i, j = compression.i, compression.j
        self.basis = (compression.u1[:, None, i] * compression.u2[None, :, j]).reshape(-1, i.size)
        same_axes = np.array_equal(problem.grid.d1, problem.grid.d2) and np.array_equal(problem.k1, problem.k2)
        self._symmetric = model.family.equilibrium and same_axes
        if self._symmetric:  # c_ij = c_ji: each pair once
            upper = i < j
            position = {pair: n for n, pair in enumerate(zip(i, j, strict=True))}
            mirror = [position[pair] for pair in zip(j[upper], i[upper], strict=True)]
            self.basis[:, upper] += self.basis[:, mirror]
            i, j, self.basis = i[i <= j], j[i <= j], self.basis[:, i <= j]
        self._i, self._j = i, j
        self._axes = [
            (log_d, np.vstack([w, k[:1], np.ones_like(log_d)]))
            for log_d, w, k in (
                (problem.grid.log_d1, compression.w1, problem.k1),
                (problem.grid.log_d2, compression.w2, problem.k2),
            )
        ]

    def __call__(self, u: Floats) -> Floats:
        """c (T, M, N) of points (N, size) of the cube."""
        parameters = self.model.parameters(u)
        centres, widths = np.log10(parameters["centres"]).T, parameters["widths"].T
        g1, at_zero1 = _profiles(*self._axes[0], centres, widths)
        g2, at_zero2 = (g1, at_zero1) if self._symmetric else _profiles(*self._axes[1], centres, widths)
        start, end = parameters["initial_fractions"].T, parameters["fractions"].T
        stay = np.exp(-parameters["k"][:, None] * parameters["mixing_times"]).T[:, None]
        first, second = (g1 * start).sum(axis=1), (g2 * end).sum(axis=1)
        kept = np.zeros((self._i.size, len(u)))
        for a in range(len(start)):
            kept += (g1[:, a] * start[a])[self._i] * g2[:, a][self._j]
        mixed = first[self._i] * second[self._j]
        kept_at_zero = (at_zero1 * start * at_zero2).sum(axis=0)
        mixed_at_zero = (at_zero1 * start).sum(axis=0) * (at_zero2 * end).sum(axis=0)
        at_zero = mixed_at_zero + stay * (kept_at_zero - mixed_at_zero)
        return np.asarray((mixed + stay * (kept - mixed)) / at_zero)


def _unmasked(problem: Problem) -> Problem:
    """One mixing time, sampled everywhere: the basis does not depend on the mask, only what is summed over does."""
    return replace(problem, acquisition=Acquisition(problem.acquisition.b1, problem.acquisition.b2))


def _profiles(log_d: Floats, rows: Floats, centres: Floats, widths: Floats) -> tuple[Floats, Floats]:
    """Blobs (C, N) along one axis: their compressed signals (R, C, N), and their signals at the first b (C, N)."""
    z = (log_d - centres.reshape(-1, 1)) / widths.reshape(-1, 1)
    z *= z
    z -= z.min(axis=1, keepdims=True)  # as in compartments.blobs
    z *= -0.5
    g = (rows @ np.exp(z, out=z).T).reshape(-1, *centres.shape)
    return g[:-2] / g[-1], g[-2] / g[-1]


@dataclass(frozen=True, eq=False)
class Point:
    """A clean signal and an amplitude.

    Attributes
    ----------
    c : (T, M)
        Coefficients of the signal.
    log_a : (T,)
        Log of the magnitude by which the measured signal was divided.
    """

    c: Floats
    log_a: Floats


@dataclass(frozen=True, eq=False)
class Expansion:
    """The log likelihood of one case, expanded at a point to second order; the amplitude is integrated out.

    Attributes
    ----------
    at : Point
    value : float
        What the maximum over all c would be.
    root, shift : (T, K, M), (T, K)
        ``value - 1/2 sum_t |root_t c_t - shift_t|^2`` is the log likelihood.
    slope, of_a, information : (T, M), (T,), (T,)
        Given c, log a is Gaussian with that information about ``log_a + of_a + slope . (c - at.c)``.
    """

    at: Point
    value: float
    root: Floats
    shift: Floats
    slope: Floats
    of_a: Floats
    information: Floats

    def __call__(self, c: Floats) -> Floats:
        """Log likelihood (N,) of signals c (T, M, N)."""
        y = self.root @ c - self.shift[:, :, None]
        return np.asarray(self.value - 0.5 * np.einsum("tkn,tkn->n", y, y))

    def mean_log_a(self, c: Floats) -> Floats:
        """Mean of log a (T, N) given signals c (T, M, N)."""
        linear = np.einsum("tm,tmn->tn", self.slope, c - self.at.c[:, :, None])
        return np.asarray((self.at.log_a + self.of_a)[:, None] + linear)


class Likelihood:
    """What a measured signal says of the points of the cube.

    Parameters
    ----------
    model : FamilyModel
    sigma : float
        Noise SD per channel, positive.
    """

    def __init__(self, model: FamilyModel, sigma: float) -> None:
        self.model, self.sigma = model, sigma
        self.coefficients = Coefficients(model, sigma)
        acquisition = model.problem.acquisition
        mask = np.ones(acquisition.signal_shape, bool) if acquisition.mask is None else acquisition.mask
        self._mask = mask.reshape(len(mask), -1)
        self._bases = [self.coefficients.basis[sampled] for sampled in self._mask]

    def data(self, signals: Floats) -> list[Floats]:
        """The points (..., n) of signals (..., T, B1, B2) that were sampled, for each mixing time."""
        # A magnitude of 0 has density 0 whatever the point of the cube, which would leave nothing to compare.
        flat = np.maximum(signals, TINY).reshape(*signals.shape[:-3], *self._mask.shape)
        return [flat[..., t, :] if sampled.all() else flat[..., t, sampled] for t, sampled in enumerate(self._mask)]

    @cached_property
    def _gaussian(self) -> tuple[Floats, Floats]:
        """Mean (T * M) of the family's signals and a root (T * M, Q) of their covariance."""
        u = np.random.default_rng(0).random((DRAWS, self.model.size))
        c = self.coefficients(u).reshape(-1, DRAWS)
        mean = c.mean(axis=1)
        vectors, values, _ = np.linalg.svd((c - mean[:, None]) / np.sqrt(DRAWS), full_matrices=False)
        kept = values > 1e-9 * values[0]
        return mean, vectors[:, kept] * values[kept]

    def guess(self, x: list[Floats], tolerance: float = 0.1, steps: int = 50) -> Point:
        """The likeliest signal and amplitude if the family were a Gaussian, by Fisher scoring with halved steps."""
        mean, root = self._gaussian
        times, size = len(x), root.shape[1]
        split = root.reshape(times, -1, size)

        def at(unknown: Floats) -> Point:
            return Point((mean + root @ unknown[:size]).reshape(times, -1), unknown[size:])

        def posterior(unknown: Floats) -> float:
            point = at(unknown)
            return sum(self._value(x[t], point, t) for t in range(times)) - 0.5 * float(unknown[:size] @ unknown[:size])

        unknown = np.zeros(size + times)
        value = posterior(unknown)
        free = size  # log a stays at 0 until the signal is roughly right: far from it the information misleads
        for _ in range(steps):
            point = at(unknown)
            gradient, hessian = np.zeros(size + times), np.eye(size + times)
            gradient[:size] = -unknown[:size]
            for t in range(times):
                g, h = self._derivatives(x[t], point, t)
                chain = np.zeros((size + times, len(g)))  # of this part's coefficients and log a by the unknowns
                chain[:size, :-1], chain[size + t, -1] = split[t].T, 1.0
                gradient += chain @ g
                hessian += chain @ h @ chain.T
            step = np.zeros(size + times)
            step[:free] = np.linalg.solve(hessian[:free, :free], gradient[:free])
            expected = gradient @ step
            length = 1.0
            while length > 1e-6 and (tried := posterior(unknown + length * step)) < value + 0.1 * length * expected:
                length /= 2
            unknown, value = unknown + length * step, tried
            if expected < tolerance:
                if free == unknown.size:
                    break
                free = unknown.size
        return at(unknown)

    def _value(self, x: Floats, at: Point, t: int) -> float:
        """Log likelihood of one mixing time; the measure is d log a."""
        s = np.abs(self._bases[t] @ at.c[t])
        return float(rice.log_likelihood(x, s, np.exp(at.log_a[t]), self.sigma) + at.log_a[t])

    def _derivatives(self, x: Floats, at: Point, t: int) -> tuple[Floats, Floats]:
        """Gradient and information of one mixing time's log likelihood, in (c, log a)."""
        basis, sigma = self._bases[t], self.sigma
        s, amplitude = basis @ at.c[t], np.exp(at.log_a[t])
        of_s, of_a = rice.score(amplitude * x, s, sigma)
        h_s, h_sa, h_a = rice.information(s, sigma)
        gradient = np.append(basis.T @ of_s, of_a.sum())
        corner = basis.T @ h_sa
        hessian = np.block([[basis.T @ (h_s[:, None] * basis), corner[:, None]], [corner[None], h_a.sum()]])
        return gradient, hessian

    def expand(self, x: list[Floats], at: Point) -> Expansion:
        """The expansion at that point."""
        value, roots, shifts, slopes, of_a, informations = 0.0, [], [], [], [], []
        for t in range(len(x)):
            g, h = self._derivatives(x[t], at, t)
            information = h[-1, -1]
            reduced = h[:-1, :-1] - np.outer(h[:-1, -1], h[-1, :-1]) / information
            gradient = g[:-1] - h[:-1, -1] * g[-1] / information
            values, vectors = np.linalg.eigh(reduced)
            kept = values > UNINFORMED
            root = np.sqrt(values[kept])[:, None] * vectors[:, kept].T
            climb = (vectors[:, kept].T @ gradient) / np.sqrt(values[kept])
            value += self._value(x[t], at, t) + 0.5 * (climb @ climb + g[-1] ** 2 / information)
            value += 0.5 * np.log(2 * np.pi / information)
            roots.append(root)
            shifts.append(root @ at.c[t] + climb)
            slopes.append(-h[-1, :-1] / information)
            of_a.append(g[-1] / information)
            informations.append(information)
        return Expansion(
            at, value, _stacked(roots), _stacked(shifts), np.array(slopes), np.array(of_a), np.array(informations)
        )

    def correction(self, x: list[Floats], expansion: Expansion, u: Floats, rng: np.random.Generator) -> Floats:
        """Log weights (N,) that turn points u (N, size) of the expanded posterior into points of the posterior.

        Each point is given a log a out of the expansion; its weight is the ratio of the densities of both. That is as
        exact as integrating over log a.
        """
        c = self.coefficients(u)
        spread = 1 / np.sqrt(expansion.information[:, None])
        noise = rng.standard_normal((len(x), len(u)))
        log_a = expansion.mean_log_a(c) + spread * noise
        proposed = -0.5 * noise**2 - np.log(spread) - 0.5 * np.log(2 * np.pi)
        logs = self.exact(x, u, np.exp(log_a)) + log_a.sum(axis=0)
        return np.asarray(logs - expansion(c) - proposed.sum(axis=0))

    def exact(self, x: list[Floats], u: Floats, amplitude: Floats, compressed: bool = False) -> Floats:
        """Log density (N,) of the signal with amplitudes (T, N) at points u (N, size); `compressed` sums the basis."""
        values = np.zeros(len(u))
        for start in range(0, len(u), CHUNK):
            part = slice(start, start + CHUNK)
            if compressed:
                s = [np.abs(basis @ c).T for basis, c in zip(self._bases, self.coefficients(u[part]), strict=True)]
            else:
                s = self.data(self.model.signals(u[part]))
            for t, measured in enumerate(s):
                values[part] += rice.log_likelihood(x[t], measured, amplitude[t, part], self.sigma)
        return values

    def plain(self, x: list[Floats], z: Floats, compressed: bool = True) -> Floats:
        """The likelihood as a function of normal scores of all unknowns, for where the expansion is no good.

        Parameters
        ----------
        x : T arrays
        z : (N, size + T)
            Of the point of the cube, and of the amplitudes: ``exp(2 z)``, so that none is out of reach.
        compressed : bool
            As for :meth:`exact`.

        Returns
        -------
        (N,) array.
        """
        size = self.model.size
        scores = z[:, size:].T
        measure = np.log(2) + 2 * scores + 0.5 * scores**2 + 0.5 * np.log(2 * np.pi)
        return np.asarray(self.exact(x, ndtr(z[:, :size]), np.exp(2 * scores), compressed) + measure.sum(axis=0))


def _stacked(parts: list[Floats]) -> Floats:
    """Arrays (K_t, ...) as one (T, K, ...), filled up with zeros."""
    stacked = np.zeros((len(parts), max(len(part) for part in parts), *parts[0].shape[1:]))
    for whole, part in zip(stacked, parts, strict=True):
        whole[: len(part)] = part
    return stacked
