"""FsConv2d: a convolution whose filters are overlapping segments of one summary."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import nn

from . import native
from .placement import Layout, Placement
from .quantize import fake_quantize
from .shared import Plan, SharedConv

END_MARGIN = 0.25
"""How far inside the ends learned positions begin, in units: at an end itself the sigmoid is flat for ever."""

PADDING_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "replicate", "circular": "circular"}
"""PyTorch's words for a convolution, and those of `F.pad`."""

LOOKS = 8
"""Passes in which a layer on an accelerator looks whether its starts are still the same."""

FEWEST_CHANNELS = 16
"""Input channels from which on the fast form was never the slower one, forward and backward: 1.1 times as fast with 16
channels of 32x32, 2 with 32, 3 with 64 of 16x16, 9 with 512 of 4x4 (s = C and gains, float32, a thread of a Zen 4)."""


class FsConv2d(nn.Module):
    """`[N, C, H, W] -> [N, O, OH, OW]` with the filters
    `W[i, c, t] = gains[i, t] * f[starts[i] + c*channel_stride + tap_offsets[t]]`.

    The arguments are those of `nn.Conv2d`, in its order, and `placement`: where the filters lie, as a short text
    (`placement.py`), a `Placement`, or a `Layout` of this layer's shape.

    `summary` is the parameter `f`. It starts with the standard deviation a dense layer would have (Kaiming, fan out):
    a filter reads every value once at most, so the variance of its output is that of the dense layer. The filters are
    gathered by one `index_select`, whose backward is one `index_add` into the summary: both are negligible beside the
    convolution. The buffer `starts` is where they lie: loading a state dict moves them.

    Where the placement says that positions are learned (DFSNet), `location_logit` `[O]` is a parameter instead:
    filter `i` lies at `sigmoid(location_logit[i]) * span` units and is the blend of the two segments there,
    so that the loss has a gradient in it.

    Where it says so, `gains` `[O, T]` are a parameter (without them they are 1). They begin at 1, or,
    by `begin="random"`, as normal numbers of variance 1/(3T) with a summary of variance 1/(3C) (PyTorch's default
    for a 1x1 and a depthwise convolution): filters that read one base would otherwise all be box filters at first.

    `fast=True` runs layers that allow it in the fast form (`shared.py`), `fast=False` materializes the filters of
    those too; None takes the fast form where it pays: with native kernels, from 16 channels on. Under `torch.compile`,
    `torch.jit.trace` and in exports filters are materialized.

    `bits=8` computes with the summary as it would be stored in 8 bits, while gradients pass as if it were not
    (`quantize.py`); `export` then writes those levels.
    """

    gains: nn.Parameter | None
    bias: nn.Parameter | None
    location_logit: nn.Parameter | None
    starts: torch.Tensor | None
    index: torch.Tensor | None

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1, padding: int | tuple[int, int] | str = 0,
        dilation: int | tuple[int, int] = 1, groups: int = 1, bias: bool = True, padding_mode: str = "zeros",
        device: torch.device | str | None = None, dtype: torch.dtype | None = None, *,
        placement: str | Placement | Layout = "gains:tap:1", begin: str = "random", fast: bool | None = None,
        bits: int | None = None,
    ):  # fmt: skip
        super().__init__()
        if begin not in ("ones", "random"):
            raise ValueError(f"gains begin at ones or random, not {begin!r}")
        if bits not in (None, 8):
            raise ValueError(f"bits may be None or 8, not {bits!r}")
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(f"{groups} groups do not divide {in_channels} channels and {out_channels} filters")
        if padding_mode not in PADDING_MODES:
            raise ValueError(f"padding_mode {padding_mode!r} is not one of {', '.join(PADDING_MODES)}")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride, self.dilation = pair(kernel_size), pair(stride), pair(dilation)
        self.padding = padding if isinstance(padding, str) else pair(padding)
        self.padding_mode, self.fast, self.bits = padding_mode, fast, bits
        self.pads = self._pads()
        with torch.device("cpu"):
            layout = self._layout(placement)
        self.layout, self.shape = layout, (out_channels, in_channels // groups, *self.kernel_size)
        self._check(layout)
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        (kh, kw), fan = self.kernel_size, out_channels // groups * math.prod(self.kernel_size)
        self.summary = nn.Parameter(torch.randn(layout.shape, **made) * math.sqrt(2 / fan))
        self.register_parameter("gains", None)
        if layout.gains:
            self.gains = nn.Parameter(torch.ones(out_channels, kh * kw, **made))
            if begin == "random":
                nn.init.normal_(self.summary, std=math.sqrt(groups / (3 * in_channels)))
                nn.init.normal_(self.gains, std=math.sqrt(1 / (3 * kh * kw)))
        self.register_parameter("bias", nn.Parameter(torch.zeros(out_channels, **made)) if bias else None)
        self.register_parameter("location_logit", None)
        # A copy: `layout.starts` is what was placed, the buffer what others may write into.
        own = None if layout.unit is not None else layout.starts.to(self.summary.device, copy=True)
        self.register_buffer("starts", own)
        if layout.unit is not None:
            begin_at = layout.starts.double() / layout.unit
            inside = begin_at.clamp(END_MARGIN, layout.span - END_MARGIN) / layout.span
            self.location_logit = nn.Parameter(torch.logit(inside).to(self.summary.device, self.summary.dtype))
        self.leaf: str | None = None
        self.set_plan()

    def _layout(self, placement: str | Placement | Layout) -> Layout:
        if isinstance(placement, Layout):
            return placement
        placement = Placement.parse(placement) if isinstance(placement, str) else placement
        return placement.layout(self.out_channels, self.in_channels // self.groups, *self.kernel_size)

    def _check(self, layout: Layout) -> None:
        with torch.device("cpu"):
            shape = tuple(layout.index().shape)
        if shape != self.shape:
            raise ValueError(f"the layout is for filters {list(shape)}, not {list(self.shape)}")

    def _pads(self) -> tuple[int, int, int, int]:
        """`left, right, top, bottom`, as `F.pad` has them."""
        if self.padding == "valid":
            return 0, 0, 0, 0
        if self.padding == "same":
            if self.stride != (1, 1):
                raise ValueError(f"padding='same' needs a stride of 1, not {list(self.stride)}")
            more = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size)]
            return more[1] // 2, more[1] - more[1] // 2, more[0] // 2, more[0] - more[0] // 2
        if isinstance(self.padding, str):
            raise ValueError(f"padding {self.padding!r} is not one of 'same', 'valid'")
        y, x = self.padding
        return x, x, y, y

    def extra_repr(self) -> str:
        parts = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"]
        defaults = {"padding": (0, 0), "dilation": (1, 1), "groups": 1, "padding_mode": "zeros", "bits": None}
        parts += [f"{k}={getattr(self, k)!r}" for k, value in defaults.items() if getattr(self, k) != value]
        parts += [] if self.bias is not None else ["bias=False"]
        gains, learned = self.gains is not None, self.location_logit is not None
        return ", ".join([*parts, f"summary={list(self.summary.shape)}, gains={gains}, learned={learned}"])

    def place(self, starts: torch.Tensor) -> None:
        """Give the filters other starts than their placement's, int64 `[O]` or `[O, 3]`: the same in another order."""
        if self.starts is None:
            raise ValueError("learned positions have no fixed starts")
        if starts.shape != self.layout.starts.shape:
            raise ValueError(f"{list(starts.shape)} starts for {list(self.layout.starts.shape)}")
        layout = dataclasses.replace(self.layout, starts=starts.detach().cpu().clone())
        self._check(layout)
        self.layout = layout
        with torch.no_grad():
            self.starts.copy_(layout.starts)
        self.set_plan()

    def set_plan(self) -> None:
        """Find out whether the layer has a fast form, and put the indices on the summary's device."""
        left, right, top, bottom = self.pads
        even = self.padding_mode == "zeros" and left == right and top == bottom
        device = self.summary.device
        with torch.device("cpu"):
            plan = Plan.of(self.layout, self.stride, (top, left), self.dilation, self.groups) if even else None
            index = self.layout.index()
        self.plan = None if plan is None else plan.to(device)
        fixed = self.layout.unit is None
        self.has_zeros = bool((index < 0).any()) if fixed else self.layout.boundary == "zero"
        self.index = (index.flatten() % (self.layout.numel + 1)).to(device) if fixed else None
        self._looks = LOOKS

    def _apply(self, fn, recurse: bool = True):
        super()._apply(fn, recurse)
        # Indices are no buffers, whose bytes `DistributedDataParallel` would send around at every step; and `to_empty`
        # leaves a buffer without values.
        if self.starts is not None and self.starts.device.type != "meta":
            with torch.no_grad():
                self.starts.copy_(self.layout.starts)
        self.set_plan()
        return self

    def _load_from_state_dict(self, state_dict, prefix, metadata, strict, missing, unexpected, errors):
        self._looks = LOOKS
        super()._load_from_state_dict(state_dict, prefix, metadata, strict, missing, unexpected, errors)
        # Checkpoints without starts are of layers that lie as their placement says.
        if f"{prefix}starts" in missing:
            missing.remove(f"{prefix}starts")
        self._follow_starts()

    def _follow_starts(self) -> None:
        """Take over starts that somebody wrote into the buffer: a state dict, or another process's copy.

        `DistributedDataParallel` writes them when it is made, without a sign. To look costs nothing on a CPU, but
        elsewhere it waits for the device: there only some times after the layer was made or moved.
        """
        if self.starts is None or self.starts.device.type == "meta" or self._looks == 0:
            return
        self._looks -= self.starts.device.type != "cpu"
        if not torch.equal(self.starts.cpu(), self.layout.starts):
            self.place(self.starts)

    def positions(self) -> torch.Tensor:
        """Where the filters lie, in units of `layout.unit` values: `[O]`, differentiable in `location_logit`."""
        return torch.sigmoid(cast(torch.Tensor, self.location_logit)) * self.layout.span

    def values(self) -> torch.Tensor:
        """The summary as the layer computes with it: rounded to its levels where it is to be stored in 8 bits."""
        return self.summary if self.bits is None else fake_quantize(self.summary)

    def weight(self) -> torch.Tensor:
        """The expanded filters `[O, C/groups, KH, KW]`."""
        segments = self.segments()
        if self.gains is None:
            return segments
        return segments * self.gains.view(len(self.gains), 1, *self.shape[2:])

    def segments(self) -> torch.Tensor:
        """The filters without gains `[O, C/groups, KH, KW]`."""
        f = self.values().flatten()
        if self.has_zeros:
            f = F.pad(f, (0, 1))
        if self.layout.unit is None:
            return f.index_select(0, cast(torch.Tensor, self.index)).view(self.shape)
        positions = self.positions()
        # Below the last position, so that the segment after it exists: there a is 1, which means the same.
        low = positions.detach().floor().clamp(max=self.layout.span - 1)
        a = (positions - low).view(-1, 1, 1, 1)
        return self._segments(f, low) * (1 - a) + self._segments(f, low + 1) * a

    def _segments(self, f: torch.Tensor, position: torch.Tensor) -> torch.Tensor:
        starts = position.long() * cast(int, self.layout.unit)
        index = self.layout.index(starts, check=False).flatten() % (self.layout.numel + 1)
        return f.index_select(0, index).view(self.shape)

    def runs_fast(self, x: torch.Tensor) -> bool:
        """Whether `x` goes through the fast form."""
        if self.fast is False or self.plan is None or x.dim() != 4 or native.is_traced():
            return False
        return bool(self.fast) or (native.serves(x) and self.in_channels >= FEWEST_CHANNELS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        left, right, top, bottom = self.pads
        if self.padding_mode != "zeros":
            x = F.pad(x, self.pads, PADDING_MODES[self.padding_mode])
            left = right = top = bottom = 0
        if self.leaf is not None:
            size = self._size(x, top, bottom, left, right)
            return torch.ops.filter_summary.conv2d(x, self.leaf, self.out_channels, size)
        if not native.is_traced():
            self._follow_starts()
        if self.runs_fast(x):
            if torch.is_autocast_enabled(x.device.type):
                x = x.to(torch.get_autocast_dtype(x.device.type))
            else:
                self._check_dtype(x)
            y = SharedConv.apply(x, self.values(), self.gains, self.plan)
            return y if self.bias is None else y + self.bias.to(y.dtype).view(1, -1, 1, 1)
        if (left, top) != (right, bottom):
            x, left, top = F.pad(x, (left, right, top, bottom)), 0, 0
        return F.conv2d(x, self.weight(), self.bias, self.stride, (top, left), self.dilation, self.groups)

    def _check_dtype(self, x: torch.Tensor) -> None:
        """Parameters are of the input's dtype, as for `nn.Conv2d`."""
        for name in ("summary", "gains", "bias"):
            parameter = getattr(self, name)
            if parameter is not None and parameter.dtype != x.dtype:
                raise RuntimeError(f"the input is {x.dtype} and {name} {parameter.dtype}: they should be the same")

    def _size(self, x: torch.Tensor, top: int, bottom: int, left: int, right: int) -> list[int]:
        more = zip(x.shape[2:], (top + bottom, left + right), self.dilation, self.kernel_size, self.stride)
        return [(size + pad - d * (k - 1) - 1) // s + 1 for size, pad, d, k, s in more]


@torch.library.custom_op("filter_summary::conv2d", mutates_args=())
def leaf(x: torch.Tensor, layer: str, out: int, size: list[int]) -> torch.Tensor:
    """What a layer looks like in the graph of `export`: one operation, named after the layer. It is never run."""
    raise NotImplementedError(f"{layer}: this operation stands for a layer in exports")


@leaf.register_fake
def _(x: torch.Tensor, layer: str, out: int, size: list[int]) -> torch.Tensor:
    return x.new_empty(x.shape[0], out, *size)


def pair(value: int | tuple[int, int]) -> tuple[int, int]:
    """`(y, x)` of one number for both, or of two."""
    y, x = (value, value) if isinstance(value, int) else value
    return int(y), int(x)
