"""Residual networks (He et al., arXiv 1512.03385 and 1603.05027) for CIFAR-10 and ImageNet.

Blocks map `[N, C, H, W]` to `[N, width * expansion, H / stride, W / stride]`. Shortcuts that change the shape are of
option A (no parameters) or B (a 1x1 convolution and batch norm, what the FSNet authors and ImageNet networks use).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from ..placement import Placement, Placements
from .make_conv import make_conv
from .network import CIFAR_INPUT, IMAGENET_INPUT, Network

WIDTHS = (16, 32, 64)


def shortcut_a(x: torch.Tensor, out: int, stride: int) -> torch.Tensor:
    """`[N, C, H, W] -> [N, out, H/stride, W/stride]`: every stride-th pixel, zero channels around."""
    more = out - x.shape[1]
    return F.pad(x[:, :, ::stride, ::stride], (0, 0, 0, 0, more // 2, more - more // 2))


class ShortcutA(nn.Module):
    """`shortcut_a` as a module."""

    def __init__(self, out: int, stride: int):
        super().__init__()
        self.out, self.stride = out, stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return shortcut_a(x, self.out, self.stride)


def make_shortcut(
    placements: Placements, option: str, channels: int, out: int, stride: int, norm: bool = True
) -> nn.Module:
    """The identity where nothing changes, otherwise what `option` (`A` or `B`) says."""
    if stride == 1 and channels == out:
        return nn.Identity()
    if option == "A":
        return ShortcutA(out, stride)
    conv = make_conv(placements, channels, out, 1, stride)
    return nn.Sequential(conv, nn.BatchNorm2d(out)) if norm else conv


class BasicBlock(nn.Module):
    """Two 3x3 convolutions."""

    expansion = 1

    def __init__(self, channels: int, width: int, stride: int, placements: Placements, option: str):
        super().__init__()
        self.conv1 = make_conv(placements, channels, width, 3, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = make_conv(placements, width, width, 3)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut = make_shortcut(placements, option, channels, width, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu_(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        y += self.shortcut(x)
        return F.relu_(y)


class Bottleneck(nn.Module):
    """1x1, 3x3 (with the stride) and 1x1 convolutions."""

    expansion = 4

    def __init__(self, channels: int, width: int, stride: int, placements: Placements, option: str):
        super().__init__()
        out = width * self.expansion
        self.conv1 = make_conv(placements, channels, width, 1)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = make_conv(placements, width, width, 3, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = make_conv(placements, width, out, 1)
        self.bn3 = nn.BatchNorm2d(out)
        self.shortcut = make_shortcut(placements, option, channels, out, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu_(self.bn1(self.conv1(x)))
        y = F.relu_(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        y += self.shortcut(x)
        return F.relu_(y)


class PreActBottleneck(nn.Module):
    """The bottleneck with batch norm and ReLU before each convolution; a projection reads the normalized input."""

    expansion = 4

    def __init__(self, channels: int, width: int, stride: int, placements: Placements, option: str):
        super().__init__()
        out = width * self.expansion
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv1 = make_conv(placements, channels, width, 1)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv2 = make_conv(placements, width, width, 3, stride)
        self.bn3 = nn.BatchNorm2d(width)
        self.conv3 = make_conv(placements, width, out, 1)
        self.shortcut = make_shortcut(placements, option, channels, out, stride, norm=False)
        self.changes_shape = not isinstance(self.shortcut, nn.Identity)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b = F.relu_(self.bn1(x))
        y = F.relu_(self.bn2(self.conv1(b)))
        y = F.relu_(self.bn3(self.conv2(y)))
        return self.conv3(y) + (self.shortcut(b) if self.changes_shape else x)


class ResNet(Network):
    """`[N, 3, H, W] -> [N, classes]`: a first convolution, stages of `blocks` blocks, average pooling, a linear layer.

    Every stage but the first halves the size. The ImageNet form begins with a 7x7 convolution
    of stride 2 and a pooling.
    """

    def __init__(
        self, placement: Placement | Placements | str, blocks: Sequence[int] = (3, 3, 3),
        widths: Sequence[int] = WIDTHS, classes: int = 10, block: type[nn.Module] = BasicBlock,
        option: str = "A", imagenet: bool = False,
    ):  # fmt: skip
        super().__init__(placement, IMAGENET_INPUT if imagenet else CIFAR_INPUT, classes)
        if len(blocks) != len(widths) or min(blocks) < 1 or option not in ("A", "B"):
            raise ValueError(f"no ResNet has {blocks} blocks of widths {widths} with shortcuts of option {option}")
        first = (7, 2) if imagenet else (3, 1)
        self.conv1 = make_conv(self.placements, 3, widths[0], *first, first=True)
        self.preactivation = block is PreActBottleneck
        self.bn1 = nn.Identity() if self.preactivation else nn.BatchNorm2d(widths[0])
        self.maxpool = nn.MaxPool2d(3, 2, 1) if imagenet else nn.Identity()
        self.stages = nn.ModuleList()
        channels = widths[0]
        for n, (count, width) in enumerate(zip(blocks, widths)):
            stage = []
            for b in range(count):
                stage.append(block(channels, width, 2 if n > 0 and b == 0 else 1, self.placements, option))
                channels = width * block.expansion
            self.stages.append(nn.ModuleList(stage))
        self.bn = nn.BatchNorm2d(channels) if self.preactivation else nn.Identity()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(channels, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.bn1(self.conv1(x))
        x = self.maxpool(x if self.preactivation else F.relu_(x))
        for stage in self.stages:
            for block in stage:
                x = block(x)
        if self.preactivation:
            x = F.relu_(self.bn(x))
        return self.linear(self.pool(x).flatten(1))
