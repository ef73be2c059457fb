"""`dexsy-bench train` in a fresh folder, from the command to the leaderboard."""

import os
import re
import signal
import sys

import learned
import pandas as pd
import pytest

pytest.importorskip("lightning")

from dexsy_bench import cli
from dexsy_bench.learning.trainer import Keeper
from dexsy_bench.learning.training import PATIENCE
from dexsy_bench.learning.weights import Weights

SCENARIO = """
title = "Small"
why = "Cheap."
snr = [100]
grid.n = {n}
acquisition.n = {n}
[[compartments]]
name = "slow"
d = [0.05, 0.3]
[[compartments]]
name = "fast"
d = [0.5, 2.5]
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A fresh folder with a learned method and scenarios on 16 x 16 and 32 x 32."""
    monkeypatch.chdir(tmp_path)
    learned.write(tmp_path / "mine")
    for n in (16, 32):
        (tmp_path / "mine" / f"small_{n}.toml").write_text(SCENARIO.format(n=n))
    return tmp_path


@pytest.fixture
def plain(monkeypatch):
    """Without pictures, which take longer than the trainings."""
    monkeypatch.setattr(Keeper, "_draw", lambda self, shown, total: None)


@pytest.fixture
def dexsy_bench(monkeypatch, capsys):
    """``dexsy_bench(*arguments)``: the command, in this process: Lightning takes seconds to import."""

    def run(*arguments, status=0):
        included = ("--include", "mine") if arguments[0] != "table" else ()
        monkeypatch.setattr(sys, "argv", ["dexsy-bench", *map(str, arguments), *included])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        assert (ended.value.code or 0) == status, out + err
        assert "Traceback" not in err
        return out if status == 0 else out + err

    return run


TOY = ("train", "toy", "-s", "small_16", "--device", "cpu", "--batch", 4, "--validations", 1, "--validation-cases", 1)


def card(path):
    return Weights.read(path).card


def test_from_nothing_to_a_table(dexsy_bench, here):
    """Of the method that comes with the package."""
    method = "resunet_xl[size=s,inputs=inverses]"
    told = dexsy_bench(
        "train", method, "-s", "small_32", "--cases", 16, "--batch", 8, "--validations", 1, "--validation-cases", 2,
        "--device", "cpu", "--against", "tikhonov",
    )  # fmt: skip
    validated, seen, following = told.splitlines()
    number = r"\d+\.\d{3}"
    assert re.fullmatch(
        rf"100% after \d+ s: 16 cases, \d+/s, loss {number}; kl {number}, js {number}, w1 {number}, topk {number}",
        validated,
    )
    assert re.fullmatch(r"16 cases seen; weights in (runs/resunet_xl/weights/\S+\.toml)", seen)
    path = seen.split()[-1]
    trained = f"resunet_xl[size=s,inputs=inverses,weights={path}]"
    assert following == f"next: dexsy-bench run -m '{trained}'"
    assert (here / "runs/resunet_xl/learning_curve.png").stat().st_size > 5000
    assert (here / "runs/resunet_xl/val_examples/cases_000000016.png").stat().st_size > 5000
    dexsy_bench("run", "-s", "small_32", "--snr", 100, "-n", 2, "-m", trained, "--jobs", 1, "--out", "results")
    rows = pd.concat(pd.read_parquet(shard) for shard in (here / "results/rows").glob("*.parquet"))
    assert set(rows["status"]) == {"ok"}
    assert rows["js"].between(0, 0.7).all()
    assert "resunet_xl" in dexsy_bench("table", "results")


# Interruptions and legs -----------------------------------------------------------------------


