"""Does the estimate explain the signal, and no more than that?"""

from __future__ import annotations

import numpy as np

from dexsy_bench.metrics.base import Context, Family, Metric
from dexsy_bench.physics import forward
from dexsy_bench.problem import Floats, Problem


def residual(f_hat: Floats, signals: Floats, problem: Problem) -> Floats:
    """``sqrt(mean((K1 f_hat K2^T - S)^2)) / sigma`` over the sampled points.

    Parameters
    ----------
    f_hat : (N, T, D1, D2)
    signals : (N, T, B1, B2)
        As measured.
    problem : Problem
        Kernels, mask and sigma.

    Returns
    -------
    (N, T)
        NaN where sigma is 0 or not known.
    """
    if not problem.sigma:
        return np.full(f_hat.shape[:2], np.nan)
    squares = (forward(f_hat, problem.k1, problem.k2) - signals) ** 2
    mask = problem.acquisition.mask
    sampled = np.ones(squares.shape[1:]) if mask is None else mask
    return np.asarray(np.sqrt((squares * sampled).sum(axis=(-1, -2)) / sampled.sum(axis=(-1, -2))) / problem.sigma)


def _score(f: Floats, f_hat: Floats, context: Context) -> dict[str, Floats]:
    t = context.problem.acquisition.n_mixing
    unfolded = [array.reshape(-1, t, *array.shape[1:]) for array in (f_hat, context.signals)]
    return {"residual": residual(unfolded[0], unfolded[1], context.problem).ravel()}


FAMILY = Family(
    _score,
    (
        Metric(
            "residual",
            "Residual over noise",
            "",
            1.0,
            "RMS difference between the signal and what the estimate predicts, in units of sigma.",
        ),
    ),
)
