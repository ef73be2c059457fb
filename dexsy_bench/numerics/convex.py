"""Penalised fits written as convex programs: a penalty is one cvxpy expression, and cvxpy does the rest."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dexsy_bench.method import Estimate, Method, normalised
from dexsy_bench.numerics.compression import Compression
from dexsy_bench.problem import Problem

COMPRESSION_RTOL = 1e-4
"""Components below this share of the largest lie under the noise up to an SNR of about 1000."""


class ConvexFit(Method):
    """Minimises ``1/2 ||K1 f K2^T - S||^2 + weight * penalty(f)`` over f >= 0 with cvxpy.

    Data and weight are DPP parameters: the program is compiled once, for all signals of a problem.
    """

    search_space = {"weight": tuple(np.geomspace(1e-6, 1e1, 22))}

    @dataclass(frozen=True)
    class Options:
        """`weight` of the penalty, or ``tuned``; `solver` is any that cvxpy finds installed."""

        weight: float | Literal["tuned"] = "tuned"
        solver: str = "CLARABEL"

        def __post_init__(self) -> None:
            if isinstance(self.weight, float) and not 0 < self.weight < np.inf:
                raise ValueError("weight must be positive")

    @abstractmethod
    def penalty(self, f: Any) -> Any:
        """The penalty, a convex cvxpy expression of the variable f (D1, D2)."""

    def supports(self, problem: Problem) -> str | None:
        """Declines when cvxpy does not know the solver."""
        import cvxpy as cp

        if self.options.solver not in cp.installed_solvers():
            return f"cvxpy has no solver {self.options.solver}; installed: {', '.join(cp.installed_solvers())}"
        return None

    def prepare(self, problem: Problem) -> None:
        """State the program."""
        import cvxpy as cp

        self.compression = Compression(problem, COMPRESSION_RTOL)
        # Interior-point solvers want variables, and an objective, of order 1.
        x = cp.Variable(problem.grid.shape, nonneg=True)
        self.f = x / np.sqrt(x.size)
        self.scale = np.sqrt(self.options.weight)
        self.data = cp.Parameter(self.compression.size)
        fit = (self.compression.matrix() / self.scale / np.sqrt(x.size)) @ cp.vec(x, order="C") - self.data
        self.program = cp.Problem(cp.Minimize(0.5 * cp.sum_squares(fit) + self.penalty(self.f)))

    def invert(self, signals: NDArray[Any]) -> Estimate:
        """One program a case; see :class:`~dexsy_bench.method.Method`."""
        y, outside = self.compression.project(signals)
        solved = [self._solve(row) for row in y]
        columns = {name: np.array([case[name] for _, case in solved]) for name in solved[0][1]}
        columns["objective"] = columns["objective"] + 0.5 * outside
        return Estimate(normalised(np.stack([f for f, _ in solved])), diagnostics=columns)

    def _solve(self, y: NDArray[Any]) -> tuple[NDArray[Any], dict[str, float]]:
        self.data.value = y / self.scale
        with warnings.catch_warnings():
            # An inaccurate solution is reported in `converged`.
            warnings.filterwarnings("ignore", message=".*may be inaccurate.*")
            # A warm start would make a solution depend on the case before it.
            self.program.solve(solver=self.options.solver, warm_start=False)
        if self.f.value is None:
            raise RuntimeError(f"{self.options.solver} found no solution: {self.program.status}")
        return np.maximum(self.f.value, 0.0), {
            "objective": float(self.program.value * self.scale**2),
            "iterations": float(self.program.solver_stats.num_iters or np.nan),
            "converged": float(self.program.status == "optimal"),
        }
