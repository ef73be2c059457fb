"""Leaderboards of hand-made rows: known means, failures that stay visible, marks."""

import numpy as np
import pandas as pd
import pytest
from boards import METRICS, hand_made, row

from dexsy_bench import tables
from dexsy_bench.leaderboard import TableError, leaderboard, select
from dexsy_bench.statistics import bootstrap_means


@pytest.fixture
def rows():
    return hand_made()


def of(board, label, metric="js"):
    found = board[(board["label"] == label) & (board["metric"] == metric)]
    assert len(found) == 1
    return found.iloc[0]


def test_means_intervals_and_counts(rows):
    board = leaderboard(rows, METRICS)
    good = of(board, "good")
    assert good["mean"] == pytest.approx(0.25)
    expected = bootstrap_means([[0.1, 0.2, 0.3, 0.4]])
    assert (good["low"], good["high"]) == (pytest.approx(expected.low[0]), pytest.approx(expected.high[0]))
    assert (good["asked"], good["ok"], good["scored"], good["complete"]) == (4, 4, 4, True)
    assert (good["seconds"], good["seconds_alone"]) == (0.5, 2.0)
    assert of(board, "good", "topk")["mean"] == pytest.approx(0.75)
    assert of(board, "good[order=0]")["tuning"] == "given"
    assert of(board, "known")["told"] == "prior"


def test_failures_are_counted_by_status_and_never_averaged(rows):
    board = leaderboard(rows, METRICS)
    lucky, broken = of(board, "lucky"), of(board, "broken")
    assert lucky["mean"] == pytest.approx(0.06)
    assert (lucky["ok"], lucky["asked"], lucky["timeout"], lucky["complete"]) == (3, 4, 1, False)
    assert [broken[s] for s in ("error", "timeout", "oom", "invalid", "unsupported")] == [1, 0, 1, 1, 1]
    assert np.isnan(broken["mean"])
    assert (broken["scored"], broken["complete"]) == (0, False)


def test_best_is_complete_and_no_reference(rows):
    board = leaderboard(rows, METRICS)
    assert list(board[board["best"] & (board["metric"] == "js")]["label"]) == ["good"]
    assert list(board[board["best"] & (board["metric"] == "topk")]["label"]) == ["good"]  # highest
    assert list(board[board["best"] & (board["metric"] == "residual")]["label"]) == ["good"]  # nearest 1


def test_what_paired_tests_cannot_tell_from_the_best_is_marked_with_it():
    rng = np.random.default_rng(0)
    hard = rng.uniform(0.1, 0.9, 30)  # shared by all: intervals of the means overlap, yet pairs can be told apart
    near, far = hard + rng.normal(0, 0.005, 30), hard + 0.02 + rng.normal(0, 0.005, 30)
    scores = {"a": hard, "near": near, "far": far}
    frame = pd.DataFrame(
        [row(m, i, js, snr=snr) for m, x in scores.items() for i, js in enumerate(x) for snr in (1, 9)]
    )
    frame = pd.concat([frame, pd.DataFrame([row("known", i, 0.0, family="reference", snr=1) for i in range(30)])])
    for by in (["scenario", "snr"], []):
        board = leaderboard(frame, ["js", "topk"], by=by)
        assert set(board.loc[board["tied_best"], "label"]) == {"a", "near"}
        assert (board.groupby([*by, "metric"])["best"].sum() == 1).all()
        assert (board["tied_best"] >= board["best"]).all()
        one = board[board["snr"] == 9] if by else board
        assert of(one, "far")["low"] < of(one, "a")["high"]
    families = leaderboard(frame.assign(family=frame["method"]), ["js"], by=["family"])
    assert families.loc[families["complete"], "tied_best"].all()  # each alone in its block


def test_without_pairs_only_the_best_mean_is_marked():
    hits = {"over": [1.0] * 12, "near": [1.0] * 11 + [0.0]}
    frame = pd.DataFrame([row(m, i, 0.1, coverage_95=x) for m, values in hits.items() for i, x in enumerate(values)])
    board = leaderboard(frame, ["coverage_95"])
    assert list(board.loc[board["tied_best"], "label"]) == ["near"]  # 0.917 is nearer to 0.95


def test_a_target_is_missed_case_by_case_not_on_average():
    values = {"wild": [0.2, 1.8] * 6, "close": [1.05, 1.1] * 6}
    frame = pd.DataFrame([row(m, i, 0.1, residual=x) for m, xs in values.items() for i, x in enumerate(xs)])
    board = leaderboard(frame, ["residual"])
    assert of(board, "wild", "residual")["mean"] == pytest.approx(1.0)
    assert list(board.loc[board["best"], "label"]) == list(board.loc[board["tied_best"], "label"]) == ["close"]
    assert list(board["label"]) == ["close", "wild"]


