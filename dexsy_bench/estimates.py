"""Files of estimates, one beside a shard of rows: the distributions of its first cases, as safetensors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SHARD = "dexsy_bench"
_BELOW = "kept_below"


@dataclass(frozen=True)
class Kept:
    """What a file of estimates says of itself.

    Attributes
    ----------
    shard : dict
        Fields of the shard of rows that it belongs to.
    below : int
        It has the valid estimates of the cases below that number.
    cases : tuple of int
        Those that it has.
    """

    shard: dict[str, Any]
    below: int
    cases: tuple[int, ...]


def pack(shard: dict[str, Any], cases: Sequence[int], distributions: NDArray[Any] | None, below: int) -> bytes:
    """The bytes of a file with the distributions (N, T, D1, D2) of N cases; None: there are none."""
    from safetensors.numpy import save

    kept = np.zeros((0, 1, 1, 1)) if distributions is None else distributions
    tensors: dict[str, NDArray[Any]] = {
        "cases": np.array(cases, dtype=np.int64),
        "distributions": kept.astype(np.float32),
    }
    data: bytes = save(tensors, metadata={_SHARD: json.dumps(shard), _BELOW: str(below)})
    return data


def kept(path: Path) -> Kept | None:
    """What a file holds; None where there is no such file, or it is not as long as it says: it has no checksum."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            about = file.metadata()
            cases = tuple(file.get_tensor("cases").tolist())
            return Kept(json.loads(about[_SHARD]), int(about.get(_BELOW, 0)), cases)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return None


def distributions(path: Path) -> NDArray[np.float32]:
    """Those (N, T, D1, D2) of the cases of a file that :func:`kept` can read."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        found: NDArray[np.float32] = file.get_tensor("distributions")
    return found
