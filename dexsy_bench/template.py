"""TEMPLATE: an inversion for dexsy-bench, complete as it stands; make it your own, then

dexsy-bench check template.py
dexsy-bench run quick -m template -m tikhonov --include template.py
"""

from dataclasses import dataclass

import numpy as np

from dexsy_bench.method import Estimate, Method, normalised
from dexsy_bench.problem import Problem


class Template(Method):
    """Richardson-Lucy: multiplicative updates that maximise the likelihood of counts, stopped early.

    This text is shown to users: say what is minimised, the source (Richardson, J. Opt. Soc. Am. 62,
    55, 1972; Lucy, Astron. J. 79, 745, 1974) and what the options mean. `iterations`: more of them
    resolve more and amplify more noise.

    The contract:

    - `supports(problem)` returns None, or the reason why it declines: no mask, another kernel, ...
    - `prepare(problem)` is called once a problem, before any signal is seen, and is timed apart.
      `problem.k1` (B1, D1) and `problem.k2` (B2, D2) are the kernels of ``S = K1 f K2^T``;
      `problem.mask()` (B1, B2) is True where the signal was measured, or None if everywhere;
      `problem.grid`, `problem.acquisition` and `problem.kernel` hold the axes, units in their docs.
    - `invert(signals)` takes (N, B1, B2) float64 with S(0,0) = 1, and 0 where not measured; it returns
      N distributions (N, D1, D2): finite, none negative, each summing to 1. The same signal gives the
      same result, bit for bit when asked twice, to 1e-6 in another batch; signals stay unchanged; and
      random numbers come from a generator of your own with a fixed seed, never from a global one.
    - `diagnostics` are optional, one number a case: `iterations`, `converged`, `objective`, ...
    """

    name = "template"  # also the name of this file
    family = "classical"  # or "learned"
    told = frozenset()  # {"sigma"} to find the noise SD in problem.sigma; the table will say so
    variants = ("",)  # options of the rows it takes by default, such as ("", "iterations=1000")

    @dataclass(frozen=True)
    class Options:
        """Each with its default; users set them as template[iterations=1000]."""

        iterations: int = 300

    def supports(self, problem: Problem) -> str | None:
        """None, or the reason why it declines."""
        return None if self.options.iterations > 0 else "it needs at least one iteration"

    def prepare(self, problem: Problem) -> None:
        """Everything that does not need the signal."""
        self.k1, self.k2 = problem.k1, problem.k2
        mask = problem.mask()
        self.measured = np.ones((len(self.k1), len(self.k2))) if mask is None else mask.astype(float)
        self.sensitivity = self.k1.T @ self.measured @ self.k2

    def invert(self, signals: np.ndarray) -> Estimate:
        """Distributions of a batch."""
        signals = np.maximum(signals, 0.0) * self.measured
        f = np.full((len(signals), *self.sensitivity.shape), 1.0 / self.sensitivity.size)
        for _ in range(self.options.iterations):
            predicted = self.k1 @ f @ self.k2.T
            ratio = signals / np.maximum(predicted, 1e-12)
            f *= (self.k1.T @ ratio @ self.k2) / self.sensitivity
        return Estimate(normalised(f), diagnostics={"iterations": np.full(len(f), self.options.iterations)})
