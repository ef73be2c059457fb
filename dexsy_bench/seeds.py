"""Named random streams: what a case looks like depends on its name alone, never on what ran before it."""

from __future__ import annotations

import hashlib
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Purpose = Literal["training", "validation", "test"]


def generator(purpose: Purpose, *names: str | int | float) -> np.random.Generator:
    """The random stream called (purpose, *names).

    Streams are Philox generators keyed by the SHA-256 of their name, so any two names give
    independent streams, on any machine and in any order.
    """
    name = "/".join([purpose, *(f"{n:g}" if isinstance(n, float) else str(n) for n in names)])
    return _philox(name.encode())


def from_data(data: NDArray[np.float64]) -> np.random.Generator:
    """A random stream that depends on these numbers alone: for methods that draw, the same whatever the batch."""
    return _philox(np.ascontiguousarray(data, dtype="<f8").tobytes())


def _philox(name: bytes) -> np.random.Generator:
    key = np.frombuffer(hashlib.sha256(name).digest()[:16], dtype="<u8")
    return np.random.Generator(np.random.Philox(key=key))
