import json

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from dexsy_bench import seeds
from dexsy_bench.errors import UserError
from dexsy_bench.folder import Folder
from dexsy_bench.generation import generate
from dexsy_bench.learning import stream as module
from dexsy_bench.learning.stream import FolderStream, ScenarioStream
from dexsy_bench.registry import Registry
from dexsy_bench.scenario import AcquisitionSection, CompartmentSection, GridSection, Scenario, make_cases

CPU = torch.device("cpu")


def scenario(name="small", d=((0.05, 0.3), (0.5, 2.5)), n=16, **acquisition):
    return Scenario(
        name=name,
        title="",
        why="",
        snr=(100.0,),
        compartments=tuple(CompartmentSection(name=str(i), d=interval) for i, interval in enumerate(d)),
        grid=GridSection(n=n),
        acquisition=AcquisitionSection(n=n, **acquisition),
    )


SLOW, MIDDLE, FAST = (
    scenario("slow", [(0.015, 0.02)]),
    scenario("middle", [(0.3, 0.4)]),
    scenario("fast", [(5.0, 6.0)]),
)
CORE = tuple(Registry().scenario(name) for name in Registry().suite("core").scenarios)


@pytest.fixture
def recorded(monkeypatch):
    """The arguments of each call of `make_cases`."""
    calls = []

    def record(*arguments):
        calls.append(arguments)
        return make_cases(*arguments)

    monkeypatch.setattr(module, "make_cases", record)
    return calls


def mass_in_thirds(f):
    """(N, 3): mass at the slow, middle and fast third of log D1."""
    d = np.linspace(-2, 1, f.shape[1])
    return np.stack([f.numpy().sum(2)[:, part].sum(1) for part in (d < -1, (d >= -1) & (d < 0.2), d >= 0.2)], axis=1)


# Of scenarios ------------------------------------------------------------------------------


def test_the_same_number_is_the_same_batch_and_another_holds_other_cases():
    stream = ScenarioStream((SLOW, MIDDLE))
    again = ScenarioStream((SLOW, MIDDLE))
    batches = [stream.batch(number, 6, CPU) for number in range(4)]
    for number in (3, 1):
        assert all(torch.equal(a, b) for a, b in zip(batches[number], again.batch(number, 6, CPU), strict=True))
    for part in (0, 1):
        every = torch.cat([batch[part] for batch in batches]).flatten(1)
        assert len(torch.unique(every, dim=0)) == 24


def test_batches_differ_however_many_there_are():
    """A CPU's generator takes 32 bits of its seed, and in these the seed streams of the two numbers agree."""
    one, other = (ScenarioStream((SLOW,)).batch(number, 2, CPU)[1] for number in (88748, 102819))
    assert not torch.equal(one, other)


def test_drawing_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    ScenarioStream((SLOW,)).batch(0, 4, CPU)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("scenarios", [(SLOW,), (SLOW, FAST), (SLOW, MIDDLE, FAST)])
@pytest.mark.parametrize("size", [1, 4, 5, 6])
def test_scenarios_have_equal_shares(scenarios, size):
    """In a batch to within a case; exactly, in as many batches as there are scenarios."""
    stream = ScenarioStream(scenarios)
    counts = []
    for number in range(2 * len(scenarios)):
        signals, f = stream.batch(number, size, CPU)
        assert signals.shape == (size, 16, 16)
        assert f.shape == (size, 16, 16)
        counts.append((mass_in_thirds(f) > 0.9).sum(0)[[(SLOW, MIDDLE, FAST).index(s) for s in scenarios]])
        assert counts[-1].sum() == size
        assert np.ptp(counts[-1]) <= 1
    assert np.ptp(np.sum(counts, axis=0)) == 0


def test_cases_are_those_that_numpy_makes_of_the_same_random_numbers(recorded):
    signals, f = ScenarioStream(CORE).batch(7, 7, CPU)
    assert {signals.dtype, f.dtype} == {torch.float32}
    family_sizes = [len(uniforms) for _, _, uniforms, _, _ in recorded]
    assert sorted(family_sizes) == [3, 4]
    reference = []
    for scenario_, (family, problem, uniforms, normals, sigma) in zip(CORE, recorded, strict=True):
        assert family == scenario_.family
        assert (problem.sigma, problem.prior) == (None, None)
        doubles = (array.numpy().astype(np.float64) for array in (uniforms, normals, sigma))
        reference.append(make_cases(scenario_.family, scenario_.problem(100.0), *doubles))
    truth = np.concatenate([cases.distributions[:, 0] for cases in reference])
    noisy = np.concatenate([cases.noisy[:, 0] for cases in reference])
    np.testing.assert_allclose(f, truth, rtol=1e-3, atol=1e-5 * truth.max())
    np.testing.assert_allclose(signals, noisy, atol=2e-6)


