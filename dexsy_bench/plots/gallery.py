"""What the numbers look like: signal, truth and every method's estimate, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize, PowerNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from dexsy_bench.metrics import find_peaks
from dexsy_bench.plots.examples import Example
from dexsy_bench.plots.look import PAPER, Look, pt, styled
from dexsy_bench.plots.style import broken, footer, snr_text
from dexsy_bench.problem import Floats, Grid, Problem

LEAST_WIDTH = 36.0
PANEL, BARS = 6.8, 10.0
"""In units of the type: least width of a panel, and what both colour bars take."""
CMAP = "Blues"


def true_peak() -> dict[str, Any]:
    """How a peak of the truth is marked."""
    return {"marker": "o", "markerfacecolor": "none", "markeredgecolor": "black", "markersize": pt(6),
            "markeredgewidth": pt(0.9)}  # fmt: skip


def found_peak() -> dict[str, Any]:
    """How a peak of the estimate is marked."""
    return {"marker": "x", "markeredgecolor": "#D55E00", "markersize": pt(4.5), "markeredgewidth": pt(1.3)}


def gallery(
    examples: Sequence[Example], labels: Sequence[str], metric: str = "js", look: Look = PAPER, about: str = ""
) -> Figure:
    """Signal, truth and estimates of some cases, a line of panels for each (and each mixing time).

    Parameters
    ----------
    examples : sequence of Example
        Cases, such as one specimen at several SNR levels.
    labels : sequence of str
        Methods, in the order of the panels.
    metric : str
        The score under each panel, besides the peaks found.
    look : Look
        Type and width.
    about : str
        Which methods these are, if not all.

    Returns
    -------
    Figure
        Distributions in percent of mass per cell on a square-root scale, the same for all panels
        of a case; peaks of the truth as circles, those of the estimate as crosses.
    """
    look.need(LEAST_WIDTH, "the gallery")
    panels = 2 + len(labels)
    tall = -(-panels // int((look.ems() - BARS) / PANEL))
    across = -(-panels // tall)
    width = (look.ems() - BARS) / across
    lines = [(shown, t) for shown in examples for t in range(shown.cases.distributions.shape[1])]
    with styled(look):
        height = (min(width, 11) + 3.4) * tall * len(lines) + 4
        figure = Figure(figsize=(look.inches(), height * look.em), layout="constrained")
        for band, (shown, t) in zip(np.ravel(np.asarray(figure.subfigures(len(lines), 1))), lines, strict=True):
            grid = band.subplots(tall, across, squeeze=False, gridspec_kw={"wspace": 0.04})
            _line(band, grid, shown, t, labels, metric)
        figure.suptitle(_title(examples))
        kinds = (("peak of the truth", true_peak()), ("peak of the estimate", found_peak()))
        handles = [Line2D([], [], linestyle="none", label=text, **style) for text, style in kinds]
        footer(figure, look, about, handles)
    return figure


def _title(examples: Sequence[Example]) -> str:
    return " · ".join(dict.fromkeys(f"{shown.scenario}, case {shown.case}" for shown in examples))


def _line(band: Any, grid: Any, shown: Example, t: int, labels: Sequence[str], metric: str) -> None:
    """One case at one mixing time."""
    signal_axes, truth_axes, *rest = grid.ravel()
    truth = np.asarray(shown.cases.distributions[0, t])
    norm = PowerNorm(0.5, vmin=0, vmax=100 * truth.max())
    image = signal_map(signal_axes, shown.problem, np.asarray(shown.cases.noisy[0, t]), t)
    signal_axes.set_title(f"signal, {snr_text(shown.snr)}{mixing_text(shown.problem, t)}")
    band.colorbar(image, ax=signal_axes, location="left", label="S / S(0,0)", shrink=0.8, aspect=14)
    image = distribution_map(truth_axes, shown.problem.grid, truth, norm)
    true_peaks = _peaks(truth, shown.problem.grid)
    truth_axes.plot(*true_peaks, linestyle="none", **true_peak())
    truth_axes.set_title("truth")
    name_axes(truth_axes, shown.problem.kernel.quantity, shown.problem.kernel.quantity_unit)
    for axes, label in zip(rest, labels, strict=False):
        axes.set_title(broken(label, 14), fontsize=pt(8 if len(label) < 15 else 7))
        if label not in shown.estimates:
            _empty(axes, shown.reasons.get(label, "not run"))
            continue
        f = shown.estimates[label][t]
        distribution_map(axes, shown.problem.grid, f, norm)
        axes.plot(*true_peaks, linestyle="none", **true_peak())
        axes.plot(*_peaks(f, shown.problem.grid), linestyle="none", **found_peak())
        axes.set_xlabel(_scores(shown, label, metric), fontsize=pt(7))
        axes.tick_params(labelleft=False, labelbottom=False)  # the axes of the truth
    for axes in rest[len(labels) :]:
        axes.set_visible(False)
    band.colorbar(
        image, ax=list(grid.ravel()), extend="max", label="mass per cell (%)",
        shrink=0.8 / len(grid), aspect=14, pad=0.01, ticks=MaxNLocator(4),
    )  # fmt: skip


def signal_map(axes: Axes, problem: Problem, signal: Floats, t: int = 0) -> Any:
    """A signal (B1, B2) of mixing time t, b1 along x, on a log scale down to the noise; blank where not measured."""
    acquisition, kernel = problem.acquisition, problem.kernel
    mask = problem.mask(t)
    measured = np.isfinite(signal) if mask is None else mask
    floor = min(max(problem.sigma or 0.0, 1e-4), 0.5)
    image = axes.pcolormesh(
        acquisition.b1, acquisition.b2, np.where(measured, np.maximum(signal, floor), np.nan).T,
        shading="nearest", cmap="viridis", norm=LogNorm(floor, 1), rasterized=True,
    )  # fmt: skip
    name_axes(axes, kernel.encoding, kernel.encoding_unit)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(3))
    axes.set_box_aspect(1)
    axes.grid(visible=False)
    return image


def name_axes(axes: Axes, symbol: str, unit: str) -> None:
    """Label both axes: D1, D2 or, of T2, T2,1 and T2,2."""
    first, second = (f"{{{symbol[1:]},{number}}}" if symbol[1:] else number for number in "12")
    axes.set_xlabel(f"${symbol[0]}_{first}$ ({unit})")
    axes.set_ylabel(f"${symbol[0]}_{second}$ ({unit})", labelpad=0)


def mixing_text(problem: Problem, t: int) -> str:
    """`, t_m 20 ms`, or nothing where the mixing times are not known."""
    times = problem.acquisition.mixing_times
    return "" if times is None else f", $t_m$ {1e3 * times[t]:g} ms"


def distribution_map(axes: Axes, grid: Grid, f: Floats, norm: Normalize, cmap: str = CMAP) -> Any:
    """A distribution (D1, D2) in percent, D1 along x, with the diagonal on which nothing has exchanged."""
    image = axes.pcolormesh(grid.d1, grid.d2, 100 * f.T, shading="nearest", cmap=cmap, norm=norm, rasterized=True)
    axes.set_xscale("log")
    axes.set_yscale("log")
    ends = (max(grid.d1[0], grid.d2[0]), min(grid.d1[-1], grid.d2[-1]))
    axes.plot(ends, ends, color="0.6", linewidth=pt(0.7), linestyle=":", scalex=False, scaley=False)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(numticks=5))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
    axes.set_box_aspect(1)
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(True)
    return image


def _peaks(f: Floats, grid: Grid) -> tuple[Floats, Floats]:
    """D1 and D2 of its peaks."""
    f = np.asarray(f, dtype=np.float64)
    log_d = find_peaks(f[None], grid)[0].log_d
    return 10 ** log_d[:, 0], 10 ** log_d[:, 1]


def _scores(shown: Example, label: str, metric: str) -> str:
    scores = shown.scores[label]
    text = ", ".join(f"{name} {scores[name]:.2g}" for name in dict.fromkeys([metric, "topk"]))
    return text if shown.cases.distributions.shape[1] == 1 else f"{text}\n(mean over $t_m$)"


def _empty(axes: Axes, reason: str) -> None:
    axes.set_box_aspect(1)
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(visible=True, color="0.8")
    text = reason if len(reason) <= 80 else reason[:79] + "…"
    axes.text(
        0.5, 0.5, _wrapped(text, 20), transform=axes.transAxes, ha="center", va="center", fontsize=pt(7), color="0.4"
    )


def _wrapped(text: str, width: int) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(text, width))
