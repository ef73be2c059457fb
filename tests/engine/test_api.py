"""The commands as functions: the same names, the same results, and nothing printed."""

import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import faults
import numpy as np
import pandas as pd
import pytest
import typer
from matplotlib.figure import Figure
from typer.testing import CliRunner

import dexsy_bench as db
from dexsy_bench.cli import app
from dexsy_bench.errors import UserError
from dexsy_bench.rows import columns
from dexsy_bench.store import load_manifest

DOCS = Path(__file__).parents[2] / "docs"
COMMANDS = typer.main.get_command(app).commands
ONE_NAME = {"scenario": "scenarios", "method": "methods"}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("api")
    faults.write(folder / "own")
    return folder


@pytest.fixture(scope="module")
def run(home):
    return db.run(scenarios=["tiny"], methods=["fingerprint", "nnls"], cases=3, out=home / "run", jobs=1,
                  include=[home / "own"])  # fmt: skip


@pytest.fixture(autouse=True)
def nothing_is_printed(request, capfd):
    yield
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_a_function_that_says_what_it_does(command):
    function = getattr(db, command.replace("-", "_"))
    assert callable(function)
    assert len(inspect.getdoc(function)) > 40


def test_no_module_takes_the_name_of_a_function():
    """Once imported, it would hide the function."""
    assert {module.name for module in pkgutil.iter_modules([str(Path(db.__file__).parent)])}.isdisjoint(db._API)


def test_run_has_the_options_of_its_command():
    options = {ONE_NAME.get(one.name, one.name) for one in COMMANDS["run"].params}
    assert options - {"help"} <= set(inspect.signature(db.run).parameters)


def test_importing_loads_nothing_heavy():
    code = "import sys, dexsy_bench; print(any(m in sys.modules for m in ('numpy', 'pandas', 'torch', 'rich')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
    with pytest.raises(AttributeError, match="no attribute 'tabel'"):
        db.tabel  # noqa: B018
    assert {"run", "list", "table"} <= set(dir(db))


def test_a_run_is_loaded_with_labels_and_every_column(run):
    rows = db.load_run(str(run))
    assert list(rows.columns[: 1 + len(columns())]) == ["label", *columns()]
    assert rows.groupby("label").size().to_dict() == {"fingerprint": 3, "nnls": 3}
    (entry,) = load_manifest(run)["history"]
    assert entry["command"] == "dexsy_bench.run: tiny, methods 'fingerprint', 'nnls'"


def test_running_again_computes_nothing(run, home):
    before = {path: path.stat().st_mtime_ns for path in (run / "rows").iterdir()}
    db.run(scenarios=["tiny"], methods=["nnls"], cases=3, out=run, jobs=1, include=[home / "own"])
    assert {path: path.stat().st_mtime_ns for path in (run / "rows").iterdir()} == before


def test_tables_are_made_of_a_folder_or_of_rows(run):
    board = db.table(run, metrics=["js"], cases=2)
    pd.testing.assert_frame_equal(board, db.table(db.load_run(run), metrics=["js"], cases=2))
    assert list(board["asked"]) == [2, 2]
    pairs = db.compare(run, "nnls", ["fingerprint"], ["js"])
    rows = db.load_run(run)
    means = rows.groupby("label")["js"].mean()
    assert pairs["difference"].item() == pytest.approx(means["nnls"] - means["fingerprint"])
    assert set(db.ranks(run)["label"]) == {"nnls", "fingerprint"}
    with pytest.raises(UserError, match="no method nnls\\[x"):
        db.compare(run, "nnls[x=1]")
    with pytest.raises(UserError, match="no rows with numbers for alpha"):
        db.choosing(run, "nnls")


def test_one_alone_needs_no_list(run, home):
    db.run(scenarios="tiny", methods="nnls", snr=50, cases=3, out=run, jobs=1, include=str(home / "own"))
    pd.testing.assert_frame_equal(db.table(run, metrics="js", snr=50), db.table(run, metrics=["js"], snr=[50]))
    whole = db.table(run, metrics="js", by="all", scenarios="tiny")
    pd.testing.assert_frame_equal(whole, db.table(run, metrics=["js"], by=[]))
    pd.testing.assert_frame_equal(whole, db.table(run, metrics=["js"], by=["all"]))
    assert len(db.compare(run, "nnls", "fingerprint", "js")) == 1
    assert len(db.limits("tiny", 100, n=2, include=home / "own")) > 0
    assert "tiny" in set(db.list("scenarios", include=str(home / "own"))["name"])


def test_ranks_are_what_the_command_writes(run, tmp_path):
    csv = tmp_path / "ranks.csv"
    done = CliRunner().invoke(app, f"ranks {run} --metric js --metric w1 --by scenario --by snr -o {csv}".split())
    assert done.exit_code == 0, done.output
    found = db.ranks(run, ["js", "w1"], by=["scenario", "snr"])
    pd.testing.assert_frame_equal(found, pd.read_csv(csv, keep_default_na=False, na_values={"rank": ""}),
                                  check_dtype=False)  # fmt: skip


