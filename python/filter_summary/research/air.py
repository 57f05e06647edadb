"""Small convolution networks for CIFAR-10 that learn fast, after airbench (Keller Jordan, arXiv 2404.00498).

A whitening 3x3 layer that is not learned; three blocks of `convs` 3x3 convolutions, the first followed by
a 2x2 max pool, each by batch norm without a factor and by ReLU; global max pooling; a linear layer.
Airbench's blocks have GELU.
"""

from __future__ import annotations

import torch
from torch import nn

from ..conv import FsConv2d
from ..placement import Placement, Placements
from .layers import DepthwiseConv, GlobalMaxPool, NormRelu, Pool, ScaledLinear, WhitenedConv
from .make_conv import make_conv
from .network import CIFAR_INPUT, Network

FIRST = 24
CLASSES = 10


def air_conv(placements: Placements, channels: int, out: int, separable: bool) -> nn.Module:
    """`[N, channels, H, W] -> [N, out, H, W]`: a 3x3 convolution as it is placed, or MobileNet's pair of layers.

    Weights begin with PyTorch's default variance of `1 / (3 * fan in)`, which the recipe's learning rate is for.
    """
    if separable:
        point = make_conv(placements, channels, out, 1)
        set_variance(point, channels)
        return nn.Sequential(DepthwiseConv(channels), NormRelu(channels), point)
    conv = make_conv(placements, channels, out, 3)
    if getattr(conv, "gains", None) is None:
        set_variance(conv, 9 * channels)
    return conv


def set_variance(conv: nn.Module, fan_in: int) -> None:
    nn.init.normal_(conv.summary if isinstance(conv, FsConv2d) else conv.weight, std=(3 * fan_in) ** -0.5)


class AirBlock(nn.Module):
    """`[N, channels, H, W] -> [N, width, H/2, W/2]`.

    With `residual` each layer but the first adds its input before its ReLU.
    """

    def __init__(self, placements: Placements, channels: int, width: int, convs: int, residual: bool, separable: bool):
        super().__init__()
        inputs = [channels] + [width] * (convs - 1)
        self.convs = nn.ModuleList([air_conv(placements, c, width, separable) for c in inputs])
        self.norms = nn.ModuleList([NormRelu(width) for _ in inputs])
        self.pool = Pool()
        self.residual = residual

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for j, (conv, norm) in enumerate(zip(self.convs, self.norms)):
            if j == 0:
                x = norm(self.pool(conv(x)))
            else:
                x = norm(conv(x), x) if self.residual else norm(conv(x))
        return x


class Air(Network):
    """`[N, 3, H, W] -> [N, 10]`."""

    def __init__(
        self, placement: Placement | Placements | str, widths: tuple[int, int, int], convs: int = 2,
        residual: bool = False, separable: bool = False,
    ):  # fmt: skip
        super().__init__(placement, CIFAR_INPUT, CLASSES)
        self.first = WhitenedConv(FIRST)
        self.blocks = nn.ModuleList()
        channels = FIRST
        for width in widths:
            self.blocks.append(AirBlock(self.placements, channels, width, convs, residual, separable))
            channels = width
        self.pool = GlobalMaxPool(CIFAR_INPUT[1] // 2 ** len(widths))
        self.linear = ScaledLinear(channels, CLASSES, 1 / 9)

    def prepare(self, x: torch.Tensor) -> None:
        """Before training: whiten by normalized images `[N, 3, H, W]`."""
        self.first.whiten(x)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        for block in self.blocks:
            x = block(x)
        return self.linear(self.pool(x).flatten(1))
