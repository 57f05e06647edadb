"""SqueezeNet 1.0 (Iandola et al., arXiv 1602.07360). It has no batch norm: its convolutions have biases."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from ..placement import Placement, Placements
from .make_conv import make_conv
from .network import Network

SQUEEZE = (16, 16, 32, 32, 48, 48, 64, 64)
"""Squeeze channels of fire2 .. fire9; either expansion has four times as many."""


class Fire(nn.Module):
    """`[N, C, H, W] -> [N, 8 * squeeze, H, W]`: 1x1, and of that 1x1 and 3x3 side by side."""

    def __init__(self, channels: int, squeeze: int, placements: Placements):
        super().__init__()
        self.squeeze = make_conv(placements, channels, squeeze, 1, bias=True)
        self.expand1x1 = make_conv(placements, squeeze, 4 * squeeze, 1, bias=True)
        self.expand3x3 = make_conv(placements, squeeze, 4 * squeeze, 3, bias=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu_(self.squeeze(x))
        return torch.cat([F.relu_(self.expand1x1(x)), F.relu_(self.expand3x3(x))], 1)


class SqueezeNet(Network):
    """`[N, 3, 227, 227] -> [N, classes]`; `divisor` divides every inner width (1 is the published network)."""

    def __init__(self, placement: Placement | Placements | str, classes: int = 1000, divisor: int = 1):
        super().__init__(placement, (3, 227, 227), classes)
        channels = 96 // divisor
        self.conv1 = make_conv(self.placements, 3, channels, 7, 2, padding=0, first=True, bias=True)
        self.pools = nn.ModuleList(nn.MaxPool2d(3, 2, ceil_mode=True) for _ in range(3))
        self.fires = nn.ModuleList()
        for squeeze in SQUEEZE:
            self.fires.append(Fire(channels, squeeze // divisor, self.placements))
            channels = 8 * (squeeze // divisor)
        self.dropout = nn.Dropout(0.5)
        self.conv10 = make_conv(self.placements, channels, classes, 1, bias=True)
        self.pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pools[0](F.relu_(self.conv1(x)))
        for n, fire in enumerate(self.fires, 2):
            x = fire(x)
            if n in (4, 8):
                x = self.pools[n // 4](x)
        return self.pool(F.relu_(self.conv10(self.dropout(x)))).flatten(1)