@pytest.mark.parametrize("noisy", [True, False])
def test_f_has_mass_1_and_the_signal_starts_at_1(noisy):
    for number in range(3):
        signals, f = ScenarioStream(CORE, noisy=noisy).batch(number, 8, CPU)
        assert (f >= 0).all()
        np.testing.assert_allclose(f.double().sum((1, 2)), 1, atol=1e-6)
        assert (signals[:, 0, 0] == 1).all()
        assert signals.isfinite().all()


def test_without_noise_the_signal_is_that_of_f():
    signals, f = ScenarioStream(CORE, noisy=False).batch(2, 6, CPU)
    problem = CORE[0].problem(np.inf)
    np.testing.assert_allclose(signals, problem.k1 @ f.double().numpy() @ problem.k2.T, atol=2e-6)
    noisy, same = ScenarioStream(CORE).batch(2, 6, CPU)
    assert torch.equal(f, same)
    assert (noisy - signals).abs().amax((1, 2)).min() > 1e-4


def test_snr_is_log_uniform_in_its_range():
    """Read off the signal: where water at 5 µm²/ms leaves none, its mean square is 2 sigma^2 of S(0,0)^2."""
    low, high = 20.0, 500.0
    stream = ScenarioStream((FAST,), (low, high))
    signals = torch.cat([stream.batch(number, 64, CPU)[0] for number in range(10)]).numpy()
    noise = signals[:, 6:, 6:]
    snr = 1 / np.sqrt((noise**2).mean((1, 2)) / 2)
    position = np.log(snr / low) / np.log(high / low)
    # Of 100 points a standard deviation of 5 % is left, and one of 1/SNR from S(0,0).
    assert position.min() > -0.1
    assert position.max() < 1.1
    assert kstest(position, "uniform").pvalue > 0.05
    assert kstest(position.clip(0, 1) ** 1.3, "uniform").pvalue < 1e-3, "the test could tell"


def test_a_range_of_one_snr_is_that_snr(recorded):
    ScenarioStream((SLOW,), (50.0, 50.0)).batch(0, 5, CPU)
    np.testing.assert_allclose(recorded[0][-1], 1 / 50, rtol=1e-6)


def test_all_its_random_numbers_come_from_the_training_stream(monkeypatch):
    purposes = []

    def generator(purpose, *names):
        purposes.append(purpose)
        return original(purpose, *names)

    original = seeds.generator
    monkeypatch.setattr(seeds, "generator", generator)
    ScenarioStream(CORE).batch(0, 4, CPU)
    assert set(purposes) == {"training"}


def test_no_training_case_is_a_test_or_validation_case():
    small = scenario()
    stream = ScenarioStream((small,))
    drawn = torch.cat([stream.batch(number, 64, CPU)[1] for number in range(4)]).flatten(1).numpy()
    for purpose in ("test", "validation"):
        others = small.cases(0, 200, 100.0, purpose).distributions.reshape(200, -1)
        closest = min(np.abs(drawn - other).sum(1).min() for other in others)
        assert closest > 1e-3
        copy = others[0].astype(np.float32)
        assert np.abs(copy - others[0]).sum() < 1e-5, "far less, had it been one"


def test_several_mixing_times_are_as_many_signals():
    several = scenario(mixing_times=(0.01, 0.1))
    signals, f = ScenarioStream((several,), noisy=False).batch(0, 3, CPU)
    assert signals.shape == f.shape == (6, 16, 16)
    problem = several.problem(np.inf)
    np.testing.assert_allclose(signals, problem.k1 @ f.double().numpy() @ problem.k2.T, atol=2e-6)


def test_what_the_model_card_says_of_it():
    card = ScenarioStream(CORE, (10.0, 2000.0)).description
    assert card == {
        "scenarios": [s.name for s in CORE],
        "scenario_digests": [s.digest for s in CORE],
        "snr": [10.0, 2000.0],
    }
    assert ScenarioStream(CORE, noisy=False).description["snr"] == "inf"
    problem = ScenarioStream(CORE).problem
    assert (problem.sigma, problem.prior) == (None, None)


