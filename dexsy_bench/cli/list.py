"""`dexsy-bench list`: what can be run."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from dexsy_bench.errors import UserError

if TYPE_CHECKING:
    from rich.table import Table

    from dexsy_bench.registry import Registry

What = Literal["methods", "scenarios", "suites", "metrics"]


def list_all(
    what: Annotated[What | None, typer.Argument(help="Only these. Default: methods, scenarios and suites.")] = None,
    include: Annotated[
        list[Path] | None,
        typer.Option(help="A method NAME.py, a scenario NAME.toml or a folder of them; may be repeated."),
    ] = None,
) -> None:
    """Show methods, scenarios, suites or metrics.

    A method is named as the tables name it, with options in brackets: 'tikhonov[order=0]'. With
    --include, methods and scenarios in files of your own are shown as well.

        dexsy-bench list
        dexsy-bench list metrics
    """
    from rich.console import Console

    from dexsy_bench.registry import Registry

    registry = Registry(include or ())
    tables: dict[What, Callable[[Registry], Table]] = {
        "methods": methods,
        "scenarios": scenarios,
        "suites": suites,
        "metrics": metrics,
    }
    console = Console()
    for name in [what] if what else ("methods", "scenarios", "suites"):
        console.print(tables[name](registry), "")


def methods(registry: Registry) -> Table:
    """A row a method; one that cannot be loaded says why."""
    rows = []
    for name in registry.method_names:
        try:
            method = registry.method(name)
            variants = "\n".join(selection.label for selection in registry.variants(name))
        except UserError as error:
            rows.append([name, "", "", "", str(error)])
            continue
        options = "\n".join(f"{f.name}={f.default}" for f in dataclasses.fields(method.Options))
        rows.append([name, method.family, variants, options, first_sentence(method)])
    return _table("Methods", ["name", "family", "rows by default", "options and defaults", "what it does"], rows)


def scenarios(registry: Registry) -> Table:
    """A row a scenario."""
    rows = []
    for name in registry.scenario_names:
        scenario = registry.scenario(name)
        snr = ", ".join(f"{level:g}" for level in scenario.snr)
        ranges = "\n".join(f"{c.name} {c.d[0]:g}-{c.d[1]:g}" for c in scenario.compartments)
        rows.append([name, scenario.title, snr, ranges])
    return _table("Scenarios", ["name", "title", "SNR", "compartments, D in µm²/ms"], rows)


def suites(registry: Registry) -> Table:
    """A row a suite."""
    rows = [
        [
            name,
            suite.title,
            "\n".join(suite.scenarios),
            ", ".join(f"{level:g}" for level in suite.snr) if suite.snr else "each scenario's own",
            "\n".join([str(suite.cases), *(f"{name}: {n}" for name, n in suite.fewer.items())]),
            "\n".join(suite.methods or ["all"]),
        ]
        for name, suite in registry.suites.items()
    ]
    return _table("Suites", ["name", "title", "scenarios", "SNR", "cases a cell", "methods"], rows)


def metrics(registry: Registry) -> Table:
    """A row a metric."""
    from dexsy_bench.metrics import METRICS

    rows = [
        [name, metric.unit, f"near {metric.target:g}" if metric.target else str(metric.better), metric.definition]
        for name, metric in METRICS.items()
    ]
    return _table("Metrics", ["name", "unit", "good is", "definition"], rows)


def first_sentence(thing: object) -> str:
    """The first sentence of a docstring, on one line."""
    text = " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())
    end = text.find(". ")
    return text if end < 0 else text[: end + 1]


def _table(title: str, headings: Iterable[str], rows: Iterable[Iterable[str]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", title_style="bold", show_lines=False, padding=(0, 1))
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table
