"""Rankings of made-up tables: the winner that a naive rule gets wrong, ties, coverage, and agreement of metrics."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dexsy_bench import rank_tables, tables
from dexsy_bench.leaderboard import TableError, leaderboard
from dexsy_bench.ranking import agreement, pairwise, rank, win_matrix

COLUMNS = ("js", "topk", "residual", "coverage_95")


def rows(scores, *, metric="js", snr=(100.0,), scenario="two", family=(), status="timeout"):
    """A row for each method, SNR and case: ``{"a": [...]}``; NaN is a failure with that status, None no row at all."""
    made = []
    for method, values in scores.items():
        for level in snr:
            for case, value in enumerate(values):
                if value is None:
                    continue
                ok = np.isfinite(value)
                made.append(
                    {"method": method, "options": "", "scenario": scenario, "snr": level, "case": case}
                    | {"family": dict(family).get(method, "classical"), "status": "ok" if ok else status}
                    | dict.fromkeys(COLUMNS, np.nan)
                    | {metric: value}
                )
    return pd.DataFrame(made)


def of(table, label):
    return table.set_index("label").loc[label]


def noise(seed, n=40):
    return np.random.default_rng(seed).normal(0, 0.01, n)


@pytest.fixture
def hard():
    """How hard each of 40 cases is: shared by all methods, and far larger than their differences."""
    return np.random.default_rng(0).uniform(1, 10, 40)


# The naive winner is the wrong one ----------------------------------------------------------


def naive_winner(table):
    """The least mean over whatever is there."""
    return table[table["family"] != "reference"].groupby("method")["js"].mean().idxmin()


def test_a_method_that_times_out_on_hard_cases_does_not_win_by_it(hard):
    picky = np.where(hard > 5, np.nan, hard + 0.5)
    table = rows({"honest": hard + noise(1), "other": hard + 0.3 + noise(2), "picky": picky})
    assert naive_winner(table) == "picky"
    found = rank(table, "js")
    assert list(found["label"]) == ["honest", "other", "picky"]
    assert list(found["rank"].fillna(0)) == [1, 2, 0]
    failed = of(found, "picky")
    assert not failed["ranked"]
    assert failed["why"] == f"scored on {(hard <= 5).sum()} of 40 cases ({(hard > 5).sum()} timeout)"
    assert (failed["asked"], failed["scored"]) == (40, (hard <= 5).sum())
    assert failed["mean"] == pytest.approx(np.nanmean(picky))  # it is shown, not hidden
    assert "picky" not in set(pairwise(table, "js")[["a", "b"]].to_numpy().ravel())


def test_a_method_that_declines_the_hard_cell_does_not_win_by_it(hard):
    easy = rows({"all": hard + noise(1), "half": hard - 0.2 + noise(2)}, snr=(1000.0,))
    noisy = rows({"all": hard + 20 + noise(3), "half": np.full(40, np.nan)}, snr=(10.0,), status="unsupported")
    table = pd.concat([easy, noisy])
    assert naive_winner(table) == "half"
    found = rank(table, "js")
    assert list(found["label"]) == ["all", "half"]
    assert of(found, "half")["why"] == "scored on 40 of 80 cases (40 unsupported)"
    assert np.isnan(of(found, "half")["mean"])  # no mean over fewer cells


def test_a_method_that_was_given_fewer_cases_is_not_ranked_until_all_have_as_many(hard):
    order = np.argsort(hard)
    values = hard[order]
    short = [*(values[:10] + 0.5), *[None] * 30]
    table = rows({"long": values + noise(1), "short": short})
    assert naive_winner(table) == "short"
    assert of(rank(table, "js"), "short")["why"] == "scored on 10 of 40 cases (30 missing)"
    fair = rank(table[table["case"] < 10], "js")
    assert list(fair["label"]) == ["long", "short"]
    assert list(fair["rank"]) == [1, 2]


def test_a_method_that_is_better_by_one_lucky_case_shares_the_rank(hard):
    lucky = hard + np.where(np.arange(40) == 7, -3.0, 0.02) + noise(1)
    table = rows({"steady": hard + noise(2), "lucky": lucky, "poor": hard + 1 + noise(3)})
    assert naive_winner(table) == "lucky"
    found = rank(table, "js")
    assert list(found["rank"]) == [1, 1, 3]
    assert set(found["label"][:2]) == {"steady", "lucky"}
    assert (of(found, "lucky")["rank_low"], of(found, "lucky")["rank_high"]) == (1, 2)


def test_the_same_specimens_at_four_snr_are_not_four_times_the_evidence():
    few = np.random.default_rng(4).normal(0.6, 1, 12)
    scores = {"a": few, "b": np.zeros(12)}
    once, copied = (pairwise(rows(scores, snr=levels), "js") for levels in ((30.0,), (10.0, 30.0, 100.0, 300.0)))
    assert once["p"][0] == pytest.approx(copied["p"][0])
    assert not copied["separated"][0]
    assert stats.wilcoxon(np.tile(few, 4)).pvalue < 0.01  # what rows taken for evidence would say


def test_scenarios_with_a_case_each_are_no_surer_than_their_cases_in_one():
    better = np.append(np.random.default_rng(5).normal(0.001, 1e-4, 19), -0.018)
    scores = {"a": np.full(20, 0.1), "b": 0.1 + better}
    one = pairwise(rows(scores), "js")
    each = pd.concat([rows({m: [x[i]] for m, x in scores.items()}, scenario=f"s{i:02}") for i in range(20)])
    apart = pairwise(each, "js")
    columns = ["difference", "low", "high", "effect", "p"]
    np.testing.assert_allclose(apart[columns].to_numpy(float), one[columns].to_numpy(float), rtol=1e-9)
    assert not apart["separated"][0]
    found = rank(each, "js")
    assert found[["low", "high"]].isna().all(axis=None)
    assert list(found["rank"]) == [1, 1]


def test_a_case_that_fails_for_all_where_the_metric_is_undefined_unranks_nobody():
    easy = rows({"a": noise(1, 8) + 0.1, "b": noise(2, 8) + 5})
    odd = rows({m: [0.0] * 7 + [np.nan] for m in "ab"}, scenario="odd", status="error").assign(js=np.nan)
    found = rank(pd.concat([easy, odd]), "js")
    assert list(found["rank"]) == [1, 2]
    assert list(found["asked"]) == [8, 8]
    assert found["mean"].notna().all()


def test_references_are_listed_but_never_ranked_nor_tested(hard):
    table = rows({"oracle": hard - 0.9, "good": hard + noise(1), "poor": hard + 1}, family=[("oracle", "reference")])
    found = rank(table, "js")
    assert list(found["label"]) == ["good", "poor", "oracle"]
    assert of(found, "oracle")[["ranked", "why", "reference"]].tolist() == [False, "reference", True]
    assert np.isnan(of(found, "oracle")["rank"])
    assert len(pairwise(table, "js")) == 1


# What the columns hold ----------------------------------------------------------------------


def test_means_and_intervals_are_those_of_the_leaderboard(hard):
    table = pd.concat([rows({"a": hard, "b": hard[::-1] + 1}, snr=(30.0, 100.0), scenario=s) for s in ("two", "three")])
    table = table.assign(told="", tuning="default", seconds=1.0, seconds_alone=1.0, kl=np.nan)
    board = leaderboard(table, ["js"], by=()).set_index("label")
    for row in rank(table, "js").itertuples():
        assert (row.mean, row.low, row.high) == pytest.approx(tuple(board.loc[row.label, ["mean", "low", "high"]]))


def test_pairs_hold_what_they_say(hard):
    table = rows({"a": hard + noise(1), "b": hard + 0.01, "c": hard + 0.01})
    pairs = pairwise(table, "js").set_index(["a", "b"])
    d = (hard + noise(1)) - (hard + 0.01)
    ab = pairs.loc[("a", "b")]
    assert ab["difference"] == pytest.approx(d.mean())
    assert ab["low"] < d.mean() < ab["high"]
    assert ab["high"] - ab["low"] == pytest.approx(2 * 1.96 * d.std() / np.sqrt(40), rel=0.1)
    assert (ab["wins"], ab["losses"], ab["ties"], ab["pairs"]) == ((d < 0).sum(), (d > 0).sum(), 0, 40)
    assert ab["p"] >= stats.wilcoxon(d).pvalue * (1 - 1e-9)
    bc = pairs.loc[("b", "c")]
    assert (bc["wins"], bc["losses"], bc["ties"], bc["effect"], bc["p"]) == (0, 0, 40, 0, 1)
    assert (pairs["p_holm"] >= pairs["p"]).all()
    assert list(pairs["separated"]) == [True, True, False]


def test_win_matrix(hard):
    table = rows({"a": hard, "b": np.where(np.arange(40) < 10, hard - 1, hard + 1), "c": hard})
    wins = win_matrix(pairwise(table, "js"))
    assert list(wins.index) == list(wins.columns) == ["a", "b", "c"]
    assert wins.loc["b", "a"] == 0.25
    assert wins.loc["a", "b"] == 0.75
    assert wins.loc["a", "c"] == wins.loc["c", "a"] == 0
    assert np.isnan(np.diag(wins)).all()
    shares = rank(table, "js").set_index("label")["wins"]
    assert shares["a"] == pytest.approx((0.75 + 0.5) / 2)  # a tie is half a win


@pytest.mark.parametrize(
    ("metric", "best", "worst"), [("js", 0.1, 0.3), ("topk", 0.9, 0.5), ("residual", 0.95, 0.7), ("residual", 1.1, 3.0)]
)
def test_better_is_what_the_metric_says(metric, best, worst):
    table = rows({"worst": worst + noise(1) / 10, "best": best + noise(2) / 10}, metric=metric)
    found = rank(table, metric)
    assert list(found["label"]) == ["best", "worst"]
    assert list(found["rank"]) == [1, 2]
    if metric != "residual":
        assert found["mean"][0] == pytest.approx(best, abs=0.01)
    else:  # what is ranked is the distance from 1
        assert found["mean"][0] == pytest.approx(abs(best - 1), abs=0.01)
    assert pairwise(table, metric)["difference"].abs()[0] == pytest.approx(abs(found["mean"].diff()[1]))


@settings(derandomize=True, deadline=None, max_examples=15)
@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(2, 12))
def test_properties_of_any_ranking(seed, methods, cases):
    rng = np.random.default_rng(seed)
    scores = {f"m{i}": list(rng.random(cases) + i * rng.integers(0, 2)) for i in range(methods)}
    table = rows(scores, snr=(30.0, 100.0))
    found = rank(table, "js")
    by_label = found.set_index("label")
    assert found["rank"].is_monotonic_increasing
    assert found["rank"].iloc[0] == 1
    assert found["mean"].is_monotonic_increasing
    assert found["rank"].between(1, methods).all()
    assert (found["rank_low"] <= found["rank_high"]).all()
    for pair in pairwise(table, "js").itertuples():
        if pair.separated:
            better, worse = (pair.a, pair.b) if pair.difference < 0 else (pair.b, pair.a)
            assert by_label.loc[better, "rank"] < by_label.loc[worse, "rank"]
    shuffled = table.sample(frac=1, random_state=seed)
    pd.testing.assert_frame_equal(rank(shuffled, "js"), found)


def test_one_case_one_method_and_nobody():
    alone = rank(rows({"a": [0.1], "b": [0.2]}), "js")
    assert list(alone["rank"]) == [1, 1]
    assert alone[["rank_low", "low"]].isna().all(axis=None)  # nothing to resample
    assert pairwise(rows({"a": [0.1], "b": [0.2]}, snr=(30.0, 100.0)), "js")[["low", "high"]].isna().all(axis=None)
    single = rank(rows({"a": [0.1, 0.2]}), "js")
    assert (single["rank"][0], single["rank_high"][0]) == (1, 1)
    assert np.isnan(single["wins"][0])
    nobody = rows({"a": [0.1, np.nan], "b": [np.nan, 0.2]})
    assert not rank(nobody, "js")["ranked"].any()
    assert pairwise(nobody, "js").empty
    assert win_matrix(pairwise(nobody, "js")).empty


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ("coverage_95", "coverage_95 cannot rank methods: its single cases cannot be compared"),
        ("jss", r"no metric 'jss' \(did you mean 'js'"),
        ("topk", "no case has a value of topk: the 4 rows are 4 ok"),
    ],
)
def test_clear_errors(metric, message):
    table = rows({"a": [0.1, 0.2], "b": [0.1, 0.2]}).assign(coverage_95=1.0)
    for function in (rank, pairwise):
        with pytest.raises(TableError, match=message):
            function(table, metric)


# Several metrics ----------------------------------------------------------------------------


def two_metrics(first, second):
    """Methods a, b, c at these levels of js and of topk, far enough apart to be separated."""
    frames = []
    for i, (js, topk) in enumerate(zip(first, second, strict=True)):
        frame = rows({"abc"[i]: js + noise(i)})
        frames.append(frame.assign(topk=topk + noise(10 + i)))
    return pd.concat(frames)


def test_agreement_is_kendalls_tau():
    table = two_metrics((1, 2, 3), (0.9, 0.1, 0.5))
    tau = agreement(table, ["js", "topk"])
    assert tau.loc["js", "topk"] == pytest.approx(stats.kendalltau([1, 2, 3], [1, 3, 2]).statistic)
    assert list(np.diag(tau)) == [1, 1]
    assert agreement(two_metrics((1, 2, 3), (0.9, 0.5, 0.1)), ["js", "topk"]).loc["js", "topk"] == pytest.approx(1)
    assert agreement(two_metrics((1, 2, 3), (0.1, 0.5, 0.9)), ["js", "topk"]).loc["js", "topk"] == pytest.approx(-1)


def test_agreement_with_ties_and_over_the_methods_that_both_rank():
    tied = agreement(two_metrics((1, 2, 3), (0.9, 0.5, 0.5)), ["js", "topk"])
    assert tied.loc["js", "topk"] == pytest.approx(stats.kendalltau([1, 2, 3], [1, 2, 2]).statistic)
    table = two_metrics((1, 2, 3), (0.1, 0.9, 0.5))
    table.loc[(table["method"] == "a") & (table["case"] == 3), "topk"] = np.nan
    assert agreement(table, ["js", "topk"]).loc["js", "topk"] == pytest.approx(1)  # b before c
    equal = agreement(two_metrics((1, 2, 3), (0.5, 0.5, 0.5)), ["js", "topk"])
    assert np.isnan(equal.loc["js", "topk"])
    assert list(np.diag(equal)) == [1, 1]


def test_the_note_on_the_winner_is_there_when_the_metric_decides_it():
    def note(table):
        return rank_tables.winners({metric: rank(table, metric) for metric in ("js", "topk")})

    assert note(two_metrics((1, 2, 3), (0.1, 0.9, 0.5))) == (
        "Which metric one believes changes the winner. Of rank 1 by js: a; topk: b."
    )
    assert note(two_metrics((1, 2, 3), (0.9, 0.5, 0.1))) == "Of rank 1 by each of js, topk: a."
    assert note(two_metrics((1, 1, 3), (0.9, 0.5, 0.1))) == "Of rank 1 by each of js, topk: a."  # tied best is enough
    assert rank_tables.winners({"js": rank(two_metrics((1, 2, 3), (0.9, 0.5, 0.1)), "js")}) == ""


@pytest.mark.parametrize("methods", [2, 3, 7])
def test_too_few_specimens_is_said_exactly_when_no_test_could_separate(methods):
    needed = rank_tables.fewest_specimens(methods)
    for cases in (needed - 1, needed):
        clear = {f"m{i}": list(np.linspace(1, 2, cases) + 5 * i) for i in range(methods)}
        table = rows(clear)
        rankings = {"js": rank(table, "js")}
        separable = pairwise(table, "js")["separated"].any()
        assert separable == (cases == needed)
        assert bool(rank_tables.too_few(rankings)) == (not separable)


def test_too_few_counts_the_specimens_that_a_metric_can_score():
    table = two_metrics((1, 2, 3), (0.9, 0.5, 0.1))
    table.loc[table["case"] > 4, "topk"] = np.nan
    assert rank_tables.too_few({metric: rank(table, metric) for metric in ("js", "topk")}) == [
        "5 specimens are too few to separate any two of 3 methods by topk; it takes 7 at least."
    ]


# How it is written --------------------------------------------------------------------------


def test_every_rank_reason_and_mean_is_in_the_tables(hard):
    table = rows(
        {"good[order=0]": hard + noise(1), "poor": hard + 1, "late": [*hard[:39], np.nan], "oracle": hard - 1},
        family=[("oracle", "reference")],
    )
    rankings = {"js": rank(table, "js")}
    text = tables.markdown(rank_tables.blocks(rankings, "two"), rank_tables.notes(rankings))
    assert "### two · Jensen-Shannon divergence" in text
    assert "| method | rank | place | js ↓ | wins | cases | not ranked |" in text
    good = next(line for line in text.splitlines() if line.startswith("| `good[order=0]` |"))
    assert good.startswith("| `good[order=0]` | **1** | 1 | **")
    assert good.endswith("| 100% | 40/40 |  |")
    late = next(line for line in text.splitlines() if line.startswith("| `late` |"))
    assert late.endswith("† | – | 39/40 | scored on 39 of 40 cases (1 timeout) |")
    assert "| `oracle` *(reference)* | – | – |" in text
    assert "family-wise error 5%" in text
    latex = tables.latex(rank_tables.blocks(rankings, "two"), rank_tables.notes(rankings))
    assert r"good{[}order=0{]} & \textbf{1} & 1 & \textbf{" in latex


def test_several_metrics_side_by_side():
    table = two_metrics((1, 2, 3), (0.1, 0.9, 0.9))
    rankings = {metric: rank(table, metric) for metric in ("js", "topk")}
    ranks, tau = rank_tables.blocks(rankings, "")
    assert ranks.header == ("method", "js ↓", "topk ↑")
    assert [[cell.text for cell in line] for line in ranks.lines] == [
        ["a", "1 (1)", "3 (3)"], ["b", "2 (2)", "1 (1–2)"], ["c", "3 (3)", "1 (1–2)"]
    ]  # fmt: skip
    assert [[cell.bold for cell in line] for line in ranks.lines] == [
        [False, True, False], [False, False, True], [False, False, True]
    ]  # fmt: skip
    assert [[cell.text for cell in line] for line in tau.lines] == [["js", "1.00", "-0.82"], ["topk", "-0.82", "1.00"]]


def test_side_by_side_a_reason_names_its_metric_unless_it_is_that_of_all():
    table = two_metrics((1, 2, 3), (0.1, 0.9, 0.9))
    table.loc[table["method"] == "a", "topk"] = np.nan
    table.loc[(table["method"] == "b") & (table["case"] == 3), ["status", "js", "topk"]] = ["error", np.nan, np.nan]
    ranks, _ = rank_tables.blocks({metric: rank(table, metric) for metric in ("js", "topk")}, "")
    reasons = {line[0].text: line[-1].text for line in ranks.lines}
    assert reasons == {
        "a": "topk: scored on 0 of 40 cases (40 undefined)",
        "b": "scored on 39 of 40 cases (1 error)",
        "c": "",
    }
