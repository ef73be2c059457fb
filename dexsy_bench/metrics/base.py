"""What the families of metrics share: the description of a metric, and what a score may look at besides f."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

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
    better : 'low', 'high' or float
        Which values are good; a number: those near it.
    definition : str
        One sentence.
    pairs : bool
        Whether the values of single cases can be compared; False where their mean alone says something.
    """

    name: str
    title: str
    unit: str
    better: Literal["low", "high"] | float
    definition: str
    pairs: bool = True

    @property
    def label(self) -> str:
        """Title with the unit, for an axis."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    @property
    def target(self) -> float | None:
        """The value wanted, where neither low nor high ones are."""
        return None if isinstance(self.better, str) else self.better

    @property
    def arrow(self) -> str:
        """Which way is better, for a heading."""
        if isinstance(self.better, str):
            return "↓" if self.better == "low" else "↑"
        return f"→{self.better:g}"

    @property
    def wish(self) -> str:
        """Which values are better, in words."""
        return f"{self.better}er is better" if isinstance(self.better, str) else f"closer to {self.better:g} is better"

    def badness(self, values: NDArray[Any]) -> NDArray[Any]:
        """What to minimise: the values, their negatives, or their distance from the target."""
        if isinstance(self.better, str):
            return values if self.better == "low" else -values
        return np.abs(values - self.better)


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
    samples : (M, P, D1, D2) or None
        Posterior samples, where the method returned some.
    """

    problem: Problem
    signals: Floats
    centres: Floats | None
    samples: Floats | None = None


@dataclass(frozen=True)
class Reading:
    """One column of what is read off the truth or the estimate: not good or bad, but what scores are made of.

    Attributes
    ----------
    name : str
        The column.
    title : str
        For axes.
    definition : str
        One sentence.
    """

    name: str
    title: str
    definition: str


class Family(NamedTuple):
    """What is computed together: ``score(f (M, D1, D2), f_hat, context) -> {name: (M,)}``, metrics and readings."""

    score: Callable[[Floats, Floats, Context], Mapping[str, Floats]]
    metrics: tuple[Metric, ...]
    readings: tuple[Reading, ...] = ()
