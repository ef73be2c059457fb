"""Arrays as short text: quantised to as few bits as the eye needs, compressed, base64."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dexsy_bench.problem import Floats, Problem

LEVELS = 255
"""Steps of a distribution: 8 bits on a square-root scale, so that weak peaks keep their shape."""
SIGNAL_LEVELS = 65_534
"""Steps of a signal, 16 bits: 1.5e-5 of S(0,0). One more stands for points that were not measured."""
LEAST = 1e-6
"""Singular values of a kernel below this share of the largest are left out of predictions."""


def packed(arrays: Sequence[NDArray[Any]]) -> str:
    """Arrays one after the other, little-endian, gzipped, in base64."""
    content = b"".join(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes() for array in arrays)
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode("ascii")


def packed_text(text: str) -> str:
    """Text, gzipped, in base64."""
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode("ascii")


def quantised(f: Floats) -> tuple[NDArray[np.uint8], float]:
    """A distribution as ``q`` and the largest value ``m``: f is ``m (q / 255)^2``, off by at most 0.4% of m."""
    largest = float(f.max())
    return np.rint(LEVELS * np.sqrt(f / largest)).astype(np.uint8), largest


def quantised_signal(signal: Floats, measured: NDArray[np.bool_]) -> tuple[NDArray[np.uint16], float]:
    """A signal as ``q`` and its largest value ``m``: it is ``m q / 65534``, and 65535 where not measured."""
    largest = float(signal[measured].max())
    q = np.rint(SIGNAL_LEVELS * np.clip(signal, 0, largest) / largest)
    return np.where(measured, q, SIGNAL_LEVELS + 1).astype(np.uint16), largest


class Predictions:
    """Signals of estimates in the few singular vectors that carry them: ``K1 f K2^T = U1 c U2^T``.

    A dozen by a dozen numbers in single precision hold what 64 x 64 points would: the difference is below a
    millionth of S(0,0), where quantised points would show in the residual of an almost noiseless signal.
    """

    def __init__(self, problem: Problem) -> None:
        self.u1, self._k1 = _reduced(problem.k1)
        self.u2, self._k2 = _reduced(problem.k2)

    def __call__(self, f: Floats) -> NDArray[np.float32]:
        """Coefficients c (T, R1, R2) of the signals of distributions (T, D1, D2)."""
        return (self._k1 @ f @ self._k2.T).astype(np.float32)


def _reduced(kernel: Floats) -> tuple[Floats, Floats]:
    """Leading left singular vectors U (B, R), and U^T K."""
    u, s, _ = np.linalg.svd(kernel, full_matrices=False)
    u = u[:, s > LEAST * s[0]]
    return u, u.T @ kernel
