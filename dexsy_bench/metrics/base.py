"""What the families of metrics share: the description of a metric, and what a score may look at besides f."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from dexsy_bench.problem import Floats, Problem


@dataclass(frozen=True)
class Metric:
    """One column of scores, as tables, plots and docs describe it.

    Attributes
    ----------
    name : str
        The column.
    title : str
        For headings and axes.
    unit : str
        Empty for a pure number.
    better : 'low', 'high' or 'one'
        Which values are good; 'one': those near 1.
    definition : str
        One sentence.
    """

    name: str
    title: str
    unit: str
    better: Literal["low", "high", "one"]
    definition: str

    @property
    def label(self) -> str:
        """Title with the unit, for an axis."""
        return f"{self.title} ({self.unit})" if self.unit else self.title


@dataclass(frozen=True, eq=False)
class Context:
    """What is known of M pairs (f, f_hat): case after case, each with its T mixing times.

    Attributes
    ----------
    problem : Problem
        Grid, kernels, mask and sigma.
    signals : (M, B1, B2)
        As measured.
    centres : (M, C) or None
        True compartment centres in units of D, ascending; None where they are not known.
    """

    problem: Problem
    signals: Floats
    centres: Floats | None


class Family(NamedTuple):
    """Metrics that are computed together: ``score(f (M, D1, D2), f_hat, context) -> {name: (M,)}``."""

    score: Callable[[Floats, Floats, Context], Mapping[str, Floats]]
    metrics: tuple[Metric, ...]
