"""The reference results hold what theory says of them: a test of the benchmark as a whole."""

import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from dexsy_bench import ranking
from dexsy_bench.bounds import shares
from dexsy_bench.cli import app
from dexsy_bench.leaderboard import with_labels
from dexsy_bench.store import load_rows

ROOT = Path(__file__).parent.parent
CORE = ROOT / "results" / "core"
METRICS = ("js", "kl", "w1", "topk", "exchange")
NETWORK = "resunet_xl[size=s,inputs=inverses]"


@pytest.fixture(scope="module")
def rows():
    return with_labels(load_rows(CORE))


@pytest.fixture(scope="module")
def limit(rows):
    found = rows[(rows["bound"] == "limit") & (rows["status"] == "ok")]
    assert len(found) >= 8 * 32, "at least 32 cases a cell, all of them converged"
    return found


def test_nothing_beats_the_limit(rows, limit):
    """In each cell and on the same cases, the posterior mean has the lowest mean kl of all methods."""
    (name,) = limit["label"].unique()
    kl = rows[rows["status"] == "ok"].pivot_table(index=["scenario", "snr", "case"], columns="label", values="kl")
    for cell, table in kl[kl[name].notna()].groupby(level=["scenario", "snr"]):
        means = table.dropna(axis=1).mean()
        assert len(means) > 25
        assert means.idxmin() == name, (cell, means.nsmallest(3))


def test_the_limit_is_calibrated(limit):
    """Its intervals hold the truth as often as they say, within three binomial errors."""
    for level in (0.5, 0.8, 0.95):
        found, n = limit[f"coverage_{100 * level:.0f}"].mean(), len(limit)
        # A specimen returns at four levels of noise: its cases are not independent, but nearly.
        assert abs(found - level) < 3 * np.sqrt(level * (1 - level) / n), level


def test_every_solver_says_that_it_is_done(rows):
    """Of the classical rows whose estimates were not stopped on purpose."""
    classical = rows[(rows["family"] == "classical") & ~rows["options"].fillna("").str.contains("stop=")]
    done = classical.groupby("label")["converged"].mean().dropna()
    assert (done > 0.95).all(), done[done <= 0.95]


def test_shares_run_from_the_floor_to_the_limit(rows):
    found = shares(rows)
    assert found.max() == 1.0 == found["information_limit"]
    assert found["nnls"] < 0 < found["maxent"]


# What the README claims ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def readme():
    return " ".join((ROOT / "README.md").read_text("utf-8").split())


def test_the_ranks_of_the_readme_are_those_of_the_command():
    text = (ROOT / "README.md").read_text("utf-8")
    shown = re.search(r"<!-- ranks: begin -->\n(.*?)<!-- ranks: end -->", text, re.DOTALL).group(1)
    asked = [part for metric in METRICS for part in ("--metric", metric)]
    result = CliRunner().invoke(app, ["ranks", str(CORE), *asked, "--format", "markdown"], catch_exceptions=False)
    (first, *_) = re.findall(r"(?:^\|.*\n)+", result.output, re.MULTILINE)
    assert shown == first
    assert shown.count("\n") > 35


def test_the_network_is_alone_on_the_first_rank_by_each_metric(rows):
    for metric in METRICS:
        table = ranking.rank(rows, metric)
        assert list(table.loc[table["rank"] == 1, "label"]) == [NETWORK], metric


def test_metrics_agree_as_the_readme_says(rows, readme):
    tau = ranking.agreement(rows, METRICS).to_numpy()
    pairs = {(METRICS[i], METRICS[j]): tau[i, j] for i in range(len(METRICS)) for j in range(i + 1, len(METRICS))}
    least, most = min(pairs, key=pairs.get), max(pairs, key=pairs.get)
    stated = f"{pairs[least]:.2f} ({' and '.join(least)}) to {pairs[most]:.2f} ({' and '.join(most)})"
    assert stated in readme


def test_shares_of_the_way_are_those_of_the_readme(rows, readme):
    found = shares(rows)
    stated = (
        f"the network gets {found[NETWORK]:.0%} of the way to it in mean kl, `maxent` {found['maxent']:.0%}, "
        f"`tikhonov` {found['tikhonov']:.0%}"
    )
    assert stated in readme
