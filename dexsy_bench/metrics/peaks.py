"""Peaks of a distribution, and how well those of an estimate agree with the true ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dexsy_bench.metrics.base import Context, Family, Metric, Reading
from dexsy_bench.problem import Floats, Grid

LEAST_MASS = 0.01
"""Share of the mass that the basin of a peak holds at least."""

REACH = 0.15
"""Distance in decades of D within which two peaks can be the same."""


@dataclass(frozen=True, eq=False)
class Peaks:
    """The P peaks of one distribution, the one with most mass first.

    Attributes
    ----------
    index : (P, 2) of int
        Cell (i, j) of the maximum.
    log_d : (P, 2)
        Its log10 D1 and log10 D2.
    height : (P,)
        Value of f there.
    mass : (P,)
        Mass of its basin: all cells whose steepest ascent ends there.
    """

    index: NDArray[np.intp]
    log_d: Floats
    height: Floats
    mass: Floats

    def __len__(self) -> int:
        return len(self.mass)

    def strongest(self, count: int) -> Peaks:
        """The first count of them."""
        return Peaks(self.index[:count], self.log_d[:count], self.height[:count], self.mass[:count])


def find_peaks(f: Floats, grid: Grid, least_mass: float = LEAST_MASS) -> list[Peaks]:
    """Local maxima of the 8-neighbourhood that hold enough mass.

    Each cell steps to the highest of itself and its 8 neighbours until it cannot rise; the cells
    that arrive at one maximum are its basin, and the basins share out all mass. Of equal cells the
    one later in C order counts as higher, so a plateau has its maximum at its last cell.

    Parameters
    ----------
    f : (M, D1, D2)
        Distributions.
    grid : Grid
    least_mass : float
        Share of the mass of f that a basin holds at least.

    Returns
    -------
    list of M Peaks
    """
    summits = climb(f)
    count, cells = summits.shape
    masses = np.bincount(
        (summits + cells * np.arange(count)[:, None]).ravel(), np.ravel(f), minlength=count * cells
    ).reshape(count, cells)
    found = []
    for values, mass in zip(np.reshape(f, (count, cells)), masses, strict=True):
        summit = np.flatnonzero(mass >= least_mass * values.sum())
        summit = summit[mass[summit] > 0]
        summit = summit[np.argsort(-mass[summit], kind="stable")]
        index = np.stack(np.unravel_index(summit, grid.shape), axis=1)
        log_d = np.stack([grid.log_d1[index[:, 0]], grid.log_d2[index[:, 1]]], axis=1)
        found.append(Peaks(index, log_d, np.asarray(values[summit]), np.asarray(mass[summit])))
    return found


def climb(f: Floats) -> NDArray[np.intp]:
    """The cell in which steepest ascent from each cell ends, as flat indices, (M, D1 * D2)."""
    count, *shape = f.shape
    order = np.argsort(np.reshape(f, (count, -1)), axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(order.shape[1])[None], axis=1)
    rank = np.pad(rank.reshape(count, *shape), ((0, 0), (1, 1), (1, 1)), constant_values=-1)
    rank = np.maximum(np.maximum(rank[:, :-2], rank[:, 1:-1]), rank[:, 2:])
    rank = np.maximum(np.maximum(rank[:, :, :-2], rank[:, :, 1:-1]), rank[:, :, 2:])
    goal = np.take_along_axis(order, rank.reshape(count, -1), axis=1)
    while True:  # every pass doubles the length of the path taken
        further = np.take_along_axis(goal, goal, axis=1)
        if np.array_equal(further, goal):
            return goal
        goal = further


def match(truth: Peaks, estimate: Peaks, reach: float = REACH) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
    """Pair peaks one to one within reach: as many pairs as possible, and of these the closest.

    Returns
    -------
    in_truth, in_estimate : (P,) of int
        The pairs.
    distance : (P,)
        In decades.
    """
    from scipy.optimize import linear_sum_assignment

    distance = np.linalg.norm(truth.log_d[:, None] - estimate.log_d[None], axis=-1)
    # One pair out of reach costs more than all pairs within it, so as few as possible are taken.
    out_of_reach = reach * (1 + min(distance.shape))
    within = distance <= reach
    rows, columns = linear_sum_assignment(np.where(within, distance, out_of_reach))
    paired = within[rows, columns]
    rows, columns = rows[paired], columns[paired]
    return rows, columns, distance[rows, columns]


def compare(truth: Peaks, estimate: Peaks, count: int | None = None) -> tuple[float, float, float, float]:
    """Top-K accuracy, precision, position error and mass error of an estimate's peaks.

    Parameters
    ----------
    truth, estimate : Peaks
    count : int, optional
        Number of peaks that the truth nominally has: K is at most that.

    Returns
    -------
    tuple of float
        Matched / K (NaN where the truth has no peak); matched / peaks of the estimate (NaN where it
        has none); mean distance in decades and mean absolute difference in basin mass over the
        matched pairs (NaN where nothing matched).
    """
    k = len(truth) if count is None else min(count, len(truth))
    true_peaks, peaks = truth.strongest(k), estimate.strongest(k)
    rows, columns, distance = match(true_peaks, peaks)
    matched = len(rows)
    return (
        matched / k if k else np.nan,
        matched / len(estimate) if len(estimate) else np.nan,
        float(distance.mean()) if matched else np.nan,
        float(np.abs(true_peaks.mass[rows] - peaks.mass[columns]).mean()) if matched else np.nan,
    )


def _score(f: Floats, f_hat: Floats, context: Context) -> dict[str, Floats]:
    grid, centres = context.problem.grid, context.centres
    count = None if centres is None else centres.shape[1] ** 2
    truths, estimates = find_peaks(f, grid), find_peaks(f_hat, grid)
    pairs = zip(truths, estimates, strict=True)
    columns = np.array([compare(truth, estimate, count) for truth, estimate in pairs]).reshape(-1, 4).T
    return dict(zip((metric.name for metric in FAMILY.metrics), columns, strict=True)) | {
        "peaks_true": np.array([len(peaks) for peaks in truths], dtype=float),
        "peaks_found": np.array([len(peaks) for peaks in estimates], dtype=float),
    }


FAMILY = Family(
    _score,
    (
        Metric(
            "topk",
            "Peaks found",
            "",
            "high",
            "Share of the K strongest true peaks matched one to one, within 0.15 decades, by the K strongest found.",
        ),
        Metric(
            "topk_precision",
            "Peak precision",
            "",
            "high",
            "Share of all peaks of the estimate that are matched to a true one.",
        ),
        Metric(
            "topk_position",
            "Peak position error",
            "decades",
            "low",
            "Mean distance between matched peaks, in decades of D.",
        ),
        Metric(
            "topk_mass", "Peak mass error", "", "low", "Mean absolute difference in basin mass between matched peaks."
        ),
    ),
    (
        Reading("peaks_true", "True number of peaks", "Peaks of the truth that hold at least 1% of the mass."),
        Reading("peaks_found", "Number of peaks found", "Peaks of the estimate that hold at least 1% of the mass."),
    ),
)
