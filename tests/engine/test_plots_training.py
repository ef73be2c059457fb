"""Figures of a training: validation examples and learning curves, from what they show on their axes."""

from itertools import combinations

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text
from scipy.ndimage import gaussian_filter

from dexsy_bench.learning.validation import LearningCurve, ValidationCell
from dexsy_bench.learning.weights import Score
from dexsy_bench.metrics import score
from dexsy_bench.plots.gallery import CMAP, name_axes
from dexsy_bench.plots.look import PlotError
from dexsy_bench.plots.style import save
from dexsy_bench.plots.training import DIFFERENCE_CMAP, learning_curve, validation_examples
from dexsy_bench.registry import Registry
from dexsy_bench.scenario import Scenario


@pytest.fixture(autouse=True)
def headless():
    matplotlib.use("Agg")


# Examples ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cell():
    return ValidationCell.of(Registry().scenario("two_compartment"), 100.0, 2)


def blurred(cell, width=2.0):
    return gaussian_filter(np.asarray(cell.cases.distributions[0], dtype=float), (0, width, width))


def one_case(cell):
    return ValidationCell.of(Registry().scenario("two_compartment"), cell.snr, 1).cases


def with_mixing_times(cell):
    core = Registry().scenario("two_compartment").model_dump()
    core["acquisition"] |= {"mixing_times": (0.02, 0.1)}
    return ValidationCell.of(Scenario(**core), cell.snr, 1)


def test_panels_hold_signal_truth_estimate_and_difference(cell):
    estimate = blurred(cell)
    columns = score(one_case(cell), estimate[None], cell.problem)
    figure = validation_examples([(cell, estimate, {name: float(v[0]) for name, v in columns.items()})], "after 10")
    signal, truth, shown, difference, *bars = figure.axes
    assert figure.get_suptitle() == "after 10"
    assert figure.subfigs[1].get_suptitle() == "two_compartment, SNR 100"
    titles = [axes.get_title() for axes in (signal, truth, shown, difference)]
    assert titles == ["signal", "truth", "estimate", "estimate − truth"]
    maps = [axes.collections[0] for axes in (truth, shown, difference)]
    f = np.asarray(cell.cases.distributions[0, 0])
    for image, values in zip(maps, (f, estimate[0], estimate[0] - f), strict=True):
        np.testing.assert_allclose(image.get_array().ravel(), 100 * values.T.ravel())
    measured = signal.collections[0].get_array().reshape(cell.cases.noisy.shape[-2:])
    assert measured[0, 0] == pytest.approx(cell.cases.noisy[0, 0, 0, 0])
    assert measured[0, 3] == pytest.approx(cell.cases.noisy[0, 0, 3, 0])  # b1 along x
    assert [bar.get_ylabel() for bar in bars] == ["S / S(0,0)", "mass per cell (%)", "difference (% per cell)"]
    js, w1, topk = (columns[name][0] for name in ("js", "w1", "topk"))
    assert shown.get_xlabel() == f"$D_1$ (µm²/ms)\njs {js:.2g}, w1 {w1:.2g} dec, top-K {topk:.2g}"


def test_truth_and_estimate_share_a_scale_and_the_difference_is_symmetric(cell):
    estimate = blurred(cell)
    _, truth, shown, difference, *_ = validation_examples([(cell, estimate, None)], "").axes
    first, second, third = (axes.collections[0] for axes in (truth, shown, difference))
    assert first.norm is second.norm
    assert first.norm.vmax == pytest.approx(100 * cell.cases.distributions[0, 0].max())
    assert first.norm(first.norm.vmax / 4) == pytest.approx(0.5)  # square root
    assert [image.get_cmap().name for image in (first, second, third)] == [CMAP, CMAP, DIFFERENCE_CMAP]
    largest = 100 * np.abs(estimate[0] - cell.cases.distributions[0, 0]).max()
    assert (third.norm.vmin, third.norm.vmax) == pytest.approx((-largest, largest))
    assert third.norm(0) == pytest.approx(0.5)
    assert [third.norm(value) for value in (-largest / 4, largest / 4)] == pytest.approx([0.25, 0.75])


