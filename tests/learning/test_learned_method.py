import re
import shutil

import learned
import numpy as np
import pytest
import torch

from dexsy_bench.contract import check
from dexsy_bench.jobs import Cell, content_key
from dexsy_bench.learning.method import BATCH, LearnedMethod
from dexsy_bench.method import InvalidEstimate, Inverter, Unsupported
from dexsy_bench.problem import Acquisition, Grid, Problem
from dexsy_bench.registry import PluginError, Registry
from dexsy_bench.scenario import AcquisitionSection, GridSection
from dexsy_bench.trial import scenario

SCENARIO = learned.toy_scenario()


@pytest.fixture
def toy(tmp_path):
    """The folder of a learned method that no weights come with."""
    return learned.write(tmp_path)


@pytest.fixture
def trained(toy):
    """The same, with weights for its defaults."""
    learned.train(toy, toy / "weights" / "default.toml")
    return toy


def ready(folder, label, problem):
    registry = Registry([folder.parent])
    selection = registry.select(label)
    return Inverter(
        registry.method(selection.name), registry.make_options(selection.name, dict(selection.given)), problem
    )


def reason(folder, label, problem):
    with pytest.raises(Unsupported) as caught:
        ready(folder, label, problem)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def signals(n, scenario_=SCENARIO):
    return np.asarray(scenario_.cases(0, n, 50.0).noisy)


# Inverting ---------------------------------------------------------------------------------


def test_it_gives_distributions(trained):
    f = ready(trained, "toy", SCENARIO.problem(50.0))(signals(5)).distributions
    assert f.shape == (5, 1, 16, 16)
    assert f.dtype == np.float64
    assert (f >= 0).all()
    np.testing.assert_allclose(f.sum((-2, -1)), 1, rtol=1e-12)
    assert np.ptp(f, axis=0).max() > 1e-5, "it sees the signal"


def test_they_are_what_the_network_makes_of_the_signals(trained):
    """Not in training mode."""
    method = Registry([trained.parent]).method("toy")
    network = learned.network_of(method, method.Options(), SCENARIO.problem(50.0))
    with torch.inference_mode():
        expected = network(torch.tensor(signals(3)[:, 0], dtype=torch.float32)).double().numpy()
    f = ready(trained, "toy", SCENARIO.problem(50.0))(signals(3)).distributions[:, 0]
    np.testing.assert_allclose(f, expected, rtol=1e-5)


def test_the_batch_does_not_matter(trained):
    instance = ready(trained, "toy", SCENARIO.problem(50.0))
    together = instance(signals(BATCH + 5)).distributions
    assert len(together) == BATCH + 5
    for i in (0, BATCH - 1, BATCH, BATCH + 4):
        alone = instance(signals(BATCH + 5)[i : i + 1]).distributions[0]
        np.testing.assert_allclose(alone, together[i], atol=1e-6 * together.max())


def test_a_network_that_fails_is_not_taken_for_one_that_answers(toy):
    method = Registry([toy.parent]).method("toy")
    state = learned.network_of(method, method.Options(), SCENARIO.problem(50.0)).state_dict()
    state["3.bias"].fill_(float("nan"))
    learned.save(
        toy / "weights" / "nan.toml", learned.card(method.shape(method.Options())), SCENARIO.problem(50.0), state
    )
    with pytest.raises(InvalidEstimate, match="NaN"):
        ready(toy, "toy", SCENARIO.problem(50.0))(signals(2))


def test_each_mixing_time_is_a_signal(trained):
    several = scenario(GridSection(n=16), AcquisitionSection(n=16, mixing_times=(0.01, 0.1)))
    instance = ready(trained, "toy", several.problem(50.0))
    f = instance(signals(3, several)).distributions
    assert f.shape == (3, 2, 16, 16)
    one = ready(trained, "toy", SCENARIO.problem(50.0))
    np.testing.assert_allclose(f[:, 1:], one(signals(3, several)[:, 1:]).distributions, rtol=1e-5)


def test_it_keeps_the_contract(toy):
    learned.train(toy, toy / "weights" / "default.toml", n=64)
    broken = [f"{r.name}: {r.detail}" for r in check(Registry([toy.parent]), "toy") if not r.ok]
    assert broken == []


def test_without_weights_only_the_lack_of_them_breaks_the_contract(toy):
    results = check(Registry([toy.parent]), "toy")
    failed = [result for result in results if result.ok is False]
    assert [result.name for result in failed] == ["takes the canonical problem"]
    assert "no weights come with toy" in failed[0].detail
    assert "dexsy-bench train" in failed[0].detail


# Declining ---------------------------------------------------------------------------------


