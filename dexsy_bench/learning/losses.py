"""What training minimises."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

EPSILON = 1e-10
"""Added to both masses of a cell: float32 cells underflow to 0."""


def distribution_loss(f: Tensor, f_hat: Tensor, l1: float = 0.1, tv: float = 1e-5) -> Tensor:
    """``KL(f || f_hat) + l1 |f - f_hat|_1 + tv TV(f_hat)``: sums over the grid, mean over the batch.

    The expected divergence is smallest where f_hat is the posterior mean of f, so the network is
    taught what can be known of f, not to guess one of the possible f.

    Parameters
    ----------
    f, f_hat : (N, D1, D2)
        Truth and estimate, each summing to 1.
    l1, tv : float
        Weights; TV is anisotropic.
    """
    cells = (-2, -1)
    kl = (f * ((f + EPSILON).log() - (f_hat + EPSILON).log())).sum(cells)
    distance = (f - f_hat).abs().sum(cells)
    variation = f_hat.diff(dim=-1).abs().sum(cells) + f_hat.diff(dim=-2).abs().sum(cells)
    return (kl + l1 * distance + tv * variation).mean()
