"""Figures of hand-made rows and of real estimates: what is on their axes, and that files are whole."""

import re
import struct
import xml.etree.ElementTree as ElementTree

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.container import ErrorbarContainer

from dexsy_bench import plots
from dexsy_bench.leaderboard import leaderboard, with_labels
from dexsy_bench.plots.examples import Example, example, source_of_rows, typical_case
from dexsy_bench.plots.gallery import CMAP
from dexsy_bench.plots.look import PlotError
from dexsy_bench.registry import Registry

METHODS = {"alpha": (0.05, 1.0, "classical"), "beta": (0.2, 0.1, "classical"), "gamma": (0.3, 5.0, "classical"),
           "floor": (0.4, 1e-5, "reference")}  # fmt: skip


@pytest.fixture(autouse=True)
def headless():
    matplotlib.use("Agg")


def make_rows(levels=(30.0, 300.0), scenarios=("two",), cases=12):
    rng = np.random.default_rng(0)
    out = []
    for scenario in scenarios:
        for snr in levels:
            for name, (level, seconds, family) in METHODS.items():
                for case in range(cases):
                    js = level * (100 / np.nan_to_num(snr, nan=100, posinf=1e4)) ** 0.3 * np.exp(0.2 * rng.normal())
                    failed = name == "gamma" and case == 2
                    out.append(
                        {
                            "method": name, "options": "", "family": family, "told": "", "tuning": "default",
                            "scenario": scenario, "snr": snr, "case": case, "status": "timeout" if failed else "ok",
                            "reason": "over 60 s" if failed else "", "seconds": np.nan if failed else seconds,
                            "seconds_alone": np.nan, "js": np.nan if failed else js,
                            "topk": np.nan if failed else 0.5, "residual": np.nan if failed or np.isinf(snr) else 1.0,
                        }
                    )  # fmt: skip
    return pd.DataFrame(out)


def shown(figure):
    return [axes for axes in figure.axes if axes.get_visible()]


