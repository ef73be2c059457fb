"""Methods that break one promise each fail the check of that promise, and no other."""

from pathlib import Path

import pytest

from dexsy_bench.contract import CHECKS, check
from dexsy_bench.errors import UserError
from dexsy_bench.registry import Registry
from dexsy_bench.scaffold import write_template

BASE = '''
from dataclasses import dataclass

import numpy as np

from dexsy_bench.method import Estimate, Method, normalised


class Subject(Method):
    """Back-projection: a method that is quick and keeps every promise."""

    name = "subject"

    @dataclass(frozen=True)
    class Options:
        power: float = 4.0

    def supports(self, problem):
        return None if problem.mask() is None else "it needs all points"

    def prepare(self, problem):
        self.k1, self.k2 = problem.k1, problem.k2

    def invert(self, signals):
        f = normalised(np.maximum(self.k1.T @ signals @ self.k2, 1e-9) ** self.options.power)
        return Estimate(f)
'''


def results_of(folder, source, text="subject"):
    (folder / "subject.py").write_text(source)
    return check(Registry([folder / "subject.py"]), text)


def failures(results):
    return [result.name for result in results if result.ok is False]


RETURN = "        return Estimate(f)\n"


def test_a_sound_method_passes_every_check(tmp_path):
    results = results_of(tmp_path, BASE)
    assert [result.name for result in results] == [name for name, _, _ in CHECKS]
    assert all(result.ok for result in results), failures(results)
    assert results[-1].detail == "declined: it needs all points"


@pytest.mark.parametrize(
    ("old", "new", "broken"),
    [
        ('"subject"', '"another"', "loads"),
        ("def invert", "def inverse", "loads"),
        ("import numpy as np", "import numpy as np\nraise ValueError('no')", "loads"),
        ('    """Back-projection: a method that is quick and keeps every promise."""\n', "", "docstring"),
        ("@dataclass(frozen=True)", "@dataclass", "options"),
        ("power: float = 4.0", "power: float", "options"),
        ('name = "subject"', 'name = "subject"\n    family = "magic"', "declarations"),
        ('name = "subject"', 'name = "subject"\n    told = frozenset({"truth"})', "declarations"),
        ('name = "subject"', 'name = "subject"\n    variants = ("order=2",)', "declarations"),
        ('name = "subject"', 'name = "subject"\n    search_space = {"power": ("high",)}', "declarations"),
        ('None if problem.mask() is None else "it needs all points"', '"never"', "takes the canonical problem"),
        ('"it needs all points"', '""', "sampling mask"),
        ('"it needs all points"', "None", "sampling mask"),
        ("        f = normalised", "        signals.nothing\n        f = normalised", "inverts"),
        (RETURN, "        return f\n", "inverts"),
        (RETURN, "        return Estimate(f.tolist())\n", "inverts"),
        (RETURN, "        return Estimate(f[:, 1:])\n", "shape"),
        (RETURN, "        return Estimate(f[0])\n", "shape"),
        (RETURN, "        f[:, 0, 0] = np.nan\n        return Estimate(f)\n", "finite"),
        (RETURN, "        f[:, 0, 0] = -1e-3\n        return Estimate(f)\n", "non-negative"),
        (RETURN, "        return Estimate(2 * f)\n", "mass 1"),
        (RETURN, '        return Estimate(f, diagnostics={"alpha": 1.0})\n', "diagnostics and samples"),
        (RETURN, "        return Estimate(f, samples=f)\n", "diagnostics and samples"),
        (RETURN, "        signals[:] = 0\n        return Estimate(f)\n", "input unchanged"),
        (RETURN, "        np.random.seed(0)\n        return Estimate(f)\n", "global random state unchanged"),
        (RETURN, "        np.random.rand()\n        return Estimate(f)\n", "global random state unchanged"),
        (RETURN, "        return Estimate(normalised(f + np.random.default_rng().random(f.shape)))\n", "deterministic"),
        (
            RETURN,
            "        self.n = getattr(self, 'n', 0) + 1\n        return Estimate(normalised(f + self.n))\n",
            "deterministic",
        ),
        (
            RETURN,
            "        self.out = getattr(self, 'out', f)\n        self.out[:] = f\n        return Estimate(self.out)\n",
            "deterministic",
        ),
        (RETURN, "        return Estimate(normalised(f + f.mean(axis=0)))\n", "independent of the batch"),
        (RETURN, "        return Estimate(normalised(f + 1e-4 * f[:1]))\n", "independent of the batch"),
        (
            "        f = normalised",
            "        assert (signals[:, -1, -1] != signals[:, 0, 0]).all()\n        f = normalised",
            "constant signal",
        ),
        (
            RETURN,
            "        if signals.mean() > 0.6 and signals.min() < 0.1:\n            f = -f\n" + RETURN,
            "noise alone",
        ),
        (RETURN, "        if f.shape[1] == 64:\n            f = 1 / 0\n        return Estimate(f)\n", "64 x 64"),
        (
            "        f = normalised(np.maximum(self.k1.T @ signals @ self.k2",
            "        f = normalised(np.maximum(self.k1.T @ signals @ self.k1",
            "unequal axes",
        ),
        (RETURN, "        if f.shape[1] == 32:\n            f = f * np.nan\n        return Estimate(f)\n", "wide grid"),
        ("    def prepare", "    joint_mixing_times = True\n\n    def prepare", "several mixing times"),
    ],
)
def test_a_broken_promise_fails_its_own_check_alone(tmp_path, old, new, broken):
    assert BASE.count(old) == 1
    source = BASE.replace(old, new)
    if broken == "several mixing times":
        source = source.replace(RETURN, "        return Estimate(f[:, :1])\n")  # sure that there is only one
    results = results_of(tmp_path, source)
    assert failures(results) == [broken]
    failed = next(result for result in results if result.ok is False)
    assert failed.detail
    assert failed.mend


