import sys

import pytest

from dexsy_bench.method import Method
from dexsy_bench.registry import PluginError, Registry, Selection, UnknownName, digest_of_files
from dexsy_bench.scenario import ScenarioError

METHOD = '''
from dataclasses import dataclass
from typing import Literal

import numpy as np

from dexsy_bench.method import Estimate, Method


class Mine(Method):
    """{doc}"""

    name = "{name}"
    variants = ("", "rate=2.5")

    @dataclass(frozen=True)
    class Options:
        rate: float = 1.0
        steps: int = 10
        fast: bool = False
        mode: Literal["a", "b"] | float = "a"
        word: str = "x"

        def __post_init__(self):
            if self.rate <= 0:
                raise ValueError("rate must be positive")

    def invert(self, signals):
        return Estimate(np.full((len(signals), *self.problem.grid.shape), 1 / self.problem.grid.d1.size**2))
'''

SCENARIO = 'title = "{title}"\nwhy = "w"\nsnr = [100]\n[[compartments]]\nname = "a"\nd = [0.1, 1]\n'


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def mine(write):
    return write("mine.py", METHOD.format(name="mine", doc="First."))


# What there is ------------------------------------------------------------------------------


def test_everything_built_in_loads():
    registry = Registry()
    assert {"prior_mean", "nnls", "tikhonov", "cvx_l1", "cvx_tv", "cvx_entropy"} <= set(registry.method_names)
    for name in registry.method_names:
        cls = registry.method(name)
        assert issubclass(cls, Method)
        assert cls.name == name
        assert cls.__doc__
        assert len(registry.variants(name)) == len(cls.variants)
        for option in cls.search_space:
            assert option in cls.Options.__dataclass_fields__
    assert {"two_compartment", "three_compartment"} <= set(registry.scenario_names)
    assert "suites" not in registry.scenario_names


def test_suites_name_scenarios_that_exist():
    registry = Registry()
    assert {"quick", "core", "stress", "full"} <= set(registry.suites)
    for suite in registry.suites.values():
        assert set(suite.scenarios) <= set(registry.scenario_names), suite.name
    assert registry.suite("core").cases == 32
    assert registry.suite("quick").snr == (30, 300)


@pytest.mark.parametrize(
    ("what", "name", "reason"),
    [
        ("method", "tikonov", r"no method 'tikonov' \(did you mean 'tikhonov'\?\); there are: .*nnls"),
        ("method", "zzz", r"no method 'zzz'; there are: "),
        ("scenario", "two_compartments", r"did you mean 'two_compartment'\?"),
        ("suite", "quik", r"no suite 'quik' \(did you mean 'quick'\?\)"),
        ("method_digest", "nnl", r"did you mean 'nnls'\?"),
        ("select", "tikonov[order=0]", r"did you mean 'tikhonov'\?"),
    ],
)
def test_unknown_names_are_answered_with_what_was_meant(what, name, reason):
    with pytest.raises(UnknownName, match=reason):
        getattr(Registry(), what)(name)


# Include ------------------------------------------------------------------------------------


def test_a_file_and_a_folder_are_included(mine, write):
    write("sub/other.py", METHOD.format(name="other", doc="Other."))
    write("sub/folder/__init__.py", METHOD.format(name="folder", doc="A package."))
    write("sub/_shared.py", "raise RuntimeError('not a method')")
    registry = Registry([mine, mine.parent / "sub"])
    assert {"mine", "other", "folder", "nnls"} <= set(registry.method_names)
    assert "_shared" not in registry.method_names
    assert [registry.method(name).__doc__ for name in ("mine", "other", "folder")] == ["First.", "Other.", "A package."]


def test_an_included_method_replaces_the_built_in_one(write):
    replacement = write("nnls.py", METHOD.format(name="nnls", doc="Replaced."))
    assert Registry([replacement]).method("nnls").__doc__ == "Replaced."
    assert Registry().method("nnls").__doc__ != "Replaced."


def test_the_last_included_wins(write):
    files = [write(f"{folder}/mine.py", METHOD.format(name="mine", doc=folder)) for folder in ("one", "two")]
    assert Registry(files).method("mine").__doc__ == "two"
    assert Registry(files[::-1]).method("mine").__doc__ == "one"


def test_an_included_scenario_and_suite(write):
    write("two_compartment.toml", SCENARIO.format(title="Replaced"))
    folder = write("suites.toml", '[mine]\ntitle = "t"\nscenarios = ["two_compartment"]\ncases = 3\n').parent
    registry = Registry([folder])
    assert registry.scenario("two_compartment").title == "Replaced"
    assert registry.suite("mine").scenarios == ("two_compartment",)
    assert registry.suite("mine").snr is None
    assert "quick" in registry.suites
    assert Registry([folder / "two_compartment.toml"]).scenario("two_compartment").title == "Replaced"


