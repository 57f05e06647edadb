"""DenseNet-BC for CIFAR-10 (Huang et al., arXiv 1608.06993), without compression in the transitions by default.

The FSNet authors' DenseNet-100 has bottlenecks but `reduction` 1: its transitions keep their channels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from ..placement import Placement, Placements
from .make_conv import make_conv
from .network import CIFAR_INPUT, Network


class DenseLayer(nn.Module):
    """`[N, C, H, W] -> [N, C + growth, H, W]`: the input, and what a 1x1 and a 3x3 convolution make of it."""

    def __init__(self, channels: int, growth: int, placements: Placements):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv1 = make_conv(placements, channels, 4 * growth, 1)
        self.bn2 = nn.BatchNorm2d(4 * growth)
        self.conv2 = make_conv(placements, 4 * growth, growth, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv1(F.relu_(self.bn1(x)))
        y = self.conv2(F.relu_(self.bn2(y)))
        return torch.cat([x, y], 1)


class Transition(nn.Module):
    """`[N, C, H, W] -> [N, out, H/2, W/2]`."""

    def __init__(self, channels: int, out: int, placements: Placements):
        super().__init__()
        self.bn = nn.BatchNorm2d(channels)
        self.conv = make_conv(placements, channels, out, 1)
        self.pool = nn.AvgPool2d(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.pool(self.conv(F.relu_(self.bn(x))))


class DenseNet(Network):
    """`[N, 3, 32, 32] -> [N, classes]`: three dense blocks with transitions between them; depth `3 * 2 * n + 4`."""

    def __init__(
        self, placement: Placement | Placements | str, depth: int = 100, growth: int = 12, classes: int = 10,
        reduction: float = 1,
    ):  # fmt: skip
        super().__init__(placement, CIFAR_INPUT, classes)
        if depth < 10 or (depth - 4) % 6 or growth < 1 or not 0 < reduction <= 1:
            raise ValueError(f"no DenseNet has depth {depth}, growth {growth} and reduction {reduction}")
        channels = 2 * growth
        self.conv1 = make_conv(self.placements, 3, channels, 3, first=True)
        self.stages = nn.ModuleList()
        for n in range(3):
            stage = []
            for _ in range((depth - 4) // 6):
                stage.append(DenseLayer(channels, growth, self.placements))
                channels += growth
            if n < 2:
                out = int(channels * reduction)
                stage.append(Transition(channels, out, self.placements))
                channels = out
            self.stages.append(nn.ModuleList(stage))
        self.bn = nn.BatchNorm2d(channels)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(channels, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv1(x)
        for stage in self.stages:
            for layer in stage:
                x = layer(x)
        x = self.pool(F.relu_(self.bn(x)))
        return self.linear(x.flatten(1))
