"""The site: what its pages are made of, and that they need no network. `tox -e docs` builds them."""

import dataclasses
import json
import os
import re
from pathlib import Path, PurePosixPath

import notebook
import offline
import pytest
import reference
import repository
import typer

from dexsy_bench.cli import app
from dexsy_bench.metrics import METRICS
from dexsy_bench.registry import Registry
from dexsy_bench.rows import columns

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/**/*.md"))


@pytest.fixture(scope="module")
def registry():
    return Registry()


def sections(page):
    """Heading in backticks -> text, of a generated page."""
    parts = re.split(r"^## (?:In short: )?`([^`]+)`", page, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


# Pages from the code -----------------------------------------------------------------------


def test_every_method_has_its_options_on_its_page(registry):
    pages = {path.name: path.read_text("utf-8") for path in ROOT.glob("docs/methods/*.md")}
    about = {page: reference.methods_of(text, registry) for page, text in pages.items()}
    assert sorted(name for names in about.values() for name in names) == registry.method_names
    for name in registry.method_names:
        text, cls = reference.method(name, registry), registry.method(name)
        assert cls.__doc__.split("\n\n")[0].split()[0] in text
        assert f"| {cls.family} |" in text
        for option in dataclasses.fields(cls.Options):
            assert re.search(
                rf"^\| `{option.name}` \| .+ \| `{re.escape(reference.shown(option.default))}` \|", text, re.M
            )
        for selection in registry.variants(name):
            assert f"`{selection.label}`" in text


def test_values_of_options_are_in_words(registry):
    text = reference.method("tikhonov", registry)
    assert "| `alpha` | a number, `ftest`, `gcv`, `lcurve`, `discrepancy`, `brd`, `tuned` | `ftest` | 22 values" in text
    assert "| `order` | `0`, `1`, `2` | `2` |" in text
    assert "| `symmetric` | `true`, `false` | `false` |" in text


def test_every_scenario_and_suite_has_a_section(registry):
    found = sections(reference.scenarios(registry))
    assert sorted(found) == registry.scenario_names
    for name, text in found.items():
        scenario = registry.scenario(name)
        assert scenario.title in text
        assert scenario.why.strip() in text
        for compartment in scenario.compartments:
            assert f"| {compartment.name} | {compartment.d[0]:g}" in text
    found = sections(reference.suites(registry))
    assert list(found) == list(registry.suites)
    for name, text in found.items():
        assert all(f"`{scenario}`" in text for scenario in registry.suites[name].scenarios)


def test_every_metric_has_a_definition_and_a_formula():
    found = sections(reference.metrics())
    assert list(found) == list(METRICS)
    for name, text in found.items():
        assert METRICS[name].definition in text
        assert re.search(r"^\| Formula \| \S", text, re.M), name


def test_documented_units_and_directions_of_metrics_are_those_of_the_registry():
    lines = (ROOT / "docs" / "metrics.md").read_text("utf-8").splitlines()
    head = next(i for i, line in enumerate(lines) if line.startswith("| column | better | unit |"))
    stated = {}
    for line in lines[head + 2 : lines.index("", head)]:
        names, better, unit, *_ = (cell.strip() for cell in line.strip("|").split("|"))
        names = re.findall(r"`(\w+)`", names)
        wanted = better.split(", ") if "," in better else [better] * len(names)
        stated |= {name: (good, unit) for name, good in zip(names, wanted, strict=True)}
    shown = {name: (it.better if it.target is None else f"{it.target:g}", it.unit) for name, it in METRICS.items()}
    assert stated == shown


def test_every_column_has_a_type_and_a_meaning():
    rows = re.findall(r"^\| `(\w+)` \| (text|integer|number) \| (.*) \|$", reference.all_columns(), re.M)
    assert [name for name, _, _ in rows] == list(columns())
    assert [name for name, _, meaning in rows if not meaning.strip()] == []


def test_every_command_has_its_options_in_the_reference():
    found = {name.removeprefix("dexsy-bench "): text for name, text in sections(reference.commands()).items()}
    commands = typer.main.get_command(app).commands
    assert list(found) == list(commands)
    for name, command in commands.items():
        assert reference.first_line(command.help) in " ".join(found[name].split())
        for parameter in command.params:
            if parameter.param_type_name == "option":
                assert all(option in found[name] for option in parameter.opts)


# Links -------------------------------------------------------------------------------------


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_hold_on_the_site_as_in_the_repository(document):
    """A link rewritten for the page leads to where the site has the file that it leads to in the repository."""
    text = (ROOT / document).read_text("utf-8")
    page = repository.site_path(document)
    here = PurePosixPath(page).parent
    for (link, anchor), (new, same) in zip(
        repository.LINK.findall(text), repository.LINK.findall(repository.relinked(text, page)), strict=True
    ):
        target = repository.target_of(link, document)
        assert anchor == same
        assert new == link if target is None else os.path.normpath(here / new) == repository.site_path(target)


def test_documents_that_are_linked_come_with_what_they_link_to():
    found = repository.outside(["docs/README.md"])
    assert {"CONTRIBUTING.md", "results/core/README.md", "results/core/table.md"} <= set(found)
    assert all((ROOT / path).is_file() and not path.startswith("docs/") for path in found)


# The notebook, the network -----------------------------------------------------------------


def test_a_notebook_becomes_a_page(tmp_path):
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": ["\x1b[31mred\x1b[0m\n"]},
        {"output_type": "display_data", "data": {"image/png": "QUJD\n", "text/plain": "<Figure>"}},
        {
            "output_type": "execute_result",
            "data": {"text/html": "<style>p {}</style>\n<table>\n <tr>", "text/plain": "x"},
        },
    ]
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "Text."]},
        {"cell_type": "code", "source": ["print(1)\n", "2"], "outputs": outputs},
    ]
    path = tmp_path / "some.ipynb"
    path.write_text(json.dumps({"cells": cells}), "utf-8")
    title, link, text, code, printed, picture, table = notebook.page(path).strip().split("\n\n")
    assert (title, text) == ("# Title", "Text.")
    assert 'href="../some.ipynb"' in link
    assert code == "```python\nprint(1)\n2\n```"
    assert printed == "```text\nred\n```"
    assert 'src="data:image/png;base64,QUJD"' in picture
    assert table == '<div class="output"><table><tr></div>'


def test_what_a_page_loads_from_elsewhere_is_found(tmp_path):
    (tmp_path / "a.html").write_text(
        '<link rel="stylesheet" href="assets/a.css"><link rel="canonical" href="https://here/"><a href="https://x/">x</a>'
        '<script src="https://cdn/x.js"></script><img src="//img/y.png"><img src="data:image/png;base64,AA">'
    )
    (tmp_path / "b.css").write_text(
        "@import 'https://fonts/z.css'; a { background: url(data:x) } b { src: url(c.woff) }"
    )
    assert [sentence.split()[2] for sentence in offline.check(tmp_path)] == [
        "https://cdn/x.js:",
        "//img/y.png:",
        "https://fonts/z.css:",
    ]
