"""FsConv2d: a convolution whose filters are overlapping segments of one summary."""

from __future__ import annotations

import dataclasses
import math

import torch
import torch.nn.functional as F
from torch import nn

from .placement import Layout, Placement, Placements
from .shared import Plan, SharedConv

END_MARGIN = 0.25
"""How far inside the ends learned positions begin, in units: at an end itself the sigmoid is flat for ever."""


class FsConv2d(nn.Module):
    """`[N, C, H, W] -> [N, O, OH, OW]` with the filters
    `W[i, c, t] = gains[i, t] * f[starts[i] + c*channel_stride + tap_offsets[t]]`.

    `summary` is the parameter `f`. It starts with the standard deviation a dense layer would have (Kaiming, fan out):
    a filter reads every value once at most, so the variance of its output is that of the dense layer. The filters are
    gathered by one `index_select`, whose backward is one `index_add` into the summary: both are negligible beside the
    convolution.

    Where the layout says that positions are learned (DFSNet), `location_logit` `[O]` is a parameter too:
    filter `i` lies at `sigmoid(location_logit[i]) * span` units and is the blend of the two segments there,
    so that the loss has a gradient in it.

    Where it says so, `gains` `[O, T]` are a parameter (without them they are 1). They begin at 1, or,
    by `begin="random"`, as normal numbers of variance 1/(3T) with a summary of variance 1/(3C) (PyTorch's default
    for a 1x1 and a depthwise convolution): filters that read one base would otherwise all be box filters at first.

    Layers that allow it run in the fast form (`shared.py`), `fast=False` materializes the filters of those too.
    """

    def __init__(
        self, channels: int, out: int, kernel: int | tuple[int, int], layout: Placement | Layout,
        stride: int = 1, padding: int = 0, dilation: int = 1, groups: int = 1, bias: bool = False,
        begin: str = "random", fast: bool = True,
    ):  # fmt: skip
        super().__init__()
        if begin not in ("ones", "random"):
            raise ValueError(f"gains begin at ones or random, not {begin!r}")
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
        self.summary = nn.Parameter(torch.randn(layout.shape) * math.sqrt(2 / (out // groups * kh * kw)))
        self.gains: nn.Parameter | None = None
        if layout.gains:
            self.gains = nn.Parameter(torch.ones(out, kh * kw))
            if begin == "random":
                nn.init.normal_(self.summary, std=math.sqrt(groups / (3 * channels)))
                nn.init.normal_(self.gains, std=math.sqrt(1 / (3 * kh * kw)))
        self.bias = nn.Parameter(torch.zeros(out)) if bias else None
        self.fast = fast
        self.set_plan()
        self.location_logit: nn.Parameter | None = None
        self.has_zeros = bool((index < 0).any())
        if layout.unit is None:
            self.register_buffer("index", index.flatten() % (layout.numel + 1), persistent=False)
        else:
            self.has_zeros = layout.boundary == "zero"
            begin = layout.starts.double() / layout.unit
            inside = begin.clamp(END_MARGIN, layout.span - END_MARGIN) / layout.span
            self.location_logit = nn.Parameter(torch.logit(inside).float())

    def place(self, starts: torch.Tensor) -> None:
        """Give the filters other starts than their placement's, int64 `[O]` or `[O, 3]`: the same in another order."""
        if self.layout.unit is not None:
            raise ValueError("learned positions have no fixed starts")
        if starts.shape != self.layout.starts.shape:
            raise ValueError(f"{list(starts.shape)} starts for {list(self.layout.starts.shape)}")
        self.layout = dataclasses.replace(self.layout, starts=starts.clone())
        self.index = (self.layout.index().flatten() % (self.layout.numel + 1)).to(self.index.device)
        self.set_plan()

    def set_plan(self) -> None:
        """Find out whether the layer has a fast form."""
        plan = Plan.of(self.layout, self.stride, self.padding, self.dilation, self.groups)
        self.terms = None if plan is None else plan.terms
        self.register_buffer("bases", None if plan is None else plan.index, persistent=False)

    def positions(self) -> torch.Tensor:
        """Where the filters lie, in units of `layout.unit` values: `[O]`, differentiable in `location_logit`."""
        return torch.sigmoid(self.location_logit) * self.layout.span

    def weight(self) -> torch.Tensor:
        """The expanded filters `[O, C/groups, KH, KW]`."""
        segments = self.segments()
        if self.gains is None:
            return segments
        return segments * self.gains.view(len(self.gains), 1, *self.shape[2:])

    def segments(self) -> torch.Tensor:
        """The filters without gains `[O, C/groups, KH, KW]`."""
        f = self.summary.flatten()
        if self.has_zeros:
            f = F.pad(f, (0, 1))
        if self.layout.unit is None:
            return f.index_select(0, self.index).view(self.shape)
        positions = self.positions()
        # Below the last position, so that the segment after it exists: there a is 1, which means the same.
        low = positions.detach().floor().clamp(max=self.layout.span - 1)
        a = (positions - low).view(-1, 1, 1, 1)
        return self._segments(f, low) * (1 - a) + self._segments(f, low + 1) * a

    def _segments(self, f: torch.Tensor, position: torch.Tensor) -> torch.Tensor:
        index = self.layout.index(position.long() * self.layout.unit).flatten() % (self.layout.numel + 1)
        return f.index_select(0, index).view(self.shape)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.fast and self.terms is not None:
            if torch.is_autocast_enabled(x.device.type):
                x = x.to(torch.get_autocast_dtype(x.device.type))
            y = SharedConv.apply(x, self.summary, self.gains, self.bases, self.terms)
            return y if self.bias is None else y + self.bias.to(y.dtype).view(1, -1, 1, 1)
        return F.conv2d(x, self.weight(), self.bias, self.stride, self.padding, self.dilation, self.groups)


def make_conv(
    placements: Placements, channels: int, out: int, kernel: int,
    stride: int = 1, padding: int | None = None, first: bool = False, bias: bool = False,
) -> nn.Module:  # fmt: skip
    """A convolution of a network as its placements say; the padding keeps the size unless given."""
    placement = placements.choose(kernel, kernel, first)
    padding = kernel // 2 if padding is None else padding
    if placement.kind != "dense":
        return FsConv2d(channels, out, kernel, placement, stride, padding, bias=bias)
    conv = nn.Conv2d(channels, out, kernel, stride, padding, bias=bias)
    nn.init.normal_(conv.weight, std=math.sqrt(2 / (kernel * kernel * out)))
    if bias:
        nn.init.zeros_(conv.bias)
    return conv