def legend_texts(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def points(axes):
    """(x, y) of every error bar's point."""
    bars = [c for c in axes.containers if isinstance(c, ErrorbarContainer)]
    return [(bar.lines[0].get_xdata()[0], bar.lines[0].get_ydata()[0], bar.lines[0]) for bar in bars]


# Marks ---------------------------------------------------------------------------------------


def frame_of(names, family="classical"):
    return pd.DataFrame({"label": names, "family": family})


def test_marks_are_distinct_and_repeatable():
    names = [f"method{i}" for i in range(16)]
    of = plots.marks(frame_of(names))
    assert len({(mark.colour, mark.marker) for mark in of.values()}) == 16
    assert len({of[name].colour for name in names}) == 8
    assert of == plots.marks(frame_of(names[::-1]))


def test_references_are_grey():
    of = plots.marks(pd.concat([frame_of(["a"]), frame_of(["floor"], "reference")]))
    red, green, blue = (int(of["floor"].colour[i : i + 2], 16) for i in (1, 3, 5))
    assert red == green == blue
    assert of["floor"].reference
    assert not of["a"].reference


def test_forty_methods_can_still_be_told_apart():
    """There are fewer colours than that, and fewer markers: no two methods share both."""
    labels = [f"method{i}" for i in range(40)]
    of = plots.marks(frame_of(labels))
    assert len({(mark.colour, mark.marker) for mark in of.values()}) == 40


def test_a_new_method_leaves_most_marks_alone():
    names = [f"method{i}" for i in range(6)]
    before, after = plots.marks(frame_of(names)), plots.marks(frame_of([*names, "newcomer"]))
    assert sum(before[name].colour == after[name].colour for name in names) >= 4


@pytest.mark.parametrize("count", [2, 5, 8])
def test_methods_that_a_figure_names_have_colours_of_their_own(count):
    labels = [f"method{i}" for i in range(40)]
    of = plots.marks(pd.concat([frame_of(labels), frame_of(["floor"], "reference")]))
    shared = sorted(labels, key=lambda label: of[label].colour)[:count]  # most of them of one colour
    apart = plots.told_apart(of, [*shared, "floor"])
    assert len({apart[label].colour for label in shared}) == count
    assert len({(mark.colour, mark.marker) for mark in apart.values()}) == 41
    assert {label: of[label] for label in of if label not in shared} == {
        label: apart[label] for label in of if label not in shared
    }
    assert plots.told_apart(apart, shared) == apart


def test_more_methods_than_colours_share_them():
    of = plots.marks(frame_of([f"method{i}" for i in range(20)]))
    assert plots.told_apart(of, list(of)) == of


# Against SNR ---------------------------------------------------------------------------------


def test_snr_draws_the_means_of_the_leaderboard():
    rows = make_rows(scenarios=("two", "three"))
    figure = plots.snr(rows)
    first, second = shown(figure)
    assert [first.get_title(), second.get_title()] == ["three", "two"]
    assert (first.get_xscale(), first.get_yscale()) == ("log", "log")
    assert first.get_ylabel() == "Jensen-Shannon divergence\n(nats, lower is better)"
    assert first.get_xlabel() == "SNR at b = 0"
    ticks = [first.xaxis.get_major_formatter()(place, 0) for place in first.xaxis.get_major_locator()()]
    assert ticks == ["30", "300"]
    board = leaderboard(with_labels(rows), ["js"])
    expected = board[board["scenario"] == "two"]["mean"].to_numpy()
    np.testing.assert_allclose(sorted(y for _, y, _ in points(second)), np.sort(expected))


def test_a_mean_that_lacks_cases_is_hollow():
    figure = plots.snr(make_rows())
    of = plots.marks(with_labels(make_rows()))
    faces = {to_hex(p.get_color()): to_hex(p.get_markerfacecolor()) for _, _, p in points(shown(figure)[0])}
    assert faces[of["gamma"].colour.lower()] == "#ffffff"
    assert faces[of["alpha"].colour.lower()] == of["alpha"].colour.lower()
    assert legend_texts(figure)[-1] == "hollow: mean lacks cases"
    assert "floor (reference)" in legend_texts(figure)


def test_noiseless_stands_apart_and_is_not_joined():
    axes = shown(plots.snr(make_rows(levels=(30.0, 300.0, np.inf))))[0]
    format_tick = axes.xaxis.get_major_formatter()
    assert [format_tick(place, 0) for place in axes.xaxis.get_major_locator()()] == ["30", "300", "∞"]
    joined = [line for line in axes.lines if len(line.get_xdata()) > 1]
    assert len(joined) == len(METHODS)
    assert all(max(line.get_xdata()) < 400 for line in joined)
    assert sum(x > 800 for x, _, _ in points(axes)) == len(METHODS)


def test_snr_needs_an_snr():
    with pytest.raises(PlotError, match="SNR of these cases is not known"):
        plots.snr(make_rows(levels=(np.nan,)))


def test_every_column_has_its_labels_though_the_last_line_is_not_full():
    figure = plots.snr(make_rows(scenarios=tuple("abcdefg")))
    labelled = [axes.get_title() for axes in shown(figure) if axes.xaxis.label.get_visible()]
    assert labelled == ["d", "e", "f", "g"]
    ticks = [axes.get_title() for axes in shown(figure) if axes.xaxis.get_tick_params()["labelbottom"]]
    assert ticks == labelled
    assert [axes.get_title() for axes in shown(figure) if axes.yaxis.label.get_visible()] == ["a", "e"]


def test_a_share_has_a_linear_axis_and_the_residual_a_line_at_one():
    assert shown(plots.snr(make_rows(), "topk"))[0].get_yscale() == "linear"
    axes = shown(plots.snr(make_rows(), "residual"))[0]
    assert any(set(line.get_ydata()) == {1} for line in axes.lines)


# Against time --------------------------------------------------------------------------------


def test_pareto_axes_and_points():
    figure = plots.pareto(make_rows())
    first, second = shown(figure)
    assert [first.get_title(), second.get_title()] == ["SNR 30", "SNR 300"]
    assert (first.get_xscale(), first.get_yscale()) == ("log", "log")
    assert first.get_xlabel() == "time per inversion"
    assert first.xaxis.get_major_formatter()(1e-3, 0) == "1\N{THIN SPACE}ms"
    assert sorted(x for x, _, _ in points(first)) == pytest.approx([1e-5, 0.1, 1.0, 5.0])


def test_pareto_front_holds_no_beaten_no_partial_and_no_reference_method():
    board = leaderboard(make_rows(levels=(30.0,)), ["js"])
    assert list(plots.pareto_front(board, "js")["label"]) == ["beta", "alpha"]
    better = board.assign(mean=board["mean"].where(board["label"] != "beta", 0.001))
    assert list(plots.pareto_front(better, "js")["label"]) == ["beta"]


def test_pareto_front_of_ties_and_of_a_metric_where_high_is_good():
    board = pd.DataFrame(
        {"label": list("abcd"), "family": "classical", "complete": True, "seconds": [1.0, 1.0, 2.0, 3.0],
         "mean": [0.5, 0.6, 0.6, 0.9]}
    )  # fmt: skip
    assert list(plots.pareto_front(board, "topk")["label"]) == ["b", "d"]
    assert list(plots.pareto_front(board, "js")["label"]) == ["a"]


def test_pareto_needs_times():
    with pytest.raises(PlotError, match="nothing can be drawn against time"):
        plots.pareto(make_rows().assign(seconds=np.nan))


# Spread --------------------------------------------------------------------------------------


def test_errors_shows_every_case_and_counts_failures():
    figure = plots.errors(make_rows())
    axes = shown(figure)[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["alpha", "beta", "gamma", "floor (reference)"]
    assert axes.get_xscale() == "log"
    assert axes.get_xlabel() == "js (nats)"
    assert figure.get_suptitle() == "two\nJensen-Shannon divergence (lower is better)"
    assert [len(dots.get_offsets()) for dots in axes.collections] == [12, 12, 11, 12]
    assert [text.get_text() for text in axes.texts] == ["11/12"]
    rows = make_rows()
    wanted = rows[(rows["snr"] == 30) & (rows["method"] == "alpha")]["js"]
    np.testing.assert_allclose(np.sort(axes.collections[0].get_offsets()[:, 0]), np.sort(wanted))


# Gallery -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def registry():
    return Registry()


@pytest.fixture(scope="module")
def gallery_rows():
    rows = make_rows(levels=(100.0,), scenarios=("two_compartment",), cases=3)
    real = rows[rows["method"] == "floor"].assign(method="prior_mean")
    slow = rows[rows["method"] == "alpha"].assign(method="nnls", seconds=1000.0)
    return pd.concat([real, slow, rows[rows["method"].isin(["gamma", "beta"])]])


@pytest.fixture(scope="module")
def one(registry, gallery_rows) -> Example:
    return example(gallery_rows, registry.scenario("two_compartment"), 100.0, 2, registry)


def test_example_recomputes_what_it_can_and_says_why_not(one):
    assert set(one.estimates) == {"prior_mean"}
    assert one.estimates["prior_mean"].shape == (1, 64, 64)
    assert 0 < one.scores["prior_mean"]["js"] < np.log(2)
    assert one.reasons["gamma"] == "timeout: over 60 s"
    assert "not installed" in one.reasons["beta"]
    assert one.reasons["nnls"] == "took 1000 s a case; show it with --limit 2000"


def test_example_of_a_case_that_was_not_run(registry, gallery_rows):
    with pytest.raises(PlotError, match="no case 9 of two_compartment at SNR 100; there are 0 to 2"):
        example(gallery_rows, registry.scenario("two_compartment"), 100.0, 9, registry)


def test_gallery_panels(one):
    labels = ["prior_mean", "gamma"]
    figure = plots.gallery([one], labels)
    signal, truth, estimate, empty, *bars = shown(figure)
    assert [axes.get_title() for axes in (signal, truth, estimate, empty)] == [
        "signal, SNR 100", "truth", "prior_mean", "gamma",
    ]  # fmt: skip
    assert truth.get_xlabel() == "$D_1$ (µm²/ms)"
    assert truth.get_ylabel() == "$D_2$ (µm²/ms)"
    assert signal.get_xlabel() == "$b_1$ (ms/µm²)"
    assert (
        {axes.get_xscale() for axes in (truth, estimate)}
        == {axes.get_yscale() for axes in (truth, estimate)}
        == {"log"}
    )
    assert [bar.get_ylabel() for bar in bars] == ["S / S(0,0)", "mass per cell (%)"]
    maps = [axes.collections[0] for axes in (truth, estimate)]
    assert {m.get_cmap().name for m in maps} == {CMAP}
    assert maps[0].norm is maps[1].norm
    assert maps[0].norm.vmax == pytest.approx(100 * one.cases.distributions.max())
    np.testing.assert_allclose(maps[0].get_array().ravel(), 100 * one.cases.distributions[0, 0].T.ravel())
    assert (
        estimate.get_xlabel() == f"js {one.scores['prior_mean']['js']:.2g}, topk {one.scores['prior_mean']['topk']:.2g}"
    )
    assert "timeout" in empty.texts[0].get_text()


def test_gallery_marks_the_peaks_of_the_truth(one):
    truth = shown(plots.gallery([one], ["prior_mean"]))[1]
    circles = next(line for line in truth.lines if line.get_marker() == "o")
    centres = one.cases.parameters["centres"][0]
    for d1, d2 in zip(circles.get_xdata(), circles.get_ydata(), strict=True):
        for value in (d1, d2):
            assert np.abs(np.log10(centres / value)).min() < 0.05  # one cell
    assert len(circles.get_xdata()) == 4


def test_gallery_wraps_many_methods(one):
    figure = plots.gallery([one, one], [f"m{i}" for i in range(11)])
    panels = [axes for axes in shown(figure) if axes.get_title()]
    assert len(panels) == 2 * 13
    assert figure.get_figwidth() == pytest.approx(178 / 25.4)


def test_typical_case_is_the_median():
    rows = make_rows(cases=5)
    rows["js"] = rows["case"].map({0: 0.5, 1: 0.1, 2: 0.3, 3: 0.2, 4: 0.4})
    rows.loc[rows["family"] == "reference", "js"] = rows["case"].astype(float)
    assert typical_case(rows) == 2
    with pytest.raises(PlotError, match="name one with --case"):
        typical_case(rows.assign(status="error"))


def test_source_comes_from_the_manifest_before_the_registry(registry):
    core = registry.scenario("two_compartment")
    changed = core.model_dump(mode="json") | {"title": "as it was when it was run"}
    source, data = source_of_rows({"scenarios": {"two_compartment": changed}}, "two_compartment", registry)
    assert (source.title, data) == ("as it was when it was run", None)
    assert source.digest == core.digest
    assert source_of_rows({}, "two_compartment", registry) == (core, None)


# Files ---------------------------------------------------------------------------------------


def test_files_are_whole_and_text_stays_text(tmp_path):
    figure = plots.snr(make_rows())
    png, svg = plots.save(figure, tmp_path / "new", "snr", ["png", "svg"])
    head = png.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">I", head[16:20])[0] == int(figure.get_figwidth() * 300)
    texts = ["".join(node.itertext()) for node in ElementTree.parse(svg).iter("{http://www.w3.org/2000/svg}text")]
    assert any("SNR at b = 0" in text for text in texts)
    assert any("floor (reference)" in text for text in texts)


def test_the_same_figure_is_the_same_file(tmp_path):
    one, two = (plots.save(plots.errors(make_rows()), tmp_path, name, ["svg"])[0] for name in ("a", "b"))
    assert one.read_bytes() == two.read_bytes()


def test_save_refuses(tmp_path):
    figure = plots.snr(make_rows())
    with pytest.raises(PlotError, match=re.escape("no format 'jpg'; there are: png, svg, pdf")):
        plots.save(figure, tmp_path, "x", ["jpg"])
    (tmp_path / "file").write_text("")
    with pytest.raises(PlotError, match="cannot write to"):
        plots.save(figure, tmp_path / "file", "x", ["png"])
