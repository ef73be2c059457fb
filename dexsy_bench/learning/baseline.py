"""What another method makes of the cases that a training is validated with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dexsy_bench.learning.validation import ValidationCell
from dexsy_bench.learning.weights import Score
from dexsy_bench.method import Inverter, Unsupported
from dexsy_bench.registry import Registry, Selection
from dexsy_bench.tuning import resolve


@dataclass(frozen=True)
class Baseline:
    """A method to beat.

    Attributes
    ----------
    selection : Selection
        The method and its options; values that say ``tuned`` are the stored ones of each cell.
    registry : Registry
    """

    selection: Selection
    registry: Registry

    @property
    def label(self) -> str:
        """Name and options."""
        return self.selection.label

    def scores(self, cells: Sequence[ValidationCell]) -> list[Score]:
        """Means over each cell.

        Raises
        ------
        Unsupported
            If the method declines a cell.
        """
        return [self._score(cell) for cell in cells]

    def _score(self, cell: ValidationCell) -> Score:
        selection, registry = self.selection, self.registry
        tuned, _ = resolve(selection, registry, cell.scenario, cell.snr)
        options = registry.make_options(selection.name, {**dict(selection.given), **dict(tuned)})
        try:
            inverter = Inverter(registry.method(selection.name), options, cell.problem)
        except Unsupported as reason:
            raise Unsupported(f"--against {self.label} declines {cell.scenario}: {reason}") from reason
        return cell.mean(cell.score(inverter(cell.cases.noisy).distributions))
