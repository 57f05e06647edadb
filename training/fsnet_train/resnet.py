"""ResNet-20 (and 8, 32, 56, ..) for CIFAR-10, with option-A shortcuts (He et al., arXiv 1512.03385, section 4.2)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

from .conv import FsConv2d
from .placement import Placement

WIDTHS = (16, 32, 64)


def conv3x3(channels: int, out: int, stride: int, placement: Placement) -> nn.Module:
    if placement.kind != "dense":
        return FsConv2d(channels, out, 3, placement, stride, padding=1)
    conv = nn.Conv2d(channels, out, 3, stride, padding=1, bias=False)
    nn.init.normal_(conv.weight, std=math.sqrt(2 / (9 * out)))
    return conv


def shortcut_a(x: torch.Tensor, out: int, stride: int) -> torch.Tensor:
    """`[N, C, H, W] -> [N, out, H/stride, W/stride]`: every stride-th pixel, zero channels around."""
    more = out - x.shape[1]
    return F.pad(x[:, :, ::stride, ::stride], (0, 0, 0, 0, more // 2, more - more // 2))


class Block(nn.Module):
    """Two 3x3 convolutions and the shortcut: `[N, C, H, W] -> [N, out, H/stride, W/stride]`."""

    def __init__(self, channels: int, out: int, stride: int, placement: Placement):
        super().__init__()
        self.conv1 = conv3x3(channels, out, stride, placement)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = conv3x3(out, out, 1, placement)
        self.bn2 = nn.BatchNorm2d(out)
        self.channels, self.out, self.stride = channels, out, stride

    @property
    def changes_shape(self) -> bool:
        return self.stride != 1 or self.channels != self.out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu_(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        y += shortcut_a(x, self.out, self.stride) if self.changes_shape else x
        return F.relu_(y)


class ResNet(nn.Module):
    """`[N, 3, H, W] -> [N, classes]`. The first convolution is dense; `placement` says how the others are made."""

    def __init__(self, placement: Placement, depth: int = 20, widths: tuple[int, ...] = WIDTHS, classes: int = 10):
        super().__init__()
        if (depth - 2) % (2 * len(widths)) or depth < 2 + 2 * len(widths):
            raise ValueError(f"no ResNet of {len(widths)} stages has a depth of {depth}")
        self.placement, self.depth = placement, depth
        self.conv1 = conv3x3(3, widths[0], 1, Placement("dense"))
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.stages = nn.ModuleList()
        channels = widths[0]
        for n, out in enumerate(widths):
            blocks = []
            for b in range((depth - 2) // (2 * len(widths))):
                blocks.append(Block(channels, out, 2 if n > 0 and b == 0 else 1, placement))
                channels = out
            self.stages.append(nn.ModuleList(blocks))
        self.linear = nn.Linear(channels, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu_(self.bn1(self.conv1(x)))
        for stage in self.stages:
            for block in stage:
                x = block(x)
        return self.linear(x.mean((2, 3)))

    def parameters_count(self) -> int:
        return sum(p.numel() for p in self.parameters())
