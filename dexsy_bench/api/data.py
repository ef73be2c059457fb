"""Cases as files, estimates that came back, and what cases can tell at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dexsy_bench.api.arguments import Folder, paths, several

if TYPE_CHECKING:
    import pandas as pd


def limits(
    scenario: str,
    snr: float | Sequence[float] = (),
    n: int = 128,
    *,
    ranges_known: bool = False,
    include: Folder | Sequence[Folder] = (),
) -> pd.DataFrame:
    """What an acquisition can know at all: :func:`dexsy_bench.inference.limits.limits`."""
    from threadpoolctl import threadpool_limits

    from dexsy_bench.inference.limits import LEVELS, checked_levels
    from dexsy_bench.inference.limits import limits as limits_of
    from dexsy_bench.registry import Registry

    with threadpool_limits(1):
        return limits_of(
            Registry(paths(include)).scenario(scenario), checked_levels(several(snr) or LEVELS), n, ranges_known
        )


def generate(
    scenario: str,
    out: Folder,
    n: int = 16,
    snr: float = 100.0,
    *,
    start: int = 0,
    purpose: Literal["test", "validation", "training"] = "test",
    force: bool = False,
    include: Folder | Sequence[Folder] = (),
) -> Path:
    """Write cases of a scenario as files: :func:`dexsy_bench.generation.generate`. Returns the folder."""
    from dexsy_bench import generation
    from dexsy_bench.registry import Registry

    source = Registry(paths(include)).scenario(scenario)
    generation.generate(source, n, snr, Path(out), purpose=purpose, start=start, force=force)
    return Path(out)


def score(predictions: Folder, data: Folder, name: str, out: Folder) -> pd.DataFrame:
    """Score estimates of a generated folder, and add them to a results folder as a method of their own.

    Returns
    -------
    DataFrame
        Their rows.
    """
    import pandas as pd

    from dexsy_bench.folder import Folder as Cases
    from dexsy_bench.predictions import score_into

    command = f"dexsy_bench.score: {predictions} as {name}"
    return pd.DataFrame(score_into(Path(out), Path(predictions), Cases.read(Path(data)), name, command))
