"""Standings, changes and plots of made-up rows, where the right answer is known."""

import numpy as np
import pandas as pd
import pytest

from dexsy_bench.plots import marks
from dexsy_bench.reporting.changes import ChangesError, changes
from dexsy_bench.reporting.drawing import text_mark
from dexsy_bench.reporting.figures import calibration_table, metric_snr, stress, stress_table
from dexsy_bench.reporting.learning import curves_of, learning_curves
from dexsy_bench.reporting.standings import scopes, standings, winners

LEVELS = {"good": 0.1, "twin": 0.1, "bad": 0.3}


def make_rows(seed=0, scenarios=("one", "two"), snr=(30.0, 300.0), cases=24, shift=None):
    rng = np.random.default_rng(seed)
    rows = []
    for scenario in scenarios:
        for case in range(cases):
            specimen = np.exp(0.3 * rng.normal())
            for level in snr:
                for name, value in LEVELS.items():
                    js = value * specimen * np.exp(0.1 * rng.normal()) * (shift or {}).get(name, 1.0)
                    rows.append(
                        {
                            "method": name, "label": name, "options": "", "family": "classical", "told": "",
                            "tuning": "default", "scenario": scenario, "snr": level, "case": case, "status": "ok",
                            "reason": "", "js": js, "topk": 1 - js, "seconds": 0.1, "seconds_alone": np.nan, "kl": js,
                        }
                    )  # fmt: skip
    return pd.DataFrame(rows)


def quiet(items, _):
    return items


def test_scopes_are_all_scenarios_levels_and_cells_once():
    rows = make_rows()
    found = scopes(rows)
    names = [(scenario, snr) for scenario, snr, _ in found]
    assert len(set(names)) == len(names) == 9
    sizes = {(scenario, snr): len(part) for scenario, snr, part in found}
    assert sizes["all", "all"] == len(rows)
    assert sizes["one", "all"] == sizes["all", "30"] == len(rows) // 2
    assert sizes["one", "30"] == len(rows) // 4
    assert [name[:2] for name in scopes(rows[(rows["scenario"] == "one") & (rows["snr"] == 30)])] == [
        ("all", "all", scopes(rows)[0][2])[:2]
    ]


def test_twins_share_the_first_rank_and_a_failure_takes_it_away():
    rows = make_rows()
    table = standings(rows, ["js"], quiet)
    here = table[(table["scenario"] == "all") & (table["snr"] == "all")].set_index("label")
    assert here["rank"].to_dict() == {"good": 1, "twin": 1, "bad": 3}
    assert here["tied"].to_dict() == {"good": True, "twin": True, "bad": False}
    assert winners(table) == {"js": list(here.index[:2])}
    first = (rows["label"] == "twin") & (rows["case"] == 0) & (rows["scenario"] == "one") & (rows["snr"] == 30)
    rows.loc[first, ["status", "js"]] = ["timeout", np.nan]
    rows = rows.drop(rows.index[(rows["label"] == "twin") & (rows["case"] == 1) & (rows["scenario"] == "one")])
    table = standings(rows, ["js"], quiet)
    here = table[(table["scenario"] == "all") & (table["snr"] == "all")].set_index("label")
    assert not here.loc["twin", "ranked"]
    assert here.loc["twin", "failures"] == "1 timeout, 2 not run"
    assert here.loc["good", "failures"] == ""
    other = table[(table["scenario"] == "two") & (table["snr"] == "30")].set_index("label")
    assert other.loc["twin", "ranked"]  # of the cells where nothing is missing


def test_changes_beyond_noise_are_marked_and_others_not():
    before = make_rows()
    after = make_rows(shift={"bad": 0.8, "good": 1.2})
    after = after[after["label"] != "twin"].assign()
    new = before[before["label"] == "twin"].assign(label="fresh", method="fresh")
    table = changes(pd.concat([after, new]), before, ["js", "topk"])
    js = table[table["metric"] == "js"].set_index("label")
    assert js["verdict"].to_dict() == {"bad": "better", "good": "worse"}
    assert js.loc["bad", "difference"] == pytest.approx(js.loc["bad", "mean"] - js.loc["bad", "before"])
    assert js.loc["bad", "low"] < js.loc["bad", "difference"] < js.loc["bad", "high"] < 0
    assert (js["pairs"] == 96).all()
    topk = table[table["metric"] == "topk"].set_index("label")
    assert topk["verdict"].to_dict() == {"bad": "better", "good": "worse"}  # higher is better there
    alone = table[table["metric"] == ""].set_index("label")["verdict"]
    assert alone.to_dict() == {"fresh": "new", "twin": "gone"}


