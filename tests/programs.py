"""The least objective of a penalised fit, from cvxpy at tight tolerances."""

import cvxpy as cp
import numpy as np

from dexsy_bench.numerics.compression import Compression

TIGHT = {"tol_gap_rel": 1e-10, "tol_gap_abs": 1e-12, "tol_feas": 1e-10}


def least_objective(problem, signals, weight, penalty, rtol):
    """``min over f >= 0 of 1/2 ||K1 f K2^T - S||^2 + weight * penalty(f)`` (N,), data compressed with that rtol."""
    a = Compression(problem, rtol)
    y, outside = a.project(signals)
    x, data = cp.Variable(a.shape, nonneg=True), cp.Parameter(a.size)
    scale = np.sqrt(weight)  # shares the orders of magnitude between the two terms
    f = x / np.sqrt(x.size)
    fit = a.matrix() @ cp.vec(f, order="C") / np.sqrt(scale) - data
    program = cp.Problem(cp.Minimize(0.5 * cp.sum_squares(fit) + scale * penalty(f)))
    least = []
    for row in y:
        data.value = row / np.sqrt(scale)
        least.append(program.solve(solver="CLARABEL", **TIGHT) * scale)
    return np.array(least) + 0.5 * outside