def test_no_text_lies_on_another_or_beyond_the_edge(cell):
    scores = {"js": 0.123, "w1": 0.00123, "topk": 0.75}
    figure = validation_examples([(cell, blurred(cell), scores)] * 2, "after 1,000,000 training cases")
    figure.draw_without_rendering()
    labels = [label for axes in figure.findobj(Axes) for label in (axes.xaxis.label, axes.yaxis.label, axes.title)]
    boxes = [text.get_window_extent() for text in labels if text.get_text()]
    boxes += [text.get_window_extent() for text in figure.findobj(Text) if text.get_weight() == "bold"]
    assert len(boxes) == 2 * (4 + 4 + 2 + 3 + 1)  # titles, labels below and beside, of bars, heading
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    assert all(figure.bbox.x0 <= b.x0 and b.x1 <= figure.bbox.x1 and figure.bbox.y0 <= b.y0 for b in boxes)


def test_log_axes_with_units(cell):
    signal, truth, shown, difference, *_ = validation_examples([(cell, blurred(cell), None)], "").axes
    for axes in (truth, shown, difference):
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
        assert axes.get_xlabel() == "$D_1$ (µm²/ms)"
    assert truth.get_ylabel() == "$D_2$ (µm²/ms)"
    assert (signal.get_xlabel(), signal.get_ylabel()) == ("$b_1$ (ms/µm²)", "$b_2$ (ms/µm²)")


def test_names_of_relaxation_axes():
    axes = Figure().subplots()
    name_axes(axes, "T2", "ms")
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("$T_{2,1}$ (ms)", "$T_{2,2}$ (ms)")


def test_only_the_first_of_several_mixing_times(cell):
    cell = with_mixing_times(cell)
    figure = validation_examples([(cell, blurred(cell), {"js": 0.1})], "")
    assert figure.subfigs[1].get_suptitle() == "two_compartment, SNR 100, $t_m$ 20 ms"
    assert [axes.get_title() for axes in figure.axes[:4]] == ["signal", "truth", "estimate", "estimate − truth"]
    assert figure.axes[2].get_xlabel().endswith("js 0.1 (mean over $t_m$)")
    np.testing.assert_allclose(
        figure.axes[1].collections[0].get_array().ravel(), 100 * cell.cases.distributions[0, 0].T.ravel()
    )


def test_a_perfect_and_a_broken_estimate_can_be_drawn(cell, tmp_path):
    truth = np.asarray(cell.cases.distributions[0])
    figure = validation_examples([(cell, truth, None), (cell, np.full_like(truth, np.nan), {"js": np.nan})], "two")
    assert len(figure.subfigs) == 3  # the title's, and one a case
    difference = figure.subfigs[1].axes[3].collections[0]
    assert difference.norm.vmin == -difference.norm.vmax < 0
    assert "js nan" in figure.subfigs[2].axes[2].get_xlabel()
    path = save(figure, tmp_path, "examples", ["png"])[0]
    assert path.stat().st_size > 10_000


def test_examples_refuse_what_does_not_fit(cell):
    with pytest.raises(ValueError, match=r"estimate has shape \(64, 64\), the truth \(T, D1, D2\) = \(1, 64, 64\)"):
        validation_examples([(cell, blurred(cell)[0], None)], "")
    with pytest.raises(ValueError, match="no validation case"):
        validation_examples([], "")


# Learning curve ------------------------------------------------------------------------------


def lines_of(cases=(1000, 10_000, 100_000), scenarios=("two", "three"), snr=(30.0, 300.0)):
    """Made so that js = 40 / sqrt(cases x snr)."""
    return [
        {"cases": float(n), "seconds": n / 100, "scenario": name, "snr": level, "kl": 1.0,
         "js": 40 / np.sqrt(n * level), "w1": 0.1, "topk": 1 - 10 / np.sqrt(n)}
        for n in cases for name in scenarios for level in snr
    ]  # fmt: skip


def shown_axes(figure):
    return [axes for axes in figure.axes if axes.get_visible()]


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def curves(axes):
    return [line for line in axes.lines if line.get_marker() == "o"]


def levels(axes):
    """Height of each dashed line, by colour."""
    return {to_hex(line.get_color()): line.get_ydata()[0] for line in axes.lines if line.is_dashed()}


def test_a_panel_a_scenario_a_line_an_snr():
    figure = learning_curve(lines_of()[::-1])
    first, second = shown_axes(figure)
    assert [first.get_title(), second.get_title()] == ["three", "two"]  # as they come
    assert (first.get_xscale(), first.get_yscale()) == ("log", "log")
    assert first.get_xlabel() == "training cases seen"
    assert first.get_ylabel() == "Jensen-Shannon divergence\n(nats, lower is better)"
    assert first.xaxis.get_major_formatter()(20_000, 0) == "20k"
    assert legend(figure) == ["SNR 30", "SNR 300"]
    for line, snr in zip(curves(first), (30, 300), strict=True):
        np.testing.assert_array_equal(line.get_xdata(), [1000, 10_000, 100_000])
        np.testing.assert_allclose(line.get_ydata(), 40 / np.sqrt(line.get_xdata() * snr))
    assert [line.get_color() for line in curves(first)] == [line.get_color() for line in curves(second)]
    assert len({line.get_color() for line in curves(first)}) == 2


