"""Pages written from the code: what is registered, declared and documented there is not typed again by hand."""

import dataclasses
import inspect
import itertools
import re
from collections.abc import Iterable
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from dexsy_bench.errors import UserError
from dexsy_bench.metrics import METRICS, READINGS
from dexsy_bench.registry import Registry
from dexsy_bench.rows import TEXT, WHOLE, columns
from dexsy_bench.scenario import Scenario

DOCS = Path(__file__).parents[1]
WORDS = {bool: ("`true`", "`false`"), int: ("a whole number",), float: ("a number",), str: ("a text",)}


def pages(registry: Registry) -> dict[str, str]:
    """Path below docs/ -> Markdown of the pages that are generated whole."""
    return {
        "reference/commands.md": commands(),
        "reference/metrics.md": metrics(),
        "reference/columns.md": all_columns(),
        "reference/scenarios.md": scenarios(registry),
        "reference/suites.md": suites(registry),
    }


def table(headings: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """A Markdown table."""
    headings = list(headings)
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def documented(text: str) -> dict[str, str]:
    """Name -> what the tables of a document say of it: the last cell of the row whose first has it in backticks."""
    said: dict[str, str] = {}
    for line in text.splitlines():
        cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) > 1:
            said.update(dict.fromkeys(re.findall(r"`([^`]+)`", cells[0]), cells[-1]))
    return said


def section(page: Path, title: str) -> str:
    """The part of a page under a heading of the second level."""
    return re.split(r"^## ", page.read_text("utf-8").partition(f"\n## {title}\n")[2], flags=re.MULTILINE)[0]


# Methods -----------------------------------------------------------------------------------


def methods_of(page: str, registry: Registry) -> list[str]:
    """The methods that a page is about: those in backticks in its title."""
    named = re.findall(r"`([^`]+)`", page.partition("\n")[0])
    return [name for name in named if name in registry.method_names]


def method(name: str, registry: Registry) -> str:
    """What a method declares: docstring, family, rows, options with their defaults."""
    try:
        cls = registry.method(name)
    except UserError as error:  # a package that it adapts is not installed
        return f"## In short: `{name}`\n\nNot loaded where this page was built: {error}\n"
    facts = {
        "Family": cls.family,
        "Told beyond signal and acquisition": ", ".join(sorted(cls.told)) or "nothing",
        "Mixing times": "all at once" if cls.joint_mixing_times else "each on its own",
        "Rows by default": ", ".join(f"`{selection.label}`" for selection in registry.variants(name)) or "none",
    }
    text = f"## In short: `{name}`\n\n{inspect.getdoc(cls)}\n\n" + table(("", ""), facts.items())
    hints, space = get_type_hints(cls.Options), cls.search_space
    rows = [
        (f"`{option.name}`", values(hints[option.name]), f"`{shown(option.default)}`", tried(space.get(option.name)))
        for option in dataclasses.fields(cls.Options)
    ]
    return text + ("\n" + table(("option", "values", "default", "`tune` tries"), rows) if rows else "\nNo options.\n")


