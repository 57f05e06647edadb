"""Write single-layer test files for `fsnet conv`, with the `expected` output computed by PyTorch in float64.

One safetensors file a case: `input` `[N, C, H, W]`, `summary` `[L]` or `[D, FH, FW]`, `starts` int64 `[O]` or `[O, 3]`,
optional `gains` `[O, T]`, `base_scale` and `base_bias` `[U]`, `bias` `[O]` and `residual`, and `expected`
`[N, O, OH, OW]`; the metadata says the rest as strings. Where the starts form a regular walk, the filters come from
`Tensor.unfold`, otherwise from the index formula of the format.

Quantized cases have a U8 `summary` and the metadata `scale` and `zero`: `f = q * scale + zero` in float32. Learned ones
have F32 `starts` `[O]`, in units of `start_unit` values (metadata): filter `i` blends the segments at `floor(p) * unit`
and one unit later with the weights `1 - a` and `a`, `a = p - floor(p)`; where `a` is 0 only the first is read.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from ..files import write_beside
from ..placement import Layout, Placement
from ..quantize import dequantize, quantize


@dataclass(frozen=True)
class Case:
    """One convolution. `layout` is a placement's text, or a hand-made layout; with `step`, `unfold` makes the filters.

    `positions`, in units of `unit` values, replace the layout's starts; placements with learned positions draw them.
    """

    name: str
    layout: str | Layout
    channels: int
    out: int
    kernel: tuple[int, int]
    size: tuple[int, int]
    batch: int = 1
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)  # top, left, bottom, right
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    step: int | None = None
    bias: bool = False
    residual: bool = False
    relu: bool = False
    quantized: bool = False
    positions: tuple[float, ...] | None = None
    unit: int = 1
    stage: str | None = None  # the activation of a base stage

    def make_layout(self) -> Layout:
        if isinstance(self.layout, Layout):
            return self.layout
        return Placement.parse(self.layout).layout(self.out, self.channels // self.groups, *self.kernel)


def tap_major(
    starts: list[int], channels: int, kernel: tuple[int, int], length: int, boundary: str,
    offsets: tuple[int, ...] | None = None,
) -> Layout:  # fmt: skip
    """A hand-made 1-D layout: channels adjacent, taps `channels` apart unless `offsets` says otherwise."""
    kh, kw = kernel
    offsets = offsets or tuple(t * channels for t in range(kh * kw))
    return Layout((length,), torch.tensor(starts), channels, kh, kw, 1, offsets, boundary)


def cube(
    starts: list[list[int]], channels: int, kernel: tuple[int, int], shape: tuple[int, ...], boundary: str
) -> Layout:
    """A hand-made layout in a 3-D summary."""
    kh, kw = kernel
    return Layout(shape, torch.tensor(starts), channels, kh, kw, kh * kw, tuple(range(kh * kw)), boundary)


SAME3 = (1, 1, 1, 1)
K3 = (3, 3)


def cases() -> list[Case]:
    return fixed_cases() + learned_cases() + quantized_cases() + gain_cases() + staged_cases()


def fixed_cases() -> list[Case]:
    walk = [[(3 * i) % 7, (2 * i) % 4, i % 5] for i in range(10)]
    return [
        Case("tap_major_2c", "tap:2", 8, 12, K3, (7, 9), padding=SAME3, step=16),
        Case("tap_major_1c_epilogue", "tap:1", 8, 16, K3, (8, 8), 2, padding=SAME3,
             step=8, bias=True, residual=True, relu=True),
        Case("tap_major_half_c", "tap:1/2", 8, 12, K3, (6, 5), padding=SAME3, step=4, bias=True),
        Case("tap_major_stride_2", "tap:1", 6, 10, K3, (11, 9), 2, (2, 2), SAME3, step=6, bias=True, relu=True),
        Case("tap_major_stride_2_3_asymmetric", "tap:3", 5, 7, K3, (13, 17), stride=(2, 3),
             padding=(0, 2, 3, 1), step=15),
        Case("tap_major_dilated", "tap:2", 4, 9, K3, (12, 11), padding=(2, 3, 2, 3), dilation=(2, 3),
             step=8, bias=True),
        Case("tap_major_groups", "tap:1", 12, 8, K3, (6, 7), 2, padding=SAME3, groups=4, step=3, bias=True),
        Case("tap_major_depthwise", "tap:3", 6, 6, K3, (7, 7), padding=SAME3, groups=6, step=3),
        Case("tap_order", "tap:2:0,4,8,1,5,6,2,3,7", 8, 12, K3, (8, 8), 2, padding=SAME3, bias=True, relu=True),
        Case("tap_order_columns", "tap:3/2:0,3,6,1,4,7,2,5,8", 4, 11, K3, (9, 6), padding=SAME3),
        Case("tap_order_gaps", "tap:2:0,5,10,1,6,11,2,7,12", 4, 8, K3, (6, 6), padding=SAME3, residual=True),
        Case("channel_major_r4", "channel:4", 8, 16, K3, (8, 8), 2, padding=SAME3, bias=True),
        Case("channel_major_r7_stride_2", "channel:7", 5, 13, K3, (9, 10), stride=(2, 2), padding=SAME3, relu=True),
        Case("dense_filters", "dense", 6, 7, K3, (8, 7), padding=SAME3, step=54, bias=True, residual=True),
        Case("cube_wrap", "tensor:4", 8, 12, K3, (7, 7), 2, padding=SAME3, bias=True),
        Case("cube_wrap_larger", cube(walk, 6, K3, (7, 4, 5), "wrap"), 6, 10, K3, (8, 6), stride=(2, 1), padding=SAME3),
        Case("cube_none", cube([[i % 3, i % 2, i // 5] for i in range(8)], 4, K3, (6, 4, 4), "none"), 4, 8, K3, (6, 6)),
        Case("cube_zero", cube([[i - 3, i % 3 - 1, 1 - i % 2] for i in range(8)], 4, K3, (5, 3, 3), "zero"),
             4, 8, K3, (6, 6), padding=SAME3),
        Case("wrap_1d", tap_major([0, 37, 71, 5, 64, 20], 8, K3, 72, "wrap"),
             8, 6, K3, (7, 7), padding=SAME3, bias=True),
        Case("wrap_1d_short_negative", tap_major([-5, 0, 13, 100], 4, K3, 17, "wrap"), 4, 4, K3, (5, 5), padding=SAME3),
        Case("zero_negative_starts", tap_major([-20, -1, 0, 17, 44, 60, 100], 4, K3, 64, "zero"),
             4, 7, K3, (6, 8), padding=SAME3, bias=True),
        Case("duplicate_unordered_starts", tap_major([40, 8, 8, 0, 64, 24, 40, 16], 8, K3, 136, "none"),
             8, 8, K3, (7, 6), 2, padding=SAME3, bias=True, relu=True),
        Case("odd_starts", tap_major([0, 1, 3, 9, 10, 31, 29], 5, K3, 76, "none"), 5, 7, K3, (5, 8), padding=SAME3),
        Case("pointwise", "tap:1/4", 16, 24, (1, 1), (6, 5), 3, step=4, bias=True, residual=True, relu=True),
        Case("pointwise_stride_2", "tap:1/2", 8, 12, (1, 1), (7, 8), stride=(2, 2), step=4),
        Case("kernel_5x5", "tap:2", 4, 10, (5, 5), (9, 8), padding=(2, 2, 2, 2), step=8, bias=True),
        Case("kernel_7x7_stride_2", "tap:7", 3, 8, (7, 7), (17, 19), 2, (2, 2), (3, 3, 3, 3),
             step=21, bias=True, relu=True),
        Case("kernel_even_2x4", "tap:1", 6, 9, (2, 4), (8, 9), padding=(1, 1, 0, 2), step=6),
        Case("kernel_1x3", "tap:1", 8, 9, (1, 3), (6, 7), padding=(0, 1, 0, 1), step=8, bias=True),
    ]  # fmt: skip


def learned_cases() -> list[Case]:
    """Positions in whole-tap units, in scalar units and in others, with every boundary, some of them whole."""
    scalar = tap_major([0] * 7, 5, K3, 76, "none")
    zero = tap_major([0] * 7, 4, K3, 64, "zero")
    wrap = tap_major([0] * 4, 4, K3, 17, "wrap")
    half_taps = tap_major([0] * 9, 8, K3, 72 + 40, "none")
    return [
        Case("learned_tap_2c", "learned:tap:2", 8, 12, K3, (7, 9), padding=SAME3, bias=True),
        Case("learned_tap_1c_epilogue", "learned:tap:1", 8, 16, K3, (8, 8), 2, (2, 2), SAME3,
             bias=True, residual=True, relu=True),
        Case("learned_tap_order", "learned:tap:2:0,4,8,1,5,6,2,3,7", 8, 12, K3, (8, 8), padding=SAME3),
        Case("learned_tap_groups", "learned:tap:1", 12, 8, K3, (6, 7), 2, padding=SAME3, groups=4, bias=True),
        Case("learned_channel_r4", "learned:channel:4", 8, 16, K3, (8, 8), 2, padding=SAME3, bias=True, relu=True),
        Case("learned_channel_r7_dilated", "learned:channel:7", 5, 13, K3, (9, 10),
             padding=(2, 3, 2, 3), dilation=(2, 3)),
        Case("learned_pointwise_tap", "learned:tap:1/4", 16, 24, (1, 1), (6, 5), 3, bias=True, residual=True),
        Case("learned_pointwise_channel", "learned:channel:4", 16, 24, (1, 1), (7, 5), stride=(2, 2), bias=True),
        Case("learned_scalar_none", scalar, 5, 7, K3, (5, 8), padding=SAME3,
             positions=(0.0, 1.25, 3.5, 9.75, 10.0, 29.875, 31.0)),
        Case("learned_zero_boundary", zero, 4, 7, K3, (6, 8), padding=SAME3, bias=True,
             positions=(-5.25, -0.5, 0.0, 4.75, 11.0, 15.5, 25.0), unit=4),
        Case("learned_wrap_negative", wrap, 4, 4, K3, (5, 5), padding=SAME3, positions=(-5.5, 0.25, 13.0, 100.125)),
        Case("learned_half_taps", half_taps, 8, 9, K3, (6, 6), padding=SAME3,
             positions=(0.25, 0.5, 0.75, 1.0, 10.0, 9.5, 3.25, 3.25, 7.0), unit=4),
    ]  # fmt: skip


def quantized_cases() -> list[Case]:
    """8-bit summaries of every kind; what lies outside a `zero` boundary is 0, not the quantized zero."""
    zero = tap_major([-20, -1, 0, 17, 44, 60, 100], 4, K3, 64, "zero")
    corner = cube([[i - 3, i % 3 - 1, 1 - i % 2] for i in range(8)], 4, K3, (5, 3, 3), "zero")
    cases = [
        Case("tap_2c", "tap:2", 8, 12, K3, (7, 9), padding=SAME3, bias=True),
        Case("tap_1c_epilogue", "tap:1", 8, 16, K3, (8, 8), 2, (2, 2), SAME3, bias=True, residual=True, relu=True),
        Case("tap_groups", "tap:1", 12, 8, K3, (6, 7), 2, padding=SAME3, groups=4),
        Case("tap_order", "tap:2:0,4,8,1,5,6,2,3,7", 8, 12, K3, (8, 8), padding=SAME3, bias=True),
        Case("channel_r7", "channel:7", 5, 13, K3, (9, 10), stride=(2, 2), padding=SAME3, relu=True),
        Case("dense", "dense", 6, 7, K3, (8, 7), padding=SAME3, bias=True),
        Case("cube_wrap", "tensor:4", 8, 12, K3, (7, 7), 2, padding=SAME3, bias=True),
        Case("cube_zero", corner, 4, 8, K3, (6, 6), padding=SAME3),
        Case("zero_negative_starts", zero, 4, 7, K3, (6, 8), padding=SAME3),
        Case("pointwise", "tap:1/4", 16, 24, (1, 1), (6, 5), 3, bias=True),
        Case("learned_tap_2c", "learned:tap:2", 8, 12, K3, (7, 9), padding=SAME3, bias=True),
        Case("learned_channel_r4", "learned:channel:4", 8, 16, K3, (8, 8), 2, padding=SAME3),
    ]  # fmt: skip
    return [replace(case, name=f"u8_{case.name}", quantized=True) for case in cases]


def gain_cases() -> list[Case]:
    """Tap gains: on every kind of placement, and with one base for all taps of a filter."""
    one_base = tap_major([40, 8, 8, 0, 64, 24, 40, 16], 8, K3, 72, "none", (0,) * 9)
    two_bases = tap_major([8 * i for i in range(10)], 8, K3, 88, "none", (0, 0, 0, 0, 0, 8, 8, 8, 8))
    cases = [
        Case("base_1c", "base:1", 8, 12, K3, (7, 9), 2, padding=SAME3, bias=True, relu=True),
        Case("base_half_c", "base:1/2", 8, 12, K3, (6, 5), padding=SAME3, bias=True, residual=True, relu=True),
        Case("base_2c_stride_2", "base:2", 6, 10, K3, (11, 9), 2, (2, 2), SAME3, bias=True),
        Case("base_asymmetric", "base:1", 5, 7, K3, (13, 17), stride=(2, 3), padding=(0, 2, 3, 1)),
        Case("base_dilated", "base:1", 4, 9, K3, (12, 11), padding=(2, 3, 2, 3), dilation=(2, 3)),
        Case("base_groups", "base:1", 12, 8, K3, (6, 7), 2, padding=SAME3, groups=4, bias=True),
        Case("base_depthwise", "base:1", 6, 6, K3, (7, 7), padding=SAME3, groups=6),
        Case("base_wide", "base:1/2", 40, 70, K3, (5, 6), padding=SAME3),
        Case("base_5x5", "base:1", 4, 10, (5, 5), (9, 8), padding=(2, 2, 2, 2), bias=True),
        Case("base_1x3", "base:1", 8, 9, (1, 3), (6, 7), padding=(0, 1, 0, 1)),
        Case("learned_base", "learned:base:1/2", 8, 12, K3, (7, 7), padding=SAME3, bias=True),
        Case("base_unordered", replace(one_base, gains=True), 8, 8, K3, (7, 6), 2, padding=SAME3),
        Case("two_bases", replace(two_bases, gains=True), 8, 10, K3, (6, 6), padding=SAME3),
        Case("tap_1c_epilogue", "gains:tap:1", 8, 16, K3, (8, 8), 2, padding=SAME3, bias=True, residual=True,
             relu=True),
        Case("tap_2c_stride_2", "gains:tap:2", 6, 10, K3, (11, 9), 2, (2, 2), SAME3, bias=True, relu=True),
        Case("tap_half_c", "gains:tap:1/2", 8, 12, K3, (6, 5), padding=SAME3),
        Case("tap_order", "gains:tap:2:0,4,8,1,5,6,2,3,7", 8, 12, K3, (8, 8), 2, padding=SAME3, bias=True),
        Case("channel_r4", "gains:channel:4", 8, 16, K3, (8, 8), 2, padding=SAME3, bias=True),
        Case("cube_wrap", "gains:tensor:4", 8, 12, K3, (7, 7), 2, padding=SAME3, bias=True),
        Case("pointwise", "gains:tap:1/4", 16, 24, (1, 1), (6, 5), 3, bias=True, residual=True, relu=True),
        Case("learned_tap", "gains:learned:tap:2", 8, 12, K3, (7, 9), padding=SAME3, bias=True),
        Case("learned_channel", "gains:learned:channel:4", 8, 16, K3, (8, 8), 2, padding=SAME3, relu=True),
        Case("u8_base_1c", "base:1", 8, 12, K3, (7, 9), padding=SAME3, bias=True, quantized=True),
        Case("u8_tap_1c", "gains:tap:1", 8, 16, K3, (8, 8), padding=SAME3, quantized=True),
    ]  # fmt: skip
    return [replace(case, name=f"gains_{case.name}") for case in cases]


def staged_cases() -> list[Case]:
    """A base stage: an affine map and an activation of products, before taps add them up."""
    mixed = tap_major([40, 8, 8, 0, 64, 24, 40, 16], 8, K3, 136, "none")
    across = Layout((80,), torch.tensor([7, 0, 14, 35, 21, 7]), 5, 3, 3, 9, tuple(range(9)), "none")
    cases = [
        Case("base_1c", "base:1", 8, 12, K3, (7, 9), 2, padding=SAME3, bias=True, relu=True, stage="relu6"),
        Case("base_half_c", "base:1/2", 8, 12, K3, (6, 5), padding=SAME3, residual=True, stage="relu"),
        Case("base_stride_2", "base:1", 6, 10, K3, (11, 9), 2, (2, 2), SAME3, bias=True, stage="relu6"),
        Case("base_groups", "base:1", 12, 8, K3, (6, 7), padding=SAME3, groups=4, stage="relu"),
        Case("base_asymmetric", "base:1", 5, 7, K3, (13, 17), stride=(2, 3), padding=(0, 2, 3, 1), stage="none"),
        Case("tap_1c", "tap:1", 8, 16, K3, (8, 8), padding=SAME3, stage="relu6"),
        Case("tap_2c_gains_dilated", "gains:tap:2", 4, 9, K3, (12, 11), padding=(2, 3, 2, 3), dilation=(2, 3),
             stage="relu"),
        Case("mixed", mixed, 8, 8, K3, (7, 6), padding=SAME3, stage="none"),
        Case("channel_major", across, 5, 6, K3, (6, 6), padding=SAME3, stage="relu"),
        Case("kernel_1x3", "base:1", 8, 9, (1, 3), (6, 7), padding=(0, 1, 0, 1), stage="relu6"),
        Case("kernel_7x7", "base:1", 4, 6, (7, 7), (9, 10), padding=(3, 3, 3, 3), stage="relu"),
        Case("u8_base_1c", "base:1", 8, 12, K3, (7, 9), padding=SAME3, quantized=True, stage="relu6"),
    ]  # fmt: skip
    return [replace(case, name=f"staged_{case.name}") for case in cases]


TINY = (
    "tap_major_stride_2_3_asymmetric", "tap_order", "channel_major_r7_stride_2", "cube_wrap_larger",
    "zero_negative_starts",
    "u8_channel_r7", "u8_zero_negative_starts", "u8_tap_order",
    "learned_half_taps", "learned_zero_boundary", "learned_scalar_none",
    "gains_base_half_c", "gains_base_asymmetric", "gains_tap_order", "gains_learned_tap", "gains_u8_base_1c",
    "staged_base_stride_2", "staged_mixed", "staged_u8_base_1c",
)  # fmt: skip


def filters(case: Case, layout: Layout, summary: torch.Tensor, positions: torch.Tensor | None = None) -> torch.Tensor:
    """The dense filters `[O, C/groups, KH, KW]`, in the type of `summary`."""
    if positions is not None:
        low = positions.floor()
        a = (positions - low).to(summary.dtype).view(-1, 1, 1, 1)
        after = torch.where(positions > low, low + 1, low)
        first, second = (layout.index(at.long() * start_unit(case, layout)) for at in (low, after))
        padded = F.pad(summary, (0, 1))
        return (1 - a) * padded[first] + a * padded[second]
    o, c, (kh, kw) = case.out, case.channels // case.groups, case.kernel
    if case.step is not None:
        segments = summary.unfold(0, c * kh * kw, case.step)[:o]
        tap_first = case.layout != "dense"
        return segments.view(o, kh, kw, c).permute(0, 3, 1, 2) if tap_first else segments.view(o, c, kh, kw)
    return F.pad(summary.flatten(), (0, 1))[layout.index()]


def start_unit(case: Case, layout: Layout) -> int:
    return layout.unit or case.unit


def draw_positions(case: Case, layout: Layout, rng: torch.Generator) -> torch.Tensor | None:
    """F32 positions `[O]` where the case has any: its own, or random ones, some of them whole, one the last."""
    if case.positions is not None:
        return torch.tensor(case.positions)
    if layout.unit is None:
        return None
    drawn = torch.rand(case.out, generator=rng) * layout.span
    drawn[::4] = drawn[::4].floor()
    drawn[-1] = layout.span
    return drawn


def staged(
    case: Case, layout: Layout, values: torch.Tensor, x: torch.Tensor, tensors: dict[str, torch.Tensor],
    rng: torch.Generator,
) -> torch.Tensor:  # fmt: skip
    """Sums of products that go through a base stage, by two convolutions a group; draws the stage's numbers.

    The first is 1x1, to all distinct bases; in the second every filter and tap reads the channel of its base. `x` is
    padded: there the products are set to zero again after the stage.
    """
    channels, taps, own = case.channels // case.groups, layout.kh * layout.kw, case.out // case.groups
    reads = layout.starts.view(-1, 1) + torch.tensor(layout.tap_offsets)
    bases = [reads[first : first + own].unique() for first in range(0, case.out, own)]
    count = sum(len(of_group) for of_group in bases)
    tensors["base_scale"] = torch.randn(count, generator=rng)
    tensors["base_bias"] = torch.randn(count, generator=rng)
    scales = tensors["base_scale"].double().split([len(of_group) for of_group in bases])
    biases = tensors["base_bias"].double().split([len(of_group) for of_group in bases])
    top, left, bottom, right = case.padding
    inside = torch.zeros(x.shape[2:], dtype=x.dtype)
    inside[top : x.shape[2] - bottom, left : x.shape[3] - right] = 1
    gains = tensors.get("gains", torch.ones(case.out, taps)).double()
    sums = []
    for group, of_group in enumerate(bases):
        index = of_group.view(-1, 1) + torch.arange(channels) * layout.channel_stride
        product = F.conv2d(x[:, group * channels : (group + 1) * channels], values[index][:, :, None, None])
        product = product * scales[group].view(1, -1, 1, 1) + biases[group].view(1, -1, 1, 1)
        product = {"none": product, "relu": product.relu(), "relu6": F.relu6(product)}[case.stage] * inside
        second = torch.zeros(own, len(of_group), taps, dtype=x.dtype)
        places = torch.searchsorted(of_group, reads[group * own : (group + 1) * own])
        for i, t in ((i, t) for i in range(own) for t in range(taps)):
            second[i, places[i, t], t] = gains[group * own + i, t]
        second = second.view(own, len(of_group), layout.kh, layout.kw)
        sums.append(F.conv2d(product, second, None, case.stride, 0, case.dilation))
    return torch.cat(sums, 1)


def make(case: Case, seed: int = 0) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """The tensors and the metadata of one file."""
    rng = torch.Generator().manual_seed(seed)
    layout = case.make_layout()
    tensors = {
        "input": torch.randn(case.batch, case.channels, *case.size, generator=rng),
        "summary": torch.randn(layout.shape, generator=rng),
    }
    positions = draw_positions(case, layout, rng)
    tensors["starts"] = layout.starts.clone() if positions is None else positions
    values, quantization = tensors["summary"], {}
    if case.quantized:
        tensors["summary"], scale, zero = quantize(values)
        values = dequantize(tensors["summary"], scale, zero)
        quantization = {"scale": repr(scale), "zero": repr(zero)}
    top, left, bottom, right = case.padding
    x = F.pad(tensors["input"].double(), (left, right, top, bottom))
    weight = filters(case, layout, values.double(), positions)
    if layout.gains:
        tensors["gains"] = torch.randn(case.out, layout.kh * layout.kw, generator=rng)
        weight = weight * tensors["gains"].double().view(case.out, 1, layout.kh, layout.kw)
    if case.stage is None:
        expected = F.conv2d(x, weight, None, case.stride, 0, case.dilation, case.groups)
    else:
        expected = staged(case, layout, values.double(), x, tensors, rng)
    if case.bias:
        tensors["bias"] = torch.randn(case.out, generator=rng)
        expected = expected + tensors["bias"].double().view(1, -1, 1, 1)
    if case.residual:
        tensors["residual"] = torch.randn(expected.shape, generator=rng)
        expected = expected + tensors["residual"].double()
    tensors["expected"] = (expected.relu() if case.relu else expected).float().contiguous()
    metadata = {
        "window": json.dumps(layout.window()),
        "boundary": layout.boundary,
        "stride": ",".join(map(str, case.stride)),
        "padding": ",".join(map(str, case.padding)),
        "dilation": ",".join(map(str, case.dilation)),
        "groups": str(case.groups),
        "activation": "relu" if case.relu else "none",
    } | quantization
    if case.stage is not None:
        metadata["base_activation"] = case.stage
    if positions is not None:
        metadata["start_unit"] = str(start_unit(case, layout))
    return tensors, metadata


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, help="directory for the files")
    parser.add_argument("--tiny", action="store_true", help="only the few that the repository keeps in tests/data/conv")
    arguments = parser.parse_args(argv)
    for seed, case in enumerate(cases()):
        if arguments.tiny and case.name not in TINY:
            continue
        tensors, metadata = make(case, seed)
        path = arguments.output / f"{case.name}.safetensors"
        write_beside(path, lambda to: save_file(tensors, to, metadata))
        print(f"{path}: {path.stat().st_size} bytes, output {list(tensors['expected'].shape)}")


if __name__ == "__main__":
    main()
