"""What adapters to other people's packages share: whether one is installed, its axes, and quiet."""

from __future__ import annotations

import os
import sys
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dexsy_bench.method import Estimate, Method, normalised
from dexsy_bench.numerics.compression import has_spare_data, noise_sd
from dexsy_bench.problem import Floats, Problem

POWERS = {"diffusion": 1, "relaxation": -1}
"""Kernels as ``exp(-encoding * value**power)``."""


class Peer(Method):
    """Runs another package, one case after another, with the settings that its documentation recommends.

    Negative values are cut off, and what is left is scaled to mass 1.
    """

    family = "peer"

    package: ClassVar[str]
    """As it is imported."""

    project: ClassVar[str]
    """As it is installed."""

    needs_sigma: ClassVar[bool] = False
    """Whether it wants to know the noise: it is given an estimate from the signal alone."""

    def supports(self, problem: Problem) -> str | None:
        """Declines where the package is missing, and what it cannot be told."""
        if find_spec(self.package) is None:
            return f"{self.project} is not installed: pip install 'dexsy-bench[peers]'"
        if problem.mask() is not None:
            return f"{self.project} takes signals that were sampled everywhere"
        if problem.kernel.name not in POWERS:
            return f"{self.project} is not told the kernel {problem.kernel.name}"
        if self.needs_sigma and not has_spare_data(problem):
            return "it needs more data than the kernel has singular values, to estimate the noise"
        return None

    def prepare(self, problem: Problem) -> None:
        """Import the package."""
        self.problem = problem
        self.power = POWERS[problem.kernel.name]
        with quiet():
            self.load()

    def invert(self, signals: NDArray[Any]) -> Estimate:
        """Case by case; see :class:`~dexsy_bench.method.Method`."""
        sigma = noise_sd(self.problem, signals) if self.needs_sigma else np.full(len(signals), np.nan)
        with quiet():
            solved = [self.solve(*case) for case in zip(signals, sigma, strict=True)]
        f = np.array([case for case, _ in solved], dtype=np.float64)
        positive = np.maximum(f, 0.0)
        total = np.abs(f).sum(axis=(1, 2))
        columns = {name: np.array([column[name] for _, column in solved]) for name in solved[0][1]}
        columns["cut_off"] = (positive - f).sum(axis=(1, 2)) / np.where(total > 0, total, 1.0)
        if self.needs_sigma:
            columns["sigma"] = sigma
        return Estimate(normalised(positive), diagnostics=columns)

    @abstractmethod
    def load(self) -> None:
        """Import the package, and prepare what does not depend on the signal."""

    @abstractmethod
    def solve(self, signal: Floats, sigma: float) -> tuple[Any, dict[str, float]]:
        """f (D1, D2) of one signal (B1, B2), of any scale, and diagnostics."""


@contextmanager
def quiet() -> Iterator[None]:
    """Drop what is printed meanwhile, by compiled code too."""
    # gfortran would keep it in a buffer, and print it at the end.
    os.environ.setdefault("GFORTRAN_UNBUFFERED_PRECONNECTED", "y")
    sys.stdout.flush()
    stdout = os.dup(1)
    try:
        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
            os.dup2(nowhere.fileno(), 1)
            yield
    finally:
        os.dup2(stdout, 1)
        os.close(stdout)
