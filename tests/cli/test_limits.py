"""`dexsy-bench limits`: the table, the files, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from dexsy_bench.inference.limits import Quantities, limits, snr_for
from dexsy_bench.plots.limits import limits as figure_of
from dexsy_bench.registry import Registry

SMALL = """
title = "Small"
why = "For a test."
snr = [100]

[grid]
n = 24

[acquisition]
n = 10
sampled = 0.7
mixing_times = [0.005, 0.05]

[[compartments]]
name = "slow"
d = [0.03, 0.3]

[[compartments]]
name = "fast"
d = [0.5, 2.5]
"""


def test_table_figure_and_numbers_are_written(command, tmp_path):
    (tmp_path / "mine.toml").write_text(SMALL)
    told = command("limits", "mine", "--include", "mine.toml", "-n", "8", "--snr", "30", "--snr", "300")
    for text in ("position, slow (decades)", "exchanged fraction, 50 ms", "exchange rate", "SNR 300", "0.05 at SNR"):
        assert text in told
    table = pd.read_csv(tmp_path / "limits" / "limits-mine.csv")
    assert set(table["snr"]) == {30, 300}
    assert (table["low"] <= table["median"]).all()
    assert (table["median"] <= table["high"]).all()
    for suffix in ("png", "svg"):
        assert (tmp_path / "limits" / f"limits-mine.{suffix}").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("two_compartmen",), "did you mean"),
        (("two_compartment", "--snr", "inf"), "--snr inf: must be positive and finite"),
        (("two_compartment", "--precision", "0"), "--precision 0: must be positive"),
        (("two_compartment", "--out", "file/limits"), "cannot write file/limits"),
    ],
)
def test_mistakes_are_answered_in_a_sentence(command, tmp_path, arguments, told):
    (tmp_path / "file").touch()
    assert told in command("limits", *arguments, status=2)


@pytest.fixture(scope="module")
def scenario():
    scenario = Registry().scenario("asymmetric")
    section = scenario.acquisition.model_copy(update={"n": 12})
    return scenario.model_copy(update={"acquisition": section, "grid": scenario.grid.model_copy(update={"n": 32})})


def test_bounds_fall_with_snr_and_with_what_is_known(scenario):
    table = limits(scenario, (30.0, 300.0, 3000.0), 8)
    assert len(table) == 3 * len(Quantities(scenario).labels)
    assert "initial fraction" in set(table["quantity"])
    medians = table.pivot(index=["quantity", "of"], columns="snr", values="median")
    ratio = (medians[300.0] / medians[3000.0]).to_numpy()
    np.testing.assert_allclose(ratio, 10, rtol=0.15)  # as 1 / SNR, far from the noise floor
    assert (medians[30.0] > 9 * medians[300.0]).all()  # and faster close to it
    known = limits(scenario, (30.0, 300.0, 3000.0), 8, ranges_known=True)
    assert (known["median"] <= table["median"] * (1 + 1e-9)).all()
    assert (known["high"] <= known["prior_sd"]).all()


def test_the_sd_before_any_signal_is_that_of_the_ranges(scenario):
    table = limits(scenario, (100.0,), 2).set_index(["quantity", "of"])["prior_sd"]
    assert table["position", "intracellular"] == pytest.approx(1 / np.sqrt(12), rel=0.03)  # a decade, uniform
    assert table["width", "extracellular"] == pytest.approx(0.1 / np.sqrt(12), rel=0.03)
    assert table["fraction", "intracellular"] == pytest.approx(np.sqrt(0.05), rel=0.03)  # Beta(2, 2)


def test_the_snr_for_a_precision_is_between_those_where_it_is_passed():
    snr = np.array([10.0, 100.0, 1000.0])
    assert snr_for(0.05, snr, 1 / snr) == pytest.approx(20)
    assert snr_for(1e-4, snr, 1 / snr) == pytest.approx(1e4)  # beyond: as 1 / SNR
    assert snr_for(0.5, snr, 1 / snr) == 10  # reached at the lowest already
    assert snr_for(0.05, snr, np.array([np.inf, 0.01, 0.001])) == 100
    assert np.isinf(snr_for(0.05, snr, np.full(3, np.inf)))


def test_a_quantity_that_no_signal_tells_is_drawn_all_the_same(scenario):
    table = limits(scenario, (100.0,), 2)
    table.loc[table["quantity"] == "width", ["low", "median", "high"]] = np.inf
    figure = figure_of(table, "title", 0.05)
    titles = [axes.get_title() for axes in figure.axes if axes.get_visible()]
    assert len(titles) == table["quantity"].nunique()
    figure.canvas.draw()
