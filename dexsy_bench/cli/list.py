"""`dexsy-bench list`: what can be run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from dexsy_bench import catalogue

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
    rows = [
        [one["name"], one["family"], "\n".join(one["rows"]), _options(one["options"]), one["summary"]]
        for one in catalogue.methods(registry)
    ]
    return _table("Methods", ["name", "family", "rows by default", "options and defaults", "what it does"], rows)


def scenarios(registry: Registry) -> Table:
    """A row a scenario."""
    rows = []
    for one in catalogue.scenarios(registry):
        ranges = "\n".join(f"{name} {low:g}-{high:g}" for name, (low, high) in one["compartments"].items())
        rows.append([one["name"], one["title"], _levels(one["snr"]), ranges])
    return _table("Scenarios", ["name", "title", "SNR", "compartments, D in µm²/ms"], rows)


def suites(registry: Registry) -> Table:
    """A row a suite."""
    rows = [
        [
            one["name"],
            one["title"],
            "\n".join(one["scenarios"]),
            _levels(one["snr"]) if one["snr"] else "each scenario's own",
            "\n".join([str(one["cases"]), *(f"{name}: {n}" for name, n in one["fewer"].items())]),
            "\n".join(one["methods"] or ["all"]),
        ]
        for one in catalogue.suites(registry)
    ]
    return _table("Suites", ["name", "title", "scenarios", "SNR", "cases a cell", "methods"], rows)


def metrics(registry: Registry) -> Table:
    """A row a metric."""
    rows = []
    for one in catalogue.metrics(registry):
        good = one["better"] if isinstance(one["better"], str) else f"near {one['better']:g}"
        rows.append([one["name"], one["unit"], good, one["definition"]])
    return _table("Metrics", ["name", "unit", "good is", "definition"], rows)


def _options(options: dict[str, object]) -> str:
    return "\n".join(f"{name}={default}" for name, default in options.items())


def _levels(snr: Iterable[float]) -> str:
    return ", ".join(f"{level:g}" for level in snr)


def _table(title: str, headings: Iterable[str], rows: Iterable[Iterable[str]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", title_style="bold", show_lines=False, padding=(0, 1))
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table
