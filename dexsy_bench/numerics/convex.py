"""Penalised fits written as convex programs: a penalty is one cvxpy expression, and cvxpy does the rest."""

from __future__ import annotations

import contextlib
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
"""Components below this share of the largest are left out: they reach the noise at an SNR of about 1000."""

SETTINGS: dict[str, tuple[dict[str, float], ...]] = {"CLARABEL": ({}, {"max_step_fraction": 0.95})}
"""Tried in turn: an interior-point solver that stalls, as one in a hundred entropy fits does, needs shorter steps."""


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
        """The penalty, a convex cvxpy expression of the distribution f (D1, D2)."""

    def variable(self, shape: tuple[int, int]) -> tuple[Any, Any]:
        """The unknown, scaled to be of order 1 as solvers want it, and the distribution f it stands for."""
        import cvxpy as cp

        x = cp.Variable(shape, nonneg=True)
        return x, x / np.sqrt(x.size)

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
        self.x, self.f = self.variable(problem.grid.shape)
        # The objective is best divided evenly between its two terms, which differ by the weight.
        self.scale = np.sqrt(self.options.weight)
        self.data = cp.Parameter(self.compression.size)
        fit = self.compression.matrix() @ cp.vec(self.f, order="C") / np.sqrt(self.scale) - self.data
        self.program = cp.Problem(cp.Minimize(0.5 * cp.sum_squares(fit) + self.scale * self.penalty(self.f)))

    def invert(self, signals: NDArray[Any]) -> Estimate:
        """One program a case; see :class:`~dexsy_bench.method.Method`."""
        y, outside = self.compression.project(signals)
        solved = [self._solve(row) for row in y]
        columns = {name: np.array([case[name] for _, case in solved]) for name in solved[0][1]}
        columns["objective"] = columns["objective"] + 0.5 * outside
        return Estimate(normalised(np.stack([f for f, _ in solved])), diagnostics=columns)

    def _solve(self, y: NDArray[Any]) -> tuple[NDArray[Any], dict[str, float]]:
        self.data.value = y / np.sqrt(self.scale)
        for settings in SETTINGS.get(self.options.solver, ({},)):
            kkt = self._attempt(settings)
            if self.x.value is not None:
                break
        else:
            raise RuntimeError(f"{self.options.solver} found no solution: {self.program.status}")
        self.x.value = np.maximum(self.x.value, 0.0)
        return self.f.value, {
            "objective": float(self.program.objective.value * self.scale),
            "kkt": kkt,
            "iterations": float(self.program.solver_stats.num_iters or np.nan),
            "converged": float(self.program.status == "optimal"),
        }

    def _attempt(self, settings: dict[str, float]) -> float:
        """Solve, and return the largest of the relative residuals and gap where the solver tells them."""
        import cvxpy as cp

        self.x.value = None
        data, chain, inverse = self.program.get_problem_data(self.options.solver, solver_opts=settings)
        # A warm start would make a solution depend on the case before it.
        solution = chain.solve_via_data(self.program, data, warm_start=False, verbose=False, solver_opts=settings)
        with warnings.catch_warnings(), contextlib.suppress(cp.SolverError):
            # An inaccurate solution is reported in `converged`.
            warnings.filterwarnings("ignore", message=".*may be inaccurate.*")
            self.program.unpack_results(solution, chain, inverse)
        if not hasattr(solution, "obj_val_dual"):
            return np.nan
        gap = abs(solution.obj_val - solution.obj_val_dual) / max(1.0, abs(solution.obj_val))
        return float(max(solution.r_prim, solution.r_dual, gap))
