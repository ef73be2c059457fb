"""The figure of the stress scenarios: what stands where, and that nothing a method lacks is left unsaid."""

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.container import ErrorbarContainer

from dexsy_bench import plots
from dexsy_bench.leaderboard import TableError, leaderboard, with_labels
from dexsy_bench.plots.look import PlotError
from dexsy_bench.plots.stress import residual_levels

LEVEL = {"home": 0.05, "near": 0.1, "far": 0.4}
FAMILIES = {"careful": "classical", "net": "learned", "floor": "reference"}
SNR = (30.0, 300.0)


@pytest.fixture(autouse=True)
def headless():
    matplotlib.use("Agg")


def make_rows(cases=6):
    """`net` is better than `careful`, and its misfit in `far` is 3 % of S(0,0); `floor` does best of all."""
    rng = np.random.default_rng(0)
    factor = {"careful": 1.0, "net": 0.5, "floor": 0.01}
    out = [
        {
            "method": name, "options": "", "family": family, "told": "", "tuning": "default", "scenario": scenario,
            "snr": snr, "case": case, "status": "ok", "reason": "", "seconds": 1.0, "seconds_alone": np.nan,
            "js": level * factor[name] * np.exp(0.1 * rng.normal()), "topk": 0.5,
            "residual": np.hypot(1, 0.03 * snr * (name == "net" and scenario == "far")) * np.exp(0.01 * rng.normal()),
        }
        for scenario, level in LEVEL.items()
        for name, family in FAMILIES.items()
        for snr in SNR
        for case in range(cases)
    ]  # fmt: skip
    return pd.DataFrame(out)


def lose(rows, which, status, **also):
    """The rows with some of them failed."""
    rows = rows.copy()
    rows.loc[which, ["js", "topk", "residual"]] = np.nan
    rows.loc[which, "status"] = status
    return rows.assign(**also)


def scenarios(figure):
    return [tick.get_text() for tick in figure.axes[0].get_yticklabels()]


def means(figure):
    """The error bars' points on the left: {(scenario, colour): line}."""
    left, names = figure.axes[0], scenarios(figure)
    bars = [c.lines[0] for c in left.containers if isinstance(c, ErrorbarContainer)]
    return {(names[round(bar.get_ydata()[0])], to_hex(bar.get_color())): bar for bar in bars}


def typical(figure):
    """The large marks on the right."""
    right, names = figure.axes[1], scenarios(figure)
    found = [
        line for line in right.lines if line.get_markersize() == pytest.approx(3.8) and line.get_marker() != "None"
    ]
    return {(names[round(line.get_ydata()[0])], to_hex(line.get_color())): line for line in found}


def notes(figure):
    return [text.get_text() for text in figure.axes[1].texts]


def colours(rows):
    return {label: to_hex(mark.colour) for label, mark in plots.marks(with_labels(rows)).items()}


def test_the_left_shows_the_leaderboard_of_each_scenario():
    rows = make_rows()
    figure, colour = plots.stress(rows), colours(rows)
    board = leaderboard(rows, ["js"], by=["scenario"])
    found = means(figure)
    assert len(found) == len(board) == 9
    for row in board.itertuples():
        bar = found[row.scenario, colour[row.label]]
        assert bar.get_xdata()[0] == pytest.approx(row.mean)
        assert bar.get_marker() == plots.marks(with_labels(rows))[row.label].marker
    left, right = figure.axes
    assert left.get_xlabel() == "Jensen-Shannon divergence\n(nats, lower is better)"
    assert left.get_title() == "mean over the SNR levels\n30, 300"
    assert right.get_xlabel().startswith("Residual over noise")
    assert (left.get_xscale(), right.get_xscale()) == ("log", "log")
    assert any(list(line.get_xdata()) == [1, 1] for line in right.lines)
    assert notes(figure) == []


def test_methods_stand_in_the_same_order_in_every_line_and_hide_no_other():
    rows = make_rows()
    figure, colour = plots.stress(rows), colours(rows)
    names, found = scenarios(figure), means(figure)
    for number, name in enumerate(names):
        places = [found[name, colour[label]].get_ydata()[0] - number for label in ("careful", "net", "floor")]
        assert places == sorted(places)
        assert np.diff(places) == pytest.approx([places[1] - places[0]] * 2)
        assert max(np.abs(places)) < 0.5


def test_the_right_shows_medians_and_their_geometric_mean():
    rows = make_rows()
    figure, colour = plots.stress(rows), colours(rows)
    part = rows[(rows["scenario"] == "far") & (rows["method"] == "net")]
    low, high = (np.median(part[part["snr"] == snr]["residual"]) for snr in SNR)
    assert high > 6 * low
    mark = typical(figure)["far", colour["net"]]
    assert mark.get_xdata()[0] == pytest.approx(np.sqrt(low * high))
    small = [line for line in figure.axes[1].lines if line.get_markersize() == 2]
    assert any(np.allclose(np.sort(line.get_xdata()), [low, high]) for line in small)
    assert typical(figure)["far", colour["careful"]].get_xdata()[0] == pytest.approx(1, abs=0.02)


