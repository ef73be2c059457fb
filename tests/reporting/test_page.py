"""The page as a file: what it holds, what it does not ask for, and what the command refuses."""

import io
import json
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from pages import METHODS, call, packed, write_inputs

from dexsy_bench.errors import UserError
from dexsy_bench.leaderboard import with_labels
from dexsy_bench.store import load_rows

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Reader(HTMLParser):
    """Collects elements, and checks that they nest."""

    def __init__(self):
        super().__init__()
        self.elements, self.open = [], []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        while self.open and self.open[-1] != tag and self.open[-1] in ("p", "li", "dd", "dt"):
            self.open.pop()
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def elements(html):
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader.elements


def test_it_needs_no_other_file(html, elements):
    addresses = [value for _, given in elements for name, value in given.items() if name in ("src", "href", "srcset")]
    assert addresses
    assert {address[:5] for address in addresses if not address.startswith("#")} == {"data:"}
    policy = next(given["content"] for tag, given in elements if given.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none';")
    assert "http" not in policy
    assert "@import" not in html.split("</style>")[1]
    assert len(html.encode()) < 7e6


def test_it_says_what_it_is_to_those_who_do_not_see_it(elements):
    names = [tag for tag, _ in elements]
    for landmark in ("header", "nav", "main", "footer"):
        assert names.count(landmark) == 1
    assert names.count("h1") == 1
    assert names.count("caption") == names.count("table") > 4
    assert names.count("figcaption") == names.count("figure") > 8
    ids = [given["id"] for _, given in elements if "id" in given]
    assert len(ids) == len(set(ids))
    targets = {given["href"][1:] for tag, given in elements if tag == "a" and given["href"].startswith("#")}
    assert targets <= set(ids)
    for _, given in elements:
        assert set(given.get("aria-labelledby", "").split()) <= set(ids)


def test_what_others_wrote_is_shown_as_text(html, data):
    assert "<title>A &lt;small&gt; run</title>" in html
    assert "<b>this</b>" not in html
    without = [case["without"].get("shy", "") for case in data["explorer"]["cases"].values()]
    assert any("not <b>this</b> one" in reason for reason in without)


def test_the_csv_are_the_rows_and_the_means(html, run):
    rows = with_labels(load_rows(run))
    found = pd.read_csv(io.StringIO(packed(html, "csv-rows")), keep_default_na=False, na_values={"js": "", "w1": ""})
    assert len(found) == len(rows) == 2 * 2 * 3 * len(METHODS)
    for column in ("label", "family", "told", "scenario", "snr", "case", "status", "reason"):
        assert (found[column] == rows[column]).all()
    for column in ("js", "w1"):
        np.testing.assert_array_equal(found[column].to_numpy(dtype=float), rows[column])
    means = pd.read_csv(io.StringIO(packed(html, "csv-standings")))
    here = means[(means["metric"] == "w1") & (means["label"] == "nnls")].set_index(["scenario", "snr"])["mean"]
    cell = rows[(rows["label"] == "nnls") & (rows["scenario"] == "first") & (rows["snr"] == 50)]
    assert here["first", "50"] == pytest.approx(cell["w1"].mean())
    assert len(here) == 9  # all; two scenarios; two levels; four cells


def test_every_drawing_is_one_that_plotly_knows(data):
    kinds = {key.split("/")[0] for key in data["drawings"]}
    assert {"snr", "time", "stress"} <= kinds
    for drawing in data["drawings"].values():
        go.Figure(drawing)  # raises where a property is not known


def test_methods_are_marked_the_same_everywhere(data):
    for key, drawing in data["drawings"].items():
        if key.startswith(("snr/", "time/")):
            for trace in drawing["data"]:
                label = trace["name"].removesuffix(" (reference)")
                if label in data["marks"]:
                    assert trace["marker"]["color"] == data["marks"][label]["colour"]


def test_kept_estimates_are_shown_whatever_they_took(data):
    cases = data["explorer"]["cases"]
    assert set(cases) == {
        f"{name}/{snr}/{case}" for name in ("first", "second") for snr in (50, 200) for case in (0, 1)
    }
    for case in cases.values():
        shown = {estimate["label"] for estimate in case["estimates"]}
        assert {"nnls", "tikhonov[order=0]", "prior_mean"} <= shown
        assert shown | set(case["without"]) == set(METHODS)


def test_a_run_against_itself_has_not_changed(data):
    verdicts = {row["label"]: row["verdict"] for row in data["changes"] if row["metric"] == "js"}
    assert set(verdicts) == set(METHODS)
    assert verdicts["nnls"] == "same"


def test_what_was_not_kept_is_inverted_again_within_the_limit(run, tmp_path):
    out = tmp_path / "one.html"
    include = ["--include", run.parent / "shy.py"]
    options = ["--explore", 3, "--metric", "js", "--cases", 3, *include, "--out", out]
    call("report", run, *options, "--limit", 0)
    cases = json.loads(packed(out.read_text(encoding="utf-8"), "data"))["explorer"]["cases"]
    assert cases["first/50/2"]["estimates"] == []
    assert "--limit" in cases["first/50/2"]["without"]["nnls"]
    call("report", run, *options, "--limit", 60)
    cases = json.loads(packed(out.read_text(encoding="utf-8"), "data"))["explorer"]["cases"]
    assert {"nnls", "prior_mean"} <= {estimate["label"] for estimate in cases["first/50/2"]["estimates"]}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--metric", "jss"], "did you mean 'js'"),
        (["--metric", "coverage_95"], "no case has a value"),
        (["--training", "nowhere"], "no such file"),
        (["--against", "nowhere"], "not a results folder"),
    ],
)
def test_it_refuses_what_it_cannot_do(run, tmp_path, options, says):
    out = tmp_path / "x.html"
    with pytest.raises(UserError, match=says):
        call("report", run, "--explore", 0, "--out", out, *options)
    assert not out.exists()


def test_it_compares_with_the_same_cases_only(run, tmp_path):
    write_inputs(tmp_path)
    file = tmp_path / "first.toml"
    file.write_text(file.read_text(encoding="utf-8").replace("2.5]", "2.4]"), encoding="utf-8")
    other = tmp_path / "other"
    call("run", "-s", "first", "--include", file, "-m", "prior_mean", "-n", 2, "--jobs", 1, "--out", other)
    with pytest.raises(UserError, match="another definition of first"):
        call("report", run, "--against", other, "--out", tmp_path / "x.html")
    with pytest.raises(UserError, match="another definition of first"):
        call("report", run, "--with", other, "--out", tmp_path / "x.html")


def test_a_file_that_cannot_be_written_is_said_so(run, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        call("report", run, "--explore", 0, "--metric", "js", "--out", tmp_path / "taken" / "x.html")