def test_noise_is_no_change_but_for_one_in_twenty_and_equality_is_said():
    before, marked = make_rows(cases=12), 0
    for seed in range(8):
        noise = np.exp(0.05 * np.random.default_rng(seed).normal(size=len(before)) - 0.05**2 / 2)
        after = before.assign(js=np.where(before["label"] == "twin", before["js"], before["js"] * noise))
        verdicts = changes(after, before, ["js"]).set_index("label")["verdict"]
        assert verdicts["twin"] == "same"
        marked += (verdicts[["good", "bad"]] != "open").sum()
    assert marked <= 4  # of 16; at one in twenty that is exceeded once in 2,000 tests


def test_scores_of_one_run_alone_are_counted():
    before, after = make_rows(), make_rows()
    after.loc[after.index[after["label"] == "bad"][:3], ["status", "js"]] = ["error", np.nan]
    table = changes(after, before, ["js"]).set_index("label")
    assert table.loc["bad", ["pairs", "lost", "gained"]].tolist() == [93, 3, 0]


def test_nothing_in_common_is_refused():
    with pytest.raises(ChangesError, match="nothing to compare"):
        changes(make_rows(scenarios=("one",)), make_rows(scenarios=("two",)), ["js"])


def test_stress_is_relative_to_the_same_method_elsewhere():
    rows = make_rows(scenarios=("core",))
    harder = make_rows(scenarios=("hard",), shift={"good": 3.0})
    table = stress_table(pd.concat([rows, harder], ignore_index=True), ["js", "topk"], {"core"})
    assert set(table["scenario"]) == {"hard"}
    js = table[table["metric"] == "js"].set_index("label")
    for name in LEVELS:
        means = [part[part["label"] == name]["js"].mean() for part in (harder, rows)]
        assert js.loc[name, "relative"] == pytest.approx(means[0] / means[1])
    topk = table[table["metric"] == "topk"].set_index("label")
    assert (topk["relative"] == topk["mean"] - topk["baseline"]).all()
    drawing = dict(stress(table, marks(rows), {"core"}))["stress/js"]["data"][0]
    at = drawing["y"].index("good")
    assert drawing["z"][at][0] == pytest.approx(np.log2(js.loc["good", "relative"]), rel=1e-3)
    assert drawing["text"][at][0].startswith("× ")


def test_a_line_against_snr_has_the_means():
    rows = make_rows()
    drawing = dict(metric_snr(standings(rows, ["js"], quiet), ["js"], marks(rows)))["snr/js/one"]
    line = next(trace for trace in drawing["data"] if trace["name"] == "bad")
    means = rows[(rows["label"] == "bad") & (rows["scenario"] == "one")].groupby("snr")["js"].mean()
    assert line["x"] == [30, 300]
    assert line["y"] == pytest.approx(means.tolist(), rel=1e-4)


def test_calibration_counts_what_intervals_hold():
    rows = make_rows(scenarios=("one",))
    inside = np.random.default_rng(0).random(len(rows))
    rows = rows.assign(**{f"coverage_{x}": (inside < x / 100).astype(float) for x in (50, 80, 95)})
    rows.loc[rows["label"] != "good", ["coverage_50", "coverage_80", "coverage_95"]] = np.nan
    table = calibration_table(rows)
    assert set(table["label"]) == {"good"}
    assert table.set_index("nominal")["mean"].to_dict() == pytest.approx(
        {x: (inside[(rows["label"] == "good").to_numpy()] < x / 100).mean() for x in (50, 80, 95)}
    )
    assert calibration_table(make_rows()).empty


def test_learning_curves_are_found_and_baselines_lie_level(tmp_path):
    folder = tmp_path / "run" / "training" / "wide"
    folder.mkdir(parents=True)
    head = "cases,seconds,scenario,snr,js\n"
    (folder / "learning_curve.csv").write_text(head + "100,1.0,one,30,0.5\n200,2.0,one,30,0.25\n")
    (folder.parent / "reference.csv").write_text(head + "0,0.0,one,30,0.4\n")
    (folder.parent / "notes.csv").write_text("a,b\n1,2\n")
    lines = curves_of(tmp_path / "run", [])
    assert set(lines["training"]) == {"wide", "reference"}
    traces = {trace["name"]: trace for trace in dict(learning_curves(lines, ["js"]))["learning/js/one"]["data"]}
    assert traces["wide, SNR 30"]["y"] == [0.5, 0.25]
    assert traces["reference, SNR 30"]["x"] == [100, 200]
    assert traces["reference, SNR 30"]["y"] == [0.4, 0.4]


def test_marks_in_text_are_those_of_the_figures():
    of = marks(make_rows())
    shapes = {label: text_mark(mark) for label, mark in of.items()}
    assert {label: shape["colour"] for label, shape in shapes.items()} == {label: of[label].colour for label in of}
    assert len({shape["path"] for shape in shapes.values()}) == len({mark.marker for mark in of.values()})
