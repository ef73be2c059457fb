"""The critical-difference diagram: its bars are exactly the sets that the tests leave undecided."""

from itertools import combinations

import matplotlib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.container import ErrorbarContainer

from dexsy_bench import plots
from dexsy_bench.plots.look import PlotError
from dexsy_bench.plots.ranks import undecided
from dexsy_bench.ranking import pairwise, rank

LEVELS = {"best": 0.05, "twin": 0.0505, "middle": 0.2, "worst": 0.6, "limit": 0.01}


@pytest.fixture(autouse=True)
def headless():
    matplotlib.use("Agg")


def make_rows(cases=40):
    rng = np.random.default_rng(3)
    return pd.DataFrame(
        [
            {
                "method": name, "options": "", "family": "reference" if name == "limit" else "classical", "told": "",
                "tuning": "default", "scenario": "two", "snr": snr, "case": case, "status": "ok", "reason": "",
                "js": level * np.exp(0.2 * rng.normal()), "residual": 1 + level, "seconds": 1.0,
                "seconds_alone": np.nan,
            }
            for name, level in LEVELS.items() for snr in (30.0, 300.0) for case in range(cases)
        ]
    )  # fmt: skip


def bars(figure, ranked):
    """The sets that the bars join, by their dots."""
    dots = [line for line in figure.axes[1].lines if line.get_marker() == "o"]
    return {frozenset(ranked[int(y)] for y in line.get_ydata()) for line in dots}


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 7), st.data())
def test_undecided_are_the_largest_sets_without_a_separated_pair(count, data):
    labels = [f"m{i}" for i in range(count)]
    pairs = list(combinations(labels, 2))
    splits = data.draw(st.lists(st.booleans(), min_size=len(pairs), max_size=len(pairs)))
    separated = dict(zip(pairs, splits, strict=True))
    table = pd.DataFrame([{"a": a, "b": b, "separated": split} for (a, b), split in separated.items()])
    together = [
        set(group)
        for size in range(2, count + 1) for group in combinations(labels, size)
        if not any(separated[pair] for pair in combinations(group, 2))
    ]  # fmt: skip
    largest = [group for group in together if not any(group < other for other in together)]
    found = undecided(labels, table)
    assert {frozenset(group) for group in found} == {frozenset(group) for group in largest}
    assert len(found) == len(largest)
    assert all(group == sorted(group, key=labels.index) for group in found)


def test_the_bars_are_the_undecided_sets_of_the_tests():
    rows = make_rows()
    figure = plots.ranks(rows)
    pairs = pairwise(rows, "js")
    ranked = list(rank(rows, "js").query("ranked")["label"])
    wanted = {frozenset(pair) for pair in pairs[~pairs["separated"]][["a", "b"]].itertuples(index=False, name=None)}
    assert wanted == {frozenset({"best", "twin"})}
    assert bars(figure, ranked) == wanted


def test_lines_are_the_ranking_from_the_best_down_references_below():
    rows = make_rows()
    figure = plots.ranks(rows)
    left, right = figure.axes
    table = rank(rows, "js").set_index("label")
    names = [tick.get_text() for tick in left.get_yticklabels()]
    assert names == [*(label for label in table.index if label != "limit"), "limit (reference)"]
    points = {
        int(bar.lines[0].get_ydata()[0]): bar.lines[0].get_xdata()[0]
        for bar in left.containers if isinstance(bar, ErrorbarContainer)
    }  # fmt: skip
    for place, label in enumerate([*names[:-1], "limit"]):
        assert points[place] == pytest.approx(table.loc[label, "mean"])
    words = [text.get_text() for text in right.texts]
    worst = table.loc["worst"]
    assert words[3] == f"{worst['rank']:g} [{worst['rank_low']:g}, {worst['rank_high']:g}]" == "4 [4, 4]"
    assert words[4] == ""
    assert any(list(line.get_ydata()) == [3.5, 3.5] for line in left.lines)


def test_a_method_that_lacks_cases_stands_below_and_says_so():
    rows = make_rows()
    rows.loc[(rows["method"] == "best") & (rows["case"] < 2), ["status", "js"]] = ["timeout", np.nan]
    figure = plots.ranks(rows)
    names = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert names.index("best") == 3
    assert figure.axes[1].texts[3].get_text() == "not ranked: 76/80"
    assert not any("best" in group for group in bars(figure, names))


def test_a_selection_leaves_the_tests_alone():
    figure = plots.ranks(make_rows(), shown=["best", "twin", "limit"])
    assert len(figure.axes[0].get_yticklabels()) == 3
    assert bars(figure, ["best", "twin"]) == {frozenset({"best", "twin"})}
    assert "the best 2 of 4 methods" in figure.legends[0].get_title().get_text().replace("\n", " ")


def test_distance_from_a_target_is_named():
    figure = plots.ranks(make_rows(), "residual")
    assert figure.axes[0].get_xlabel() == "distance of Residual over noise from 1\n(lower is better)"


def test_one_method_has_no_rank():
    rows = make_rows()
    with pytest.raises(PlotError, match="nothing to rank"):
        plots.ranks(rows[rows["method"].isin(["best", "limit"])])
