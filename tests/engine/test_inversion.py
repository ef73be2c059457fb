import json
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.testing import assert_allclose

from dexsy_bench import inversion_files
from dexsy_bench.compartments import exchange_weights
from dexsy_bench.errors import UserError
from dexsy_bench.inversion import invert, valleys
from dexsy_bench.measured import check
from dexsy_bench.method import Estimate, Method
from dexsy_bench.physics import KERNELS
from dexsy_bench.problem import Grid

GRID = Grid.log(0.01, 10, 64)
CENTRES, K, TIME = (0.1, 1.0), 20.0, 0.04
FRACTIONS = np.array([0.6, 0.4])
B = np.linspace(0, 10, 32)


def blob(centre):
    profile = np.exp(-0.5 * ((GRID.log_d1 - np.log10(centre)) / 0.1) ** 2)
    return profile / profile.sum()


def truth():
    weights = exchange_weights(FRACTIONS[None], FRACTIONS[None], np.array([K]), np.array([[TIME]]))[0, 0]
    blobs = np.stack([blob(centre) for centre in CENTRES], axis=1)
    return blobs @ weights @ blobs.T


class Oracle(Method):
    """Answers the true distribution as it remains at the first b."""

    name = "oracle"
    shifted: np.ndarray

    @dataclass(frozen=True)
    class Options:
        pass

    def invert(self, signals):
        return Estimate(self.shifted[None] / self.shifted.sum(), diagnostics={"iterations": np.array([3])})


def inverted(first_b=0.0, f=None, splits=None, mixing_time=TIME, sigma=0.003):
    f = truth() if f is None else f
    b = B + first_b
    kernel = np.exp(-b[:, None] * GRID.d1)
    noise = sigma * np.random.default_rng(0).standard_normal((b.size, b.size))
    noise[0, 0] = 0
    measurement = check(kernel @ f @ kernel.T + noise, b, b, GRID, KERNELS["diffusion"], mixing_time=mixing_time)
    Oracle.shifted = f * np.exp(-first_b * (GRID.d1[:, None] + GRID.d1))
    return invert(measurement, Oracle, Oracle.Options(), "oracle", splits)


def test_samples_give_intervals():
    """Truth blurred to either side: the quantities lie between, those of one compartment have no exchange."""
    from dexsy_bench.exchange_results import quantities

    f, splits = truth(), np.array([0.3])
    moved = np.stack([np.roll(f, (shift, shift), axis=(0, 1)) for shift in (-2, -1, 1, 2)])
    alone, drawn = (quantities(f, samples, GRID, splits, TIME) for samples in (None, moved))
    assert list(alone) == [
        "exchanged fraction", "diffusivity 1", "fraction 1", "diffusivity 2", "fraction 2", "exchange rate",
    ]  # fmt: skip
    for name, quantity in drawn.items():
        assert quantity.value == alone[name].value
        assert quantity.low <= quantity.high
        assert np.isnan(alone[name].low)
    place = drawn["diffusivity 1"]
    assert place.low < CENTRES[0] < place.high
    assert place.value == pytest.approx(CENTRES[0], rel=0.02)
    assert drawn["fraction 1"].value == pytest.approx(FRACTIONS[0], abs=0.001)
    assert list(quantities(f, None, GRID, np.empty(0), TIME)) == ["diffusivity 1", "fraction 1"]
    assert "exchange rate" not in quantities(f, None, GRID, splits, None)


def test_what_is_read_off_the_true_distribution_is_true():
    result = inverted()
    exchanged = 2 * 0.6 * 0.4 * (1 - np.exp(-K * TIME))
    assert_allclose(result.f, truth(), rtol=1e-12)
    assert 0.2 < result.splits[0] < 0.5
    assert result.exchanged_fraction == pytest.approx(exchanged, abs=1e-4)
    assert result.exchange_rate == pytest.approx(K, rel=1e-3)
    assert result.residual_over_noise == pytest.approx(1, abs=0.1)
    assert result.diagnostics == {"iterations": 3}
    found = {tuple(np.round(row[:2], 1)): row[2] for row in result.peak_rows()}
    stay = np.exp(-K * TIME)
    assert found[0.1, 0.1] == pytest.approx(0.6 * stay + 0.36 * (1 - stay), abs=0.01)
    assert found[1.0, 1.0] == pytest.approx(0.4 * stay + 0.16 * (1 - stay), abs=0.01)
    assert len(found) == 4


def test_b_that_does_not_start_at_0_changes_nothing():
    assert_allclose(inverted(first_b=0.1).f, truth(), atol=1e-12)


def test_given_splits_take_the_place_of_valleys():
    result = inverted(splits=np.array([0.02, 0.3]))
    assert_allclose(result.splits, [0.02, 0.3])
    assert result.masses.shape == (3, 3)
    for splits in ([0.3, 0.02], [0.001], [20.0], [np.nan]):
        with pytest.raises(UserError, match=r"--split .* borders have to be ascending, between 0.01 and 10"):
            inverted(splits=np.array(splits))


def test_one_compartment_has_no_exchanged_fraction():
    result = inverted(f=np.outer(blob(0.5), blob(0.5)))
    assert result.splits.size == 0
    assert (result.exchanged_fraction, result.exchange_rate) == (None, None)
    assert any("only one compartment" in line for line in inversion_files.describe(result))


@pytest.mark.parametrize("mixing_time", [None, 40.0])
def test_no_rate_without_a_mixing_time_nor_from_complete_exchange(mixing_time):
    both = FRACTIONS[0] * blob(0.1) + FRACTIONS[1] * blob(1.0)
    assert inverted(f=np.outer(both, both), mixing_time=mixing_time).exchange_rate is None


def test_spikes_of_one_compartment_are_not_compartments():
    f = np.zeros((64, 64))
    for cell in (20, 22, 45, 47):
        f[cell, cell] = 0.25
    splits = valleys(f, GRID)
    assert splits.size == 1
    assert GRID.d1[22] < splits[0] < GRID.d1[45]


def test_mass_at_the_edges_of_the_grid_counts():
    f = np.zeros((64, 64))
    f[0, 0] = f[63, 63] = 0.5
    assert valleys(f, GRID).size == 1


def test_files(tmp_path):
    result = inverted()
    inversion_files.write(result, tmp_path / "new" / "folder", "signal.npy")
    folder = tmp_path / "new" / "folder"
    assert_allclose(np.load(folder / "distribution.npy"), result.f)
    assert_allclose(np.load(folder / "D_vals.npy"), GRID.d1)
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert summary["exchanged_fraction"] == result.exchanged_fraction
    assert summary["signal"] == "signal.npy"
    table = np.genfromtxt(folder / "peaks.csv", delimiter=",", names=True)
    assert table.dtype.names == ("D_1", "D_2", "mass")
    assert_allclose(table["mass"], result.peaks.mass, rtol=1e-5)
    assert (folder / "inversion.png").read_bytes().startswith(b"\x89PNG")
    svg = (folder / "inversion.svg").read_text(encoding="utf-8")
    for text in ("exchanged fraction", "µm²/ms", "Residual"):
        assert text in svg


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write .*file"):
        inversion_files.write(inverted(), tmp_path / "file", "signal.npy")