def test_nothing_to_include_is_said(tmp_path, write):
    with pytest.raises(PluginError, match="no such file or folder"):
        Registry([tmp_path / "none.py"])
    with pytest.raises(PluginError, match="not a method"):
        Registry([write("mine.txt", "")])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[mine]\ncases = 3\ntitle = 't'\n", "mine: scenarios: Field required"),
        ("[mine]\ncases = 0\ntitle = 't'\nscenarios = ['a']\n", "mine: cases: .*greater than or equal to 1"),
        ("[mine]\ncases = 3\ntitle = 't'\nscenarios = ['a']\nsnr = [0]\n", "mine: snr.0: .*greater than 0"),
        (
            "[mine]\ncases = 3\ntitle = 't'\nscenarios = ['a']\ncolour = 3\n",
            "mine: colour: unknown field; allowed here are title, scenarios, cases, snr, methods, fewer",
        ),
        ("mine = 3\n", "mine: .*found 3"),
        ("[mine\n", "suites.toml: .*line 1"),
    ],
)
def test_broken_suites_are_refused(write, text, reason):
    folder = write("suites.toml", text).parent
    with pytest.raises(ScenarioError, match=reason):
        Registry([folder]).suites  # noqa: B018


# Plugins that break -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("class Broken(:\n", "SyntaxError"),
        ("import no_such_module_anywhere\n", "ModuleNotFoundError: No module named 'no_such_module_anywhere'"),
        ("raise RuntimeError('at import')\n", "RuntimeError: at import"),
        ("import sys\nsys.exit(3)\n", "SystemExit: 3"),
        ("x = 1\n", "no Method subclass with name = 'broken'; a file is named after its method"),
        (METHOD.format(name="another", doc=""), "no Method subclass with name = 'broken'"),
        ("", "no Method subclass"),
    ],
)
def test_broken_files_are_named(write, text, reason):
    registry = Registry([write("broken.py", text)])
    with pytest.raises(PluginError, match=reason) as caught:
        registry.method("broken")
    assert "broken.py" in str(caught.value)
    assert registry.method("nnls").name == "nnls"  # and nothing else is disturbed


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("    @dataclass(frozen=True)\n    class Options", "    class Options", "Options has to be a dataclass"),
        ("rate: float = 1.0", "rate: float", "Options has to be a dataclass"),
        ("rate: float = 1.0", "rate: float = -1.0", "valid default"),
        ("rate: float = 1.0", "rate: NoSuchType = 1.0", "Options has to be a dataclass"),
        ('variants = ("", "rate=2.5")', 'variants = "rate=2.5"', "variants has to be a tuple"),
        ('name = "broken"', 'name = "broken"\n    told = "sigma"', "told has to be a frozenset"),
    ],
)
def test_broken_declarations_are_named(write, old, new, reason):
    text = METHOD.format(name="broken", doc="").replace(old, new)
    assert new in text
    if "NoSuchType" in text:
        text = "from __future__ import annotations\n" + text
    registry = Registry([write("broken.py", text)])
    with pytest.raises(PluginError, match=reason):
        registry.select("broken")