def changed(**parts):
    """The problem that the toy was trained on, with other parts."""
    trained = SCENARIO.problem(50.0)
    whole = {"d1": trained.grid.d1, "d2": trained.grid.d2, "b1": trained.acquisition.b1, "b2": trained.acquisition.b2}
    whole |= parts
    return Problem(Grid(whole["d1"], whole["d2"]), Acquisition(whole["b1"], whole["b2"]))


@pytest.mark.parametrize(
    ("problem", "why"),
    [
        (
            changed(d1=np.geomspace(0.01, 5, 16)),
            "trained on another grid: 16 values 0.01-10 µm²/ms, not 16 values 0.01-5 µm²/ms",
        ),
        (changed(d2=np.geomspace(0.01, 10, 20)), "trained on another grid: 16 values 0.01-10 µm²/ms, not 20 values"),
        (changed(d2=np.linspace(0.01, 10, 16)), "trained on another grid: 16 values .*, not 16 evenly spaced values"),
        (
            changed(b1=np.linspace(0, 8, 16)),
            "trained on another acquisition: 16 evenly spaced values 0-10 ms/µm², not 16 evenly spaced values 0-8",
        ),
        (changed(b2=10 * np.linspace(0, 1, 16) ** 2), "trained on another acquisition: .*, not 16 values 0-10 ms/µm²"),
        (changed(b2=np.linspace(0, 10, 17)), "trained on another acquisition: .*, not 17 evenly spaced values"),
        (
            scenario(GridSection(n=16), AcquisitionSection(n=16, sampled=0.5)).problem(50.0),
            "trained on fully sampled signals, not on a mask",
        ),
        (SCENARIO.model_copy(update={"kernel": "relaxation"}).problem(50.0), "trained for diffusion, not relaxation"),
    ],
)  # fmt: skip
def test_it_declines_what_it_was_not_trained_on(trained, problem, why):
    assert re.fullmatch(f"{why}.*", reason(trained, "toy", problem))


def test_it_takes_the_same_axes_computed_in_another_way(trained):
    near = changed(d1=10 ** np.linspace(-2, 1, 16), b1=np.arange(16) * (10 / 15))
    assert ready(trained, "toy", near)(signals(2)).distributions.shape == (2, 1, 16, 16)


def test_without_weights_it_declines_and_says_how_to_get_them(toy):
    why = reason(toy, "toy", SCENARIO.problem(50.0))
    assert why.startswith("no weights come with toy[width=4]: run `dexsy-bench train ")


def test_for_another_network_it_names_those_that_have_weights(trained):
    learned.train(trained, trained / "weights" / "wide.toml", {"width": 8})
    why = reason(trained, "toy[width=5]", SCENARIO.problem(50.0))
    assert "no weights come with toy[width=5" in why
    assert "there are weights for toy[width=4] or toy[width=8]" in why


def test_damaged_weights_are_declined(trained):
    file = next((trained / "weights").glob("*.safetensors"))
    file.write_bytes(file.read_bytes()[:-1])
    why = reason(trained, "toy", SCENARIO.problem(50.0))
    assert str(file) in why
    assert "SHA-256 differs" in why


def test_weights_of_another_version_of_the_network_are_refused(trained):
    source = (trained / "__init__.py").read_text()
    assert source.count("padding=step") == 1
    (trained / "__init__.py").write_text(source.replace("padding=step", "padding=step, bias=False"))
    with pytest.raises(Exception, match=r"default.toml holds weights of another version of the network$") as caught:
        ready(trained, "toy", SCENARIO.problem(50.0))
    assert "\n" not in str(caught.value)


def test_a_damaged_card_costs_its_own_method_only(trained):
    learned.write(trained.parent, "other")
    (trained / "weights" / "default.toml").write_text("method = ")
    registry = Registry([trained.parent])
    with pytest.raises(PluginError, match=r"default.toml cannot be read as a model card"):
        registry.method("toy")
    assert registry.variants("other")[0].label == "other"


# Whose weights -----------------------------------------------------------------------------


def test_weights_are_taken_from_a_path(toy, tmp_path):
    one = learned.train(toy, tmp_path / "one.toml", seed=1)
    two = learned.train(toy, tmp_path / "two.toml", seed=2)
    f = [
        ready(toy, f"toy[weights={weights.path}]", SCENARIO.problem(50.0))(signals(2)).distributions
        for weights in (one, two, one)
    ]
    assert np.abs(f[0] - f[1]).max() > 1e-6
    np.testing.assert_array_equal(f[0], f[2])


