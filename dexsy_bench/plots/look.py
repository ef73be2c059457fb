"""How large figures, their type and their lines are: on a page, on a slide."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl

from dexsy_bench.errors import UserError

MM = 25.4
"""Millimetres in an inch."""
TYPE = 9.0
"""Points of the type on paper; other lengths are given as they are there, and grow with the type (:func:`pt`)."""


class PlotError(UserError):
    """A figure that cannot be made; the message says why and what to ask instead."""


@dataclass(frozen=True)
class Style:
    """Where figures are shown: points of the type, widths of one and two columns in mm, dots an inch of a PNG."""

    type: float
    columns: tuple[float, float]
    dpi: int


STYLES = {"paper": Style(TYPE, (85, 178), 300), "talk": Style(20, (160, 310), 160)}
"""Columns of a journal; half and whole of a slide 338 mm (13.3 inches) wide."""


@dataclass(frozen=True)
class Look:
    """Type and width of a figure: a key of STYLES, and the width in mm if it is not to be the default."""

    style: str = "paper"
    width: float | None = None

    def __post_init__(self) -> None:
        if self.style not in STYLES:
            raise PlotError(f"no style '{self.style}'; there are: {', '.join(STYLES)}")
        if self.width is not None and not 40 <= self.width <= 1000:
            raise PlotError(f"--width {self.width:g}: must be from 40 to 1000 mm")

    @property
    def em(self) -> float:
        """The size of the type in inches."""
        return STYLES[self.style].type / 72

    def inches(self, columns: int = 2) -> float:
        """Width of a figure that has by default one column or two."""
        return (self.width or STYLES[self.style].columns[columns - 1]) / MM

    def ems(self, columns: int = 2) -> float:
        """The same in units of the type."""
        return self.inches(columns) / self.em

    def need(self, ems: float, figure: str) -> None:
        """Refuse a width that leaves no room for this figure's text."""
        if self.ems() < ems - 1e-9:
            least = math.ceil(ems * self.em * MM)
            raise PlotError(f"{figure} takes --width {least} or more in the style '{self.style}'")


PAPER = Look()


def _rc(look: Look) -> Any:
    style = STYLES[look.style]
    large, scale = style.type, style.type / TYPE
    return {
        "font.size": large,
        "axes.titlesize": large,
        "axes.labelsize": large,
        "figure.titlesize": large,
        "xtick.labelsize": 8 * scale,
        "ytick.labelsize": 8 * scale,
        "legend.fontsize": 8 * scale,
        "legend.title_fontsize": 8 * scale,
        "legend.frameon": False,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.color": "#E6E6E6",
        "grid.linewidth": 0.6 * scale,
        "axes.linewidth": 0.8 * scale,
        "lines.linewidth": 1.3 * scale,
        "lines.markersize": 4.5 * scale,
        "axes.titlepad": 4 * scale,
        "axes.labelpad": 3 * scale,
        "axes.axisbelow": True,
        **{f"{axis}tick.{which}.{what}": value * scale
           for axis in "xy"
           for which, values in {"major": (3, 0.8, 3), "minor": (1.8, 0.6, 3)}.items()
           for what, value in zip(("size", "width", "pad"), values, strict=True)},
        "savefig.dpi": style.dpi,
        "svg.fonttype": "none",  # text stays text
        "svg.hashsalt": "dexsy-bench",  # the same figure is the same file
        "pdf.fonttype": 42,
    }  # fmt: skip


@contextmanager
def styled(look: Look = PAPER) -> Iterator[None]:
    """The style of all figures, undone afterwards."""
    with mpl.rc_context(_rc(look)):
        yield


def pt(points: float) -> float:
    """A length of so many points on paper, in the style that is on."""
    return float(points * mpl.rcParams["font.size"] / TYPE)