def test_the_legend_says_how_a_target_is_compared(rows):
    sentence = "residual: best is the least mean distance of single cases from 1, not the mean nearest to it."
    assert sentence in tables.legend(leaderboard(rows, ["js", "residual"]))
    assert sentence not in tables.legend(leaderboard(rows, ["js"]))


def test_residual_is_best_near_one_from_either_side():
    frame = pd.DataFrame([row("under", 0, 0.1, residual=0.7), row("over", 0, 0.1, residual=1.2)])
    board = leaderboard(frame, ["residual"])
    assert list(board[board["best"]]["label"]) == ["over"]


def test_order_sorted_by_metric_references_last(rows):
    def labels(**how):
        return list(dict.fromkeys(leaderboard(rows, METRICS, **how)["label"]))

    assert labels() == ["lucky", "good", "good[order=0]", "broken", "known"]
    assert labels(sort="topk") == ["lucky", "good", "good[order=0]", "broken", "known"]
    assert labels(sort="label") == ["broken", "good", "good[order=0]", "lucky", "known"]


def test_a_case_without_a_row_is_missing(rows):
    fewer = rows[~((rows["method"] == "good") & (rows["options"] == "") & (rows["case"] == 2))]
    good = of(leaderboard(fewer, ["js"]), "good")
    assert (good["asked"], good["ok"], good["missing"], good["complete"]) == (4, 3, 1, False)


def test_a_method_not_run_in_a_cell_is_there_with_nothing(rows):
    frame = pd.concat([rows, pd.DataFrame([row("good", i, 0.1, snr=30.0) for i in range(4)])])
    board = leaderboard(frame, ["js"])
    absent = board[(board["label"] == "lucky") & (board["snr"] == 30)].iloc[0]
    assert (absent["missing"], absent["scored"], absent["tuning"]) == (4, 0, "default")


def test_a_metric_undefined_for_all_costs_nobody_coverage(rows):
    noiseless = rows.assign(snr=np.inf, residual=np.nan)
    board = leaderboard(pd.concat([rows, noiseless]), METRICS)
    residual = board[(board["label"] == "good") & (board["metric"] == "residual") & np.isinf(board["snr"])].iloc[0]
    assert (residual["scorable"], residual["scored"], residual["ok"]) == (0, 0, 4)
    summary = of(leaderboard(pd.concat([rows, noiseless]), METRICS, by=()), "good", "residual")
    assert (summary["scorable"], summary["scorable_cells"], summary["cells"]) == (4, 1, 2)
    assert summary["complete"]
    assert summary["mean"] == pytest.approx(1.25)


def test_a_metric_undefined_for_one_method_only_makes_it_incomplete(rows):
    rows.loc[(rows["method"] == "good") & (rows["options"] == "") & (rows["case"] == 1), "js"] = np.nan
    board = leaderboard(rows, ["js"])
    good = of(board, "good")
    assert (good["scored"], good["scorable"], good["ok"], good["complete"]) == (3, 4, 4, False)
    assert list(board[board["best"]]["label"]) == ["good[order=0]"]
    text = tables.markdown(tables.blocks(board, ["scenario", "snr"]), tables.legend(board))
    assert "† (3)" in text
    assert "(n): scored on n cases" in text


@pytest.fixture
def two_cells():
    """Two cells of unequal size; `half` has scores in one of them only."""
    return pd.DataFrame(
        [
            *[row("all", i, 0.1) for i in range(4)],
            *[row("all", i, 0.5, snr=30.0) for i in range(2)],
            *[row("half", i, 0.01) for i in range(4)],
            *[row("half", i, snr=30.0, status="error") for i in range(2)],
        ]
    )


def test_mean_over_cells_weighs_cells_not_cases(two_cells):
    whole = of(leaderboard(two_cells, ["js"], by=()), "all")
    assert whole["mean"] == pytest.approx(0.3)
    assert (whole["cells"], whole["asked"]) == (2, 6)


def test_no_mean_where_a_cell_is_empty(two_cells):
    board = leaderboard(two_cells, ["js"], by=())
    half = of(board, "half")
    assert np.isnan(half["mean"])
    assert (half["scored_cells"], half["scorable_cells"], half["complete"]) == (1, 2, False)
    assert list(dict.fromkeys(board["label"])) == ["all", "half"]  # though its one cell is better
    text = tables.markdown(tables.blocks(board, ()), tables.legend(board))
    assert "1/2 cells†" in text


