"""What there is to run: methods, scenarios, suites and metrics, a record each."""

from __future__ import annotations

import dataclasses
import inspect
from typing import TYPE_CHECKING, Any

from dexsy_bench.errors import UserError

if TYPE_CHECKING:
    from dexsy_bench.registry import Registry

Record = dict[str, Any]


def methods(registry: Registry) -> list[Record]:
    """Name, family, default rows, options and what it does; one that cannot be loaded says why."""
    records = []
    for name in registry.method_names:
        record: Record = {"name": name, "family": "", "rows": [], "options": {}, "summary": ""}
        try:
            method = registry.method(name)
            record["rows"] = [selection.label for selection in registry.variants(name)]
        except UserError as error:
            records.append(record | {"summary": str(error)})
            continue
        options = {field.name: field.default for field in dataclasses.fields(method.Options)}
        records.append(record | {"family": method.family, "options": options, "summary": first_sentence(method)})
    return records


def scenarios(registry: Registry) -> list[Record]:
    """Name, title, SNRs, and the range of D of each compartment in um2/ms."""
    found = [registry.scenario(name) for name in registry.scenario_names]
    return [
        {
            "name": scenario.name,
            "title": scenario.title,
            "snr": list(scenario.snr),
            "compartments": {part.name: tuple(part.d) for part in scenario.compartments},
        }
        for scenario in found
    ]


def suites(registry: Registry) -> list[Record]:
    """Name, title, scenarios, SNRs (None: each scenario's own), cases a cell, who gets fewer, methods (empty: all)."""
    return [
        {
            "name": name,
            "title": suite.title,
            "scenarios": list(suite.scenarios),
            "snr": list(suite.snr) if suite.snr else None,
            "cases": suite.cases,
            "fewer": dict(suite.fewer),
            "methods": list(suite.methods or []),
        }
        for name, suite in registry.suites.items()
    ]


def metrics(registry: Registry) -> list[Record]:
    """Name, title, unit, what is good (`low`, `high` or a number) and the definition."""
    from dexsy_bench.metrics import METRICS

    return [
        {
            "name": name,
            "title": metric.title,
            "unit": metric.unit,
            "better": metric.better,
            "definition": metric.definition,
        }
        for name, metric in METRICS.items()
    ]


KINDS = {"methods": methods, "scenarios": scenarios, "suites": suites, "metrics": metrics}


def first_sentence(thing: object) -> str:
    """The first sentence of a docstring, on one line."""
    text = " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())
    end = text.find(". ")
    return text if end < 0 else text[: end + 1]
