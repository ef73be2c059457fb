"""A mixture of Gaussians fitted to points, as a source of proposals for Markov chains on narrow, curved densities."""

from __future__ import annotations

import numpy as np

from dexsy_bench.problem import Floats

PRIOR_COUNT = 2
"""Each covariance is shrunk to their mean as if by this many points a dimension."""

SPARE = 0.1
"""Weight of one component as wide as all points and half as wide again, which catches what the others left out."""

WIDENING = 1.3
"""Factor on the covariances where whole points are proposed: tails must not be thinner than those of the target."""


class Mixture:
    """Fitted by expectation maximisation in coordinates in which the points have unit covariance.

    Everything that is quadratic in a point is a product with its monomials of degree 2, 1 and 0, so that densities of
    all components at all points are one matrix product, and so are the moments of all components.

    Parameters
    ----------
    points : (N, d)
    components : int
    rng : Generator
        Picks the points at which the components start.
    iterations : int
    """

    def __init__(self, points: Floats, components: int, rng: np.random.Generator, iterations: int = 15) -> None:
        n, self._d = points.shape
        self._rows, self._columns = np.triu_indices(self._d)
        self._centre = points.mean(axis=0)
        covariance = np.cov(points.T) + 1e-14 * np.eye(self._d)
        self._root = np.linalg.cholesky(covariance)
        self._white = np.linalg.inv(self._root)
        y = (points - self._centre) @ self._white.T
        monomials = self._monomials(y)
        eye = np.eye(self._d)
        weights = np.full(components, 1 / components)
        means = y[rng.choice(n, components)]
        covariances = np.tile(eye * components ** (-2 / self._d), (components, 1, 1))
        for _ in range(iterations):
            shares = _softmax(monomials @ self._log_densities(weights, means, covariances))
            moments = shares.T @ monomials
            counts = np.maximum(moments[:, -1:], 1e-9)
            means = moments[:, -1 - self._d : -1] / counts
            squares = np.empty((components, self._d, self._d))
            squares[:, self._rows, self._columns] = moments[:, : -1 - self._d]
            squares[:, self._columns, self._rows] = moments[:, : -1 - self._d]
            scatter = squares - counts[:, :, None] * means[:, :, None] * means[:, None, :]
            pooled = scatter.sum(axis=0) / n
            count = PRIOR_COUNT * self._d
            covariances = (scatter + count * pooled) / (counts[:, :, None] + count) + 1e-9 * eye
            weights = (counts[:, 0] + 1) / (n + components)
        self._weights = np.append((1 - SPARE) * weights, SPARE)
        self._means = np.vstack([means, np.zeros(self._d)])
        local = np.concatenate([covariances, eye[None]])
        wide = WIDENING * local
        wide[-1] = 1.5**2 * eye
        self._local_roots, self._wide_roots = np.linalg.cholesky(local), np.linalg.cholesky(wide)
        self._wide = self._log_densities(self._weights, self._means, wide)
        self._steps = self._log_densities(np.ones(len(local)), np.zeros_like(self._means), local)

    def draw(self, n: int, rng: np.random.Generator) -> Floats:
        """Points (n, d)."""
        k = rng.choice(len(self._weights), n, p=self._weights)
        noise = rng.standard_normal((n, self._d))
        y = self._means[k] + np.einsum("nij,nj->ni", self._wide_roots[k], noise)
        return np.asarray(self._centre + self._back(y))

    def log_density(self, points: Floats) -> Floats:
        """Log density (N,) of what :meth:`draw` draws, up to a constant."""
        each = self._at(points) @ self._wide
        largest = each.max(axis=1)
        return np.asarray(largest + np.log(np.exp(each - largest[:, None]).sum(axis=1)))

    def step(self, points: Floats, scale: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """A step (N, d) from each point, with the covariance of a component that is likely to hold the point.

        Parameters
        ----------
        points : (N, d)
        scale : (N, 1)
            Factors on the steps.
        rng : Generator

        Returns
        -------
        points : (N, d)
        correction : (N,)
            Log of the density of the step back over that of the step.
        """
        shares = _softmax(self._at(points) @ self._wide)
        k = (shares.cumsum(axis=1) < rng.random((len(points), 1))).sum(axis=1).clip(max=len(self._weights) - 1)
        y = np.einsum("nij,nj->ni", self._local_roots[k], rng.standard_normal(points.shape))
        moved = points + self._back(scale * y)
        each = _softmax(self._monomials(y) @ self._steps)
        there = _softmax(self._at(moved) @ self._wide)
        return moved, np.log((there * each).sum(axis=1)) - np.log((shares * each).sum(axis=1))

    def _at(self, points: Floats) -> Floats:
        return self._monomials((points - self._centre) @ self._white.T)

    def _back(self, y: Floats) -> Floats:
        return np.asarray(y @ self._root.T)

    def _monomials(self, y: Floats) -> Floats:
        return np.concatenate([y[:, self._rows] * y[:, self._columns], y, np.ones((len(y), 1))], axis=1)

    def _log_densities(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """Coefficients (monomials, K) of the log of each component's weight times density."""
        precisions = np.linalg.inv(covariances)
        twice = np.where(self._rows == self._columns, 0.5, 1.0)
        linear = np.einsum("kij,kj->ki", precisions, means)
        constant = np.log(weights) - 0.5 * np.linalg.slogdet(covariances)[1] - 0.5 * (linear * means).sum(axis=1)
        return np.concatenate([-precisions[:, self._rows, self._columns] * twice, linear, constant[:, None]], axis=1).T


def _softmax(logs: Floats) -> Floats:
    shares = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))
