"""Samples of a posterior with a standard normal prior: annealed sequential Monte Carlo that wastes no state of a chain.

The target runs from the prior to the posterior, ``prior x likelihood^beta``, beta from 0 to 1 in steps that leave half
of the points effective. At each, points are weighted and resampled to the starts of a number of Markov chains, and all
states that these pass through are the points of the next (waste-free SMC: Dau & Chopin, J. R. Stat. Soc. B 84, 114,
2022). Chains alternate between proposals from a mixture of Gaussians fitted to the points, and steps with the
covariance of one of its components: both follow a ridge round its bends. A uniform prior becomes normal by u = Phi(z),
and loses its walls.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dexsy_bench.inference.mixture import Mixture
from dexsy_bench.problem import Floats

LogLikelihood = Callable[[Floats], Floats]

EFFECTIVE = 0.5
"""Share of the points that a step of beta leaves effective."""

BLOCK = 10
"""Moves between two looks at how far the chains have come."""

ACCEPTED = 0.25
"""Share of steps accepted that their length is adapted to."""


@dataclass(frozen=True, eq=False)
class Sample:
    """What one run found.

    Attributes
    ----------
    z : (N, d)
        Equally weighted points.
    ess : float
        Effective number of independent points among them, for the coordinate that mixes worst.
    log_evidence : float
    stages : int
        Values of beta.
    """

    z: Floats
    ess: float
    log_evidence: float
    stages: int


@dataclass(frozen=True)
class Effort:
    """How much work a run does.

    Attributes
    ----------
    chains : int
        Markov chains.
    components : int
        Of the mixture.
    renewals, most : float, int
        At each beta but the last the chains move on until they have forgotten their starts so many times, or moved so
        many times.
    last_renewals, last_most : float, int
        The same at beta = 1.
    """

    chains: int = 256
    components: int = 12
    renewals: float = 3.0
    most: int = 40
    last_renewals: float = 6.0
    last_most: int = 200


def draw(log_likelihood: LogLikelihood, size: int, rng: np.random.Generator, effort: Effort, keep: int) -> Sample:
    """Points of the posterior.

    Parameters
    ----------
    log_likelihood : callable
        Points (N, d) to finite values (N,).
    size : int
        d.
    rng : Generator
    effort : Effort
    keep : int
        Points wanted; their number is a multiple of the number of chains, at least one each.

    Raises
    ------
    ValueError
        If the log likelihood is not finite.
    """
    z = rng.standard_normal((effort.chains * effort.most, size))
    values = log_likelihood(z)
    if not np.isfinite(values).all():
        raise ValueError("the log likelihood is not finite everywhere")
    chains = Chains(log_likelihood, rng)
    beta, log_evidence, stages = 0.0, 0.0, 0
    while beta < 1:
        step = _next_step(values, 1 - beta)
        weights = np.exp(step * (values - values.max()))
        log_evidence += np.log(weights.mean()) + step * values.max()
        beta, stages = (1.0 if step == 1 - beta else beta + step), stages + 1
        last = beta == 1
        mixture = Mixture(z[systematic(weights, len(z) // 4, rng)], effort.components, rng)
        starts = systematic(weights, effort.chains, rng)
        renewals, most = (effort.last_renewals, effort.last_most) if last else (effort.renewals, effort.most)
        states, passed = chains.run(z[starts], values[starts], beta, mixture, renewals, most, adapt=not last)
        z, values = states.reshape(-1, size), passed.reshape(-1)
    kept = states[:: -max(1, len(states) * effort.chains // max(keep, effort.chains))]
    return Sample(kept.reshape(-1, size), effort.chains * renewed(kept), float(log_evidence), stages)


class Chains:
    """Markov chains that leave ``normal(z) x likelihood^beta`` as it is."""

    def __init__(self, log_likelihood: LogLikelihood, rng: np.random.Generator) -> None:
        self._log_likelihood, self._rng = log_likelihood, rng
        self._length = 1.0

    def run(
        self, z: Floats, values: Floats, beta: float, mixture: Mixture, renewals: float, most: int, adapt: bool
    ) -> tuple[Floats, Floats]:
        """States (moves, N, d) after each move from z (N, d), and their log likelihoods (moves, N)."""
        states, passed = [], []
        while True:
            for _ in range(BLOCK // 2):
                for move in (self._anywhere, self._nearby):
                    z, values = move(z, values, beta, mixture, adapt)
                    states.append(z)
                    passed.append(values)
            if len(states) + BLOCK > most or renewed(np.array(states)) >= renewals:
                return np.array(states), np.array(passed)

    def _anywhere(self, z: Floats, values: Floats, beta: float, mixture: Mixture, _: bool) -> tuple[Floats, Floats]:
        proposed = mixture.draw(len(z), self._rng)
        correction = mixture.log_density(z) - mixture.log_density(proposed)
        return self._accepted(z, values, beta, proposed, correction)[:2]

    def _nearby(self, z: Floats, values: Floats, beta: float, mixture: Mixture, adapt: bool) -> tuple[Floats, Floats]:
        spread = np.exp(0.3 * self._rng.standard_normal((len(z), 1)))
        scale = 2.4 / np.sqrt(z.shape[1]) * self._length * spread
        proposed, correction = mixture.step(z, scale, self._rng)
        z, values, accepted = self._accepted(z, values, beta, proposed, correction)
        if adapt:
            self._length *= np.exp(accepted - ACCEPTED)
        return z, values

    def _accepted(
        self, z: Floats, values: Floats, beta: float, proposed: Floats, correction: Floats
    ) -> tuple[Floats, Floats, float]:
        """Metropolis and Hastings."""
        there = self._log_likelihood(proposed)
        gain = beta * (there - values) - 0.5 * ((proposed**2).sum(axis=1) - (z**2).sum(axis=1)) + correction
        accepted = np.log(self._rng.random(len(z))) < gain
        return np.where(accepted[:, None], proposed, z), np.where(accepted, there, values), float(accepted.mean())


def renewed(states: Floats) -> float:
    """How many times chains (moves, N, d) have forgotten where they were, for the worst coordinate.

    The number of moves over the autocorrelation time, which is read off the variance between the means of chains.
    """
    between = states.mean(axis=0).var(axis=0, ddof=1)
    within = states.var(axis=(0, 1))
    return float((within / np.maximum(between, 1e-300)).min())


def _next_step(values: Floats, left: float) -> float:
    """The step of beta, at most what is left, after which the effective share of the points is `EFFECTIVE`."""
    above = values - values.max()

    def effective(step: float) -> float:
        weights = np.exp(step * above)
        return float(weights.sum() ** 2 / (weights @ weights) / len(weights))

    if effective(left) >= EFFECTIVE:
        return left
    low, high = 0.0, left
    while high - low > 1e-6 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if effective(middle) > EFFECTIVE else (low, middle)
    return high


def systematic(weights: Floats, n: int, rng: np.random.Generator) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Indices of n points, each in proportion to its weight: systematic resampling."""
    positions = (rng.random() + np.arange(n)) / n
    cumulative = np.cumsum(weights)
    return np.minimum(np.searchsorted(cumulative / cumulative[-1], positions), len(weights) - 1)
