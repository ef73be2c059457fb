"""Every method that the registry finds, in every variant that takes part by default, keeps the contract."""

import pytest

from dexsy_bench.contract import check
from dexsy_bench.registry import Registry

REGISTRY = Registry()


@pytest.mark.parametrize("label", [v.label for name in REGISTRY.method_names for v in REGISTRY.variants(name)])
def test_method_keeps_the_contract(label):
    broken = [f"{r.name}: {r.detail}" for r in check(REGISTRY, label) if not r.ok]
    assert broken == []