@pytest.mark.parametrize(
    "other", [scenario("other", n=32), scenario("other", b_max=8.0), scenario().model_copy(update={"kernel": "x"})]
)
def test_scenarios_of_different_problems_are_refused(other):
    with pytest.raises(UserError, match="one network is trained on one inverse problem"):
        ScenarioStream((scenario(), other))


@pytest.mark.parametrize("snr", [(0.0, 10.0), (-1.0, 10.0), (20.0, 10.0), (10.0, np.inf), (np.nan, 10.0), (1, np.nan)])
def test_impossible_snrs_are_refused(snr):
    with pytest.raises(UserError, match="needs 0 < low <= high, both finite"):
        ScenarioStream((SLOW,), snr)


def test_a_scenario_that_leaves_points_out_is_refused():
    with pytest.raises(UserError, match="small has a sampling mask"):
        ScenarioStream((scenario(sampled=0.5),))


# Of a folder -------------------------------------------------------------------------------

CASES = 12


@pytest.fixture
def folder(tmp_path):
    generate(scenario(), CASES, 50.0, tmp_path / "data", purpose="training", start=5)
    return tmp_path / "data"


def positions(batch, folder, kind):
    """Which case of the folder each signal is, and which each distribution is."""
    signals, f = batch
    cases = Folder.read(folder).cases(5, 5 + CASES, 50.0)
    found = []
    for drawn, stored in ((signals, getattr(cases, kind)), (f, cases.distributions)):
        distance = np.abs(drawn.numpy()[:, None] - stored[None, :, 0]).max((2, 3))
        assert (distance.min(1) < 1e-6).all()
        found.append(distance.argmin(1) + 5)
    return found


@pytest.mark.parametrize(("noisy", "kind"), [(True, "noisy"), (False, "clean")])
def test_a_folder_gives_signals_with_their_own_f(folder, noisy, kind):
    stream = FolderStream(folder, noisy)
    of_signal, of_f = positions(stream.batch(3, 40, CPU), folder, kind)
    np.testing.assert_array_equal(of_signal, of_f)
    assert set(of_f) == set(range(5, 5 + CASES))
    again = FolderStream(folder, noisy)
    assert all(torch.equal(a, b) for a, b in zip(stream.batch(3, 40, CPU), again.batch(3, 40, CPU), strict=True))
    assert not torch.equal(stream.batch(4, 40, CPU)[1], stream.batch(3, 40, CPU)[1])


def test_held_cases_are_never_drawn(folder):
    stream = FolderStream(folder, held=8)
    assert list(stream.held) == [16], "a tenth at most"
    drawn = np.concatenate([positions(stream.batch(number, 60, CPU), folder, "noisy")[1] for number in range(3)])
    assert set(drawn) == set(range(5, 16))
    assert stream.description["cases"] == 11
    assert len(FolderStream(folder).held) == 0


def test_the_problem_of_a_folder_is_told_without_noise_or_prior(folder):
    problem = FolderStream(folder).problem
    assert (problem.sigma, problem.prior) == (None, None)
    assert problem.grid.shape == (16, 16)
    json.dumps(FolderStream(folder).description)


@pytest.mark.parametrize("purpose", ["test", "validation"])
def test_nothing_is_trained_on_test_or_validation_cases(tmp_path, purpose):
    generate(scenario(), 4, 50.0, tmp_path / "data", purpose=purpose)
    with pytest.raises(UserError, match=rf"holds {purpose} cases, which nothing may be trained on.*--purpose training"):
        FolderStream(tmp_path / "data")


def test_a_folder_from_elsewhere_is_trained_on(folder):
    (folder / "dataset.json").unlink()
    signals, _ = FolderStream(folder).batch(0, 4, CPU)
    assert signals.shape == (4, 16, 16)


def test_a_folder_of_one_case_is_refused(tmp_path):
    generate(scenario(), 1, 50.0, tmp_path / "data", purpose="training")
    with pytest.raises(UserError, match="holds one case; training needs at least two"):
        FolderStream(tmp_path / "data")


def test_a_folder_that_leaves_points_out_is_refused(tmp_path):
    generate(scenario(sampled=0.5), 2, 50.0, tmp_path / "data", purpose="training")
    with pytest.raises(UserError, match="has a sampling mask"):
        FolderStream(tmp_path / "data")
