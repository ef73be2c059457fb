"""Figures of a results folder. Each maker takes a DataFrame of rows and returns a matplotlib Figure."""

from dexsy_bench.plots.calibration import calibration
from dexsy_bench.plots.confusion import confusion
from dexsy_bench.plots.errors import errors
from dexsy_bench.plots.exchange import exchange
from dexsy_bench.plots.gallery import gallery
from dexsy_bench.plots.look import Look
from dexsy_bench.plots.pareto import pareto, pareto_front
from dexsy_bench.plots.ranks import ranks
from dexsy_bench.plots.selection import TOP, leading
from dexsy_bench.plots.snr import snr
from dexsy_bench.plots.stress import stress
from dexsy_bench.plots.style import Mark, check_formats, marks, save, told_apart

__all__ = [
    "TOP",
    "Look",
    "Mark",
    "calibration",
    "check_formats",
    "confusion",
    "errors",
    "exchange",
    "gallery",
    "leading",
    "marks",
    "pareto",
    "pareto_front",
    "ranks",
    "save",
    "snr",
    "stress",
    "told_apart",
]
