"""Convolutions and batch norm."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import fx

from ..conv import FsConv2d
from ..quantize import quantize
from .arithmetic import lines
from .convert import Converter, handles
from .errors import Refused


def pair(values) -> list[int]:
    values = [values] if isinstance(values, int) else list(values)
    return [int(v) for v in (values * 2 if len(values) == 1 else values)]


def along(values) -> int:
    """The number of an operation on lines `[N, C, L]`; 0 where there is none."""
    values = [values] if isinstance(values, int) else list(values)
    return int(values[0]) if values else 0


def plain(keys: dict) -> dict[str, Any]:
    """Keys without those that have their default."""
    defaults = {"stride": [1, 1], "dilation": [1, 1], "padding": [0] * 4, "groups": 1, "output_padding": [0, 0]}
    return {key: value for key, value in keys.items() if defaults.get(key) != value}


@handles("filter_summary.conv2d")
def fs_conv2d(c: Converter, step: fx.Node, a: SimpleNamespace):
    layer = c.modules[a.layer]
    name, _ = c.real(a.x)
    left, right, top, bottom = layer.pads if layer.padding_mode == "zeros" else (0, 0, 0, 0)
    keys = {"out_channels": layer.out_channels, "window": layer.layout.window(), "boundary": layer.layout.boundary}
    keys |= {"stride": list(layer.stride), "padding": [top, left, bottom, right], "dilation": list(layer.dilation)}
    node = c.emit(step, "fs_conv2d", name, **plain(keys | {"groups": layer.groups}), **summary_parts(layer))
    if layer.layout.unit is not None:
        node.keys["start_unit"] = layer.layout.unit
    return c.made(step, node)


def summary_parts(layer: FsConv2d) -> dict[str, Any]:
    """The tensors of a Filter Summary layer."""
    learned = layer.layout.unit is not None
    parts = {
        "summary": layer.summary.detach(), "gains": layer.gains, "bias": layer.bias,
        "starts": exported_positions(layer.positions()) if learned else layer.layout.starts,
    }  # fmt: skip
    if layer.bits == 8:
        levels, scale, zero = quantize(layer.summary)
        parts |= {"summary": levels, "quantization": torch.tensor([scale, zero])}
    return parts


def exported_positions(positions: torch.Tensor) -> torch.Tensor:
    """Positions as float32 with the same floors: one that would be rounded up to a whole number goes just below it."""
    rounded = positions.detach().float()
    below = torch.nextafter(rounded, torch.zeros_like(rounded))
    return torch.where(rounded.double().floor() > positions.detach().double().floor(), below, rounded)


@handles("conv2d", "convolution", "conv1d")
def conv2d(c: Converter, step: fx.Node, a: SimpleNamespace):
    weight = c.tensor(a.weight, "weight")
    if getattr(a, "transposed", False):
        return transposed(c, step, a)
    if weight.dim() not in (3, 4):
        raise Refused(f"it has {weight.dim() - 2} axes besides the channels; the format has 2")
    line = weight.dim() == 3
    weight = weight.unsqueeze(3) if line else weight
    stride, dilation = ([along(v), 1] if line else pair(v) for v in (a.stride, a.dilation))
    kernel = list(weight.shape[2:])
    if isinstance(a.padding, str):
        total = [d * (k - 1) if a.padding == "same" else 0 for d, k in zip(dilation, kernel)]
        padding = [total[0] // 2, total[1] // 2, total[0] - total[0] // 2, total[1] - total[1] // 2]
    else:
        padding = ([along(a.padding), 0] if line else pair(a.padding)) * 2
    name, _ = c.real(a.input)
    keys: dict[str, Any]
    keys = {"out_channels": len(weight), "kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    keys = plain(keys | {"groups": a.groups})
    return c.made(step, c.emit(step, "conv2d", name, **keys, weight=weight, bias=c.optional(a.bias, "bias")))


@handles("conv_transpose2d", "conv_transpose1d")
def transposed(c: Converter, step: fx.Node, a: SimpleNamespace):
    weight = c.tensor(a.weight, "weight")
    if weight.dim() not in (3, 4):
        raise Refused(f"it has {weight.dim() - 2} axes besides the channels; the format has 2")
    line = weight.dim() == 3
    weight = weight.unsqueeze(3) if line else weight
    stride, dilation = ([along(v), 1] if line else pair(v) for v in (a.stride, a.dilation))
    padding, more = ([along(v), 0] if line else pair(v) for v in (a.padding, a.output_padding))
    keys = {"out_channels": weight.shape[1] * a.groups, "kernel": list(weight.shape[2:]), "stride": stride}
    keys |= {"padding": padding * 2, "output_padding": more, "dilation": dilation}
    name, _ = c.real(a.input)
    keys = plain(keys | {"groups": a.groups})
    return c.made(step, c.emit(step, "conv_transpose2d", name, **keys, weight=weight, bias=c.optional(a.bias, "bias")))


@handles("_native_batch_norm_legit_no_training", "batch_norm")
def batch_norm(c: Converter, step: fx.Node, a: SimpleNamespace):
    if getattr(a, "training", False) or a.running_mean is None:
        raise Refused("it has the statistics of the batch: the format has those of training")
    mean, var = c.tensor(a.running_mean, "mean"), c.tensor(a.running_var, "variance")
    weight, bias = c.optional(a.weight, "weight"), c.optional(a.bias, "bias")
    scale = (var + a.eps).rsqrt() * (1 if weight is None else weight)
    shift = (0 if bias is None else bias) - mean * scale
    value = lines(c, step, c.channels(a.input, 0), scale, shift)
    return [value] if isinstance(step.meta["val"], (tuple, list)) else value
