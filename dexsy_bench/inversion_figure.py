"""The figure of one inversion: signal, distribution with its marginals, residual."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dexsy_bench.inversion import Inversion

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(inversion: Inversion) -> Figure:
    """Signal and residual against both encodings, the distribution against log D with its peaks marked."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13.5, 4.6))
    figure.set_layout_engine("constrained", h_pad=0.05, w_pad=0.05, hspace=0.0, wspace=0.0)
    left, middle, right = np.ravel(np.asarray(figure.subfigures(1, 3, width_ratios=(1, 1.15, 1))))
    _signal(left, inversion)
    _distribution(middle, inversion)
    _residual(right, inversion)
    return figure


def save(inversion: Inversion, folder: Path) -> list[Path]:
    """Write ``inversion.png`` and ``inversion.svg``."""
    from matplotlib import rc_context

    paths = [folder / "inversion.png", folder / "inversion.svg"]
    with rc_context({"svg.fonttype": "none", "font.size": 9}):
        figure = draw(inversion)
        for path in paths:
            figure.savefig(path, dpi=150)
    return paths


def _signal(panel: Any, inversion: Inversion) -> None:
    from matplotlib.colors import LogNorm

    signal = inversion.measurement.signal
    sigma = inversion.measurement.problem.sigma
    axes = panel.subplots()
    low = min(max(3 * (sigma or 0.0), 1e-3, float(signal.min())), 0.5)
    image = _map(axes, inversion, np.maximum(signal, low), cmap="viridis", norm=LogNorm(low, 1))
    axes.set_title("Signal", loc="left")
    panel.colorbar(image, ax=axes, label="S / S(0,0)", extend="min", shrink=0.75)


def _residual(panel: Any, inversion: Inversion) -> None:
    sigma = inversion.measurement.problem.sigma
    values = inversion.residual / (sigma or 1.0)
    limit = max(4.0, float(np.quantile(np.abs(values), 0.99))) if sigma else float(np.abs(values).max())
    axes = panel.subplots()
    image = _map(axes, inversion, values, cmap="RdBu_r", vmin=-limit, vmax=limit)
    ratio = inversion.residual_over_noise
    axes.set_title("Residual" + (f", RMS {ratio:.2f} of the noise" if ratio is not None else ""), loc="left")
    panel.colorbar(image, ax=axes, label="(S − fit) / noise SD" if sigma else "S − fit", extend="both", shrink=0.75)


def _map(axes: Any, inversion: Inversion, values: Any, **style: Any) -> Any:
    """An array over (encoding 1, encoding 2), the first along x."""
    measurement, kernel = inversion.measurement, inversion.measurement.problem.kernel
    image = axes.pcolormesh(measurement.b1, measurement.b2, values.T, shading="nearest", rasterized=True, **style)
    axes.set(
        xlabel=_label(kernel.encoding, 1, kernel.encoding_unit), ylabel=_label(kernel.encoding, 2, kernel.encoding_unit)
    )
    axes.set_box_aspect(1)
    return image


def _label(symbol: str, number: int, unit: str) -> str:
    """``D`` -> D with index 1; ``T2`` -> T with index 2,1."""
    index = f"{symbol[1:]},{number}" if symbol[1:] else str(number)
    return f"${symbol[0]}_{{{index}}}$ ({unit})"


def _distribution(panel: Any, inversion: Inversion) -> None:
    from matplotlib.colors import PowerNorm
    from matplotlib.patheffects import withStroke

    problem = inversion.measurement.problem
    grid, kernel, f = problem.grid, problem.kernel, inversion.f
    axes = panel.subplots(
        2,
        2,
        width_ratios=(4, 1),
        height_ratios=(1, 4),
        sharex="col",
        sharey="row",
        gridspec_kw={"hspace": 0, "wspace": 0},
    )
    top, corner, main, side = axes.ravel()
    corner.set_axis_off()
    # the square root shows the weak peaks of exchange beside the strong ones of the diagonal
    norm = PowerNorm(0.5, 0, f.max())
    main.pcolormesh(grid.d1, grid.d2, f.T, shading="nearest", cmap="Blues", norm=norm, rasterized=True)
    main.annotate(
        "colour: √f", (0.98, 0.02), xycoords="axes fraction", ha="right", va="bottom", color="0.4", fontsize=8
    )
    main.plot(grid.d1[[0, -1]], grid.d1[[0, -1]], color="0.6", linewidth=0.8, linestyle=":")
    for split in inversion.splits:
        for line in (main.axvline, main.axhline, top.axvline, side.axhline):
            line(split, color="0.4", linewidth=0.8, linestyle="--")
    for d1, d2, mass in inversion.peak_rows():
        main.plot(d1, d2, "o", markerfacecolor="none", markeredgecolor="tab:red", markersize=7)
        text = main.annotate(f"{mass:.2f}", (d1, d2), (6, 5), textcoords="offset points", color="tab:red", fontsize=8)
        text.set_path_effects([withStroke(linewidth=2, foreground="white")])
    top.fill_between(grid.d1, f.sum(axis=1), color="tab:blue", alpha=0.35, linewidth=0)
    side.fill_betweenx(grid.d2, f.sum(axis=0), color="tab:blue", alpha=0.35, linewidth=0)
    main.set(xscale="log", yscale="log", xlim=grid.d1[[0, -1]], ylim=grid.d2[[0, -1]])
    main.set(
        xlabel=_label(kernel.quantity, 1, kernel.quantity_unit), ylabel=_label(kernel.quantity, 2, kernel.quantity_unit)
    )
    for marginal in (top, side):
        marginal.spines[["top", "right"]].set_visible(False)
    top.set_yticks([])
    side.set_xticks([])
    exchanged = inversion.exchanged_fraction
    result = "one compartment" if exchanged is None else f"exchanged fraction {exchanged:.3f}"
    top.set_title(f"{inversion.label}: {result}", loc="left")