def test_what_a_failure_makes_pointless_is_not_tried(tmp_path):
    results = {r.name: r for r in results_of(tmp_path, BASE.replace("Estimate(f)", "Estimate(f[0])"))}
    assert results["finite"].ok is None
    assert results["finite"].detail == "not tried, as 'shape' did not pass"
    assert results["input unchanged"].ok


def test_an_exception_is_traced_to_the_line_of_the_method(tmp_path):
    results = results_of(tmp_path, BASE.replace("        f = normalised", "        1 / 0\n        f = normalised"))
    failed = next(result for result in results if result.ok is False)
    assert "ZeroDivisionError" in failed.detail
    assert "subject.py, line 25" in failed.detail


def test_options_are_checked_as_selected(tmp_path):
    source = BASE.replace("        f = normalised", "        assert self.options.power < 5\n        f = normalised")
    assert failures(results_of(tmp_path, source)) == []
    assert failures(results_of(tmp_path, source, "subject[power=6]")) == ["inverts"]


def test_an_option_to_be_tuned_is_tried_in_the_middle_of_its_search_space(tmp_path):
    source = BASE.replace("power: float = 4.0", 'power: float | str = "tuned"')
    source = source.replace('name = "subject"', 'name = "subject"\n    search_space = {"power": (1.0, 3.0, 9.0)}')
    results = {result.name: result for result in results_of(tmp_path, source)}
    assert failures(results.values()) == []
    assert results["options"].detail == "power=3.0"


def test_methods_and_options_that_do_not_exist(tmp_path):
    (tmp_path / "subject.py").write_text(BASE)
    with pytest.raises(UserError, match=r"no method 'subjcet'.*did you mean 'subject'"):
        check(Registry([tmp_path / "subject.py"]), "subjcet")
    with pytest.raises(UserError, match="no option 'order'"):
        check(Registry([tmp_path / "subject.py"]), "subject[order=0]")


# The template ------------------------------------------------------------------------------


def test_the_template_keeps_the_contract_under_its_new_name(tmp_path):
    path = write_template("my_method", tmp_path / "new", ())
    results = check(Registry([path]), "my_method")
    assert all(result.ok for result in results), failures(results)
    assert results[-1].detail == "valid"
    text = path.read_text()
    assert "class MyMethod(Method):" in text
    assert "template" not in text.lower()


@pytest.mark.parametrize("name", ["my-method", "2nd", "class", "", "_hidden", "a b"])
def test_names_that_cannot_be_methods(tmp_path, name):
    with pytest.raises(UserError, match="cannot be a method"):
        write_template(name, tmp_path, ())
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path):
    with pytest.raises(UserError, match="there is a method 'prior_mean' already"):
        write_template("prior_mean", tmp_path, Registry().method_names)
    (tmp_path / "mine.py").write_text("precious")
    with pytest.raises(UserError, match=r"mine.py exists"):
        write_template("mine", tmp_path, ())
    assert (tmp_path / "mine.py").read_text() == "precious"


@pytest.mark.parametrize(("document", "name"), [("docs/adding-a-method.md", "mine"), ("README.md", "tsvd")])
def test_the_examples_in_the_docs_keep_the_contract(tmp_path, document, name):
    text = (Path(__file__).parents[2] / document).read_text(encoding="utf-8")
    path = tmp_path / f"{name}.py"
    path.write_text(text.split("```python\n")[1].split("```")[0], encoding="utf-8")
    registry = Registry([path])
    for variant in registry.variants(name):
        assert failures(check(registry, variant.label)) == []
