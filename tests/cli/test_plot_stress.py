"""`plot stress` with rows of two results folders, as a user calls it."""

import json
import shutil

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from dexsy_bench import plots
from dexsy_bench.cli import app
from dexsy_bench.errors import UserError

PICKY = """
import numpy as np
from dexsy_bench.method import Estimate, Method

class Picky(Method):
    name = 'picky'
    family = 'learned'
    def supports(self, problem):
        return None if problem.grid.d1[0] > 0.0099 else 'it knows another grid'
    def invert(self, signals):
        return Estimate(np.full((len(signals), *self.problem.grid.shape), 1 / self.problem.grid.d1.size ** 2))
"""


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two of the stress scenarios in one folder, a core one in the other."""
    folder = tmp_path_factory.mktemp("results")
    (folder / "picky.py").write_text(PICKY)
    asked = ["--include", folder / "picky.py", "--jobs", 1, "-n", 2, "--snr", 100, "-m", "prior_mean", "-m", "picky"]
    home = call("run", "-s", "two_compartment", *asked, "-m", "nnls", "--out", folder / "home")
    far = call("run", "-s", "wide_grid", "-s", "narrow_peaks", *asked, "--out", folder / "far")
    assert (home.exit_code, far.exit_code) == (0, 0), home.output + far.output
    return folder / "far", folder / "home"


@pytest.fixture
def drawn(monkeypatch):
    """The figures that plot makes."""
    made = []
    original = plots.stress
    monkeypatch.setattr(plots, "stress", lambda *given: made.append(original(*given)) or made[-1])
    return made


def lines(figure):
    return [tick.get_text() for tick in figure.axes[0].get_yticklabels()]


def notes(figure):
    return [text.get_text() for text in figure.axes[1].texts]


def test_scenarios_of_the_other_folder_stand_first(folders, drawn, tmp_path):
    far, home = folders
    result = call("plot", far, "stress", "--with", home, "--out", tmp_path)
    assert result.exit_code == 0
    assert {path.name for path in tmp_path.iterdir()} == {"stress-js.png", "stress-js.svg"}
    assert lines(drawn[0])[0] == "two_compartment"
    assert sorted(lines(drawn[0])[1:]) == ["narrow_peaks", "wide_grid"]
    assert notes(drawn[0]) == ["declined"]
    legend = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert legend == ["picky", "prior_mean (reference)"]  # nnls was run in the other folder alone


def test_selection_of_methods_and_scenarios(folders, drawn, tmp_path):
    far, home = folders
    call("plot", far, "stress", "--with", home, "-m", "prior_mean", "-s", "wide_grid", "-s", "two_compartment",
         "--format", "svg", "--out", tmp_path)  # fmt: skip
    assert lines(drawn[0]) == ["two_compartment", "wide_grid"]
    assert notes(drawn[0]) == []
    with pytest.raises(UserError, match="no method 'pricky' in these results \\(did you mean 'picky'"):
        call("plot", far, "stress", "-m", "pricky")


def test_other_figures_have_the_rows_too_but_the_gallery(folders, tmp_path):
    far, home = folders
    result = call("plot", far, "--with", home, "--scenario", "two_compartment", "--format", "svg", "--out", tmp_path)
    assert result.exit_code == 0
    assert {path.name for path in tmp_path.iterdir()} == {
        "snr-js.svg", "pareto-js-two_compartment.svg", "errors-js-two_compartment.svg", "stress-js.svg", "ranks-js.svg",
        "confusion.svg", "exchange-two_compartment-snr100.svg",
    }  # fmt: skip


def test_the_same_rows_twice_are_drawn_once(folders, drawn, tmp_path):
    far, home = folders
    call("plot", home, "stress", "--with", home, "--with", far, "--format", "svg", "--out", tmp_path)
    assert len(lines(drawn[0])) == 3


def test_rows_that_contradict_each_other_are_refused(folders, tmp_path):
    far, home = folders
    copy = shutil.copytree(home, tmp_path / "copy")
    shard = next((copy / "rows").glob("nnls*.parquet"))
    table = pq.read_table(shard)
    place = table.column_names.index("js")
    changed = [2 * value for value in table["js"].to_pylist()]
    pq.write_table(table.set_column(place, table.schema.field("js"), [changed]), shard)
    with pytest.raises(UserError, match="nnls has different results for case 0 of two_compartment at SNR 100 in"):
        call("plot", far, "stress", "--with", home, "--with", copy)


def test_another_definition_of_a_scenario_is_refused(folders, tmp_path):
    _, home = folders
    copy = shutil.copytree(home, tmp_path / "copy")
    manifest = json.loads((copy / "manifest.json").read_text())
    scenario = manifest["scenarios"]["two_compartment"]
    scenario["title"] = "a title defines nothing"
    (copy / "manifest.json").write_text(json.dumps(manifest))
    result = call("plot", home, "stress", "--with", copy, "--format", "svg", "--out", tmp_path / "figures")
    assert result.exit_code == 0
    scenario["compartments"][0]["d"] = [0.02, 0.31]
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match="another definition of two_compartment"):
        call("plot", home, "stress", "--with", copy)


def test_top_names_the_best_and_the_references_and_keeps_the_others_in_sight(folders, monkeypatch, tmp_path):
    _, home = folders
    made = []
    original = plots.snr
    monkeypatch.setattr(plots, "snr", lambda *given: made.append(original(*given)) or made[-1])
    for options in (["--top", 1], []):
        call("plot", home, "snr", *options, "--format", "svg", "--out", tmp_path)
    one, both = ([text.get_text() for text in figure.legends[0].get_texts()] for figure in made)
    assert both == ["nnls", "picky", "prior_mean (reference)"]
    board = call("table", home, "--metric", "js", "--format", "csv").stdout.splitlines()
    best = next(line.split(",")[2] for line in board[1:] if "reference" not in line)
    assert one == [best, "prior_mean (reference)", "other methods"]
    assert "the best 1 of 2 methods" in made[0].legends[0].get_title().get_text().replace("\n", " ")
