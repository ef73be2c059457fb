"""How a network learns: estimates of validation cases beside their truth, and scores against cases seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import FuncNorm, PowerNorm, to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, MaxNLocator
from numpy.typing import NDArray

from dexsy_bench.metrics import METRICS
from dexsy_bench.plots.gallery import distribution_map, mixing_text, name_axes, signal_map
from dexsy_bench.plots.look import PAPER, PlotError, styled
from dexsy_bench.plots.style import footer, label_outer, metric_axis, panels, plain_log_ticks, snr_text

if TYPE_CHECKING:
    from dexsy_bench.learning.validation import ValidationCell

DIFFERENCE_CMAP = "RdBu_r"
SCORES = {"js": "js {:.2g}", "w1": "w1 {:.2g} dec", "topk": "top-K {:.2g}"}
"""What stands under an estimate."""
CURVE: dict[str, Any] = {"marker": "o", "markersize": 2.4, "linewidth": 1.2}
# Inches. Fixed places: all lines of panels are alike, and drawn in half the time that a constrained layout takes.
WIDTH, HEIGHT, HEADER = 10.75, 2.75, 0.35
PANEL, BOTTOM = 1.7, 0.62
PANELS_LEFT = (0.5, 3.55, 5.55, 8.25)
BARS_LEFT = (2.28, 7.33, 10.03)

Shown = tuple["ValidationCell", NDArray[Any], "Mapping[str, float] | None"]


def validation_examples(shown: Sequence[Shown], title: str) -> Figure:
    """Signal, truth, estimate and their difference of some validation cases, a line of panels for each.

    Parameters
    ----------
    shown : sequence of (ValidationCell, (T, D1, D2) array, scores or None)
        A cell, the estimate of its case 0, and the scores of that case by metric.
    title : str
        What made the estimates.

    Returns
    -------
    Figure
        The first mixing time alone. Truth and estimate in percent of mass per cell on one square-root
        scale, which ends where the truth does; their difference on such a scale on both sides of 0.

    Raises
    ------
    ValueError
        If nothing is shown, or an estimate has not the shape of the truth.
    """
    if not shown:
        raise ValueError("there is no validation case to show")
    with styled():
        tall = HEADER + HEIGHT * len(shown)
        figure = Figure(figsize=(WIDTH, tall))
        heights = [HEADER] + [HEIGHT] * len(shown)
        _, *bands = np.ravel(np.asarray(figure.subfigures(len(heights), 1, height_ratios=heights)))
        for band, (cell, estimate, scores) in zip(bands, shown, strict=True):
            _example(band, cell, np.asarray(estimate, dtype=np.float64), scores)
        figure.suptitle(title, fontsize=11, y=1 - 0.08 / tall)
    return figure


def _example(band: Any, cell: ValidationCell, estimate: NDArray[Any], scores: Mapping[str, float] | None) -> None:
    """One case: four panels and three colour bars."""
    problem, truth = cell.problem, np.asarray(cell.cases.distributions[0], dtype=np.float64)
    if estimate.shape != truth.shape:
        raise ValueError(f"the estimate has shape {estimate.shape}, the truth (T, D1, D2) = {truth.shape}")
    f, f_hat = truth[0], estimate[0]
    mass = PowerNorm(0.5, vmin=0, vmax=100 * f.max())
    limit = _largest(100 * (f_hat - f)) or 1.0  # a perfect estimate still needs a scale
    axes = [_place(band, left, PANEL) for left in PANELS_LEFT]
    bars = [_place(band, left, 0.1) for left in BARS_LEFT]
    images = [
        signal_map(axes[0], problem, np.asarray(cell.cases.noisy[0, 0])),
        distribution_map(axes[1], problem.grid, f, mass),
        distribution_map(axes[2], problem.grid, f_hat, mass),
        distribution_map(axes[3], problem.grid, f_hat - f, _signed_root(limit), DIFFERENCE_CMAP),
    ]
    for panel, text in zip(axes, ("signal", "truth", "estimate", "estimate − truth"), strict=True):
        panel.set_title(text)
    for panel in axes[1:]:
        name_axes(panel, problem.kernel.quantity, problem.kernel.quantity_unit)
    for panel in axes[2:]:  # the vertical axis of the truth
        panel.tick_params(labelleft=False)
        panel.set_ylabel("")
    under = _scores(scores or {}, several=len(truth) > 1)
    axes[2].set_xlabel(f"{axes[2].get_xlabel()}\n{under}".strip())
    heading = f"{cell.scenario}, {snr_text(cell.snr)}{mixing_text(problem, 0)}"
    band.suptitle(heading, x=0.1 / WIDTH, y=1 - 0.05 / HEIGHT, ha="left", fontsize=9, weight="bold")
    beyond = "max" if f_hat.max() > f.max() else "neither"
    band.colorbar(images[0], cax=bars[0], label="S / S(0,0)", extend="min")
    band.colorbar(images[1], cax=bars[1], label="mass per cell (%)", extend=beyond, ticks=MaxNLocator(4))
    band.colorbar(images[3], cax=bars[2], label="difference (% per cell)", ticks=MaxNLocator(5))


def _place(band: Any, left: float, width: float) -> Any:
    """Axes as high as a panel."""
    return band.add_axes((left / WIDTH, BOTTOM / HEIGHT, width / WIDTH, PANEL / HEIGHT))


def _signed_root(limit: float) -> FuncNorm:
    """The square-root scale of the distributions on both sides of 0, which shows the weak peaks of exchange too."""
    root = (lambda x: np.sign(x) * np.sqrt(np.abs(x)), lambda y: np.sign(y) * y**2)
    return FuncNorm(root, vmin=-limit, vmax=limit)


def _largest(difference: NDArray[Any]) -> float:
    """The largest finite magnitude; 0 if there is none."""
    return float(np.max(np.abs(difference), initial=0.0, where=np.isfinite(difference)))


def _scores(scores: Mapping[str, float], *, several: bool) -> str:
    text = ", ".join(form.format(scores[name]) for name, form in SCORES.items() if name in scores)
    return f"{text} (mean over $t_m$)" if text and several else text


def learning_curve(
    lines: Sequence[Mapping[str, Any]],
    metric: str = "js",
    baseline: Mapping[tuple[str, float], float] | None = None,
    baseline_label: str = "",
) -> Figure:
    """Scores of validation cases against training cases seen: a panel each scenario, a line each SNR.

    Parameters
    ----------
    lines : sequence of mapping
        What :meth:`LearningCurve.read` gives: cases, seconds, scenario, snr and the metrics.
        A score that is not finite leaves a gap; one before the first case has no place on the axis.
    metric : str
        One of the metrics in the lines.
    baseline : mapping, optional
        Mean score of another method on the same validation cases, by (scenario, SNR).
    baseline_label : str
        Name of that method.

    Returns
    -------
    Figure
        Panels with shared axes; the baseline as thin dashed lines.

    Raises
    ------
    PlotError
        If there is no line after the first training case, or the metric is not in the lines.
    """
    lines = [line for line in lines if line["cases"] > 0]
    if not lines:
        raise PlotError("the learning curve holds no validation yet; train until the first one")
    if metric not in lines[0] or metric not in METRICS:
        known = ", ".join(name for name in lines[0] if name in METRICS)
        raise PlotError(f"the learning curve holds no metric '{metric}'; there are: {known}")
    scenarios = list(dict.fromkeys(line["scenario"] for line in lines))
    colour = _colours([line["snr"] for line in lines])
    drawn = {(line["scenario"], _key(line["snr"])) for line in lines}
    level = {(scenario, _key(snr)): mean for (scenario, snr), mean in (baseline or {}).items() if np.isfinite(mean)}
    level = {cell: mean for cell, mean in level.items() if cell in drawn}
    with styled():
        figure, grid = panels(len(scenarios), PAPER)
        for axes, scenario in zip(grid, scenarios, strict=True):
            here = [line for line in lines if line["scenario"] == scenario]
            for snr in colour:
                _curve(axes, [line for line in here if _key(line["snr"]) == snr], metric, colour[snr])
                if (scenario, snr) in level:
                    axes.axhline(level[scenario, snr], **_baseline_style(colour[snr]))
            axes.set_title(scenario)
            if not any(np.isfinite(line[metric]) for line in here):
                axes.text(0.5, 0.5, "no finite score", transform=axes.transAxes, ha="center", color="0.4")
        values = [*(line[metric] for line in lines), *level.values()]
        for axes in grid:
            metric_axis(axes, metric, values)
            _cases_axis(axes, [line["cases"] for line in lines])
        label_outer(grid)
        top_down = reversed(colour) if METRICS[metric].better == "high" else colour  # as the lines lie in the panels
        handles = [_handle(snr_text(float(snr)), colour[snr]) for snr in top_down]
        if level:
            handles.append(Line2D([], [], label=baseline_label or "baseline", **_baseline_style("#666666")))
        footer(figure, PAPER, "mean of validation cases", handles)
    return figure


def _key(snr: float) -> str:
    """An SNR as the learning curve writes it."""
    return f"{snr:g}"


def _colours(levels: Sequence[float]) -> dict[str, str]:
    """By SNR, noisiest first, from light to dark: the order shows in grey print too."""
    keys = [_key(snr) for snr in sorted(set(levels))]
    places = np.linspace(0.8, 0.05, len(keys)) if len(keys) > 1 else [0.05]
    return {key: to_hex(mpl.colormaps["plasma"](place)) for key, place in zip(keys, places, strict=True)}


def _curve(axes: Axes, lines: Sequence[Mapping[str, Any]], metric: str, colour: str) -> None:
    lines = sorted(lines, key=lambda line: line["cases"])
    scores = np.array([line[metric] for line in lines], dtype=float)
    axes.plot(
        [line["cases"] for line in lines], np.where(np.isfinite(scores), scores, np.nan),
        color=colour, **CURVE,
    )  # fmt: skip


def _baseline_style(colour: str) -> dict[str, Any]:
    return {"color": colour, "linestyle": (0, (5, 2)), "linewidth": 0.9, "zorder": 1.5}


def _handle(text: str, colour: str) -> Line2D:
    return Line2D([], [], color=colour, label=text, **CURVE)


def _cases_axis(axes: Axes, cases: Sequence[float]) -> None:
    first, last = min(cases), max(cases)
    axes.set_xscale("log")
    plain_log_ticks(axes.xaxis, last / first, room=30)
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))  # 20k, 1M
    axes.set_xlabel("training cases seen")
    if last < 4 * first:  # room for ticks
        axes.set_xlim(first / 2, last * 2)
