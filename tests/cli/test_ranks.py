"""`ranks` on a results folder, as a user calls it."""

import io
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from dexsy_bench.cli import app
from dexsy_bench.errors import UserError
from dexsy_bench.jobs import Job
from dexsy_bench.ranking import rank
from dexsy_bench.rows import Outcome, blank
from dexsy_bench.store import Shard, Store, load_rows

CASES = 16
LEVELS = {  # method: mean js, mean topk
    "sharp": (0.10, 0.4),
    "even": (0.101, 0.9),
    "smooth": (0.3, 0.9),
    "shy": (0.05, 0.95),
    "oracle": (0.01, 1.0),
}


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Rows of five methods in two scenarios at two SNR; `shy` declines half of the cases of one cell."""
    folder = tmp_path_factory.mktemp("ranks")
    rng = np.random.default_rng(0)
    with Store(folder) as store:
        for method, (js, topk) in LEVELS.items():
            family = "reference" if method == "oracle" else "classical"
            for scenario in ("three", "two"):
                for snr in (30.0, 300.0):
                    job = Job(method, (), (), "default", family, "", "", scenario, snr, 0, CASES, "key")
                    rows = []
                    for case in range(CASES):
                        hidden = method == "shy" and scenario == "two" and snr == 30 and case >= CASES // 2
                        row = blank(job, case, "unsupported" if hidden else "ok", "too hard" if hidden else "")
                        if not hidden:
                            row |= {
                                "js": js + rng.normal(0, 0.01),
                                "topk": topk + rng.normal(0, 0.01),
                                "exchange": js if scenario == "two" else np.nan,
                                "coverage_95": 1.0,
                            }
                        rows.append(row)
                    store.write(Shard.of(job), Outcome(rows))
    return folder


def test_the_ranking_with_its_coverage(run):
    result = call("ranks", run)
    assert result.exit_code == 0
    lines = {line.split()[0]: line.split() for line in result.output.splitlines() if line.strip()}
    assert lines["method"][:3] == ["method", "rank", "place"]
    assert [lines[name][1] for name in ("sharp", "even", "smooth")] == ["1", "1", "3"]
    assert lines["shy"][1] == lines["oracle"][1] == "–"
    assert "scored on 56 of 64 cases (8 unsupported)" in result.output
    assert "family-wise error 5%" in result.output
    assert "…" not in result.output


def test_several_metrics_say_whether_the_winner_depends_on_them(run):
    text = call("ranks", run, "--metric", "js", "--metric", "topk", "-f", "markdown").stdout
    assert "| `sharp` | **1 (1–2)** | 3 (3) |" in text
    assert "### Kendall's tau-b between the ranks" in text
    assert "Of rank 1 by each of js, topk: even." in text
    text = call("ranks", run, "--metric", "js", "--metric", "topk", "-f", "markdown", "--cases", CASES // 2).stdout
    assert "| `shy` | **1 (1)** | **1 (1)** |" in text  # on the cases that it took, it is the best
    assert "| not ranked |" not in text


def test_csv_has_the_ranking_of_the_library(run):
    found = pd.read_csv(io.StringIO(call("ranks", run, "--metric", "js", "--metric", "topk", "-f", "csv").stdout))
    for metric, part in found.groupby("metric"):
        expected = rank(load_rows(run), metric)
        assert list(part["label"]) == list(expected["label"])
        np.testing.assert_array_equal(part["rank"], expected["rank"])
        np.testing.assert_allclose(part["mean"], expected["mean"], rtol=1e-12)


def test_by_scenario_and_the_selection_of_cases(run, tmp_path):
    call("ranks", run, "--by", "scenario", "--out", tmp_path / "r.csv")
    found = pd.read_csv(tmp_path / "r.csv").set_index(["scenario", "label"])
    assert found.loc[("three", "shy"), "rank"] == 1  # it scored every case there
    assert np.isnan(found.loc[("two", "shy"), "rank"])
    text = call("ranks", run, "--by", "scenario", "--by", "snr", "-f", "markdown").stdout
    assert "### two · SNR 30 · Jensen-Shannon divergence" in text
    assert "### three · SNR 300 · Jensen-Shannon divergence" in text
    few = call("ranks", run, "--scenario", "three", "--snr", 30, "--cases", 5, "-f", "markdown").stdout
    assert "5 specimens are too few to separate any two of 4 methods by js; it takes 8 at least." in few
    assert "| `smooth` | **1** |" in few


def test_a_group_without_the_metric_is_named_and_the_others_are_ranked(run):
    text = call("ranks", run, "--by", "scenario", "--metric", "exchange", "-f", "markdown").stdout
    assert "### two · " in text
    assert "### three · " not in text
    assert "three: no case has a value of exchange." in text
    text = call("ranks", run, "--by", "scenario", "--metric", "exchange", "--metric", "js", "-f", "markdown").stdout
    assert "### three · Jensen-Shannon divergence" in text
    assert "### two · rank (place) by metric" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--metric", "jss"], "did you mean 'js'"),
        (["--metric", "coverage_95"], "coverage_95 cannot rank methods"),
        (["--metric", "w1"], "no case has a value of w1"),
        (["--scenario", "twoo"], "did you mean 'two'"),
    ],
)
def test_mistakes_are_explained(run, arguments, message):
    with pytest.raises(UserError, match=message):
        call("ranks", run, *arguments)


def test_help_teaches(run):
    text = call("ranks", "--help").output
    assert "dexsy-bench ranks results/core --cases 32" in text
    assert "share a rank" in text


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles(run, tmp_path):
    call("ranks", run, "--metric", "js", "--metric", "topk", "--by", "scenario", "--out", tmp_path / "ranks.tex")
    (tmp_path / "main.tex").write_text(
        r"\documentclass{article}\usepackage{booktabs,graphicx}\begin{document}\input{ranks}\end{document}"
    )
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "main"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-2000:]
