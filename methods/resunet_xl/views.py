"""What the network sees: the signal with the axes, and, on the axes of the answer, linear inverses of it."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from dexsy_bench.problem import Problem

Inputs = Literal["signal", "inverses"]

ALPHAS = (1.0, 0.1, 0.01, 0.001, 0.0001)
"""Of the linear inverses, relative to the largest singular value."""
RANK = 20
"""Singular vectors kept on each side; the next is 1e-9 of the first."""


class SignalView(nn.Module):
    """Three channels: S, log10 D1 and log10 D2, both scaled to -1 .. 1; (N, B1, B2) -> (N, 3, B1, B2)."""

    channels = 3

    def __init__(self, problem: Problem) -> None:
        super().__init__()
        axes = np.meshgrid(_scaled(problem.grid.log_d1), _scaled(problem.grid.log_d2), indexing="ij")
        self.register_buffer("axes", torch.tensor(np.stack(axes), dtype=torch.float32), persistent=False)

    def forward(self, signals: Tensor) -> Tensor:
        return torch.cat([signals[:, None], self.axes.expand(len(signals), -1, -1, -1)], dim=1)


class InverseViews(nn.Module):
    """The same and a linear inverse of S for each of `ALPHAS`; (N, B1, B2) -> (N, 8, D1, D2).

    Each is ``V1 [(U1^T S U2) * s / (s^2 + alpha^2)] V2^T`` with ``s = s1 s2^T``: Tikhonov's inverse
    without the constraint. A convolution compares neighbours; in S, where every point is a mean
    over all of f, neighbours say nearly the same, while in an inverse they are neighbours in D.
    """

    channels = 3 + len(ALPHAS)

    def __init__(self, problem: Problem) -> None:
        super().__init__()
        self.signal = SignalView(problem)
        u1, s1, v1 = np.linalg.svd(problem.k1, full_matrices=False)
        u2, s2, v2 = np.linalg.svd(problem.k2, full_matrices=False)
        s = np.outer(s1[:RANK], s2[:RANK])
        alphas = s[0, 0] * np.array(ALPHAS)[:, None, None]
        # A distribution of mass 1 has cells of about 1 / 64^2 .. 1 / 64: this brings them near 1.
        gain = np.sqrt(np.prod(problem.grid.shape))
        for name, array in (("u1", u1[:, :RANK]), ("u2", u2[:, :RANK]), ("v1", v1[:RANK]), ("v2", v2[:RANK]),
                            ("filters", gain * s / (s**2 + alphas**2))):  # fmt: skip
            self.register_buffer(name, torch.tensor(array.copy(), dtype=torch.float32), persistent=False)

    def forward(self, signals: Tensor) -> Tensor:
        coefficients = (self.u1.T @ signals @ self.u2)[:, None] * self.filters
        inverses = self.v1.T @ coefficients @ self.v2
        return torch.cat([self.signal(signals), inverses], dim=1)


VIEWS: dict[Inputs, type[SignalView] | type[InverseViews]] = {"signal": SignalView, "inverses": InverseViews}


def _scaled(axis: np.ndarray) -> np.ndarray:
    return np.interp(axis, (axis[0], axis[-1]), (-1.0, 1.0))
