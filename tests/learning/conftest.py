import pytest


@pytest.fixture
def plain(monkeypatch):
    """Without pictures, which take longer than the trainings."""
    from dexsy_bench.learning.trainer import Keeper

    monkeypatch.setattr(Keeper, "_draw", lambda self, shown, total: None)
