"""`table` and `plot` on a real, small results folder, as a user calls them."""

import io
import re
import subprocess
import sys

import pandas as pd
import pytest
from typer.testing import CliRunner

from dexsy_bench.cli import app
from dexsy_bench.errors import UserError
from dexsy_bench.store import load_rows


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """prior_mean and one that fails, two SNR levels, three cases, estimates kept."""
    folder = tmp_path_factory.mktemp("results")
    method = folder / "shy.py"
    method.write_text(
        "import numpy as np\n"
        "from dexsy_bench.method import Estimate, Method\n"
        "class Shy(Method):\n"
        "    name = 'shy'\n"
        "    def invert(self, signals):\n"
        "        if len(signals) > 1 or signals[0, 0, 20] < 0.4:\n"
        "            raise RuntimeError('not this one')\n"
        "        return Estimate(np.full((len(signals), *self.problem.grid.shape), 1 / 4096))\n"
    )
    out = folder / "run"
    result = call(
        "run", "-s", "two_compartment", "--snr", 100, "--snr", 300, "-n", 3, "-m", "prior_mean", "-m", "shy",
        "--include", method, "--out", out, "--jobs", 1, "--keep-estimates", 16,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    return out


def test_table_in_a_pipe_is_whole(run):
    result = call("table", run)
    assert result.exit_code == 0
    for text in ("two_compartment · SNR 100 · 3 cases", "two_compartment · SNR 300", "mean over 2 cells, 6 cases"):
        assert text in result.output
    assert "prior_mean" in result.output
    assert "error" in result.output
    assert "…" not in result.output


def test_table_csv_holds_the_means_of_the_rows(run):
    result = call("table", run, "--format", "csv", "--metric", "js", "--metric", "w1")
    board = pd.read_csv(io.StringIO(result.stdout))
    rows = load_rows(run)
    for (method, snr), part in rows.groupby(["method", "snr"]):
        found = board[(board["method"] == method) & (board["snr"] == snr) & (board["metric"] == "js")].iloc[0]
        assert found["mean"] == pytest.approx(part["js"].mean(), nan_ok=True)
        assert found["ok"] == (part["status"] == "ok").sum()
        assert found["error"] == (part["status"] == "error").sum()
        assert found["asked"] == 3


def test_table_options(run):
    text = call("table", run, "--by", "all", "--metric", "w1", "--format", "markdown").stdout
    assert text.startswith("### All · mean over 2 cells, 6 cases")
    assert "w1 ↓" in text
    assert "js ↓" not in text
    text = call("table", run, "--snr", 300, "-f", "markdown").stdout
    assert "SNR 300" in text
    assert "SNR 100" not in text


@pytest.mark.parametrize(("name", "start"), [("t.md", "### "), ("t.csv", "scenario,snr,label"), ("t.tex", "% needs ")])
def test_table_writes_a_file_as_its_ending_says(run, tmp_path, name, start):
    result = call("table", run, "--out", tmp_path / "new" / name)
    assert result.exit_code == 0
    assert (tmp_path / "new" / name).read_text(encoding="utf-8").startswith(start)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--metric", "jss"], "did you mean 'js'"),
        (["--by", "scenari"], "did you mean 'scenario'"),
        (["--scenario", "two_compartments"], "did you mean 'two_compartment'"),
        (["--snr", "31"], "there are: 100, 300"),
        (["--sort", "nothing"], "cannot sort by 'nothing'"),
    ],
)
def test_table_errors_say_what_there_is(run, arguments, message):
    with pytest.raises(UserError, match=message):
        call("table", run, *arguments)


@pytest.mark.parametrize("command", ["table", "plot"])
def test_not_a_results_folder(tmp_path, command):
    with pytest.raises(UserError, match="is not a results folder"):
        call(command, tmp_path)


def test_plot_draws_every_kind(run):
    result = call("plot", run)
    assert result.exit_code == 0
    found = {path.name for path in (run / "figures").iterdir()}
    gallery = {name for name in found if name.startswith("gallery-two_compartment-case")}
    stems = {"snr-js", "pareto-js-two_compartment", "errors-js-two_compartment", "stress-js", "confusion"}
    stems |= {f"exchange-two_compartment-snr{snr}" for snr in (100, 300)}
    assert "skipped calibration: no row has a value of coverage_50" in result.stderr  # no method here has samples
    assert "skipped ranks: fewer than two methods were scored on every case" in result.stderr
    assert result.stderr.count("skipped") == 2
    assert found - gallery == {f"{stem}.{form}" for stem in stems for form in ("png", "svg")}
    assert len(gallery) == 2
    assert all((run / "figures" / name).stat().st_size > 5000 for name in found)


def test_plot_options(run, tmp_path):
    result = call("plot", run, "gallery", "--case", 0, "--case", 2, "--snr", 300, "--format", "png", "--out", tmp_path)
    assert result.exit_code == 0
    assert {path.name for path in tmp_path.iterdir()} == {
        "gallery-two_compartment-case0.png",
        "gallery-two_compartment-case2.png",
    }


