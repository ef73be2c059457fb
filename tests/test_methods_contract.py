"""Every method that the registry finds, in every variant that takes part by default, keeps the contract."""

import pytest

from dexsy_bench.contract import check
from dexsy_bench.learning.method import LearnedMethod
from dexsy_bench.registry import Registry

REGISTRY = Registry()


def case(variant):
    """A learned method takes part with the weights that come with it; without any it has nothing to keep."""
    method = REGISTRY.method(variant.name)
    untrained = issubclass(method, LearnedMethod) and not method.shipped()
    return pytest.param(variant.label, marks=pytest.mark.skip("no weights come with it yet") if untrained else ())


@pytest.mark.parametrize("label", [case(v) for name in REGISTRY.method_names for v in REGISTRY.variants(name)])
def test_method_keeps_the_contract(label):
    broken = [f"{r.name}: {r.detail}" for r in check(REGISTRY, label) if not r.ok]
    assert broken == []
