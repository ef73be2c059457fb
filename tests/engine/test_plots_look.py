"""Sizes in millimetres, styles, and which of many methods are named."""

import re

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.text import Text

from dexsy_bench import plots
from dexsy_bench.leaderboard import leaderboard
from dexsy_bench.plots import Look
from dexsy_bench.plots.look import PlotError, styled
from dexsy_bench.plots.selection import note
from dexsy_bench.plots.style import OTHERS

MM = 25.4
MAKERS = {
    "snr": plots.snr, "pareto": plots.pareto, "errors": plots.errors, "stress": plots.stress, "ranks": plots.ranks,
    "confusion": plots.confusion, "calibration": plots.calibration, "exchange": plots.exchange,
}  # fmt: skip
ONE_SNR = {"exchange"}


@pytest.fixture(autouse=True)
def headless():
    matplotlib.use("Agg")


def make_rows(methods=5, cases=4):
    """m0 is the best, m1 the next, ...; and two references."""
    rng = np.random.default_rng(0)
    names = [(f"m{i}", "", "classical") for i in range(methods)]
    names[0] = ("m0", "size=s,inputs=inverses", "learned")
    return pd.DataFrame(
        [
            {
                "method": name, "options": options, "family": family, "told": "", "tuning": "default",
                "scenario": "two", "snr": snr, "case": case, "status": "ok", "reason": "",
                "seconds": 0.01 * (1 + number),
                "seconds_alone": np.nan, "js": 0.05 * (1 + number) * np.exp(0.1 * rng.normal()), "residual": 1.0,
                "peaks_true": 4.0, "peaks_found": 4.0 + case % 2, "exchange_true": 0.1 * case,
                "exchange_found": 0.1 * case + 0.01 * number, "coverage_50": 0.0, "coverage_80": 1.0,
                "coverage_95": 1.0, "coverage_fractions": 0.5, "coverage_positions": 1.0,
            }
            for number, (name, options, family) in enumerate(
                [*names, ("floor", "", "reference"), ("limit", "", "reference")]
            )
            for snr in (30.0, 300.0) for case in range(cases)
        ]
    )  # fmt: skip


def draw(kind, rows, look, **more):
    rows = rows[rows["snr"] == 300] if kind in ONE_SNR else rows
    return MAKERS[kind](rows, look=look, **more)


def width_in_mm(path):
    text = path.read_bytes().decode("latin-1")
    if path.suffix == ".pdf":
        return float(re.search(r"/MediaBox \[ ?0 0 ([\d.]+) ", text)[1]) / 72 * MM
    return float(re.search(r'<svg[^>]* width="([\d.]+)pt"', text)[1]) / 72 * MM


@pytest.mark.parametrize("kind", MAKERS)
def test_every_text_of_every_figure_lies_in_a_file_as_wide_as_asked(kind, tmp_path):
    figure = draw(kind, make_rows(), look := Look("paper", 160.0))
    for path in plots.save(figure, tmp_path, kind, ["svg", "pdf"], look):
        assert width_in_mm(path) == pytest.approx(160, abs=0.1)
    with styled(look):
        FigureCanvasAgg(figure).draw()
        box = figure.get_tightbbox()
    assert box.x0 > -0.03
    assert box.x1 < figure.get_figwidth() + 0.03
    assert box.y0 > -0.03
    assert box.y1 < figure.get_figheight() + 0.03


@pytest.mark.parametrize(
    ("style", "levels", "wide"),
    [("paper", (30, 300), 178), ("paper", (30,), 85), ("talk", (30, 300), 310), ("talk", (30,), 160)],
)
def test_default_widths_are_those_of_one_column_and_two(style, levels, wide, tmp_path):
    rows = make_rows()
    look = Look(style)
    figure = plots.pareto(rows[rows["snr"].isin(levels)], look=look)
    (path,) = plots.save(figure, tmp_path, "x", ["pdf"], look)
    assert width_in_mm(path) == pytest.approx(wide, abs=0.1)


@pytest.mark.parametrize("kind", ["snr", "errors", "ranks"])
def test_talk_has_larger_type_and_bolder_lines_for_its_width(kind):
    paper, talk = (draw(kind, make_rows(), Look(style)) for style in ("paper", "talk"))
    ratio = talk.get_figwidth() / paper.get_figwidth()
    sizes = [
        {text.get_text(): text.get_fontsize() for text in figure.findobj(Text) if text.get_text()}
        for figure in (paper, talk)
    ]
    shared = sizes[0].keys() & sizes[1].keys()
    assert len(shared) > 5
    assert all(sizes[1][text] > 1.15 * ratio * sizes[0][text] for text in shared)
    assert min(sizes[0].values()) >= 7 * 0.99
    assert {9} <= {round(size) for size in sizes[0].values()}
    lines = [max(line.get_linewidth() for line in figure.axes[0].lines) for figure in (paper, talk)]
    assert lines[1] > 1.15 * ratio * lines[0]