def test_an_interrupted_training_says_how_to_go_on_and_does(dexsy_bench, here, monkeypatch, plain):
    keep = Keeper.on_train_batch_end

    def interrupted(self, *given):
        os.kill(os.getpid(), signal.SIGINT)
        keep(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(Keeper, "on_train_batch_end", interrupted)
        told = dexsy_bench(*TOY, "--cases", 16, status=130)
    assert told.splitlines()[-1] == "stopped; the same command with --resume runs/toy goes on"
    told = dexsy_bench(*TOY, "--cases", 16, "--resume", "runs/toy")
    assert "16 cases seen" in told
    told = dexsy_bench(*TOY, "--cases", 16, "--resume", "runs/toy", status=2)
    assert "the training in runs/toy is finished; for a new leg give its weights" in told
    path = re.search(r"--resume (\S+\.toml)", told)[1]
    with monkeypatch.context() as patch:
        patch.setattr(Keeper, "on_train_batch_end", interrupted)
        dexsy_bench(*TOY, "--cases", 8, "--resume", path, "--out", "runs/longer", status=130)
    told = dexsy_bench(*TOY, "--cases", 8, "--resume", "runs/longer")
    assert "24 cases seen" in told
    (longer,) = (here / "runs/longer/weights").glob("*.toml")
    assert [leg.cases for leg in card(longer).legs] == [16, 8]


def test_a_new_leg_from_the_weights_that_come_with_a_method(dexsy_bench, here, plain):
    shipped = learned.train(here / "mine" / "toy", here / "mine" / "toy" / "weights" / "toy.toml")
    dexsy_bench(*TOY, "--cases", 8, "--resume", "shipped")
    (path,) = (here / "runs/toy/weights").glob("*.toml")
    assert card(path).legs[:-1] == shipped.card.legs


# Data -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("use", ["--use-noisy", "--use-clean"])
def test_training_on_a_folder_of_cases(dexsy_bench, here, plain, use):
    dexsy_bench("generate", "small_16", "-n", 12, "--snr", 100, "--purpose", "training", "--out", "cases")
    told = dexsy_bench("train", "toy", "--data", "cases", use, "--cases", 8, "--batch", 4, "--validations", 1)
    assert "8 cases seen" in told
    (path,) = (here / "runs/toy/weights").glob("*.toml")
    assert card(path).legs[0].stream["data"] == "cases"
    assert card(path).legs[0].stream["noisy"] is (use == "--use-noisy")
    assert [score.scenario for score in card(path).validation] == ["cases"]


def test_nothing_is_trained_on_test_cases(dexsy_bench, here):
    dexsy_bench("generate", "small_16", "-n", 4, "--snr", 100, "--out", "cases")
    told = dexsy_bench("train", "toy", "--data", "cases", "--cases", 8, status=2)
    assert "cases holds test cases, which nothing may be trained on" in told
    assert not (here / "runs").exists()


# What is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--minutes", 1, "--cases", 8), "--minutes and --cases are two budgets; give one"),
        (("--data", "mine"), "--data brings its own cases; leave out --scenario"),
        (("--against", "tikhonof"), "no method 'tikhonof' (did you mean 'tikhonov'?)"),
        (("--against", "toy"), "--against toy declines small_16: no weights come with toy"),
        (("--resume", "nowhere"), "--resume nowhere: neither a folder of a training nor a model card"),
        (("--resume", "mine"), "mine holds no training"),
        (("--resume", "mine", "--out", "other"), "--resume mine goes on in that folder; leave out --out"),
        (("--resume", "mine/small_16.toml"), "mine/small_16.toml is not a model card"),
        (("--resume", "shipped"), "no weights come with toy"),
        (("-s", "small_32"), "small_32 has another grid, acquisition or kernel than small_16"),
        (("--snr", 100, 10), "SNR 100 to 10: needs 0 < low <= high"),
        (("--out", "mine/small_16.toml"), "cannot write mine/small_16.toml"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(dexsy_bench, here, arguments, sentence):
    told = dexsy_bench(*TOY, *arguments, status=2)
    assert told.startswith("dexsy-bench: ")
    assert told.count("\n") == 1
    assert sentence in told
    assert not list(here.glob("**/training.json"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("toi", "-s", "small_16"), "no method 'toi' (did you mean 'toy'?)"),
        (("tikhonov", "-s", "small_16"), "tikhonov learns nothing: only methods of family `learned` are trained"),
        (("resunet_xl", "-s", "small_16"), "resunet_xl cannot be trained on these cases: needs as many b as D"),
        (("toy[width=four]", "-s", "small_16"), "width"),
    ],
)
def test_methods_that_cannot_be_trained(dexsy_bench, here, arguments, sentence):
    told = dexsy_bench("train", *arguments, status=2)
    assert sentence in told
    assert not (here / "runs").exists()


def test_weights_of_another_network_are_refused(dexsy_bench, here):
    learned.train(here / "mine" / "toy", here / "other.toml", {"width": 6})
    told = dexsy_bench(*TOY, "--resume", "other.toml", status=2)
    assert re.search(r"other\.toml holds weights of toy\[width=6.*\], not of toy", told)


def test_a_gpu_that_is_not_there(dexsy_bench, here, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    told = dexsy_bench(*TOY, "--device", "cuda", status=2)
    assert "torch finds no CUDA device here; leave --device out to train on the CPU" in told
    assert not (here / "runs").exists()


@pytest.mark.parametrize("package", ["lightning", "tensorboard"])
def test_without_lightning_it_says_what_to_install(dexsy_bench, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    assert "pip install 'dexsy-bench[train]'" in dexsy_bench(*TOY, status=2)


def test_a_training_that_diverges_is_one_sentence(dexsy_bench, plain):
    told = dexsy_bench(*TOY, "--cases", 4000, "--lr", 1e30, "--warmup", 0, "--precision", 32, status=2)
    assert told.startswith(f"dexsy-bench: gradients were not finite {PATIENCE} steps in a row")
    assert told.count("\n") == 1


# Several processes ----------------------------------------------------------------------------


def test_two_processes_train_together_and_one_of_them_speaks(command, dexsy_bench, here):
    dexsy_bench("generate", "small_16", "-n", 12, "--snr", 100, "--purpose", "training", "--out", "cases")
    budget = ("--cases", 24, "--batch", 4, "--validations", 1)
    told = command("train", "toy", "--data", "cases", *budget, "--devices", 2, "--device", "cpu", "--include", "mine")
    validated, seen, following = told.splitlines()
    assert validated.startswith("100% after")
    assert seen.startswith("24 cases seen")
    assert following.startswith("next:")
    (path,) = (here / "runs/toy/weights").glob("*.toml")
    assert card(path).legs[0].hardware.startswith("2 x ")
    lines = (here / "runs/toy/learning_curve.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["cases", "24"]