def test_weights_of_another_network_or_method_are_refused(toy, tmp_path):
    wide = learned.train(toy, tmp_path / "wide.toml", {"width": 8})
    why = reason(toy, f"toy[weights={wide.path}]", SCENARIO.problem(50.0))
    assert why.endswith("holds weights of toy[width=8], not of toy[width=4]")
    other = learned.train(learned.write(tmp_path, "other"), tmp_path / "other.toml")
    why = reason(toy, f"toy[weights={other.path}]", SCENARIO.problem(50.0))
    assert "holds weights of other[" in why
    assert "no.toml cannot be read: No such file" in reason(toy, "toy[weights=no.toml]", SCENARIO.problem(50.0))


def test_its_rows_are_the_weights_that_come_with_it(toy):
    def variants():
        return [selection.label for selection in Registry([toy.parent]).variants("toy")]

    def shipped(name, **given):
        learned.train(toy, toy / "weights" / f"{name}.toml", given)

    assert variants() == ["toy"]
    shipped("b", width=8)
    assert variants() == ["toy[width=8]"]
    shipped("a")
    assert variants() == ["toy", "toy[width=8]"]
    shipped("c")
    assert variants() == ["toy", "toy[width=8]"], "a row for each network, not for each card"


def test_an_option_that_is_none_finds_its_weights(toy):
    """TOML has no None: it is not in a card."""
    learned.train(toy, toy / "weights" / "plain.toml")
    learned.train(toy, toy / "weights" / "wide.toml", {"dilation": 2})
    method = Registry([toy.parent]).method("toy")
    assert method.weights(method.Options()).path.name == "plain.toml"
    assert method.weights(method.Options(dilation=2)).path.name == "wide.toml"
    digests = {method.digest(method.Options(dilation=dilation)) for dilation in (None, 2, 3)}
    assert len(digests) == 3
    assert method.digest(method.Options(dilation=3)) == ""


def test_methods_in_files_of_one_folder_do_not_take_each_others_weights(tmp_path):
    for name in ("first", "second"):
        folder = learned.write(tmp_path / "folders", name)
        shutil.copy(folder / "__init__.py", tmp_path / f"{name}.py")
        learned.train(folder, tmp_path / "weights" / f"{name}.toml", {"width": 6} if name == "second" else {})
    registry = Registry([tmp_path])
    for name, width in (("first", 4), ("second", 6)):
        assert [weights.card.method for weights in registry.method(name).shipped()] == [name]
        assert registry.method(name).variants == (f"width={width}",)
    problem = SCENARIO.problem(50.0)
    assert ready(tmp_path / "first.py", "first", problem)(signals(1)).distributions.shape == (1, 1, 16, 16)


def test_a_class_between_needs_no_name():
    class Between(LearnedMethod):
        """Shares a network."""

    assert Between.variants == ("",)


# The content key ---------------------------------------------------------------------------


def key(folder, label="toy"):
    registry = Registry([folder.parent])
    return content_key(registry.select(label), (), Cell(SCENARIO, 50.0, 0, 4), registry)


def test_the_key_follows_the_weights_that_come_with_the_method(toy):
    keys = [key(toy)]
    for seed in (1, 2):
        learned.train(toy, toy / "weights" / "default.toml", seed=seed)
        keys += [key(toy)]
    assert len(set(keys)) == 3
    learned.train(toy, toy / "weights" / "default.toml", seed=1)
    assert key(toy) == keys[1]


def test_the_key_follows_the_weights_beside_a_method_in_a_file(tmp_path):
    folder = learned.write(tmp_path / "folders")
    path = tmp_path / "toy.py"
    shutil.copy(folder / "__init__.py", path)
    keys = [key(path)]
    for seed in (1, 2):
        learned.train(folder, tmp_path / "weights" / "default.toml", seed=seed)
        keys += [key(path)]
    assert len(set(keys)) == 3


def test_the_key_follows_the_weights_at_a_path(toy, tmp_path):
    label = f"toy[weights={tmp_path / 'mine.toml'}]"
    keys = [key(toy, label)]
    for seed in (1, 2):
        learned.train(toy, tmp_path / "mine.toml", seed=seed)
        keys += [key(toy, label)]
    assert len(set(keys)) == 3
    card = (tmp_path / "mine.toml").read_text()
    (tmp_path / "mine.toml").write_text(card.replace("a CPU", "another CPU"))
    assert key(toy, label) == keys[-1], "who trained them changes no row"


def test_the_key_of_a_method_that_learns_nothing_is_as_before(monkeypatch):
    """Results that were computed before there were learned methods stay valid."""
    from dexsy_bench import jobs

    registry = Registry()
    cell = Cell(SCENARIO, 50.0, 0, 4)
    before = content_key(registry.select("nnls"), (), cell, registry)
    monkeypatch.setattr(jobs, "learning_digest", lambda: "another")
    assert content_key(registry.select("nnls"), (), cell, registry) == before