def test_what_the_commands_refuse_is_refused(run, home):
    own = {"scenarios": ["tiny"], "methods": ["nnls"], "out": run, "include": [home / "own"]}
    before = load_manifest(run)
    for wrong, message in (
        ({"cases": 0}, "-n 0"),
        ({"cases": -1}, "-n -1"),
        ({"cache": "ignor"}, "--cache ignor: there are use, ignore, only"),
        ({"cache": "only", "cases": 4}, "missing in .*: nnls · tiny · SNR 50; run without"),
        ({"jobs": -1}, "--jobs -1"),
        ({"jobs": 0}, "--jobs 0"),
    ):
        with pytest.raises(UserError, match=message):
            db.run(**own | wrong)
    assert db.run(**own, cases=3, cache="only") == run
    assert load_manifest(run) == before
    for call, message in (
        (lambda: db.plot(run, "snr", style="poster"), "no style 'poster'; there are: paper, talk"),
        (lambda: db.plot(run, "snr", width=-5), "--width -5"),
        (lambda: db.plot(run, "snr", top=0), "--top 0"),
        (lambda: db.table(run, cases=0), "--cases 0"),
        (lambda: db.table(run, metrics="jss"), "no metric 'jss'"),
        (lambda: db.ranks(run, by="method"), "--by method"),
        (lambda: db.choosing(run, "nnls", by="case"), "--by case"),
        (lambda: db.tune("nnls", "tiny", jobs=-1, out=home / "tuned", include=home / "own"), "--jobs -1"),
    ):
        with pytest.raises(UserError, match=message):
            call()


def test_a_report_takes_texts_as_paths(run, home):
    (home / "curves").mkdir()
    page = db.report(str(run), str(home / "page.html"), explore=0, metrics="js", against=str(run),
                     training=str(home / "curves"), include=str(home / "own"))  # fmt: skip
    assert page.stat().st_size > 10_000
    with pytest.raises(UserError, match=r"--training .*nowhere: there is no such file"):
        db.report(run, home / "page.html", explore=0, training="nowhere")


def test_figures_are_returned(run):
    figures = db.plot(run, "snr")
    assert [type(figure) for figure in figures.values()] == [Figure]
    with pytest.raises(UserError, match="no figure 'snrr'"):
        db.plot(run, "snrr")


def test_runs_are_merged(run, home):
    other = db.run(scenarios=["tiny"], methods=["slow"], cases=2, out=home / "other", jobs=1, include=[home / "own"])
    merged = db.merge(run, other, out=home / "merged")
    assert db.load_run(merged).groupby("label").size().to_dict() == {"fingerprint": 3, "nnls": 3, "slow": 2}


def test_cases_go_out_as_files_and_estimates_come_back(home):
    data = db.generate("tiny", home / "data", n=2, snr=50, include=[home / "own"])
    (home / "estimates").mkdir()
    for case in range(2):
        np.save(home / "estimates" / f"f_hat_{case}.npy", np.load(data / f"f_{case}.npy"))
    rows = db.score(home / "estimates", data, "mine", home / "scored")
    assert list(rows["status"]) == ["ok", "ok"]
    assert rows["w1"].max() < 1e-6
    assert set(db.load_run(home / "scored")["label"]) == {"mine"}
    b = np.load(data / "b_vals.npy")
    found = db.invert(np.load(data / "S_noisy_0.npy"), b, method="nnls", n=16)
    again = db.invert(data / "S_noisy_0.npy", data / "b_vals.npy", method="nnls", n=16)
    assert found.f.shape == (16, 16)
    np.testing.assert_array_equal(found.f, again.f)


def test_what_there_is(home):
    assert "tiny" in set(db.list("scenarios", include=[home / "own"])["name"])
    assert {"js", "w1"} <= set(db.list("metrics")["name"])
    methods = db.list().set_index("name")
    assert methods.loc["tikhonov", "family"] == "classical"
    assert "core" in set(db.list("suites")["name"])
    with pytest.raises(UserError, match="no list of 'method'; there are: methods"):
        db.list("method")


def test_a_method_is_written_and_checked(home):
    path = db.new_method("mine", home / "new")
    results = db.check(path)
    assert set(results["label"]) == {"mine"}
    assert not (results["ok"] == False).any()  # noqa: E712  # None: does not apply


def test_limits(home):
    found = db.limits("tiny", [100.0], n=2, include=[home / "own"])
    assert (found["low"] <= found["high"]).all()
    with pytest.raises(UserError, match="positive and finite"):
        db.limits("tiny", [float("inf")], include=[home / "own"])


# Documents ---------------------------------------------------------------------------------


def test_every_column_is_documented():
    text = "".join((DOCS / f"{name}.md").read_text("utf-8") for name in ("results", "metrics", "python"))
    assert [name for name in columns() if f"`{name}`" not in text] == []


def test_every_function_has_an_example_that_fits_it():
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "python.md").read_text("utf-8"), re.DOTALL)
    shown = "\n".join(blocks)
    assert [name for name in db._API if f"db.{name}(" not in shown] == []
    for block in blocks:
        names = {"db": _Calls(), "__name__": "__main__", "print": lambda *_: None}
        exec(compile(block, "python.md", "exec"), names)


class _Calls:
    """In the place of the package: calls are compared with signatures and give anything."""

    def __getattr__(self, name):
        def call(*given, **named):
            inspect.signature(getattr(db, name)).bind(*given, **named)
            return _Anything()

        return call


class _Anything:
    def __getattr__(self, name):
        return self

    def __call__(self, *given, **named):
        return self

    def __getitem__(self, key):
        return self

    def __eq__(self, other):
        return self

    def __iter__(self):
        return iter([(self, self)])
