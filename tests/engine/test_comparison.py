"""Paired comparisons, on made-up rows where the answer is known."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dexsy_bench.comparison import blocks, compare
from dexsy_bench.leaderboard import TableError

METRICS = ("js", "kl", "w1", "topk", "residual")


def rows(**scores: dict[str, list[float]]) -> pd.DataFrame:
    """Rows of one cell: ``rows(net={"js": [...]}, nnls={"js": [...]})``; NaN is a case that was declined."""
    frames = []
    for label, columns in scores.items():
        n = len(next(iter(columns.values())))
        frame = pd.DataFrame({name: columns.get(name, [np.nan] * n) for name in METRICS})
        frame["status"] = np.where(frame.notna().any(axis=1), "ok", "unsupported")
        family = "learned" if label == "net" else "classical"
        frames.append(frame.assign(method=label, options="", family=family, scenario="a", snr=100.0, case=range(n)))
    return pd.concat(frames, ignore_index=True)


def test_the_best_of_the_others_is_taken_and_the_difference_is_paired() -> None:
    rng = np.random.default_rng(0)
    hard = rng.uniform(0, 10, 60)  # how hard a case is: shared, and far larger than the difference
    table = rows(
        net={"js": list(hard + rng.normal(0, 0.1, 60))},
        poor={"js": list(hard + 3)},
        good={"js": list(hard + 0.5 + rng.normal(0, 0.1, 60))},
    )
    found = compare(table, "net", metrics=["js"]).iloc[0]
    assert found["against"] == "good"
    assert found["difference"] == pytest.approx(-0.5, abs=0.05)
    assert (found["low"], found["high"]) == pytest.approx((-0.5, -0.5), abs=0.1)
    assert found["verdict"] == "better"
    assert (found["pairs"], found["asked"]) == (60, 60)


def test_its_interval_is_scipys() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.gamma(1, 1, 40), rng.gamma(2, 1, 40)
    found = compare(rows(net={"js": list(x)}, other={"js": list(y)}), "net", metrics=["js"]).iloc[0]
    theirs = stats.bootstrap((x - y,), np.mean, n_resamples=10_000, method="BCa", rng=2).confidence_interval
    assert (found["low"], found["high"]) == pytest.approx((theirs.low, theirs.high), abs=0.05)


@settings(derandomize=True, max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(0.01, 1), st.floats(0.01, 1)), min_size=2, max_size=12))
def test_changing_sides_changes_the_sign(pairs: list[tuple[float, float]]) -> None:
    x, y = zip(*pairs, strict=True)
    table = rows(one={"js": list(x)}, two={"js": list(y)})
    there, back = (compare(table, *labels, metrics=["js"]).iloc[0] for labels in (("one", ["two"]), ("two", ["one"])))
    assert there["difference"] == pytest.approx(-back["difference"])
    assert {there["verdict"], back["verdict"]} in ({"better", "worse"}, {"open"})


@pytest.mark.parametrize(
    ("metric", "ours", "theirs", "verdict"),
    [("js", 0.1, 0.2, "better"), ("topk", 0.1, 0.2, "worse"), ("topk", 0.9, 0.2, "better"),
     ("residual", 1.1, 0.5, "better"), ("residual", 3.0, 0.9, "worse")],
)  # fmt: skip
def test_better_is_what_the_metric_says(metric: str, ours: float, theirs: float, verdict: str) -> None:
    spread = np.linspace(0, 0.01, 8)
    table = rows(net={metric: list(ours + spread)}, other={metric: list(theirs - spread)})
    assert compare(table, "net", metrics=[metric]).iloc[0]["verdict"] == verdict


def test_equal_methods_stay_open() -> None:
    x = [0.1, 0.2, 0.3]
    assert compare(rows(net={"js": x}, other={"js": x}), "net", metrics=["js"]).iloc[0]["verdict"] == "open"


def test_declined_cases_are_counted_and_do_not_make_the_others_look_good() -> None:
    nan = float("nan")
    table = rows(
        net={"js": [0.1, 0.1, 0.1, 0.1]}, picky={"js": [0.0, nan, nan, nan]}, other={"js": [0.3, 0.2, 0.4, 0.3]}
    )
    found = compare(table, "net", metrics=["js"]).iloc[0]
    assert (found["against"], found["pairs"]) == ("other", 4)
    declined = rows(net={"js": [nan, nan]}, other={"js": [0.3, 0.2]})
    found = compare(declined, "net", metrics=["js"])
    assert (found["pairs"].iloc[0], found["asked"].iloc[0], found["verdict"].iloc[0]) == (0, 2, "open")
    assert "0/2" in [cell.text for cell in blocks(found)[0].lines[0]]


@pytest.mark.parametrize("labels", [("nte", []), ("net", ["othr"]), ("other", [])])
def test_a_comparison_without_both_sides_is_refused(labels: tuple[str, list[str]]) -> None:
    table = rows(net={"js": [0.1, 0.2]}, other={"js": [0.3, 0.2]})
    with pytest.raises(TableError, match=r"did you mean|nothing to compare"):
        compare(table, *labels, metrics=["js"])