def test_gallery_reads_kept_estimates(run, monkeypatch, tmp_path):
    """`shy` is not among the methods without --include; its kept estimates are drawn all the same."""
    from dexsy_bench import plots

    drawn = []
    original = plots.gallery
    monkeypatch.setattr(plots, "gallery", lambda shown, *rest: drawn.extend(shown) or original(shown, *rest))
    rows = load_rows(run)
    ok = rows[(rows["method"] == "shy") & (rows["status"] == "ok")]
    assert 0 < len(ok) < 6  # the signals decide which
    first = ok.iloc[0]
    call("plot", run, "gallery", "--case", first["case"], "--snr", first["snr"], "--format", "svg", "--out", tmp_path)
    assert drawn[0].scores["shy"]["js"] == pytest.approx(first["js"], rel=1e-5)


def test_plot_goes_on_where_one_figure_cannot_be_made(run, tmp_path):
    result = call("plot", run, "gallery", "--case", 7, "--case", 0, "--format", "svg", "--out", tmp_path)
    assert result.exit_code == 0
    assert "skipped gallery-two_compartment-case7: no case 7" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["gallery-two_compartment-case0.svg"]


def test_a_kind_that_was_named_and_cannot_be_drawn_is_refused_after_the_others(run, tmp_path):
    with pytest.raises(UserError, match=r"^calibration cannot be drawn: no row has a value of coverage_50"):
        call("plot", run, "calibration", "snr", "--format", "svg", "--out", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["snr-js.svg"]


def test_columns_that_older_runs_lack_are_named(run, tmp_path, monkeypatch):
    from dexsy_bench import store

    rows = load_rows(run).drop(columns=["peaks_found", "exchange_found"])
    monkeypatch.setattr(store, "load_rows", lambda _: rows)
    with pytest.raises(UserError, match=r"^confusion cannot be drawn: no row has a value of peaks_found: older runs"):
        call("plot", run, "confusion", "--out", tmp_path)
    with pytest.raises(UserError, match=r"^exchange cannot be drawn: no row has a value of exchange_found") as error:
        call("plot", run, "exchange", "--out", tmp_path)
    assert str(error.value).count("exchange_found") == 1  # one sentence for both SNR levels


def test_plot_style_and_width_reach_the_files(run, tmp_path):
    widths = {}
    for name, options in {"paper": [], "narrow": ["--width", 100], "talk": ["--style", "talk"]}.items():
        call("plot", run, "snr", "--format", "svg", *options, "--out", tmp_path / name)
        svg = (tmp_path / name / "snr-js.svg").read_text()
        widths[name] = float(re.search(r'<svg[^>]* width="([\d.]+)pt"', svg)[1]) / 72 * 25.4
    assert widths == pytest.approx({"paper": 85, "narrow": 100, "talk": 160}, abs=0.1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["galery"], "no figure 'galery' \\(did you mean 'gallery'"),
        (["time"], "^the figure 'time' is now called 'pareto'"),
        (["snr", "distribution"], "^the figure 'distribution' is now called 'errors'"),
        (["snr", "--metric", "kll"], "did you mean 'kl'"),
        (["snr", "--format", "jpg"], "no format 'jpg'"),
        (["--scenario", "three_compartment"], "no scenario 'three_compartment' in these results"),
    ],
)
def test_plot_errors_say_what_there_is(run, arguments, message):
    with pytest.raises(UserError, match=message):
        call("plot", run, *arguments)


def test_a_mistake_ends_with_one_sentence_and_status_2(run):
    done = subprocess.run(
        [sys.executable, "-m", "dexsy_bench", "table", str(run), "--metric", "jss"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.startswith("dexsy-bench: no metric 'jss'")
    assert done.stderr.count("\n") == 1


def test_commands_import_nothing_heavy():
    code = "import sys, dexsy_bench.cli.table, dexsy_bench.cli.plot; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pandas", "matplotlib", "scipy", "torch", "seaborn"} & set(loaded)


def test_without_noise_the_default_table_leaves_the_residual_out(tmp_path):
    call("run", "-s", "coarse_16", "--snr", "inf", "-n", 2, "-m", "prior_mean", "--out", tmp_path, "--jobs", 1)
    result = call("table", tmp_path, "--format", "csv")
    assert result.exit_code == 0
    assert set(pd.read_csv(io.StringIO(result.stdout))["metric"]) == {"kl", "js", "w1", "topk", "exchange"}


def test_compare_shows_pairs_and_writes_them(run, tmp_path):
    result = call("compare", run, "prior_mean", "--against", "shy", "--metric", "js")
    assert result.exit_code == 0
    assert "prior_mean · js ↓" in result.output
    answered = load_rows(run).query("method == 'shy' and status == 'ok' and snr == 100")
    assert f"{len(answered)}/3" in result.output
    call("compare", run, "prior_mean", "--against", "shy", "--out", tmp_path / "pairs.csv")
    pairs = pd.read_csv(tmp_path / "pairs.csv")
    assert list(pairs["metric"].unique()) == ["js", "kl", "w1"]
    with pytest.raises(UserError, match="there are: prior_mean, shy"):
        call("compare", run, "nobody")
    assert call("compare", run, "prior_mean[draws=4096]", "--against", "shy").exit_code == 0  # its default
