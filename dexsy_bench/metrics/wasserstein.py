"""Exact Wasserstein-1 distance, made fast by leaving out what provably does not matter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dexsy_bench.metrics.base import Context, Family, Metric
from dexsy_bench.metrics.transport import transport
from dexsy_bench.problem import Floats, Grid

TOLERANCE = 1e-5
"""Decades by which a distance may differ from the exact one, at most."""


def wasserstein(f: Floats, f_hat: Floats, grid: Grid, tolerance: float = TOLERANCE) -> Floats:
    """Wasserstein-1 distance with Euclidean ground distance in decades of D.

    By Kantorovich-Rubinstein duality W1 depends on f - f_hat alone, so common mass cancels: what
    remains is to move the surplus of f to that of f_hat. One half of the tolerance goes into
    thinning the difference out (:func:`prune`), the other into the plan that moves it.

    Parameters
    ----------
    f, f_hat : (M, D1, D2)
        Each summing to 1.
    grid : Grid
        Any spacing.
    tolerance : float
        Largest error allowed, in decades; 0 asks for the exact distance.

    Returns
    -------
    (M,)

    Raises
    ------
    RuntimeError
        If the network simplex stops short of the optimum.
    """
    cells = np.moveaxis(np.indices(grid.shape), 0, -1).reshape(-1, 2)
    where = np.stack(np.meshgrid(grid.log_d1, grid.log_d2, indexing="ij"), axis=-1).reshape(-1, 2)

    def distance(difference: Floats) -> float:
        kept, masses, _ = prune(difference, where, tolerance / 2)
        if masses.max(initial=0.0) <= 0 or masses.min(initial=0.0) >= 0:
            return 0.0
        return transport(masses, cells[kept], where[kept], tolerance / 2).cost

    return np.array([distance(d) for d in (f - f_hat).reshape(len(f), -1)])


def prune(masses: Floats, where: Floats, tolerance: float) -> tuple[NDArray[np.intp], Floats, float]:
    """Gather the smallest of signed masses into their nearest kept neighbours.

    By the triangle inequality, the cost of balancing the masses changes by the sum of
    |mass| x distance moved at most. The fewest masses are kept, largest first, for which that
    sum is within the tolerance.

    Parameters
    ----------
    masses : (P,)
        Of either sign, summing to 0.
    where : (P, 2)
        Their positions.
    tolerance : float

    Returns
    -------
    kept : (Q,) of int
        Which are kept.
    masses : (Q,)
        What they hold then.
    bound : float
        The sum.
    """
    from scipy.spatial import KDTree

    size = np.abs(masses)
    order = np.argsort(-size)[: np.count_nonzero(size)]

    def gather(count: int) -> tuple[NDArray[np.intp], float]:
        """Where the others go if that many are kept, and the sum."""
        distance, nearest = KDTree(where[order[:count]]).query(where[order[count:]])
        return np.asarray(nearest), float(size[order[count:]] @ distance)

    # Bisect between too few and enough, down to 2%.
    few, enough = 0, len(order)
    nearest, bound = np.empty(0, np.intp), 0.0
    while enough - few > 1 + enough // 50:
        count = (few + enough) // 2
        goal, total = gather(count)
        if total <= tolerance:
            enough, nearest, bound = count, goal, total
        else:
            few = count
    kept = order[:enough]
    return kept, masses[kept] + np.bincount(nearest, masses[order[enough:]], enough), bound


def _score(f: Floats, f_hat: Floats, context: Context) -> dict[str, Floats]:
    return {"w1": wasserstein(f, f_hat, context.problem.grid)}


FAMILY = Family(
    _score,
    (
        Metric(
            "w1",
            "Wasserstein-1 distance",
            "decades",
            "low",
            "Least mean distance, in decades of D, by which mass must move to turn the estimate into the truth.",
        ),
    ),
)