@pytest.mark.parametrize("kind", ["stress", "ranks", "exchange"])
def test_a_width_without_room_is_refused_with_the_least_one(kind):
    with pytest.raises(PlotError, match=r"takes --width (\d+) or more in the style 'talk'") as error:
        draw(kind, make_rows(), Look("talk", 60))
    least = float(re.search(r"--width (\d+)", str(error.value))[1])
    assert draw(kind, make_rows(), Look("talk", least)).get_figwidth() * MM == pytest.approx(least)


def test_narrow_figures_have_fewer_panels_side_by_side():
    wide, narrow = (plots.snr(scenarios(make_rows(3), 4), look=Look("paper", width)) for width in (178, 85))
    assert wide.axes[0].get_gridspec().ncols == 4
    assert narrow.axes[0].get_gridspec().ncols == 1
    assert narrow.get_figheight() > wide.get_figheight()


def scenarios(rows, count):
    return pd.concat([rows.assign(scenario=f"s{i}") for i in range(count)], ignore_index=True)


@pytest.mark.parametrize("kind", MAKERS)
def test_the_same_rows_are_the_same_file(kind, tmp_path):
    rows, look = make_rows(2, cases=2), Look()
    one, two = (plots.save(draw(kind, rows, look), tmp_path, name, ["svg", "pdf"], look) for name in ("a", "b"))
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]


# Many methods --------------------------------------------------------------------------------


def test_leading_are_the_best_and_the_references():
    rows = make_rows(15)
    best = ["m0[size=s,inputs=inverses]", *(f"m{i}" for i in range(1, 8))]
    found = plots.leading(rows, "js")
    assert found[:8] == best
    assert set(found[8:]) == {"floor", "limit"}
    assert plots.leading(rows, "js", 2)[:2] == best[:2]
    assert len(plots.leading(rows, "js", 2)) == 4
    assert len(plots.leading(make_rows(12), "js")) == 14  # a dozen is not too many
    assert len(plots.leading(make_rows(12), "js", 30)) == 14


def test_a_method_does_not_lead_by_the_cases_it_likes():
    rows = make_rows(3)
    rows.loc[(rows["method"] == "m0") & (rows["case"] == 0), ["status", "js"]] = ["error", np.nan]
    assert plots.leading(rows, "js", 2)[:2] == ["m1", "m2"]


def test_by_a_metric_with_a_target_the_one_leads_that_the_table_has_first():
    rows = make_rows(2)
    rows["residual"] = np.where(rows["method"] == "m1", 1.1, 1.0)
    wild = rows["method"] == "m0"  # nearest to 1 on average, and never near it
    rows.loc[wild, "residual"] = np.where(rows.loc[wild, "case"] % 2, 0.2, 1.8)
    found = plots.leading(rows, "residual")
    assert found[:2] == ["m1", "m0[size=s,inputs=inverses]"]
    board = leaderboard(rows, ["residual"], by=(), sort="residual")
    assert found == list(board["label"])


def test_the_selection_is_stated_and_the_others_are_grey():
    rows = make_rows(15)
    shown = plots.leading(rows, "js", 3)
    for draw_it in (plots.snr, plots.pareto):
        figure = draw_it(rows, shown=shown)
        axes = figure.axes[0]
        grey = [line for line in axes.lines if to_hex(line.get_color()) == OTHERS.lower()]
        assert len(grey) == 12
        words = figure.legends[0].get_title().get_text().replace("\n", " ")
        assert "the best 3 of 15 methods by Jensen-Shannon divergence" in words
        legend = [text.get_text() for text in figure.legends[0].get_texts()]
        assert legend[:3] == ["m0[size=s,inputs=inverses]", "m1", "m2"]
        assert "other methods" in legend
        assert "m7" not in legend


def test_methods_on_the_front_are_named_though_not_asked_for():
    rows = make_rows(15)
    rows.loc[rows["method"] == "m14", "seconds"] = 1e-6  # the fastest, and the worst
    figure = plots.pareto(rows, shown=["m1"])
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "m14" in legend
    assert "those on a front, and references" in figure.legends[0].get_title().get_text().replace("\n", " ")


@pytest.mark.parametrize("kind", ["errors", "stress", "exchange", "confusion", "calibration"])
def test_other_figures_leave_them_out(kind):
    rows = make_rows(15)
    few = draw(kind, rows, Look(), shown=["m1", "m2", "floor"])
    words = {text.get_text().strip() for text in few.findobj(Text)}
    assert "m1" in words
    assert "m3" not in words


def test_note_is_empty_where_all_are_shown():
    rows = make_rows(3)
    assert note(rows, "js", None) == ""
    assert note(rows, "js", ["m0[size=s,inputs=inverses]", "m1", "m2"]) == ""
    assert note(rows, "js", ["m1"]) == "the best 1 of 3 methods by Jensen-Shannon divergence, and references"
