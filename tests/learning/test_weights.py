import hashlib
import pickle
import re
import tomllib
from pathlib import Path

import learned
import numpy as np
import pytest
import tomli_w
import torch

from dexsy_bench.learning import weights as module
from dexsy_bench.learning.weights import Weights, WeightsError, save

PROBLEM = learned.toy_scenario().problem(np.inf).told(frozenset())


def tensors(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {
        "layer.weight": torch.randn(40, 30, 3, 3, generator=generator).to(memory_format=torch.channels_last),
        "layer.bias": 1e-3 * torch.randn(6, generator=generator),
        "norm.running_var": torch.rand(6, generator=generator, dtype=torch.float64),
        "norm.num_batches_tracked": torch.tensor(123_456_789_012),
    }


@pytest.fixture
def saved(tmp_path):
    return save(tmp_path / "weights" / "small.toml", learned.card({"width": 4}), PROBLEM, tensors())


def refusal(action, file):
    """The one sentence, naming the file, that an action is refused with."""
    with pytest.raises(WeightsError) as caught:
        action()
    message = str(caught.value)
    assert str(file) in message
    assert "\n" not in message
    assert not message.endswith(".")
    return message


# There and back ----------------------------------------------------------------------------


def test_weights_come_back_in_half_precision(saved):
    again = Weights.read(saved.path)
    back = again.tensors()
    assert set(back) == set(tensors())
    weight = tensors()["layer.weight"]
    assert back["layer.weight"].dtype == torch.float32
    assert torch.equal(back["layer.weight"], weight.half().float())
    np.testing.assert_allclose(back["layer.weight"], weight, rtol=2**-11, atol=2**-25)
    for name in ("layer.bias", "norm.running_var"):
        assert torch.equal(back[name], tensors()[name].float()), "what is small stays in single precision"
    assert torch.equal(back["norm.num_batches_tracked"], tensors()["norm.num_batches_tracked"])
    assert again.card == saved.card
    assert again.digest == saved.digest
    assert 2 * weight.numel() < again.files[0].stat().st_size < 2 * weight.numel() + 2000


def test_what_half_precision_cannot_hold_is_kept_in_single(tmp_path):
    large = torch.linspace(0, 1e6, module.SMALL)
    back = save(tmp_path / "w.toml", learned.card({}), PROBLEM, {"large": large, "fits": large / 1e3}).tensors()
    assert torch.equal(back["large"], large)
    assert torch.equal(back["fits"], (large / 1e3).half().float())


def test_the_problem_comes_back_exactly(saved):
    problem = Weights.read(saved.path).problem()
    for ours, theirs in (
        (problem.grid.d1, PROBLEM.grid.d1),
        (problem.grid.d2, PROBLEM.grid.d2),
        (problem.acquisition.b1, PROBLEM.acquisition.b1),
        (problem.acquisition.b2, PROBLEM.acquisition.b2),
    ):
        np.testing.assert_array_equal(ours, theirs)
    assert problem.kernel == PROBLEM.kernel
    assert problem.mask() is None


def test_the_card_is_read_by_people_and_tells_the_hash_of_each_file(saved):
    card = tomllib.loads(saved.path.read_text(encoding="utf-8"))
    assert card["legs"][0]["hardware"] == "a CPU"
    assert saved.card.cases == 64
    for name, digest in card["files"].items():
        assert hashlib.sha256((saved.path.parent / name).read_bytes()).hexdigest() == digest
    assert saved.card.model_copy(update={"legs": saved.card.legs * 3}).cases == 192


def test_large_weights_are_spread_over_files(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LARGEST_FILE", 3000)
    many = {f"layer{i}": torch.randn(20, 20, generator=torch.Generator().manual_seed(i)) for i in range(10)}
    saved = save(tmp_path / "large.toml", learned.card({}), PROBLEM, many)
    assert len(saved.files) > 2
    for file in saved.files:
        with file.open("rb") as content:
            header = int.from_bytes(content.read(8), "little")
        assert file.stat().st_size - header - 8 <= 3000
    again = Weights.read(saved.path)
    assert {name: tuple(t.shape) for name, t in again.tensors().items()} == dict.fromkeys(many, (20, 20))
    assert all(torch.equal(again.tensors()[name], tensor) for name, tensor in many.items())
    assert again.problem().grid.shape == PROBLEM.grid.shape
    again.files[-1].unlink()
    assert re.search("No such file", refusal(again.tensors, again.files[-1]))


def test_other_weights_have_another_digest_and_another_card_of_them_has_not(tmp_path, saved):
    other = save(tmp_path / "other.toml", saved.card, PROBLEM, tensors(1))
    assert other.digest != saved.digest
    same = save(tmp_path / "weights" / "small.toml", learned.card({"width": 4}, legs=2), PROBLEM, tensors())
    assert same.digest == saved.digest
    wider = save(tmp_path / "weights" / "small.toml", learned.card({"width": 5}), PROBLEM, tensors())
    assert wider.digest != saved.digest


# Saving ------------------------------------------------------------------------------------


def test_saving_again_leaves_nothing_of_the_old_weights(saved):
    again = save(saved.path, saved.card, PROBLEM, tensors(1))
    assert sorted(saved.path.parent.iterdir()) == sorted([saved.path, *again.files])
    assert torch.equal(Weights.read(saved.path).tensors()["layer.bias"], tensors(1)["layer.bias"])
    save(saved.path, saved.card, PROBLEM, tensors(1))
    assert sorted(saved.path.parent.iterdir()) == sorted([saved.path, *again.files])


def test_saving_touches_no_other_weights(saved):
    neighbour = save(saved.path.with_name("small-er.toml"), saved.card, PROBLEM, tensors(2))
    save(saved.path, saved.card, PROBLEM, tensors(1))
    assert torch.equal(neighbour.tensors()["layer.bias"], tensors(2)["layer.bias"])


@pytest.mark.parametrize("whole", [0, 1, 2])
def test_a_save_that_is_killed_leaves_the_weights_before_valid(saved, monkeypatch, whole):
    """Killed before the first, second and third file was put in its place: two of weights, then the card."""
    before, replace, count = saved.tensors(), Path.replace, []

    def killed(path, target):
        count.append(target)
        if len(count) > whole:
            raise KeyboardInterrupt
        return replace(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(module, "LARGEST_FILE", 1)
        patch.setattr(
            module, "_parts", lambda content: [dict(list(content.items())[:5]), dict(list(content.items())[5:])]
        )
        patch.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            save(saved.path, saved.card, PROBLEM, tensors(1))
    assert len(count) == whole + 1
    after = Weights.read(saved.path).tensors()
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert not [path for path in saved.path.parent.iterdir() if path.name.startswith(".")]


# Refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize("read", ["tensors", "problem"])
@pytest.mark.parametrize("place", [0, 9, 60, 0.5, -1])
def test_an_altered_byte_is_refused(saved, read, place):
    file = saved.files[0]
    content = bytearray(file.read_bytes())
    content[int(place * len(content)) if isinstance(place, float) else place] ^= 1
    file.write_bytes(content)
    assert re.search("SHA-256 differs.*dexsy-bench train", refusal(getattr(saved, read), file))


@pytest.mark.parametrize("read", ["tensors", "problem"])
@pytest.mark.parametrize("length", [0, 4, 8, 200, -1])
def test_a_truncated_file_is_refused(saved, read, length):
    file = saved.files[0]
    file.write_bytes(file.read_bytes()[:length])
    assert re.search("SHA-256 differs", refusal(getattr(saved, read), file))


@pytest.mark.parametrize("read", ["tensors", "problem"])
def test_a_missing_file_is_refused(saved, read):
    saved.files[0].unlink()
    assert re.search("No such file.*fetch it again", refusal(getattr(saved, read), saved.files[0]))


class Trap:
    def __reduce__(self):
        return (open, (str(Trap.sprung), "w"))


def test_nothing_is_unpickled(saved, tmp_path):
    """Not even where the card vouches for it."""
    Trap.sprung = tmp_path / "sprung"
    content = pickle.dumps(Trap())
    file = saved.files[0]
    file.write_bytes(content)
    assert re.search("SHA-256", refusal(saved.tensors, file))
    alter(saved, files={file.name: hashlib.sha256(content).hexdigest()})
    assert re.search("does not hold weights", refusal(Weights.read(saved.path).tensors, file))
    assert re.search("does not hold weights", refusal(Weights.read(saved.path).problem, file))
    assert not Trap.sprung.exists()
    pickle.loads(content)
    assert Trap.sprung.exists(), "the trap would have sprung"


def alter(saved, **changes):
    card = tomllib.loads(saved.path.read_text(encoding="utf-8")) | changes
    saved.path.write_text(tomli_w.dumps({key: value for key, value in card.items() if value is not None}))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"licence": "MIT"}, "is not a model card: licence: Extra inputs are not permitted"),
        ({"legs": []}, "is not a model card: legs: .*at least 1"),
        ({"legs": [{"cases": 5}]}, "is not a model card: legs.0.seconds: Field required"),
        ({"parameters": "many"}, "is not a model card: parameters: .*integer"),
        ({"method": None}, "is not a model card: method: Field required"),
        ({"kernel": "gravity"}, "is not a model card: kernel: .*diffusion"),
        ({"files": {}}, "is not a model card: files: has to name files of weights"),
        ({"files": {"../elsewhere.safetensors": "0"}}, "files: .*that lie beside it"),
        ({"files": {"": "0"}}, "files: .*that lie beside it"),
        ({"validation": [{"scenario": "x", "snr": 3.0, "cases": 1, "scores": {"kl": ""}}]}, "validation.0.scores.kl"),
    ],
)  # fmt: skip
def test_an_altered_card_is_refused(saved, changes, why):
    alter(saved, **changes)
    assert re.search(why, refusal(lambda: Weights.read(saved.path), saved.path))


def test_a_card_with_another_hash_is_refused(saved):
    alter(saved, files={saved.files[0].name: "0" * 64})
    assert re.search("not the file that small.toml names", refusal(Weights.read(saved.path).tensors, saved.files[0]))


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"method = ", "as a model card"), (b"\x80\x04\x95", "cannot be read as a model card"), (b"", "method")],
)
def test_what_is_no_card_is_refused(tmp_path, content, why):
    path = tmp_path / "card.toml"
    path.write_bytes(content)
    assert re.search(why, refusal(lambda: Weights.read(path), path))


def test_a_card_that_is_not_there_is_refused(tmp_path):
    assert re.search("No such file", refusal(lambda: Weights.read(tmp_path / "none.toml"), tmp_path / "none.toml"))
    assert re.search("directory", refusal(lambda: Weights.read(tmp_path), tmp_path))


def test_weights_given_for_a_card_are_refused(saved):
    assert re.search("cannot be read as a model card", refusal(lambda: Weights.read(saved.files[0]), saved.files[0]))
