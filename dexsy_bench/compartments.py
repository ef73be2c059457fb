"""Draws of f(D1, D2): Gaussian blobs in log10 D, weighted by exchange between compartments.

Everything is a function of uniform random numbers and works on NumPy arrays and torch tensors
alike, so that test cases come from numbered streams and training cases from a GPU.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from array_api_compat import array_namespace

from dexsy_bench.physics import Array

Range = tuple[float, float]


@dataclass(frozen=True)
class Compartments:
    """A family of distributions with the same number of compartments, C.

    Attributes
    ----------
    diffusivity : C ranges
        The centre of each compartment is drawn log-uniform in its range, µm²/ms.
    width : C ranges
        SD of its blobs, uniform, in decades of D.
    concentration : int
        Volume fractions are Dirichlet(concentration, ...).
    exchange_rate : range
        k, log-uniform, 1/s.
    mixing_time : range
        Log-uniform, s; used where the acquisition does not fix the mixing times.
    equilibrium : bool
        True: the first encoding finds the compartments filled as exchange leaves them (detailed
        balance, symmetric f). False: it finds other fractions, drawn independently.
    """

    diffusivity: Sequence[Range]
    width: Sequence[Range]
    concentration: int = 2
    exchange_rate: Range = (1.0, 300.0)
    mixing_time: Range = (1e-3, 0.3)
    equilibrium: bool = True

    @property
    def count(self) -> int:
        """Number of compartments, C."""
        return len(self.diffusivity)

    @property
    def n_uniforms(self) -> int:
        """Random numbers that one case takes."""
        fractions = self.count * self.concentration
        return 2 * self.count + fractions * (1 if self.equilibrium else 2) + 2

    def draw(self, uniforms: Array, mixing_times: Array | None = None) -> dict[str, Array]:
        """Parameters of N cases.

        Parameters
        ----------
        uniforms : (N, n_uniforms)
            Independent, uniform in [0, 1).
        mixing_times : (T,), optional
            In seconds; drawn one a case when not given.

        Returns
        -------
        dict
            ``centres`` (N, C) in µm²/ms, ``widths`` (N, C) in decades, ``fractions`` (N, C) and
            ``initial_fractions`` (N, C), ``k`` (N,) in 1/s, ``mixing_times`` (N, T) in s.
        """
        xp = array_namespace(uniforms)
        count = self.count
        columns = iter(range(self.n_uniforms))

        def take(n: int) -> Array:
            first = next(columns)
            for _ in range(n - 1):
                next(columns)
            return uniforms[:, first : first + n]

        def spread(u: Array, ranges: Sequence[Range]) -> Array:
            low = xp.stack([xp.full_like(u[:, 0], low) for low, _ in ranges], axis=1)
            high = xp.stack([xp.full_like(u[:, 0], high) for _, high in ranges], axis=1)
            return low + u * (high - low)

        def log_spread(u: Array, ranges: Sequence[Range]) -> Array:
            return xp.exp(spread(u, [(math.log(low), math.log(high)) for low, high in ranges]))

        def dirichlet(u: Array) -> Array:
            # A Gamma(m) variate with whole m is the sum of m exponential ones.
            gammas = xp.sum(-xp.log1p(-xp.reshape(u, (-1, count, self.concentration))), axis=-1)
            return gammas / xp.sum(gammas, axis=-1, keepdims=True)

        centres = log_spread(take(count), self.diffusivity)
        widths = spread(take(count), self.width)
        fractions = dirichlet(take(count * self.concentration))
        k = log_spread(take(1), [self.exchange_rate])[:, 0]
        drawn_time = log_spread(take(1), [self.mixing_time])
        initial = fractions if self.equilibrium else dirichlet(take(count * self.concentration))
        times = drawn_time if mixing_times is None else xp.zeros_like(drawn_time) + mixing_times[None, :]
        return {
            "centres": centres,
            "widths": widths,
            "fractions": fractions,
            "initial_fractions": initial,
            "k": k,
            "mixing_times": times,
        }


def exchange_weights(fractions: Array, initial: Array, k: Array, mixing_times: Array) -> Array:
    """Joint occupation of compartments in the first and in the second encoding.

    ``W = diag(initial) expm(Q tm)`` with ``Q_ij = k P_j`` off the diagonal and rows that sum to 0.
    Since ``1 P^T`` is a projector, ``expm(Q tm) = e^(-k tm) I + (1 - e^(-k tm)) 1 P^T`` (Karger
    exchange with one rate).

    Parameters
    ----------
    fractions, initial : (N, C)
        Equilibrium fractions P, and those at the first encoding.
    k : (N,)
        Exchange rate, 1/s.
    mixing_times : (N, T)
        In seconds.

    Returns
    -------
    (N, T, C, C), each (C, C) summing to 1.
    """
    xp = array_namespace(fractions)
    stay = xp.exp(-k[:, None] * mixing_times)[:, :, None, None]
    eye = xp.eye(fractions.shape[1], dtype=fractions.dtype, device=fractions.device)
    diagonal = (initial[:, :, None] * eye)[:, None]
    mixed = (initial[:, :, None] * fractions[:, None, :])[:, None]
    return stay * diagonal + (1 - stay) * mixed


def blobs(log_d: Array, centres: Array, widths: Array) -> Array:
    """Gaussians in log10 D, each of mass 1 on the grid.

    Parameters
    ----------
    log_d : (D,)
        log10 of the grid values.
    centres : (N, C)
        In units of D.
    widths : (N, C)
        SD in decades.

    Returns
    -------
    (N, D, C) array.
    """
    xp = array_namespace(log_d, centres)
    z = (log_d[None, :, None] - xp.log10(centres)[:, None, :]) / widths[:, None, :]
    # Relative to the nearest cell, so that a blob narrower than a cell does not vanish between two.
    g = xp.exp(0.5 * (xp.min(z * z, axis=1, keepdims=True) - z * z))
    return g / xp.sum(g, axis=1, keepdims=True)


def distributions(log_d1: Array, log_d2: Array, parameters: dict[str, Array]) -> Array:
    """``f = G1 W G2^T`` for the parameters that :meth:`Compartments.draw` returns, (N, T, D1, D2)."""
    xp = array_namespace(log_d1)
    weights = exchange_weights(*(parameters[name] for name in ("fractions", "initial_fractions", "k", "mixing_times")))
    g1 = blobs(log_d1, parameters["centres"], parameters["widths"])[:, None]
    g2 = blobs(log_d2, parameters["centres"], parameters["widths"])[:, None]
    return g1 @ weights @ xp.matrix_transpose(g2)
