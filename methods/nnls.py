"""Non-negative least squares, without regularisation."""

import numpy as np

from dexsy_bench.method import Estimate, Method, normalised
from dexsy_bench.numerics.compression import Compression

KKT_TOLERANCE = 1e-12
"""A cell at 0 is let go beyond this gradient, relative to ``max |A^T y|``: below is rounding."""


class NNLS(Method):
    """The least-squares fit among non-negative distributions: no penalty, no parameter.

    Minimises ``||K1 f K2^T - S||`` over f >= 0 by the active-set method of Lawson and Hanson (Solving
    Least Squares Problems, 1974, chapter 23) on the SVD-compressed data. The solution is a few
    isolated spikes: the lower bound of what regularised methods should reach.
    """

    name = "nnls"

    def prepare(self, problem):
        self.compression = Compression(problem)
        self.matrix = self.compression.matrix()

    def invert(self, signals):
        a = self.compression
        y, outside = a.project(signals)
        solved = [lawson_hanson(a, self.matrix, row) for row in y]
        f, iterations, converged = (np.array(column) for column in zip(*solved, strict=True))
        residual = a.apply(f) - y
        gradient = a.adjoint(residual)
        violation = np.where(f > 0, np.abs(gradient), np.maximum(-gradient, 0.0))
        scale = np.abs(a.adjoint(y)).max(axis=(1, 2))
        return Estimate(
            normalised(f),
            diagnostics={
                "objective": 0.5 * ((residual**2).sum(axis=1) + outside),
                "kkt": violation.max(axis=(1, 2)) / np.where(scale > 0, scale, 1.0),
                "iterations": iterations,
                "converged": converged,
            },
        )


def lawson_hanson(a, matrix, y, max_iterations=3000):
    """f (D1, D2) for one y (M,), with A as Compression and as matrix; iterations; whether it converged.

    One cell after another is let go, that with the steepest descent first; whenever a cell among the free ones would
    turn negative, the step ends where the first of them reaches 0, and it is held again.
    """
    f = np.zeros(matrix.shape[1])
    free, barred = np.zeros(f.size, dtype=bool), np.zeros(f.size, dtype=bool)

    def descent():
        return a.adjoint((y - matrix[:, free] @ f[free])[None]).ravel()

    slope = descent()
    tolerance = KKT_TOLERANCE * np.abs(slope).max()
    for iteration in range(max_iterations):
        steepest = np.argmax(np.where(free | barred, -np.inf, slope))
        if free[steepest] or barred[steepest] or slope[steepest] <= tolerance:
            return f.reshape(a.shape), iteration, not barred.any()
        free[steepest] = True
        best = _fit(matrix, y, free)
        if best[steepest] <= 0:  # to rounding, it depends on the cells that are free already
            free[steepest], barred[steepest] = False, True
            continue
        while (best[free] <= 0).any():
            falling = np.flatnonzero(free & (best <= 0))
            reach = f[falling] / (f[falling] - best[falling])
            f = np.maximum(f + reach.min() * (best - f), 0.0)
            free[falling[reach == reach.min()]] = False
            f[~free] = 0.0
            best = _fit(matrix, y, free)
        f = best
        barred[:] = False
        slope = descent()
    return f.reshape(a.shape), max_iterations, False


def _fit(matrix, y, free):
    """Least squares on the free cells."""
    best = np.zeros(free.size)
    best[free] = np.linalg.lstsq(matrix[:, free], y, rcond=None)[0]
    return best
