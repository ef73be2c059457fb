"""Maximum entropy through its smooth dual.

    min over f of  1/2 ||A f - y||^2 + weight * sum(f log(f / m) - f + m)

The conjugate of the entropy is an exponential, so that ``f = m exp(A^T c)`` (Gull & Skilling, IEE Proc. F 131, 646,
1984): positive without a constraint, and as many unknowns as data.
"""

from __future__ import annotations

import numpy as np

from dexsy_bench.numerics import smooth_dual
from dexsy_bench.numerics.compression import Compression
from dexsy_bench.numerics.weighted import Fit
from dexsy_bench.problem import Floats

TOP = np.geomspace(1e-1, 1e-5, 5)
"""Weights to come down from the flat f by: Newton's method is slow where the exponential is far off."""

ROUGH = 1e-2
"""Relative duality gap on the way down."""


def solve(a: Compression, y: Floats, weight: Floats, warm: Floats | None, tolerance: float) -> Fit:
    """Solve N cases, m flat: see :meth:`dexsy_bench.numerics.weighted.WeightedFit.solve`; `warm` is c, (N, M)."""
    model = 1.0 / np.prod(a.shape)

    def conjugate(z: Floats, rows: smooth_dual.Rows) -> tuple[Floats, Floats, Floats]:
        with np.errstate(over="ignore"):  # a step that is too long by far: the line search shortens it
            f = model * np.exp(z)
        return f.sum(axis=(1, 2)) - 1.0, f, f

    iterations = np.zeros(len(y), dtype=np.int64)
    if warm is None:
        warm = np.zeros_like(y)  # f = m
        for above in TOP[weight.min() < TOP]:
            found = smooth_dual.minimise(a, y, np.maximum(weight, above), conjugate, warm, ROUGH)
            warm, iterations = found.c, iterations + found.iterations
    found = smooth_dual.minimise(a, y, weight, conjugate, warm, tolerance)
    f = found.f
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = np.where(f > 0, f * np.log(f / model), 0.0) - f + model
    return Fit(
        f=f,
        misfit=((a.apply(f) - y) ** 2).sum(axis=1),
        penalty=entropy.sum(axis=(1, 2)),
        dof=found.dof,
        gap=found.gap,
        iterations=iterations + found.iterations,
        converged=found.converged,
        warm=found.c,
    )