def test_the_bootstrap_resamples_specimens():
    # Case i is the same specimen at both SNR: two copies of the same numbers are worth one.
    rng = np.random.default_rng(0)
    js = rng.lognormal(-2, 0.7, 40)
    one = [row("m", i, x) for i, x in enumerate(js)]
    two = [row("m", i, x, snr=30.0) for i, x in enumerate(js)]
    other = [row("m", i, x, scenario="three") for i, x in enumerate(rng.lognormal(-2, 0.7, 40))]

    def width(rows):
        found = of(leaderboard(pd.DataFrame(rows), ["js"], by=()), "m")
        return found["high"] - found["low"]

    assert width(one + two) == pytest.approx(width(one), rel=1e-9)
    # Two scenarios of the same spread are independent: narrower by about the square root of 2.
    assert width(one + other) == pytest.approx((width(one) ** 2 + width(other) ** 2) ** 0.5 / 2, rel=0.1)


def test_a_cell_of_one_case_leaves_the_mean_without_an_interval():
    js = np.random.default_rng(1).normal(0.1, 0.01, 12)
    frame = pd.DataFrame([*[row("m", i, x) for i, x in enumerate(js)], row("m", 0, 5.0, scenario="three")])
    found = of(leaderboard(frame, ["js"], by=()), "m")
    assert found["mean"] == pytest.approx((js.mean() + 5) / 2)
    assert found[["low", "high"]].isna().all()


def test_an_unanswered_case_of_a_cell_without_the_metric_costs_nothing(rows):
    odd = pd.DataFrame(
        [row("good", i, 0.1, scenario="odd", residual=np.nan) for i in range(3)]
        + [row("good", 3, scenario="odd", status="error")]
    )
    found = of(leaderboard(pd.concat([rows[rows["method"] == "good"], odd]), ["residual"], by=()), "good", "residual")
    assert (found["scorable"], found["scored"], found["scorable_cells"]) == (4, 4, 1)
    assert found["complete"]
    # Where nobody answered at all, nothing is known of the metric, and the cell stays open.
    silent = pd.DataFrame([row("good", i, scenario="odd", status="error") for i in range(4)])
    board = leaderboard(pd.concat([rows[rows["method"] == "good"], silent]), ["residual"], by=())
    assert (of(board, "good", "residual")["scorable"], of(board, "good", "residual")["complete"]) == (8, False)


def test_the_order_of_rows_does_not_matter(rows):
    shuffled = rows.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(leaderboard(rows, METRICS), leaderboard(shuffled, METRICS))


def test_by_scenario_and_by_a_column_of_the_method(rows):
    frame = pd.concat([rows, rows.assign(scenario="three")])
    assert set(leaderboard(frame, ["js"], by=["scenario"])["scenario"]) == {"two", "three"}
    families = leaderboard(frame, ["js"], by=["family"])
    assert set(families.loc[families["family"] == "reference", "label"]) == {"known"}
    titles = [block.title for block in tables.blocks(families, ["family"])]
    assert titles == ["family classical · mean over 2 cells, 8 cases", "family reference · mean over 2 cells, 8 cases"]


def test_an_unknown_snr_is_a_cell_of_its_own(rows):
    board = leaderboard(rows.assign(snr=np.nan), ["js"])
    assert of(board, "good")["mean"] == pytest.approx(0.25)
    assert tables.blocks(board, ["scenario", "snr"])[0].title == "two · SNR unknown · 4 cases"


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"metrics": ["jss"]}, "no metric 'jss' \\(did you mean 'js'"),
        ({"metrics": ["kl"]}, "no case has a value of kl: the 20 rows are 15 ok, "),
        ({"by": ["snrr"]}, "cannot group by 'snrr' \\(did you mean 'snr'"),
        ({"sort": "kl"}, "cannot sort by 'kl'"),
    ],
)
def test_clear_errors(rows, how, message):
    with pytest.raises(TableError, match=message):
        leaderboard(rows, **{"metrics": METRICS, **how})


def test_two_rows_for_one_case_are_refused(rows):
    with pytest.raises(TableError, match="two rows for good, two, SNR 100, case 0"):
        leaderboard(pd.concat([rows, rows.iloc[:1]]), ["js"])


def test_select(rows):
    frame = pd.concat([rows, rows.assign(scenario="three", snr=30.0)])
    assert set(select(frame, ["three"])["snr"]) == {30.0}
    with pytest.raises(TableError, match=r"no scenario 'thre' in these results \(did you mean 'three'\?\)"):
        select(frame, ["thre"])
    with pytest.raises(TableError, match="no snr 31 in these results; there are: 30, 100"):
        select(frame, snr=[31.0])
    late = frame.assign(case=frame["case"] + 5)
    assert set(select(late, cases=6)["case"]) == {5}
    with pytest.raises(TableError, match="no case below 3; they are 5 to 8"):
        select(late, cases=3)
    with pytest.raises(TableError, match="--cases 0: must be 1 or more"):
        select(late, cases=0)
