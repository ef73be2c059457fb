"""The floor of the leaderboard: an estimate that never looks at the signal."""

from dataclasses import dataclass

import numpy as np

from dexsy_bench.method import Estimate, Method


class PriorMean(Method):
    """The mean distribution of the scenario, whatever the signal.

    It is told the generator and averages `draws` distributions from the training stream. A method
    that scores below it extracts less from the signal than it destroys.
    """

    name = "prior_mean"
    family = "reference"
    bound = "floor"
    told = frozenset({"prior"})

    @dataclass(frozen=True)
    class Options:
        draws: int = 4096

    def supports(self, problem):
        return None if problem.prior is not None else "it needs the scenario that the signal was drawn from"

    def prepare(self, problem):
        mean = problem.prior.draw_distributions(self.options.draws).mean(axis=(0, 1))
        self.mean = mean / mean.sum()

    def invert(self, signals):
        return Estimate(np.repeat(self.mean[None], len(signals), axis=0))
