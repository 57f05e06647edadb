"""FsConv2d: a convolution whose filters are overlapping segments of one summary."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

from .placement import Layout, Placement


class FsConv2d(nn.Module):
    """`[N, C, H, W] -> [N, O, OH, OW]` with the filters `W[i, c, t] = f[starts[i] + c*channel_stride + tap_offsets[t]]`.

    `summary` is the parameter `f`. It starts with the standard deviation a dense layer would have (Kaiming, fan out):
    a filter reads every value once at most, so the variance of its output is that of the dense layer. The filters are
    gathered by one `index_select`, whose backward is one `index_add` into the summary: both are negligible beside the
    convolution.
    """

    def __init__(
        self, channels: int, out: int, kernel: int | tuple[int, int], layout: Placement | Layout,
        stride: int = 1, padding: int = 0, dilation: int = 1, groups: int = 1,
    ):  # fmt: skip
        super().__init__()
        kh, kw = (kernel, kernel) if isinstance(kernel, int) else kernel
        if channels % groups or out % groups:
            raise ValueError(f"{groups} groups do not divide {channels} channels and {out} filters")
        if isinstance(layout, Placement):
            layout = layout.layout(out, channels // groups, kh, kw)
        index = layout.index()
        if index.shape != (out, channels // groups, kh, kw):
            raise ValueError(f"the layout is for filters {list(index.shape)}")
        self.layout, self.shape = layout, index.shape
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups
        self.has_zeros = bool((index < 0).any())
        self.summary = nn.Parameter(torch.randn(layout.shape) * math.sqrt(2 / (out // groups * kh * kw)))
        self.register_buffer("index", index.flatten() % (layout.numel + 1), persistent=False)

    def weight(self) -> torch.Tensor:
        """The expanded filters `[O, C/groups, KH, KW]`."""
        f = self.summary.flatten()
        if self.has_zeros:
            f = F.pad(f, (0, 1))
        return f.index_select(0, self.index).view(self.shape)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.conv2d(x, self.weight(), None, self.stride, self.padding, self.dilation, self.groups)
