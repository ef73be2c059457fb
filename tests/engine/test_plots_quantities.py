"""Exchanged fraction, number of peaks and coverage: what the figures say is what the rows hold."""

import warnings

import matplotlib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dexsy_bench import plots
from dexsy_bench.plots.calibration import binomial_band
from dexsy_bench.plots.confusion import confusion_matrix
from dexsy_bench.plots.exchange import agreement
from dexsy_bench.plots.look import PlotError

METHODS = {"alpha": "classical", "beta": "learned", "floor": "reference"}


@pytest.fixture(autouse=True)
def headless():
    matplotlib.use("Agg")


def make_rows(cases=40, levels=(30.0, 300.0), samples=("beta", "floor")):
    """alpha recovers half of the exchange and a noisy number of peaks; beta all of it, with samples; floor always 0.2.

    The samples of beta are calibrated at SNR 30 and never cover at 300; no other row says so.
    """
    rng = np.random.default_rng(1)
    true, peaks = rng.uniform(0, 0.5, cases), rng.choice([1, 4], cases)
    out = []
    for name, family in METHODS.items():
        for snr in levels:
            for case in range(cases):
                found = {"alpha": 0.5 * true[case] + 0.1, "beta": true[case], "floor": 0.2}[name]
                has = name in samples
                good = snr == levels[0]
                out.append(
                    {
                        "method": name, "options": "", "family": family, "told": "", "tuning": "default",
                        "scenario": "two", "snr": snr, "case": case, "status": "ok", "reason": "", "js": 0.1,
                        "exchange_true": true[case], "exchange_found": found + 0.01 * rng.normal() * (name == "alpha"),
                        "peaks_true": peaks[case], "peaks_found": peaks[case] + (name == "alpha") * (case % 3),
                        **{f"coverage_{level}": float(good and case < cases * level / 100) if has else np.nan
                           for level in (50, 80, 95)},
                        "coverage_fractions": float(good) if has else np.nan,
                        "coverage_positions": 0.5 if has else np.nan,
                    }
                )  # fmt: skip
    return pd.DataFrame(out)


def shown(figure):
    return [axes for axes in figure.axes if axes.get_visible()]


def titles(figure):
    return [axes.get_title().strip() for axes in shown(figure)]


# Exchange ------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=3, max_size=40))
def test_agreement_is_that_of_scipy_and_of_bland_and_altman(pairs):
    true, found = np.array(pairs).T
    result = agreement(true, found)
    difference = found - true
    assert result.n == len(pairs)
    assert result.bias == pytest.approx(difference.mean())
    half = 1.96 * np.std(difference, ddof=1)
    assert (result.high - result.low) / 2 == pytest.approx(half, abs=1e-12)
    assert (result.high + result.low) / 2 == pytest.approx(result.bias, abs=1e-12)
    if min(np.ptp(true), np.ptp(found)) > 1e-3:
        assert result.r == pytest.approx(stats.pearsonr(true, found).statistic, abs=1e-9)


def test_agreement_of_little():
    constant = agreement([0.1, 0.2, 0.3], [0.2, 0.2, 0.2])
    assert np.isnan(constant.r)
    assert constant.bias == pytest.approx(0)
    single = agreement([0.1], [0.3])
    assert np.isnan([single.r, single.low, single.high]).all()
    assert (single.bias, single.n) == (pytest.approx(0.2), 1)


def test_limits_of_agreement_hold_95_percent_of_normal_differences():
    rng = np.random.default_rng(0)
    true = rng.uniform(size=20_000)
    found = true + rng.normal(0.05, 0.02, true.size)
    result = agreement(true, found)
    assert np.mean((found - true > result.low) & (found - true < result.high)) == pytest.approx(0.95, abs=0.005)