# Entry points -------------------------------------------------------------------------------


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Makes an installed distribution with entry points of a folder on the path."""

    def install(**points):
        site = tmp_path / "site"
        info = site / "toy-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n")
        lines = "".join(f"{name} = {value}\n" for name, value in points.items())
        (info / "entry_points.txt").write_text(f"[dexsy_bench.methods]\n{lines}")
        (site / "toy_plugin.py").write_text(METHOD.format(name="toy", doc="Installed."))
        monkeypatch.syspath_prepend(site)
        monkeypatch.delitem(sys.modules, "toy_plugin", raising=False)
        return site

    return install


def test_entry_points_are_found(install):
    site = install(toy="toy_plugin:Mine", nnls="toy_plugin:Mine")
    registry = Registry()
    assert registry.method("toy").__doc__ == "Installed."
    assert registry.method("nnls").__doc__ == "Installed."  # before a built-in one
    assert registry.method_digest("toy") == digest_of_files([site / "toy_plugin.py"])
    assert registry.select("toy[rate=2]").label == "toy[rate=2]"


def test_included_files_come_before_entry_points(install, write):
    install(toy="toy_plugin:Mine")
    file = write("toy.py", METHOD.format(name="toy", doc="Included."))
    assert Registry([file]).method("toy").__doc__ == "Included."


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("toy_plugin:np", "toy_plugin:np is not a Method subclass"),
        ("toy_plugin:Nothing", "AttributeError"),
        ("no_such_toy:Mine", "ModuleNotFoundError"),
    ],
)
def test_broken_entry_points_are_named(install, target, reason):
    install(toy=target)
    registry = Registry()
    assert "toy" in registry.method_names
    with pytest.raises(PluginError, match=reason):
        registry.method("toy")


# Selections ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("mine", "mine"),
        ("mine[]", "mine"),
        (" mine [ rate = 1.0 ] ", "mine"),
        ("mine[rate=2]", "mine[rate=2]"),
        ("mine[rate=2.0]", "mine[rate=2]"),
        ("mine[rate=1e-3]", "mine[rate=0.001]"),
        ("mine[rate=1e20]", "mine[rate=1e+20]"),
        ("mine[rate=0.1234567890123]", "mine[rate=0.1234567890123]"),
        ("mine[steps=3,rate=2]", "mine[rate=2,steps=3]"),
        ("mine[fast=True]", "mine[fast=true]"),
        ("mine[fast=true]", "mine[fast=true]"),
        ("mine[mode=b]", "mine[mode=b]"),
        ("mine[mode=0.5]", "mine[mode=0.5]"),
        ("mine[word=a-b.c]", "mine[word=a-b.c]"),
    ],
)
def test_a_label_selects_the_same_again(mine, text, label):
    registry = Registry([mine])
    selection = registry.select(text)
    assert selection.label == label
    assert registry.select(selection.label) == selection
    assert hash(registry.select(selection.label)) == hash(selection)
    options = registry.make_options("mine", dict(selection.given))
    assert registry.make_options("mine", dict(registry.select(label).given)) == options


@pytest.mark.parametrize("value", [1 / 3, 4.641588833612782e-3, 1e-300, 123456789.0, 0.1 + 0.2])
def test_numbers_come_back_exactly(mine, value):
    registry = Registry([mine])
    selection = Selection("mine", (("rate", value),))
    assert dict(registry.select(selection.label).given) == {"rate": value}


def test_variants_are_selections():
    registry = Registry()
    for name in registry.method_names:
        for variant in registry.variants(name):
            assert registry.select(variant.label) == variant


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("mine[rat=2]", r"mine has no option 'rat' \(did you mean 'rate'\?\); its options: rate, steps, fast"),
        ("mine[rate]", "write option=value, not 'rate'"),
        ("mine[rate=fast]", "mine: rate='fast': .*valid number"),
        ("mine[rate=-1]", "mine: .*rate must be positive"),
        ("mine[steps=2.5]", "mine: steps=2.5: .*valid integer"),
        ("mine[fast=7]", "mine: fast=7: .*valid boolean"),
        ("mine[mode=c]", "mine: mode='c': .*'a' or 'b'.* or .*valid number"),
        ("mine[rate=2", "is not a method: write NAME"),
        ("mine(rate=2)", "is not a method: write NAME"),
        ("", "is not a method: write NAME"),
        ("nnls[rate=2]", "nnls has no option 'rate'; its options: none"),
        ("tikhonov[order=3]", "tikhonov: order=3: "),
        ("tikhonov[alpha=nan]", "alpha must be positive"),
        ("tikhonov[alpha=0]", "alpha must be positive"),
        ("tikhonov[alpha=gvc]", "'ftest', 'gcv', 'lcurve', 'discrepancy', 'brd' or 'tuned'"),
        ("cvx_l1[weight=-1]", "weight must be positive"),
    ],
)
def test_impossible_selections_are_refused(mine, text, reason):
    with pytest.raises(UnknownName, match=reason):
        Registry([mine]).select(text)


# Digests ------------------------------------------------------------------------------------


def test_digest_follows_the_source_and_what_it_shares(mine, write):
    registry = Registry([mine])
    before = registry.method_digest("mine")
    assert before == registry.method_digest("mine")
    write("unrelated.py", "x = 1\n")
    assert registry.method_digest("mine") == before
    write("_shared.py", "x = 1\n")
    shared = registry.method_digest("mine")
    assert shared != before
    mine.write_text(METHOD.format(name="mine", doc="Second."))
    assert registry.method_digest("mine") not in (before, shared)


def test_digest_of_a_folder_covers_its_weights(write):
    init = write("net/__init__.py", METHOD.format(name="net", doc="With weights."))
    write("net/weights.safetensors", "1")
    registry = Registry([init.parent.parent])
    before = registry.method_digest("net")
    write("net/__pycache__/x.pyc", "cache")
    write("net/README.md", "what it is")
    assert registry.method_digest("net") == before
    write("net/weights.safetensors", "2")
    assert registry.method_digest("net") != before


def test_a_wrapper_of_itself_is_refused(tmp_path):
    (tmp_path / "mirror.py").write_text(
        "from dataclasses import dataclass\n"
        "from dexsy_bench.method import Wrapper\n\n\n"
        "class Mirror(Wrapper):\n"
        '    """Itself."""\n\n'
        '    name = "mirror"\n\n'
        "    @dataclass(frozen=True)\n"
        "    class Options:\n"
        '        method: str = "mirror"\n\n'
        "    def invert(self, signals):\n"
        "        return self.wrapped(signals)\n"
    )
    with pytest.raises(PluginError, match="'mirror' wraps itself"):
        Registry([tmp_path / "mirror.py"]).method("mirror")
