"""Every method that the registry finds, in every variant that takes part by default, keeps the contract."""

import pytest

from dexsy_bench.contract import check
from dexsy_bench.learning.method import LearnedMethod
from dexsy_bench.numerics.peers import Peer
from dexsy_bench.registry import Registry

REGISTRY = Registry()


def case(variant):
    """Built-in methods take part; not without weights that come with it, nor adapters to other packages."""
    method = REGISTRY.method(variant.name)
    if issubclass(method, LearnedMethod) and not method.shipped():
        return pytest.param(variant.label, marks=pytest.mark.skip("no weights come with it yet"))
    if issubclass(method, Peer):  # two of them take minutes; tests/methods/test_peers.py tries each that is installed
        return pytest.param(variant.label, marks=pytest.mark.skip("runs another package"))
    return pytest.param(variant.label)


@pytest.mark.parametrize("label", [case(v) for name in REGISTRY.method_names for v in REGISTRY.variants(name)])
def test_method_keeps_the_contract(label):
    broken = [f"{r.name}: {r.detail}" for r in check(REGISTRY, label) if not r.ok]
    assert broken == []