def test_exchange_shows_the_pairs_identity_bias_and_limits_on_equal_axes():
    rows = make_rows(levels=(300.0,))
    figure = plots.exchange(rows)
    assert titles(figure) == ["alpha", "beta", "floor (reference)"]
    for axes, name in zip(shown(figure), METHODS, strict=True):
        assert axes.get_xlim() == axes.get_ylim()
        assert axes.get_box_aspect() == 1
        part = rows[rows["method"] == name]
        dots = next(line for line in axes.lines if line.get_marker() != "None")
        np.testing.assert_array_equal(dots.get_xdata(), part["exchange_true"])
        np.testing.assert_array_equal(dots.get_ydata(), part["exchange_found"])
        wanted = agreement(part["exchange_true"], part["exchange_found"])
        offsets = [line.get_ydata()[0] for line in axes.lines if line.get_marker() == "None"]
        np.testing.assert_allclose(offsets, [0, wanted.bias, wanted.low, wanted.high])
        words = axes.texts[0].get_text().replace("−", "-")
        assert f"n {len(part)}" in words
        assert f"{wanted.bias:+.3f} [{wanted.low:+.3f}, {wanted.high:+.3f}]" in words
        assert ("r –" if name == "floor" else f"r {wanted.r:.2f}") in words


def test_exchange_marks_are_those_of_the_other_figures():
    rows = make_rows(levels=(300.0,))
    of = plots.marks(rows.assign(label=rows["method"]))
    for axes, name in zip(shown(plots.exchange(rows)), METHODS, strict=True):
        dots = next(line for line in axes.lines if line.get_marker() != "None")
        assert (dots.get_color(), dots.get_marker()) == (of[name].colour, of[name].marker)


def test_exchange_of_specimens_without_any_has_axes_still():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = plots.exchange(make_rows(levels=(300.0,)).assign(exchange_true=0.0, exchange_found=0.0))
    assert shown(figure)[0].get_xlim() == (0, 1)


def test_exchange_counts_what_failed():
    rows = make_rows(levels=(300.0,))
    lost = (rows["method"] == "alpha") & (rows["case"] < 3)
    rows.loc[lost, "status"] = "timeout"
    assert "n 37/40" in shown(plots.exchange(rows))[0].texts[0].get_text()


# Peaks ---------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 30)), min_size=1, max_size=60))
def test_rows_of_the_confusion_matrix_are_shares_of_the_cases(pairs):
    true, found = (pd.Series(column, dtype=float) for column in zip(*pairs, strict=True))
    table = confusion_matrix(true, found, int(true.max()) + 4)
    np.testing.assert_allclose(table.sum(axis=1), 1)
    assert list(table.columns) == list(range(table.columns[0], table.columns[-1] + 1))
    for count in table.index:
        here = found[true == count]
        assert table.loc[count, count] == pytest.approx((here == count).mean())
        last = table.columns[-1]
        assert table.loc[count, last] == pytest.approx((here >= last).mean())


def test_confusion_shows_a_panel_a_method_and_frames_the_right_number():
    rows = make_rows()
    figure = plots.confusion(rows)
    assert titles(figure) == ["alpha", "beta", "floor (reference)"]
    alpha, beta, _ = shown(figure)
    np.testing.assert_allclose(beta.images[0].get_array()[[0, 1], [0, 3]], 1)  # 1 and 4 of 1 ... 6
    assert [text.get_text() for text in beta.texts] == ["100", "100"]
    assert np.asarray(alpha.images[0].get_array()).sum(axis=1) == pytest.approx([1, 1])
    assert {(box.get_x() + 0.5, box.get_y() + 0.5) for box in alpha.patches} == {(0, 0), (3, 1)}
    counts = rows[rows["method"] == "alpha"]["peaks_true"].value_counts()
    assert [tick.get_text() for tick in alpha.get_yticklabels()] == [f"{n} ({counts[n]})" for n in (1, 4)]
    assert figure.get_suptitle() == "two, SNR 30, 300"


def test_numbers_of_peaks_far_beyond_share_a_column():
    rows = make_rows()
    rows.loc[rows["method"] == "alpha", "peaks_found"] = 60.0
    axes = shown(plots.confusion(rows))[0]
    assert [tick.get_text() for tick in axes.get_xticklabels()][-1] == "8+"
    assert [text.get_text() for text in axes.texts] == ["100", "100"]


