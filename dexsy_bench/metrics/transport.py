"""Optimal transport between the positive and the negative part of a signed measure on a grid.

POT's network simplex solves it; its time grows with the number of arcs, nearly all of which no
optimal plan uses. So a coarser problem, solved first, says which arcs may matter, and the dual
potentials of the plan on those arcs prove how far it can be from the optimum on all of them.
"""

from __future__ import annotations

import importlib
import os
import sys
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dexsy_bench.problem import Floats

DENSE = 20_000
"""Arcs below which all of them are handed to the solver."""


class Plan(NamedTuple):
    """A transport plan and the potentials that certify it.

    Attributes
    ----------
    cost : float
    sources : (S, 2)
        Positions of the positive masses.
    flow : (S, K) of bool
        Arcs in use, to each of the K negative masses.
    potentials : (S,)
        Of the sources.
    """

    cost: float
    sources: Floats
    flow: NDArray[np.bool_]
    potentials: Floats


def transport(masses: Floats, cells: NDArray[np.intp], where: Floats, slack: float) -> Plan:
    """Move the positive masses onto the negative ones at least cost.

    Parameters
    ----------
    masses : (Q,)
        Of both signs, summing to 0 up to rounding.
    cells : (Q, 2) of int
        Their cells in the grid, which tell neighbours.
    where : (Q, 2)
        Their positions; the cost of an arc is the Euclidean distance.
    slack : float
        The plan may cost that much more than the optimum.

    Raises
    ------
    RuntimeError
        If the network simplex stops short of the optimum.
    """
    from scipy.sparse import coo_array
    from scipy.spatial.distance import cdist

    source, sink = np.flatnonzero(masses > 0), np.flatnonzero(masses < 0)
    supply, demand = masses[source], -masses[sink]
    demand *= supply.sum() / demand.sum()
    cost = cdist(where[source], where[sink])
    arcs = _promising_arcs(masses, cells, where, cost) if cost.size > DENSE else None
    while arcs is not None:
        i, j = np.nonzero(arcs)
        flow, log = _solve(supply, demand, coo_array((cost[i, j], (i, j)), shape=cost.shape))
        if log["warning"] is not None:
            break
        # Lowering v to the least of cost - u makes (u, v) feasible on all arcs: a bound from below.
        reduced = cost - log["u"][:, None]
        if log["cost"] - (log["u"] @ supply + reduced.min(axis=0) @ demand) <= max(slack, 1e-12):
            used = np.zeros(cost.shape, dtype=bool)
            used[flow.row, flow.col] = True
            return Plan(log["cost"], where[source], used, log["u"])
        arcs |= reduced < log["v"]
    flow, log = _solve(supply, demand, cost)
    if log["warning"] is not None:
        raise RuntimeError(f"optimal transport was not solved: {log['warning']}")
    return Plan(log["cost"], where[source], flow > 0, log["u"])


def _promising_arcs(masses: Floats, cells: NDArray[np.intp], where: Floats, cost: Floats) -> NDArray[np.bool_] | None:
    """Arcs (S, K) that hold some plan, and those that the potentials of a coarser problem favour.

    The coarser problem joins blocks of 2 x 2 cells. Within blocks, and along the arcs between
    blocks that its plan uses, all mass can be moved. None where every block cancels out.
    """
    from scipy.spatial.distance import cdist

    coarse, block = np.unique(cells // 2, axis=0, return_inverse=True)
    count = np.bincount(block)
    balance = np.asarray(np.bincount(block, masses), dtype=np.float64)
    positive, negative = balance > 0, balance < 0
    if not (positive.any() and negative.any()):
        return None
    centre = np.stack([np.bincount(block, axis) / count for axis in where.T], axis=1)
    plan = transport(balance, coarse, centre, slack=0.01 * float(cost.min()))

    source, sink = masses > 0, masses < 0
    joined = np.eye(len(count), dtype=bool)
    joined[np.ix_(positive, negative)] |= plan.flow
    v = (cdist(where[sink], plan.sources) - plan.potentials).min(axis=1)
    reduced = cost - v
    near = reduced <= reduced.min(axis=1, keepdims=True) + float(cost.min()) / 2
    return np.asarray(near | joined[np.ix_(block[source], block[sink])])


def _solve(supply: Floats, demand: Floats, cost: Any) -> tuple[Any, dict[str, Any]]:
    """Plan and log of POT's solver for dense or sparse costs; ``log["warning"]`` is None if it is optimal."""
    options = {"numItermax": 10**9, "log": True, "center_dual": False, "check_marginals": False}
    solution: tuple[Any, dict[str, Any]] = _pot().emd(supply, demand, cost, **options)
    return solution


def _pot() -> ModuleType:
    """POT, kept from importing the array libraries it can work with: torch alone takes seconds."""
    if "ot" not in sys.modules:
        switches = [f"POT_BACKEND_DISABLE_{name}" for name in ("PYTORCH", "JAX", "CUPY", "TENSORFLOW")]
        ours = [switch for switch in switches if switch not in os.environ]
        os.environ.update(dict.fromkeys(ours, "1"))
        try:
            importlib.import_module("ot")
        finally:
            for switch in ours:
                del os.environ[switch]
    return sys.modules["ot"]