def values(annotation: Any) -> str:
    """What an option may be, in words."""
    if get_origin(annotation) in (Union, UnionType):
        return ", ".join(values(part) for part in get_args(annotation))
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{shown(value)}`" for value in get_args(annotation))
    if annotation is type(None):
        return "nothing"
    return ", ".join(WORDS.get(annotation, (f"`{getattr(annotation, '__name__', annotation)}`",)))


def shown(value: Any) -> str:
    """As one types it."""
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def tried(space: Any) -> str:
    """The grid of values that `tune` searches."""
    return f"{len(space)} values, {space[0]:.3g} to {space[-1]:.3g}" if space is not None else ""


# Scenarios and suites ----------------------------------------------------------------------


def scenarios(registry: Registry) -> str:
    """A section a scenario, in the order of the suites."""
    named = [name for suite in registry.suites.values() for name in suite.scenarios]
    order = dict.fromkeys([*(name for name in named if name in registry.scenario_names), *registry.scenario_names])
    sections = [scenario(registry.scenario(name), registry) for name in order]
    intro = (
        "What each file of `scenarios/` says. D is in µm²/ms, b in ms/µm², SD in decades of D, k in 1/s; a range is\n"
        "drawn log-uniform, that of an SD uniform. [Scenarios](../scenarios.md) explains the fields.\n"
    )
    return "\n".join(["# All scenarios\n", intro, *sections])


def scenario(it: Scenario, registry: Registry) -> str:
    """What is drawn, and how it is measured."""
    suites_of = [f"`{name}`" for name, suite in registry.suites.items() if it.name in suite.scenarios]
    compartments = [(c.name, span(c.d), span(c.sd)) for c in it.compartments]
    exchange, grid, measured = it.exchange, it.grid, it.acquisition
    mixing = f"{span(exchange.mixing_time)} s, one a case"
    if measured.mixing_times:
        mixing = ", ".join(f"{time:g}" for time in measured.mixing_times) + " s, every case at each"
    facts = {
        "SNR": ", ".join(f"{level:g}" for level in it.snr),
        "Exchange rate k": f"{span(exchange.k)} 1/s",
        "Mixing time": mixing,
        "Fractions": f"Dirichlet({exchange.concentration}), {'in' if exchange.equilibrium else 'out of'} equilibrium",
        "Grid": f"{grid.n} x {grid.n}, D from {grid.d[0]:g} to {grid.d[1]:g}",
        "b values": f"{measured.n} x {measured.n}, 0 to {measured.b_max:g}, spacing `{measured.spacing}`",
        "Points measured": f"{measured.sampled:.0%}",
        "Kernel": it.kernel,
        "In the suites": ", ".join(suites_of) or "none",
    }
    drawn = table(("compartment", "D", "SD"), compartments)
    return f"## `{it.name}`\n\n**{it.title}.** {it.why.strip()}\n\n{drawn}\n{table(('', ''), facts.items())}"


def span(interval: tuple[float, float]) -> str:
    """A range, or the one value that it fixes."""
    low, high = interval
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def suites(registry: Registry) -> str:
    """A section a suite."""
    text = "# All suites\n\nWhat `dexsy-bench run SUITE` runs unless its options say otherwise.\n"
    for name, suite in registry.suites.items():
        fewer = ", ".join(f"`{method}` {count}" for method, count in suite.fewer.items())
        facts = {
            "Scenarios": ", ".join(f"`{scenario}`" for scenario in suite.scenarios),
            "SNR": ", ".join(f"{level:g}" for level in suite.snr) if suite.snr else "each scenario's own",
            "Cases of each scenario at each SNR": f"{suite.cases}" + (f"; {fewer}" if fewer else ""),
            "Methods": ", ".join(f"`{label}`" for label in suite.methods or ()) or "all, in their default rows",
        }
        text += f"\n## `{name}`\n\n{suite.title}.\n\n{table(('', ''), facts.items())}"
    return text


# Metrics and columns -----------------------------------------------------------------------


def metrics() -> str:
    """A section a metric: definition, formula, unit, direction."""
    formulas = documented(section(DOCS / "metrics.md", "Formulas"))
    text = (
        "# All metrics\n\nThe symbols, and why each metric is as it is: [metrics](../metrics.md).\n"
        "Every one is a column of the rows and can be named with `--metric`.\n"
    )
    for name, metric in METRICS.items():
        facts = {
            "Formula": formulas.get(name, ""),
            "Unit": metric.unit or "none, a pure number",
            "Better": metric.wish,
            "Cases compare one by one": "yes" if metric.pairs else "no, only their mean says something",
        }
        text += f"\n## `{name}`: {metric.title}\n\n{metric.definition}\n\n{table(('', ''), facts.items())}"
    return text


def all_columns() -> str:
    """Every column of the rows, in order, with its type and meaning."""
    said = documented(section(DOCS / "results.md", "Columns"))
    said |= documented(section(DOCS / "methods.md", "What they share"))  # the diagnostics, one by one
    told = {name: it.definition for name, it in {**METRICS, **READINGS}.items()}
    kinds = dict.fromkeys(TEXT, "text") | dict.fromkeys(WHOLE, "integer")
    rows = [(f"`{name}`", kinds.get(name, "number"), told.get(name) or said.get(name, "")) for name in columns()]
    intro = (
        "One row a case and method, whatever happened. What a method reports beyond these is a column of its own, a\n"
        "number, after them. Integers are int64, numbers float64; what does not apply is NaN, or an empty text.\n"
        "How a folder is laid out, and what the values of `status` mean: [the results folder](../results.md).\n"
    )
    return f"# All columns\n\n{intro}\n{table(('column', 'type', 'meaning'), rows)}"


# Commands and modules ----------------------------------------------------------------------


def commands() -> str:
    """Every command with its help, from the command line itself."""
    import typer
    from typer.cli import get_docs_for_click

    from dexsy_bench.cli import app

    group = typer.main.get_command(app)
    context = group.make_context("dexsy-bench", [], resilient_parsing=True)
    text = f"# All commands\n\n{group.help}\n"
    for panel, found in itertools.groupby(group.commands.items(), lambda item: item[1].rich_help_panel):
        rows = ((f"[`{name}`](#dexsy-bench-{name})", first_line(command.help)) for name, command in found)
        text += "\n" + table((panel, ""), rows)
    for name, command in group.commands.items():
        text += "\n" + get_docs_for_click(obj=command, ctx=context, indent=1, name=name, call_prefix="dexsy-bench")
    text = re.sub(r"^\$ ", "", text.replace("```console", "```text"), flags=re.MULTILINE)
    text = re.sub(r"<(?:list\[)?(\w+)(?: range)?\]?>`", lambda kind: f"<{kind[1].lower()}>`", text)
    return text.replace("* `-h, --help`: Show this message and exit.\n", "")


def first_line(text: str | None) -> str:
    """The paragraph that a help begins with."""
    return " ".join((text or "").partition("\n\n")[0].split())


def module(name: str) -> str:
    """The public part of a module, from its docstrings."""
    return f"# `{name}`\n\n::: {name}\n"
