import learned
import numpy as np
import pytest
import torch
from torch import nn

from dexsy_bench.learning.validation import METRICS, LearningCurve, ValidationCell, estimates, mean
from dexsy_bench.learning.weights import Score
from dexsy_bench.metrics import score
from dexsy_bench.scenario import AcquisitionSection, GridSection
from dexsy_bench.trial import scenario

SCENARIO = learned.toy_scenario()
CPU = torch.device("cpu")


class Spread(nn.Module):
    """Answers with the square of the signal, through batch statistics that only training moves."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(1)
        self.sizes = []

    def forward(self, signals):
        self.sizes.append(len(signals))
        mass = self.norm(signals[:, None])[:, 0] ** 2
        return mass / mass.sum((1, 2), keepdim=True)


# Cells -------------------------------------------------------------------------------------


def test_a_cell_holds_validation_cases():
    cell = ValidationCell.of(SCENARIO, 30.0, 4)
    expected = SCENARIO.cases(0, 4, 30.0, "validation")
    np.testing.assert_array_equal(cell.cases.noisy, expected.noisy)
    for purpose in ("test", "training"):
        assert np.abs(cell.cases.distributions - SCENARIO.cases(0, 4, 30.0, purpose).distributions).max() > 1e-3
    assert (cell.scenario, cell.snr, cell.problem.sigma) == (SCENARIO.name, 30.0, 1 / 30)


def test_scores_are_those_of_the_leaderboard():
    cell = ValidationCell.of(SCENARIO, 30.0, 5)
    f = estimates(Spread(), cell, CPU)
    columns = cell.score(f)
    assert tuple(columns) == METRICS
    everything = score(cell.cases, f, cell.problem)
    for name in METRICS:
        np.testing.assert_array_equal(columns[name], everything[name])
    means = cell.mean(columns)
    assert (means.scenario, means.snr, means.cases) == (SCENARIO.name, 30.0, 5)
    assert means.scores == {name: pytest.approx(everything[name].mean()) for name in METRICS}


def test_the_truth_scores_best():
    cell = ValidationCell.of(SCENARIO, 30.0, 5)
    scores = cell.mean(cell.score(np.asarray(cell.cases.distributions))).scores
    assert scores == pytest.approx({"kl": 0.0, "js": 0.0, "w1": 0.0, "topk": 1.0}, abs=2e-3)


# Estimates ---------------------------------------------------------------------------------


@pytest.mark.parametrize("training", [True, False])
def test_estimates_leave_the_network_as_it_was(training):
    network = Spread().train(training)
    state = {name: value.clone() for name, value in network.state_dict().items()}
    cell = ValidationCell.of(SCENARIO, 30.0, 40)
    f = estimates(network, cell, CPU)
    assert network.training == network.norm.training == training
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    assert network.sizes == [32, 8]
    assert f.shape == (40, 1, 16, 16)
    assert f.dtype == np.float64
    np.testing.assert_allclose(f.sum((-2, -1)), 1, rtol=1e-12)
    square = np.asarray(cell.cases.noisy) ** 2
    np.testing.assert_allclose(f, square / square.sum((-2, -1), keepdims=True), rtol=1e-4, atol=1e-9)


def test_estimates_of_several_mixing_times_are_in_order():
    several = scenario(GridSection(n=16), AcquisitionSection(n=16, mixing_times=(0.01, 0.1)))
    cell = ValidationCell.of(several, 30.0, 3)
    f = estimates(Spread(), cell, CPU)
    square = np.asarray(cell.cases.noisy) ** 2
    assert f.shape == (3, 2, 16, 16)
    np.testing.assert_allclose(f, square / square.sum((-2, -1), keepdims=True), rtol=1e-4, atol=1e-9)


# The learning curve ------------------------------------------------------------------------


def scores(shift=0.0):
    values = {"kl": 0.5 + shift, "js": 0.1 + shift, "w1": 0.2 + shift, "topk": 0.8 + shift}
    return [Score(scenario=name, snr=snr, cases=8, scores=values) for name in ("two", "a,b") for snr in (30.0, np.inf)]


def test_the_mean_is_over_cells():
    different = [*scores()[:1], *scores(0.1)[:1]]
    assert mean(different) == pytest.approx({"kl": 0.55, "js": 0.15, "w1": 0.25, "topk": 0.85})


@pytest.fixture
def curve(tmp_path):
    curve = LearningCurve(tmp_path / "learning_curve.csv")
    for cases in (900, 1800, 2700):
        curve.append(cases, cases / 100, scores(1 / cases))
    return curve


def test_the_curve_is_read_as_it_was_written(curve):
    lines = curve.read()
    assert [(line["cases"], line["scenario"], line["snr"]) for line in lines] == [
        (cases, cell.scenario, cell.snr) for cases in (900, 1800, 2700) for cell in scores()
    ]
    assert lines[4]["js"] == pytest.approx(0.1 + 1 / 1800, rel=1e-5)
    assert lines[4]["seconds"] == 18.0


def test_what_will_be_computed_again_is_forgotten(curve):
    curve.rewind(1800)
    assert {line["cases"] for line in curve.read()} == {900, 1800}
    curve.append(2700, 27.0, scores(1 / 2700))
    assert len(curve.read()) == 12
    curve.rewind(0)
    assert curve.read() == []
    curve.append(900, 9.0, scores())
    assert len(curve.read()) == 4
    assert [path.name for path in curve.path.parent.iterdir()] == ["learning_curve.csv"]


@pytest.mark.parametrize("kept", [1, 3, 20, 30, 0])
def test_a_line_that_was_cut_off_is_forgotten(curve, kept):
    """As a kill in the middle of a write leaves it: the number of cases may be cut to one that was passed."""
    whole = curve.path.read_text()
    last = whole.splitlines()[-1]
    assert len(last) > 30
    curve.path.write_text(whole + last[:kept])
    curve.rewind(2700)
    assert curve.path.read_text() == whole
    assert len(curve.read()) == 12


@pytest.mark.parametrize("content", ["", "cases,sec"])
def test_a_curve_that_was_hardly_begun_goes_on(tmp_path, content):
    curve = LearningCurve(tmp_path / "learning_curve.csv")
    curve.path.write_text(content)
    curve.rewind(100)
    curve.append(200, 2.0, scores())
    assert [line["cases"] for line in curve.read()] == [200] * 4


def test_there_is_nothing_to_rewind_before_the_first_validation(tmp_path):
    curve = LearningCurve(tmp_path / "learning_curve.csv")
    curve.rewind(100)
    assert not curve.path.exists()