def test_colours_darken_with_snr():
    figure = learning_curve(lines_of(snr=(np.inf, 30.0, 1000.0, 100.0)))
    assert legend(figure) == ["SNR 30", "SNR 100", "SNR 1000", "noiseless"]
    colours = [matplotlib.colors.to_rgb(handle.get_color()) for handle in figure.legends[0].legend_handles]
    luminance = np.array(colours) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(luminance) < -0.02).all()


def test_a_share_has_a_linear_axis():
    figure = learning_curve(lines_of(), "topk")
    assert shown_axes(figure)[0].get_yscale() == "linear"
    assert legend(figure) == ["SNR 300", "SNR 30"]  # best on top


def test_baseline_is_dashed_in_the_colour_of_its_snr_and_explained():
    baseline = {("two", 30.0): 0.3, ("two", 300.0): np.nan, ("two", 77.0): 0.9, ("three", 300.0): 0.1}
    figure = learning_curve(lines_of(), baseline=baseline, baseline_label="nnls")
    two, three = shown_axes(figure)
    noisy, clean = (to_hex(line.get_color()) for line in curves(two))
    assert levels(two) == {noisy: 0.3}
    assert levels(three) == {clean: 0.1}
    assert legend(figure)[-1] == "nnls"
    assert two.get_ylim()[1] > 0.3
    assert legend(learning_curve(lines_of(), baseline={})) == ["SNR 30", "SNR 300"]


def test_baseline_finds_an_snr_that_the_curve_has_rounded():
    lines = lines_of(snr=(31.6228,))
    figure = learning_curve(lines, baseline={("two", 10**1.5): 0.2})
    assert list(levels(shown_axes(figure)[0]).values()) == [0.2]


def test_lines_of_the_file(tmp_path):
    curve = LearningCurve(tmp_path / "learning_curve.csv")
    for cases, js in ((1000, 0.3), (2000, 0.2)):
        scores = {"kl": 1.0, "js": js, "w1": 0.1, "topk": 0.5}
        curve.append(cases, 1.0, [Score(scenario="two", snr=np.inf, cases=4, scores=scores)])
    figure = learning_curve(curve.read())
    (line,) = curves(shown_axes(figure)[0])
    np.testing.assert_allclose(line.get_xydata(), [[1000, 0.3], [2000, 0.2]])
    assert legend(figure) == ["noiseless"]


def test_one_validation_is_a_point_with_room_and_ticks(tmp_path):
    figure = learning_curve(lines_of(cases=(25_600,)))
    axes = shown_axes(figure)[0]
    assert axes.get_xlim() == (12_800, 51_200)
    low, high = axes.get_xlim()
    assert sum(low <= tick <= high for tick in axes.xaxis.get_majorticklocs()) >= 2
    assert all(line.get_marker() == "o" for line in curves(axes))
    assert save(figure, tmp_path, "one", ["png"])[0].stat().st_size > 5000


def test_nan_leaves_a_gap_and_a_scenario_without_scores_says_so(tmp_path):
    lines = lines_of()
    for line in lines:
        if line["scenario"] == "three" or line["cases"] == 10_000:
            line["js"] = np.inf if line["snr"] == 30 else np.nan
    figure = learning_curve(lines)
    two, three = shown_axes(figure)
    for line in curves(two):
        assert list(np.isfinite(line.get_ydata())) == [True, False, True]
    assert [text.get_text() for text in three.texts] == ["no finite score"]
    assert len(two.texts) == 0
    assert save(figure, tmp_path, "gap", ["png"])[0].stat().st_size > 5000
    everywhere = learning_curve([{**line, "js": np.nan} for line in lines])
    assert save(everywhere, tmp_path, "nothing", ["png"])[0].stat().st_size > 3000


def test_learning_curve_refuses():
    with pytest.raises(PlotError, match="no validation yet"):
        learning_curve([])
    with pytest.raises(PlotError, match="no metric 'accuracy'; there are: kl, js, w1, topk"):
        learning_curve(lines_of(), "accuracy")
    before = {**lines_of()[0], "cases": 0.0}
    with pytest.raises(PlotError, match="no validation yet"):
        learning_curve([before])
