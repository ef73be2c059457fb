"""Tuned values: found on validation draws alone, stored, and served to the right cells."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dexsy_bench import tuning
from dexsy_bench.registry import Registry
from dexsy_bench.scenario import AcquisitionSection, CompartmentSection, GridSection, Scenario
from dexsy_bench.tuning import Entry, TuningError, resolve, stored, tune, write

METHOD = '''
from dataclasses import dataclass
import numpy as np
from dexsy_bench.method import Estimate, Method

class Knob(Method):
    """Puts the mass where its knob says; best at 10 ** {best}."""

    name = "knob"
    variants = ("", "turn=tuned")
    search_space = {{"turn": tuple(np.geomspace(1e-5, 1e5, 41))}}

    @dataclass(frozen=True)
    class Options:
        turn: float | str = "auto"
        side: int = 0

    def invert(self, signals):
        turn = 1.0 if self.options.turn == "auto" else self.options.turn
        distance = min(abs(np.log10(turn) - {best}) / 12, 1.0)
        f = np.full((len(signals), *self.problem.grid.shape), distance / np.prod(self.problem.grid.shape))
        f[:, 0, 0] += 1 - distance
        return Estimate(f)
'''


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A fresh current folder with a method whose best option is known."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "knob.py").write_text(METHOD.format(best=2.5))
    return tmp_path


@pytest.fixture
def registry(folder):
    return Registry([folder / "knob.py"])


@pytest.fixture
def corner():
    """A scenario all of whose truth lies in the first cell."""
    water = CompartmentSection(name="water", d=(0.1, 0.1), sd=(0.001, 0.001))
    return Scenario(
        name="corner",
        title="",
        why="",
        snr=(100,),
        compartments=(water,),
        grid=GridSection(d=(0.1, 10), n=8),
        acquisition=AcquisitionSection(n=8),
    )


def entry(selection="knob[turn=tuned]", scenario="two_compartment", snr=100.0, turn=1.0):
    return Entry(selection, scenario, snr, {"turn": turn}, "js", 0.1, 4, 9, False)


def test_search_finds_the_best_value_of_the_grid(registry, corner):
    found = tune(registry.select("knob"), registry, corner, 100.0, cases=2, budget=20)
    grid = np.array(registry.method("knob").search_space["turn"])
    assert found.values["turn"] == pytest.approx(grid[np.argmin(np.abs(np.log10(grid) - 2.5))])
    assert found.selection == "knob[turn=tuned]"
    assert found.evaluations <= 20
    assert not found.at_edge


def test_search_keeps_to_its_budget_and_still_reports_its_best(registry, corner):
    seen = []
    found = tune(
        registry.select("knob"), registry, corner, 100.0, cases=2, budget=4, progress=lambda v, s: seen.append((s, v))
    )
    assert len(seen) == found.evaluations <= 4
    best = min(seen, key=lambda pair: pair[0])
    assert (found.score, found.values) == (best[0], best[1])


def test_a_best_value_at_the_end_of_the_range_is_flagged(folder, corner):
    (folder / "knob.py").write_text(METHOD.format(best=5))
    registry = Registry([folder / "knob.py"])
    assert tune(registry.select("knob"), registry, corner, 100.0, cases=1, budget=20).at_edge


def test_metrics_of_which_more_is_better_are_maximised(registry, corner):
    found = tune(registry.select("knob"), registry, corner, 100.0, cases=2, budget=20, metric="topk")
    assert found.score == 1


def test_only_validation_draws_are_used(registry, corner, monkeypatch):
    purposes = []
    cases = Scenario.cases

    def spy(self, start, stop, snr, purpose="test"):
        purposes.append(purpose)
        return cases(self, start, stop, snr, purpose)

    monkeypatch.setattr(Scenario, "cases", spy)
    tune(registry.select("knob"), registry, corner, 100.0, cases=2, budget=4)
    assert set(purposes) == {"validation"}


@pytest.mark.parametrize(
    ("method", "metric", "needle"), [("nnls", "js", "nothing to tune"), ("knob", "residual", "js")]
)
def test_what_cannot_be_tuned_is_refused(registry, corner, method, metric, needle):
    with pytest.raises(TuningError, match=needle):
        tune(registry.select(method), registry, corner, 100.0, cases=1, metric=metric)


def test_exact_cells_first_then_the_nearest_snr(registry):
    write(
        tuning.FOLDER / "knob.toml",
        [entry(turn=1.0), entry(snr=1000.0, turn=4.0), entry(scenario="three_compartment", snr=1000.0, turn=9.0)],
    )
    selection = registry.select("knob[turn=tuned]")
    assert resolve(selection, registry, "two_compartment", 100.0) == ((("turn", 1.0),), "tuned")
    assert resolve(selection, registry, "two_compartment", np.inf) == ((("turn", 4.0),), "tuned elsewhere")
    assert resolve(selection, registry, "three_compartment", 30.0) == ((("turn", 9.0),), "tuned elsewhere")
    values, word = resolve(selection, registry, None, 700.0)
    assert (values[0][1], word) == (pytest.approx(6.0), "tuned elsewhere")


def test_without_stored_values_nothing_is_made_up(registry):
    assert resolve(registry.select("knob[turn=tuned]"), registry, "two_compartment", 100.0) == ((), "tuned")
    assert resolve(registry.select("tikhonov[alpha=tuned]"), registry, None, np.nan) == ((), "tuned")


@pytest.mark.parametrize(
    ("label", "word"),
    [
        ("knob", "data-driven"),
        ("knob[turn=2]", "given"),
        ("knob[side=1]", "data-driven"),
        ("nnls", "default"),
        ("tikhonov", "data-driven"),
        ("tikhonov[alpha=1]", "given"),
    ],
)
def test_the_word_says_where_hyper_parameters_come_from(registry, label, word):
    assert resolve(registry.select(label), registry, "two_compartment", 100.0) == ((), word)


def test_every_default_variant_of_a_built_in_method_is_tuned_on_the_core_suite():
    registry = Registry()
    suite = registry.suite("core")
    for name in registry.method_names:
        for selection in registry.variants(name):
            if tuning.tuned_options(selection, registry):
                for scenario in suite.scenarios:
                    for snr in suite.snr or registry.scenario(scenario).snr:
                        assert resolve(selection, registry, scenario, snr)[1] == "tuned", (
                            selection.label,
                            scenario,
                            snr,
                        )


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([30.0, 100.0, np.inf]), st.floats(1e-6, 1e6)), min_size=1)
)
@settings(derandomize=True, max_examples=25)
def test_storage_round_trips_and_the_last_word_counts(tmp_path_factory, draws):
    path = tmp_path_factory.mktemp("tuned") / "knob.toml"
    expected = {}
    for scenario, snr, turn in draws:
        write(path, [entry(scenario=scenario, snr=snr, turn=turn)])
        expected[scenario, snr] = turn
    assert {(e.scenario, e.snr): e.values["turn"] for e in tuning.read(path)} == expected


@pytest.mark.parametrize("text", ["[[entry]]\nselection = ", "[[entry]]\nsnr = 'high'\n", "entry = 3\n", "x = 1\n"])
def test_a_broken_file_is_refused_with_its_name(registry, text):
    tuning.FOLDER.mkdir()
    (tuning.FOLDER / "knob.toml").write_text(text)
    with pytest.raises(TuningError, match=r"knob\.toml.*tune"):
        stored("knob")
