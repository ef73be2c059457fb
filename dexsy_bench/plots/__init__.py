"""Figures of a results folder. Each maker takes a DataFrame of rows and returns a matplotlib Figure."""

from dexsy_bench.plots.accuracy_time import accuracy_time, pareto_front
from dexsy_bench.plots.distribution import distribution
from dexsy_bench.plots.gallery import gallery
from dexsy_bench.plots.snr import metric_snr
from dexsy_bench.plots.stress import stress
from dexsy_bench.plots.style import Mark, marks, save

__all__ = ["Mark", "accuracy_time", "distribution", "gallery", "marks", "metric_snr", "pareto_front", "save", "stress"]
