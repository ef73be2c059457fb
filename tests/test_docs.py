"""The documents hold: commands are understood, links lead somewhere, versions agree."""

import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer

import dexsy_bench
from dexsy_bench import leaderboard, ranking
from dexsy_bench.cli import app
from dexsy_bench.metrics import METRICS
from dexsy_bench.registry import Registry
from dexsy_bench.store import load_rows

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "methods/*/*.md", "results/**/README.md")
    for path in ROOT.glob(pattern)
)


def commands(text):
    """Lines of code blocks, and code in sentences, that start with dexsy-bench."""
    blocks = re.findall(r"^```\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    inline = re.findall(r"`(dexsy-bench [^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))
    lines = [line for block in blocks for line in block.splitlines()] + inline
    return [" ".join(line.split()) for line in lines if line.startswith("dexsy-bench ") and "..." not in line]


COMMANDS = [
    pytest.param(line, id=f"{path.name}: {line}")
    for path in DOCUMENTS
    for line in dict.fromkeys(commands(path.read_text("utf-8")))
]


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_are_understood(line):
    group = typer.main.get_command(app)
    name, *arguments = shlex.split(line, comments=True)[1:]
    assert name in group.commands
    if arguments:  # a command that a sentence only names has none
        context = group.commands[name].make_context(name, arguments, parent=group.context_class(group))
        check_names(context.params)


def check_names(params):
    """Suites, scenarios and built-in methods that a command names exist."""
    registry = Registry()
    if params.get("suite") is not None:
        assert params["suite"] in registry.suites
    scenarios = params.get("scenario") or params.get("scenarios") or []
    for name in [scenarios] if isinstance(scenarios, str) else scenarios:
        assert name in (*registry.scenario_names, "SCENARIO")
    methods = params.get("method") or []
    for text in [methods] if isinstance(methods, str) else methods:
        if text.partition("[")[0] in registry.method_names:
            registry.select(text)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text("utf-8")):
        if target.startswith("http"):
            continue
        path, _, anchor = target.partition("#")
        file = (document.parent / path).resolve() if path else document
        assert file.exists(), target
        if anchor:
            assert anchor in map(slug, re.findall(r"^#+ (.*)$", file.read_text("utf-8"), re.MULTILINE)), target


def slug(heading):
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_every_document_is_in_the_index():
    index = (ROOT / "docs" / "README.md").read_text("utf-8")
    for path in ROOT.glob("docs/*.md"):
        assert path.name == "README.md" or f"]({path.name})" in index


def test_every_method_has_a_page_that_the_index_names():
    index = (ROOT / "docs" / "methods.md").read_text("utf-8")
    pages = [path for path in ROOT.glob("docs/methods/*.md") if f"](methods/{path.name})" in index]
    assert len(pages) == len(list(ROOT.glob("docs/methods/*.md")))
    titles = " ".join(page.read_text("utf-8").partition("\n")[0] for page in pages)
    assert [name for name in Registry().method_names if f"`{name}`" not in titles] == []


def test_versions_agree():
    version = dexsy_bench.__version__
    assert re.search(rf"^version: {re.escape(version)}$", (ROOT / "CITATION.cff").read_text("utf-8"), re.MULTILINE)
    first = re.search(r"^## \[(.*?)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert first
    assert first[1] in (version, "Unreleased")


def test_numbers_above_the_noise_are_those_that_science_states():
    scenario = Registry().scenario("two_compartment")
    problem = scenario.problem(np.inf)
    clean = scenario.cases(0, 64, np.inf).clean[:, 0]
    (u1, *_), (u2, *_) = np.linalg.svd(problem.k1), np.linalg.svd(problem.k2)
    coefficients = np.abs(u1.T @ clean @ u2)
    counted = [round((coefficients > 1 / snr).sum(axis=(1, 2)).mean()) for snr in (30, 100, 300, 1000)]
    assert "{}, {}, {} and {}".format(*counted) in (ROOT / "docs" / "science.md").read_text("utf-8")


# Numbers -----------------------------------------------------------------------------------


def differences(page, name, computed):
    """What the tables under `<!-- numbers: NAME -->` state and is not what computed(row, column) rounds to."""
    tables = re.findall(rf"<!-- numbers: {name} -->\n((?:\|.*\n)+)", (ROOT / "docs" / page).read_text("utf-8"))
    assert tables, page
    wrong = []
    for table in tables:
        head, _, *rows = ([cell.strip(" `") for cell in line.strip("|\n").split("|")] for line in table.splitlines())
        for first, *stated in rows:
            for column, number in zip(head[1:], stated, strict=True):
                value = computed(f"{head[0]}: {first}", column)
                if f"{value:.{len(number.partition('.')[2])}f}" != number:
                    wrong.append(f"{first}, {column}: {number} is stated, {value:.5f} computed")
    return wrong


@pytest.fixture(scope="module")
def core():
    return leaderboard.with_labels(load_rows(ROOT / "results" / "core"))


def test_scores_on_the_core_are_those_that_are_stated(core):
    means = core.groupby("label")[list(METRICS)].mean()
    stated = differences("why-metrics-disagree.md", "core", lambda row, metric: means.loc[row.split(": ")[1], metric])
    assert stated == []


def test_agreement_of_metrics_is_as_stated(core):
    tau = ranking.agreement(core, ["js", "kl", "w1", "topk", "exchange"])
    stated = differences("why-metrics-disagree.md", "tau", lambda row, metric: tau.loc[row.split(": ")[1], metric])
    assert stated == []


def test_scores_out_of_distribution_are_those_that_are_stated(core):
    stress = leaderboard.with_labels(load_rows(ROOT / "results" / "network"))
    means = pd.concat([core, stress]).groupby(["scenario", "label"])[["js", "w1"]].mean()

    def mean(row, label):
        head, scenario = row.split(": ")
        return means.loc[(scenario, label), "w1" if head.endswith("w1") else "js"]

    assert differences("out-of-distribution.md", "stress", mean) == []


def test_what_metrics_see_of_known_damages_is_as_stated():
    """The code on the page gives the table above it."""
    page = (ROOT / "docs" / "why-metrics-disagree.md").read_text("utf-8")
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    made = {"print": lambda *_: None}
    exec(code[1], made)
    rows = iter([value for row in made["table"] for value in row])
    assert differences("why-metrics-disagree.md", "damages", lambda *_: next(rows)) == []
