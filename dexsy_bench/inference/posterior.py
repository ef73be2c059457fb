"""One run over the posterior of a case: sampled with the expanded likelihood, weighted to the likelihood as it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from dexsy_bench.inference.sampler import Effort, draw
from dexsy_bench.inference.surrogate import Expansion, Likelihood
from dexsy_bench.problem import Floats


@dataclass(frozen=True, eq=False)
class Run:
    """Weighted points of the posterior.

    Attributes
    ----------
    u : (N, size)
        Points of the unit cube.
    weights : (N,)
        Of sum 1.
    used : float
        Effective share of the points, 1 where all weights are the same.
    ess : float
        Effective number of independent points: that of the chains times the share.
    log_evidence : float
        Log density of the signal under scenario and noise.
    """

    u: Floats
    weights: Floats
    used: float
    ess: float
    log_evidence: float


def explore(
    likelihood: Likelihood,
    x: list[Floats],
    expansion: Expansion | None,
    effort: Effort,
    keep: int,
    rng: np.random.Generator,
) -> Run:
    """One run of the sampler.

    Parameters
    ----------
    likelihood : Likelihood
    x : T arrays
        The signal, as :meth:`Likelihood.data` returns it.
    expansion : Expansion or None
        Of the likelihood; None: the likelihood itself is sampled, amplitudes and all, some thirty times as slowly.
    effort : Effort
    keep : int
        Points wanted, about.
    rng : Generator
    """
    size = likelihood.model.size
    if expansion is None:
        sample = draw(lambda z: likelihood.plain(x, z), size + len(x), rng, effort, keep)
        u = ndtr(sample.z[:, :size])
        logs = likelihood.plain(x, sample.z, compressed=False) - likelihood.plain(x, sample.z)
    else:
        sample = draw(lambda z: expansion(likelihood.coefficients(ndtr(z))), size, rng, effort, keep)
        u = ndtr(sample.z)
        logs = likelihood.correction(x, expansion, u, rng)
    weights = np.exp(logs - logs.max())
    evidence = sample.log_evidence + logs.max() + np.log(weights.mean())
    weights /= weights.sum()
    used = float(1 / (weights @ weights) / len(weights))
    return Run(u, weights, used, sample.ess * used, float(evidence))
