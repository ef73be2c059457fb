"""What a method is told: the grid, the acquisition and the kernel. Frozen, validated when made."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dexsy_bench.compartments import Compartments
from dexsy_bench.physics import KERNELS, Kernel

Floats = NDArray[np.float64]


def _axis(values: ArrayLike, name: str, *, positive: bool) -> Floats:
    """A read-only, finite, strictly ascending vector, or a ValueError that says what is wrong."""
    axis = np.array(values, dtype=np.float64)
    if axis.ndim != 1 or axis.size < 2:
        raise ValueError(f"{name} must be a vector of at least 2 values, not of shape {axis.shape}")
    if not np.isfinite(axis).all():
        raise ValueError(f"{name} holds NaN or infinite values")
    if (np.diff(axis) <= 0).any():
        raise ValueError(f"{name} must be strictly ascending")
    if axis[0] < 0 or (positive and axis[0] == 0):
        raise ValueError(f"{name} must be {'positive' if positive else 'at least 0'}, but starts at {axis[0]:g}")
    axis.setflags(write=False)
    return axis


@dataclass(frozen=True, eq=False)
class Grid:
    """Values of D on which the distribution is sought, in µm²/ms (1 µm²/ms = 1e-9 m²/s).

    Attributes
    ----------
    d1, d2 : (D1,), (D2,)
        Positive and ascending; any spacing, though the metrics measure distance in log10 D.
    """

    d1: Floats
    d2: Floats

    def __post_init__(self) -> None:
        object.__setattr__(self, "d1", _axis(self.d1, "d1", positive=True))
        object.__setattr__(self, "d2", _axis(self.d2, "d2", positive=True))

    @classmethod
    def log(cls, low: float, high: float, n: int) -> Grid:
        """The same n log-spaced values from low to high on both axes."""
        axis = np.geomspace(low, high, n)
        return cls(axis, axis)

    @property
    def shape(self) -> tuple[int, int]:
        """(D1, D2)."""
        return self.d1.size, self.d2.size

    @property
    def log_d1(self) -> Floats:
        """log10 of d1: positions in decades."""
        return np.log10(self.d1)

    @property
    def log_d2(self) -> Floats:
        """log10 of d2: positions in decades."""
        return np.log10(self.d2)


@dataclass(frozen=True, eq=False)
class Acquisition:
    """Where the signal was sampled.

    Attributes
    ----------
    b1, b2 : (B1,), (B2,)
        Weightings in ms/µm², ascending, not negative.
    mixing_times : (T,) or None
        In seconds. None: one mixing time, not known to the experimenter's method.
    mask : (T, B1, B2) of bool, or None
        True where the signal was measured; None: everywhere. The first point, S(0,0), which
        normalises the signal, is always measured.
    """

    b1: Floats
    b2: Floats
    mixing_times: Floats | None = None
    mask: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "b1", _axis(self.b1, "b1", positive=False))
        object.__setattr__(self, "b2", _axis(self.b2, "b2", positive=False))
        if self.mixing_times is not None:
            times = np.array(self.mixing_times, dtype=np.float64)
            if times.ndim != 1 or times.size == 0 or not (np.isfinite(times) & (times >= 0)).all():
                raise ValueError("mixing_times must be a vector of finite seconds, none negative")
            times.setflags(write=False)
            object.__setattr__(self, "mixing_times", times)
        if self.mask is not None:
            mask = np.array(self.mask, dtype=bool)
            if mask.shape != self.signal_shape:
                raise ValueError(f"mask has shape {mask.shape}, the signal (T, B1, B2) = {self.signal_shape}")
            if not mask[:, 0, 0].all():
                raise ValueError("mask leaves out S(0,0), by which the signal is normalised")
            mask.setflags(write=False)
            object.__setattr__(self, "mask", mask)

    @property
    def n_mixing(self) -> int:
        """Number of mixing times, T."""
        return 1 if self.mixing_times is None else self.mixing_times.size

    @property
    def signal_shape(self) -> tuple[int, int, int]:
        """(T, B1, B2)."""
        return self.n_mixing, self.b1.size, self.b2.size


class Prior(Protocol):
    """The generator that cases come from, for reference methods that may know it."""

    @property
    def family(self) -> Compartments:
        """What it draws."""
        ...

    def draw_distributions(self, n: int) -> Floats:
        """n distributions from the training stream, (n, T, D1, D2)."""
        ...


@dataclass(frozen=True, eq=False)
class Problem:
    """The inverse problem ``S = K1 f K2^T`` as an experimenter knows it.

    Attributes
    ----------
    grid, acquisition : Grid, Acquisition
        The wanted and the measured axes.
    kernel : Kernel
        Attenuation along each axis; `exp(-b D)` unless said otherwise.
    sigma : float or None
        Noise SD per channel relative to S(0,0). Only methods that declare ``told = {"sigma"}``
        receive it.
    prior : Prior or None
        The generator. Only methods that declare ``told = {"prior"}`` receive it.
    """

    grid: Grid
    acquisition: Acquisition
    kernel: Kernel = field(default=KERNELS["diffusion"])
    sigma: float | None = None
    prior: Prior | None = None

    @property
    def k1(self) -> Floats:
        """Kernel matrix of the first encoding, (B1, D1)."""
        return np.asarray(self.kernel.matrix(self.acquisition.b1, self.grid.d1))

    @property
    def k2(self) -> Floats:
        """Kernel matrix of the second encoding, (B2, D2)."""
        return np.asarray(self.kernel.matrix(self.acquisition.b2, self.grid.d2))

    def mask(self, mixing: int = 0) -> NDArray[np.bool_] | None:
        """Sampling mask (B1, B2) of one mixing time; None where all was sampled."""
        mask = self.acquisition.mask
        return None if mask is None or mask[mixing].all() else mask[mixing]

    def at_mixing_time(self, mixing: int) -> Problem:
        """The same problem with that one mixing time alone."""
        acquisition = self.acquisition
        times = acquisition.mixing_times
        return replace(
            self,
            acquisition=replace(
                acquisition,
                mixing_times=None if times is None else times[mixing : mixing + 1],
                mask=None if acquisition.mask is None else acquisition.mask[mixing : mixing + 1],
            ),
        )

    def told(self, allowed: frozenset[str]) -> Problem:
        """The same problem with only the allowed ones of ``sigma`` and ``prior`` left in."""
        return replace(
            self,
            sigma=self.sigma if "sigma" in allowed else None,
            prior=self.prior if "prior" in allowed else None,
        )
