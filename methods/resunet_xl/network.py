"""The network: a five-level residual U-Net with channel attention and attention gates."""

from __future__ import annotations

import torch
from dexsy_bench.methods.resunet_xl.views import InverseViews, SignalView
from torch import Tensor, nn
from torch.nn import functional

LEVELS = 5  # halvings: 64 -> 32 -> 16 -> 8 -> 4 -> 2


class ResUNet(nn.Module):
    """Maps the signal to the distribution, (N, B1, B2) -> (N, D1, D2).

    The encoder halves the resolution five times, from 64 to 2, and doubles the width up to a cap;
    the decoder climbs back, and at each level an attention gate (Oktay et al., arXiv:1804.03999)
    decides what of the encoder's map passes. Every stage is a residual double convolution with
    SiLU and squeeze-and-excitation (Hu et al., arXiv:1709.01507). A softplus, divided by its sum,
    makes the output a distribution.

    Parameters
    ----------
    views : module
        Makes ``views.channels`` channels of the signals.
    base : int
        Width at full resolution.
    cap : int
        Width at most.
    """

    def __init__(self, views: SignalView | InverseViews, base: int, cap: int) -> None:
        super().__init__()
        self.views = views
        widths = [min(base * 2**level, cap) for level in range(LEVELS + 1)]
        self.stem = nn.Conv2d(views.channels, base, 3, padding=1)
        self.encoder = nn.ModuleList(
            ResidualBlock(above, width) for above, width in zip([base, *widths], widths, strict=False)
        )
        self.gates = nn.ModuleList(AttentionGate(width, widths[level + 1]) for level, width in enumerate(widths[:-1]))
        self.decoder = nn.ModuleList(
            ResidualBlock(width + widths[level + 1], width) for level, width in enumerate(widths[:-1])
        )
        self.head = nn.Sequential(norm(base), nn.SiLU(), nn.Conv2d(base, 1, 3, padding=1))

    def forward(self, signals: Tensor) -> Tensor:
        """The distributions, each non-negative with sum 1."""
        with torch.autocast(signals.device.type, enabled=False):  # the inverses amplify rounding
            views = self.views(signals)
        x = self.stem(views.contiguous(memory_format=torch.channels_last))
        skips = []
        for level, block in enumerate(self.encoder):
            x = block(x if level == 0 else functional.avg_pool2d(x, 2))
            skips.append(x)
        for level in reversed(range(LEVELS)):
            x = self.decoder[level](torch.cat([self.gates[level](skips[level], x), doubled(x)], dim=1))
        mass = functional.softplus(self.head(x).squeeze(1).float())
        return mass / mass.sum(dim=(-2, -1), keepdim=True)


def norm(width: int) -> nn.Module:
    """Batch normalisation: once trained it is fixed, so that a case does not depend on its batch."""
    return nn.BatchNorm2d(width)


def doubled(x: Tensor) -> Tensor:
    """Twice the resolution, bilinearly: f is smooth."""
    return functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions, pre-activated, with channel attention, around a shortcut."""

    def __init__(self, above: int, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            norm(above),
            nn.SiLU(),
            nn.Conv2d(above, width, 3, padding=1, bias=False),
            norm(width),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1),
            SqueezeExcitation(width),
        )
        self.shortcut = nn.Identity() if above == width else nn.Conv2d(above, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + self.body(x)


class SqueezeExcitation(nn.Module):
    """Scales each channel by what the mean of all channels says of its worth."""

    def __init__(self, width: int, reduction: int = 8) -> None:
        super().__init__()
        hidden = max(4, width // reduction)
        self.weigh = nn.Sequential(nn.Linear(width, hidden), nn.SiLU(), nn.Linear(hidden, width), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weigh(x.mean(dim=(-2, -1)))[:, :, None, None]


class AttentionGate(nn.Module):
    """Weighs each position of a skip connection by the coarser map below it."""

    def __init__(self, width: int, below: int) -> None:
        super().__init__()
        hidden = max(4, width // 2)
        self.skip = nn.Conv2d(width, hidden, 1)
        self.gate = nn.Conv2d(below, hidden, 1)
        self.score = nn.Conv2d(hidden, 1, 1)

    def forward(self, skip: Tensor, below: Tensor) -> Tensor:
        return skip * torch.sigmoid(self.score(functional.silu(self.skip(skip) + doubled(self.gate(below)))))
