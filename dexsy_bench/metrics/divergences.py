"""Kullback-Leibler and Jensen-Shannon divergence between f and its estimate, cell by cell."""

from __future__ import annotations

import numpy as np

from dexsy_bench.metrics.base import Context, Family, Metric
from dexsy_bench.problem import Floats

SMOOTHING = 1e-3
"""Share of uniform mass mixed into an estimate, so that KL stays finite where it is 0."""


def kl(f: Floats, f_hat: Floats) -> Floats:
    """KL(f || (1 - e) f_hat + e / cells) in nats, e = 1e-3.

    The mixing bounds it by ln(cells / e), and leaves a perfect estimate at most -ln(1 - e) = 0.001.

    Parameters
    ----------
    f, f_hat : (M, D1, D2)
        Each summing to 1.

    Returns
    -------
    (M,)
    """
    from scipy.special import rel_entr

    cells = f.shape[-1] * f.shape[-2]
    return np.asarray(rel_entr(f, (1 - SMOOTHING) * f_hat + SMOOTHING / cells).sum(axis=(-1, -2)))


def js(f: Floats, f_hat: Floats) -> Floats:
    """Jensen-Shannon divergence in nats, 0 .. ln 2 (Lin, IEEE Trans. Inf. Theory 37, 1991).

    Parameters and returns as :func:`kl`.
    """
    from scipy.special import rel_entr

    mean = (f + f_hat) / 2
    total = (rel_entr(f, mean) + rel_entr(f_hat, mean)).sum(axis=(-1, -2))
    return np.asarray(np.clip(total / 2, 0, np.log(2)))


def _score(f: Floats, f_hat: Floats, context: Context) -> dict[str, Floats]:
    return {"kl": kl(f, f_hat), "js": js(f, f_hat)}


FAMILY = Family(
    _score,
    (
        Metric(
            "kl",
            "KL divergence",
            "nats",
            "low",
            "Kullback-Leibler divergence of the truth from the estimate, which has 0.1% of uniform mass mixed in.",
        ),
        Metric("js", "Jensen-Shannon divergence", "nats", "low", "Jensen-Shannon divergence, between 0 and ln 2."),
    ),
)