def test_a_method_that_answered_only_easy_cases_has_its_counts_in_the_columns_of_the_others():
    rows = make_rows()
    easy = (rows["method"] == "alpha") & (rows["peaks_true"] == 1)
    rows.loc[easy, "peaks_found"] = 7.0  # farther above 1 than the columns of this method alone would reach
    rows.loc[(rows["method"] == "alpha") & ~easy, ["peaks_true", "peaks_found"]] = np.nan
    axes = shown(plots.confusion(rows))[0]
    shares = np.ma.filled(axes.images[0].get_array(), np.nan)
    assert [tick.get_text() for tick in axes.get_xticklabels()] == [str(n) for n in range(1, 8)]
    np.testing.assert_array_equal(shares[0], [0, 0, 0, 0, 0, 0, 1])
    assert np.isnan(shares[1]).all()  # nothing is known there


# Coverage ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("nominal", "n"), [(0.5, 32), (0.8, 32), (0.95, 128), (0.95, 8)])
def test_the_binomial_band_holds_95_percent_of_calibrated_methods(nominal, n):
    low, high = binomial_band(nominal, n)
    inside = stats.binom.cdf(round(high * n), n, nominal) - stats.binom.cdf(round(low * n) - 1, n, nominal)
    assert inside >= 0.95
    narrower = stats.binom.cdf(round(high * n) - 1, n, nominal) - stats.binom.cdf(round(low * n), n, nominal)
    assert narrower < 0.95


def test_calibration_shows_the_shares_of_covered_cases():
    figure = plots.calibration(make_rows())
    assert titles(figure) == [
        "exchanged fraction\nSNR 30", "exchanged fraction\nSNR 300",
        "fractions of compartments\n95% intervals", "positions of compartments\n95% intervals",
    ]  # fmt: skip
    good, bad, fractions, positions = shown(figure)
    curves = [[line for line in axes.lines if line.get_marker() != "None"] for axes in (good, bad)]
    assert [len(lines) for lines in curves] == [2, 2]  # alpha has no samples
    np.testing.assert_allclose(curves[0][0].get_xdata(), [0.5, 0.8, 0.95])
    np.testing.assert_allclose(curves[0][0].get_ydata(), [0.5, 0.8, 0.95])
    np.testing.assert_allclose(curves[1][0].get_ydata(), 0)
    lines = {axes: [line for line in axes.lines if line.get_marker() != "None"] for axes in (fractions, positions)}
    np.testing.assert_allclose(lines[fractions][0].get_ydata(), [1, 0])
    np.testing.assert_allclose(lines[positions][0].get_ydata(), [0.5, 0.5])
    assert "n = 40 cases" in figure.legends[0].get_title().get_text()
    assert [text.get_text() for text in figure.legends[0].get_texts()][:2] == ["beta", "floor (reference)"]


def test_calibration_of_a_folder_that_does_not_say_its_snr():
    figure = plots.calibration(make_rows(levels=(np.nan,)))
    assert titles(figure)[0] == "exchanged fraction\nSNR unknown"


# What older rows lack ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("draw", "columns", "message"),
    [
        (plots.exchange, ["exchange_true", "exchange_found"], "no row has a value of exchange_true and exchange_found"),
        (plots.confusion, ["peaks_found"], "no row has a value of peaks_found: older runs did not count the peaks"),
        (plots.calibration, ["coverage_50"], "no row has a value of coverage_50: coverage is defined for methods"),
    ],
)
def test_absent_columns_are_named(draw, columns, message):
    rows = make_rows()
    with pytest.raises(PlotError, match=message):
        draw(rows.drop(columns=columns))
    empty = rows.assign(**dict.fromkeys(columns, np.nan))
    with pytest.raises(PlotError, match="no row has a value of"):
        draw(empty)
