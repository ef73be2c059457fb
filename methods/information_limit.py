"""The limit that the data set: the posterior mean under the scenario's own generator and noise."""

from dataclasses import dataclass, replace

import numpy as np

from dexsy_bench.inference.model import FamilyModel
from dexsy_bench.inference.posterior import explore
from dexsy_bench.inference.sampler import Effort, systematic
from dexsy_bench.inference.surrogate import Likelihood
from dexsy_bench.method import Estimate, Method, normalised
from dexsy_bench.metrics.divergences import js
from dexsy_bench.seeds import from_data

RUNS = 2
LEAST_ESS = 200
LEAST_USED = 0.2
LARGEST_DISAGREEMENT = 0.003
LARGEST_GAP = 1.0
COORDINATES = 6
CHUNK = 256


def reason(diagnostics):
    """Why a case is refused."""
    return (
        f"not converged after {diagnostics['attempts']} attempts: two runs differ by js "
        f"{diagnostics['disagreement']:.2g} and {diagnostics['evidence_gap']:.2g} in log evidence, "
        f"effective sample size {diagnostics['ess']:.0f}"
    )


class InformationLimit(Method):
    """The posterior mean of f: no method has a lower expected KL divergence.

    It is told the generator and sigma, and returns E[f | S] with the generator as prior and the Rician likelihood of a
    signal that was divided by its own noisy S(0,0). Two independent runs of a waste-free sequential Monte Carlo sampler
    (Dau & Chopin, 2022) on a quadratic form of the likelihood are weighted to the likelihood as it is. A case on which
    they do not agree (js of their means above 0.003, log evidence more than 1 apart, or an effective sample size below
    200) is done again with twice the chains, up to `retries` times, and then refused. Several mixing times are used
    jointly.

    `particles`: points of the posterior that each run keeps; `samples`: how many of them are returned; `chains`: Markov
    chains a run with two compartments, more in proportion to the square of the number of parameters.
    """

    name = "information_limit"
    family = "reference"
    bound = "limit"
    told = frozenset({"sigma", "prior"})
    joint_mixing_times = True

    @dataclass(frozen=True)
    class Options:
        particles: int = 1024
        samples: int = 200
        chains: int = 256
        retries: int = 2

        def __post_init__(self):
            if self.chains < 32 or self.particles < self.chains:
                raise ValueError("chains must be at least 32, and particles at least chains")
            if self.samples < 1 or self.retries < 0:
                raise ValueError("samples must be at least 1, and retries at least 0")

    def supports(self, problem):
        if problem.prior is None:
            return "it needs the scenario that the signal was drawn from"
        if not problem.sigma:
            return "it needs the SD of the noise, and some noise"
        return None

    def prepare(self, problem):
        self.problem = problem
        self.model = FamilyModel(problem.prior.family, problem)
        self.likelihood = Likelihood(self.model, problem.sigma)

    def invert(self, signals):
        means, samples, diagnostics = zip(*(self._case(signal) for signal in signals), strict=True)
        columns = {name: np.array([each[name] for each in diagnostics]) for name in diagnostics[0]}
        refused = {i: reason(each) for i, each in enumerate(diagnostics) if not each["converged"]}
        return Estimate(np.array(means), np.array(samples), columns, refused)

    def _case(self, signal):
        """Mean (T, D1, D2), samples (T, P, D1, D2) and diagnostics of one signal (T, B1, B2)."""
        options, x = self.options, self.likelihood.data(signal)
        expansion = self.likelihood.expand(x, self.likelihood.guess(x))
        chains = int(options.chains * max(1, self.model.size / COORDINATES) ** 2)
        effort = Effort(chains=chains, components=2 * self.model.size)
        for attempt in range(options.retries + 1):
            rngs = [from_data(np.append(signal, [self.problem.sigma, attempt, run])) for run in range(RUNS)]
            runs = [explore(self.likelihood, x, expansion, effort, options.particles, rng) for rng in rngs]
            means = [self._mean(run) for run in runs]
            evidence = [run.log_evidence for run in runs]
            found = {
                "ess": sum(run.ess for run in runs),
                "disagreement": js(*means).max(),
                "evidence_gap": np.ptp(evidence),
                "weights_used": min(run.used for run in runs),
                "log_evidence": np.mean(evidence),
                "attempts": attempt + 1,
            }
            found["converged"] = (
                found["ess"] >= LEAST_ESS
                and found["disagreement"] <= LARGEST_DISAGREEMENT
                and found["evidence_gap"] <= LARGEST_GAP
                and found["weights_used"] >= LEAST_USED
            )
            if found["converged"]:
                break
            if found["weights_used"] < LEAST_USED:
                expansion, effort = None, replace(effort, chains=effort.chains // 4)
            else:
                effort = replace(effort, chains=2 * effort.chains)
        return normalised(np.mean(means, axis=0)), self._samples(runs, rngs[0]), found

    def _mean(self, run):
        """Posterior mean (T, D1, D2) of a run."""
        parts = [slice(start, start + CHUNK) for start in range(0, len(run.u), CHUNK)]
        return sum(np.tensordot(run.weights[part], self.model.distributions(run.u[part]), axes=1) for part in parts)

    def _samples(self, runs, rng):
        """Draws (T, P, D1, D2) from all runs alike."""
        u, weights = np.concatenate([run.u for run in runs]), np.concatenate([run.weights for run in runs])
        chosen = u[systematic(weights, self.options.samples, rng)]
        return np.swapaxes(self.model.distributions(chosen), 0, 1).astype(np.float32)