def test_the_easiest_scenario_stands_first_as_the_best_method_has_it():
    rows = make_rows()
    assert scenarios(plots.stress(rows)) == ["home", "near", "far"]
    rows.loc[(rows["method"] == "net") & (rows["scenario"] == "far"), "js"] = 0.001
    assert scenarios(plots.stress(rows)) == ["far", "home", "near"]
    share = make_rows()
    share["topk"] = share["scenario"].map({"home": 0.2, "near": 0.9, "far": 0.5})
    assert scenarios(plots.stress(share, "topk")) == ["near", "far", "home"]


def test_the_baseline_stands_above_a_line():
    figure = plots.stress(make_rows(), baseline={"far"})
    assert scenarios(figure) == ["far", "home", "near"]
    for axes in figure.axes:
        assert any(list(line.get_ydata()) == [0.5, 0.5] for line in axes.lines)
    plain = plots.stress(make_rows())
    assert not any(list(line.get_ydata()) == [0.5, 0.5] for line in plain.axes[0].lines)


def test_methods_of_the_baseline_alone_are_left_out():
    rows = make_rows()
    rows = rows[(rows["method"] != "careful") | (rows["scenario"] == "home")]
    with_note = plots.stress(rows)
    assert notes(with_note) == ["not run", "not run"]  # in near and in far
    figure = plots.stress(rows, baseline={"home"})
    assert notes(figure) == []
    assert {colour for _, colour in means(figure)} == {colours(rows)[label] for label in ("net", "floor")}
    assert len(means(plots.stress(rows, baseline=LEVEL))) == 9  # nothing to compare with: all stay


def test_what_a_method_declined_is_said_in_its_colour():
    rows = make_rows()
    rows = lose(rows, (rows["method"] == "net") & (rows["scenario"] == "far"), "unsupported")
    figure, colour = plots.stress(rows), colours(rows)
    assert notes(figure) == ["declined"]
    note = figure.axes[1].texts[0]
    beside = [line for line in figure.axes[1].lines if list(line.get_xdata()) == [1.025]]
    assert [to_hex(line.get_color()) for line in beside] == [colour["net"]]
    assert beside[0].get_ydata()[0] == note.xy[1]
    assert round(note.xy[1]) == scenarios(figure).index("far")
    assert np.isnan(means(figure)["far", colour["net"]].get_xdata()[0])
    assert ("far", colour["net"]) not in typical(figure)
    assert "hollow: mean lacks cases" not in [text.get_text() for text in figure.legends[0].get_texts()]


def test_a_mean_that_lacks_cases_is_hollow_and_says_which():
    rows = make_rows()
    rows = lose(rows, (rows["method"] == "net") & (rows["scenario"] == "far") & (rows["case"] == 2), "timeout")
    lost = (rows["method"] == "careful") & (rows["scenario"] == "near") & (rows["snr"] == 300)
    rows = lose(rows, lost & (rows["case"] < 4), "unsupported")
    rows = rows[~(lost & (rows["case"] >= 4))]
    figure, colour = plots.stress(rows), colours(rows)
    assert sorted(notes(figure)) == ["declined 4/12, not run 2/12", "timeout 2/12"]
    for found in (means(figure), typical(figure)):
        assert to_hex(found["far", colour["net"]].get_markerfacecolor()) == "#ffffff"
        assert to_hex(found["home", colour["net"]].get_markerfacecolor()) == colour["net"]
    assert np.isnan(means(figure)["near", colour["careful"]].get_xdata()[0])  # one SNR level has no score
    assert ("near", colour["careful"]) not in typical(figure)
    assert [text.get_text() for text in figure.legends[0].get_texts()][-1] == "hollow: mean lacks cases"


def test_a_metric_that_is_not_defined_for_a_case_is_counted():
    rows = make_rows()
    rows.loc[(rows["method"] == "net") & (rows["scenario"] == "far") & (rows["case"] == 0), "topk"] = np.nan
    assert notes(plots.stress(rows, "topk")) == ["scored 10/12"]


def test_other_snr_levels_stand_under_the_name():
    rows = make_rows()
    rows = rows[(rows["scenario"] != "far") | (rows["snr"] == 30)]
    figure = plots.stress(rows)
    assert scenarios(figure) == ["home", "near", "far\nSNR 30"]
    assert figure.axes[0].get_title().endswith("\n30, 300")


def test_noiseless_cases_have_no_residual_and_lack_nothing():
    rows = make_rows()
    quiet = rows["snr"] == 300
    rows.loc[quiet, "snr"] = np.inf
    rows.loc[quiet, "residual"] = np.nan
    figure = plots.stress(rows)
    assert len(typical(figure)) == 9
    assert notes(figure) == []
    assert figure.axes[0].get_title().endswith("\n30, ∞")


def test_residual_levels_has_a_hole_where_others_have_a_value():
    rows = make_rows()
    rows = lose(rows, (rows["method"] == "net") & (rows["scenario"] == "far") & (rows["snr"] == 30), "unsupported")
    table = residual_levels(with_labels(rows)).set_index(["scenario", "label", "snr"])["median"]
    assert np.isnan(table["far", "net", 30.0])
    wanted = rows[(rows["scenario"] == "far") & (rows["method"] == "net") & (rows["snr"] == 300)]["residual"].median()
    assert table["far", "net", 300.0] == wanted
    assert table.notna().sum() == 17


def test_what_cannot_be_drawn():
    with pytest.raises(PlotError, match="choose another --metric"):
        plots.stress(make_rows(), "residual")
    with pytest.raises(TableError, match="no case has a value of residual"):
        plots.stress(make_rows().assign(residual=np.nan))
