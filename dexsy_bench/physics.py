"""Kernels, the forward signal and Rician noise, as pure functions over NumPy or torch arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from array_api_compat import array_namespace

Array = Any
"""A NumPy array or a torch tensor: every function here returns what it was given."""


def _decay_with_rate(encoding: Array, rate: Array) -> Array:
    return array_namespace(encoding, rate).exp(-encoding[:, None] * rate[None, :])


def _decay_with_time(encoding: Array, time: Array) -> Array:
    return array_namespace(encoding, time).exp(-encoding[:, None] / time[None, :])


@dataclass(frozen=True)
class Kernel:
    """How one encoding direction attenuates the signal, with the names and units of both axes.

    Attributes
    ----------
    name : str
        The name that scenario files use.
    decay : callable
        ``decay(encoding (B,), values (D,)) -> (B, D)``, 1 where the encoding is 0.
    encoding, encoding_unit, quantity, quantity_unit : str
        Labels of the measured and of the wanted axis.
    """

    name: str
    decay: Callable[[Array, Array], Array]
    encoding: str
    encoding_unit: str
    quantity: str
    quantity_unit: str

    def matrix(self, encoding: Array, values: Array) -> Array:
        """Kernel matrix K with ``K[m, i] = decay(encoding[m], values[i])``, shape (B, D)."""
        return self.decay(encoding, values)


KERNELS: dict[str, Kernel] = {
    kernel.name: kernel
    for kernel in (
        Kernel("diffusion", _decay_with_rate, "b", "ms/µm²", "D", "µm²/ms"),
        Kernel("relaxation", _decay_with_time, "t", "ms", "T2", "ms"),
    )
}


def forward(f: Array, k1: Array, k2: Array) -> Array:
    """Noise-free signal ``S = K1 f K2^T``.

    Parameters
    ----------
    f : (..., D1, D2)
        Distribution(s).
    k1, k2 : (B1, D1), (B2, D2)
        Kernel matrices of the two encodings.

    Returns
    -------
    (..., B1, B2) array of the same library.
    """
    return k1 @ f @ k2.T


def rician(signal: Array, normals: Array, sigma: Array) -> Array:
    """Magnitude of the signal plus complex Gaussian noise.

    Parameters
    ----------
    signal : (N, ...)
        Noise-free signal, 1 at b = 0.
    normals : (2, N, ...)
        Independent standard normal numbers: the real and the imaginary channel.
    sigma : float or (N,)
        Noise SD per channel, 1/SNR; 0 leaves the magnitude as it is.
    """
    xp = array_namespace(signal)
    sigma = xp.reshape(xp.asarray(sigma, dtype=signal.dtype, device=signal.device), (-1,) + (1,) * (signal.ndim - 1))
    return xp.hypot(signal + sigma * normals[0, ...], sigma * normals[1, ...])


def normalise(signal: Array) -> Array:
    """Divide each (B1, B2) signal by its own first value, S(0,0), noisy as it is."""
    return signal / signal[..., :1, :1]
