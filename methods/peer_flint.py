"""FLINT in Python, as flintpy-nmr has it."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from dexsy_bench.numerics.peers import Peer


class PeerFlint(Peer):
    """The package flintpy-nmr (Serial): order-0 Tikhonov by accelerated projected gradients.

    Minimises ``||K1 f K2^T - S||^2 + alpha ||f||^2`` over f >= 0 (FLINT: Teal & Eccles, Inverse Problems 31, 045010,
    2015), and stops when 500 iterations change that by less than 1e-5 of it, which is its default and before the
    minimum. It has no rule for alpha: `alpha` is a number, or `tuned`. Both axes have to be log-spaced.
    """

    name = "peer_flint"
    package = "flintpy"
    project = "flintpy-nmr"
    search_space = {"alpha": tuple(np.geomspace(1e-2, 1e2, 13))}

    @dataclass(frozen=True)
    class Options:
        alpha: float | Literal["tuned"] = "tuned"

        def __post_init__(self):
            if isinstance(self.alpha, float) and not 0 < self.alpha < np.inf:
                raise ValueError("alpha must be positive")

    def supports(self, problem):
        for axis in (problem.grid.d1, problem.grid.d2):
            if not np.allclose(axis, np.geomspace(axis[0], axis[-1], axis.size), rtol=1e-9):
                return "flintpy-nmr makes its own axes, which are log-spaced"
        return super().supports(problem)

    def load(self):
        from flintpy.flintpy import Flint, FlintSignal

        self.flint, self.signal = Flint, FlintSignal
        # Its kernel is exp(-t / T).
        self.ranges = [
            (axis[0] ** -self.power, axis[-1] ** -self.power) for axis in (self.problem.grid.d1, self.problem.grid.d2)
        ]

    def solve(self, signal, sigma):
        data = self.signal.load_from_data(signal, self.problem.acquisition.b1, self.problem.acquisition.b2)
        flint = self.flint(data, self.problem.grid.shape, "T2T2", self.options.alpha, *self.ranges)
        flint.solve_flint()
        return flint.ss, {
            "alpha": self.options.alpha,
            "iterations": float(np.flatnonzero(np.isfinite(flint.resida))[-1]),
        }
