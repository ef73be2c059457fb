"""Whether stated uncertainty is right: nominal against empirical coverage of methods with posterior samples."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, PercentFormatter
from numpy.typing import ArrayLike
from scipy.stats import binom

from dexsy_bench.metrics import METRICS
from dexsy_bench.metrics.calibration import WIDEST
from dexsy_bench.plots.columns import with_values
from dexsy_bench.plots.look import PAPER, Look, pt, styled
from dexsy_bench.plots.selection import only
from dexsy_bench.plots.style import Mark, footer, handle, marks, order, panels, scenarios_text, snr_text
from dexsy_bench.problem import Floats
from dexsy_bench.statistics import LEVEL

CURVE = ("coverage_50", "coverage_80", "coverage_95")
SINGLE = {"coverage_fractions": "fractions of compartments", "coverage_positions": "positions of compartments"}
WHY = "coverage is defined for methods that return posterior samples, where the compartments are known"
BAND = "#E3E3E3"


def binomial_band(nominal: ArrayLike, n: int, level: float = LEVEL) -> tuple[Floats, Floats]:
    """Where the share of n cases that lie in intervals of the nominal coverage falls with that probability, if right.

    Central binomial quantiles; the share of a method with perfect calibration is in the band at least that often.
    """
    p = np.asarray(nominal, dtype=float)
    low, high = (binom.ppf(tail, n, p) / n for tail in ((1 - level) / 2, (1 + level) / 2))
    return np.asarray(low), np.asarray(high)


def calibration(
    rows: pd.DataFrame,
    metric: str = "js",
    of: dict[str, Mark] | None = None,
    look: Look = PAPER,
    shown: Collection[str] | None = None,
) -> Figure:
    """Empirical coverage of the exchanged fraction at 50, 80 and 95 %, and of fractions and positions at 95 %.

    Parameters
    ----------
    rows : DataFrame
        Rows of one scenario.
    metric : str
        Has no part in this figure.
    of : dict, optional
        Marks by label; derived from the rows if not given.
    look : Look
        Type and width.
    shown : collection of str, optional
        Labels; all that have samples if not given.

    Returns
    -------
    Figure
        A panel of nominal against empirical coverage for each SNR, then one of coverage against SNR for each
        quantity of the compartments. Grey: where the coverage of n cases falls in 95 % of runs of a method that is
        calibrated. n is that of the method with the fewest; compartments of a case count as one.

    Raises
    ------
    PlotError
        If no row has a coverage.
    """
    rows = only(rows, shown)
    of = of or marks(rows)
    known = with_values(rows, CURVE, WHY)
    labels = order(known["label"].unique(), of)
    single = [name for name in SINGLE if name in known and known[name].notna().any()]
    parts = [(level, part.groupby("label")) for level, part in known.groupby("snr", dropna=False)]
    levels: list[Any] = [level for level, _ in parts]
    means = [part[[*CURVE, *single]].mean().reindex(labels) for _, part in parts]
    n = min(int(part.size().min()) for _, part in parts)
    with styled(look):
        figure, grid = panels(len(levels) + len(single), look, ratio=0.9, least=14, shared=False)
        for axes, level, mean in zip(grid, levels, means, strict=False):
            _curve(axes, mean, of, n)
            axes.set_title(f"exchanged fraction\n{snr_text(level)}")
        for axes, name in zip(grid[len(levels) :], single, strict=True):
            _against_snr(axes, levels, [mean[name] for mean in means], of, n)
            axes.set_title(f"{SINGLE[name]}\n{WIDEST:.0%} intervals")
        across = grid[0].get_gridspec().ncols  # type: ignore[union-attr]
        for axes in grid[::across]:
            axes.set_ylabel("empirical coverage")
        handles = [
            *(handle(label, of[label], line=True) for label in labels),
            Line2D([], [], color="#8C8C8C", linewidth=pt(0.9), label="calibrated"),
            Patch(color=BAND, label=f"{LEVEL:.0%} of calibrated methods"),
        ]
        footer(figure, look, f"above the line: intervals too wide, below: too narrow; n = {n} cases", handles)
        figure.suptitle(scenarios_text(rows))
    return figure


def _curve(axes: Axes, mean: pd.DataFrame, of: dict[str, Mark], n: int) -> None:
    nominal = np.linspace(0.001, 0.999, 400)
    axes.fill_between(nominal, *binomial_band(nominal, n), color=BAND, linewidth=0, zorder=1)
    axes.plot([0, 1], [0, 1], color="#8C8C8C", linewidth=pt(0.9), zorder=2)
    wanted = np.array([METRICS[name].target for name in CURVE], dtype=float)
    for label, row in mean.iterrows():
        _line(axes, wanted, row[list(CURVE)].to_numpy(dtype=float), of[str(label)])
    axes.set(xlim=(0.4, 1), ylim=(-0.03, 1.03), xlabel="nominal coverage")
    axes.xaxis.set_major_locator(FixedLocator(list(wanted)))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))


def _against_snr(
    axes: Axes, levels: Sequence[float], means: Sequence[pd.Series[float]], of: dict[str, Mark], n: int
) -> None:
    low, high = binomial_band(WIDEST, n)
    axes.axhspan(float(low), float(high), color=BAND, linewidth=0, zorder=1)
    axes.axhline(WIDEST, color="#8C8C8C", linewidth=pt(0.9), zorder=2)
    places = np.arange(len(levels), dtype=float)
    for label in means[0].index:
        _line(axes, places, np.array([mean[label] for mean in means]), of[label])
    axes.set(xlim=(-0.5, len(levels) - 0.5), ylim=(-0.03, 1.03), xlabel="SNR at b = 0")
    axes.set_xticks(places, ["∞" if np.isinf(level) else snr_text(level).removeprefix("SNR ") for level in levels])
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))


def _line(axes: Axes, x: Floats, y: Floats, mark: Mark) -> None:
    axes.plot(
        x, y, color=mark.colour, marker=mark.marker, linestyle=mark.dash, linewidth=pt(1), clip_on=False, zorder=3
    )
