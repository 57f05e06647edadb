"""Convolutions of the research networks."""

from __future__ import annotations

import math

from torch import nn

from ..conv import FsConv2d
from ..placement import Placements


def make_conv(
    placements: Placements, channels: int, out: int, kernel: int,
    stride: int = 1, padding: int | None = None, first: bool = False, bias: bool = False,
) -> nn.Module:  # fmt: skip
    """A convolution of a network as its placements say; the padding keeps the size unless given."""
    placement = placements.choose(kernel, kernel, first)
    padding = kernel // 2 if padding is None else padding
    if placement.kind != "dense":
        return FsConv2d(channels, out, kernel, stride, padding, bias=bias, placement=placement, fast=True)
    conv = nn.Conv2d(channels, out, kernel, stride, padding, bias=bias)
    nn.init.normal_(conv.weight, std=math.sqrt(2 / (kernel * kernel * out)))
    if bias:
        nn.init.zeros_(conv.bias)
    return conv
