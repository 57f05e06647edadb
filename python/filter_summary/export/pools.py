"""Max and average pools, of images and of lines, which are images of width 1."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import torch
from torch import fx

from .arithmetic import affine
from .convert import Converter, handles, operation_of
from .convolutions import along, pair
from .errors import Refused
from .lazy import Dims, Lazy, as_dims, format_dims


def pool_keys(a: SimpleNamespace, line: bool) -> dict[str, Any]:
    """The keys of a pool's windows, without those that have their default."""
    if line:
        kernel, (y, x) = [along(a.kernel_size), 1], (along(a.padding), 0)
        stride = [along(a.stride) or kernel[0], 1]
    else:
        kernel, (y, x) = pair(a.kernel_size), pair(a.padding)
        stride = pair(a.stride) if a.stride else kernel
    keys: dict[str, Any] = {"kernel": kernel, "stride": stride}
    keys |= {"padding": [y, x, y, x]} if x or y else {}
    return keys | ({"ceil_mode": True} if a.ceil_mode else {})


@handles("max_pool1d", "max_pool1d_with_indices", "max_pool2d", "max_pool2d_with_indices")
def max_pool(c: Converter, step: fx.Node, a: SimpleNamespace):
    line = "1d" in operation_of(step)
    if any(by != 1 for by in pair(a.dilation)):
        raise Refused("the format has no dilated pools")
    name, _ = c.real(a.self_)
    values = step.meta["val"]
    value = values[0] if isinstance(values, (tuple, list)) else values
    shape = c.folds.shape(step, tuple(int(size) for size in value.shape))
    node = c.emit(step, "max_pool2d", name, dims=format_dims(shape), **pool_keys(a, line))
    return first_of(values, Lazy.shaped(node.name, node.dims, shape))


def first_of(values, made: Lazy):
    """What a step has: one value, or several, of which only the first is of use."""
    return [made] if isinstance(values, (tuple, list)) else made


@handles("avg_pool1d", "avg_pool2d")
def avg_pool(c: Converter, step: fx.Node, a: SimpleNamespace):
    keys = pool_keys(a, "1d" in operation_of(step))
    divisor = getattr(a, "divisor_override", None)
    name, dims = c.real(a.self_)
    if divisor is not None and (keys.get("padding") or a.ceil_mode):
        name, keys = with_zeros(c, step, name, dims, keys), {key: keys[key] for key in ("kernel", "stride")}
    elif not a.count_include_pad:
        keys["count_include_pad"] = False
    made = c.made(step, c.emit(step, "avg_pool2d", name, **keys))
    return made if divisor is None else affine(c, step, made, math.prod(keys["kernel"]) / divisor, 0.0)


def with_zeros(c: Converter, step: fx.Node, name: str, dims: Dims, keys: dict[str, Any]) -> str:
    """Zeros wherever windows go beyond the image: a divisor of the model's own counts them all."""
    top, left, *behind = keys.get("padding", [0] * 4)
    padding, after = [top, left], [dims[0]]
    outs = format_dims(c.shape(step))[1:]
    for have, before, least, out, k, by in zip(dims[1:], (top, left), behind, outs, keys["kernel"], keys["stride"]):
        padding.append(max((out - 1) * by + k - have - before, least))
        after.append(have + before + padding[-1])
    return c.emit(step, "pad", name, dims=as_dims(after), padding=padding).name


@handles("im2col")
def unfold(c: Converter, step: fx.Node, a: SimpleNamespace):
    """The pixels of every window as channels: a convolution of ones and zeros."""
    name, dims = c.real(a.self_)
    keys, weight = windows(a, dims[0])
    rows = [
        (size + 2 * pad - by * (of - 1) - 1) // stride + 1
        for size, pad, by, of, stride in zip(dims[1:], pair(a.padding), pair(a.dilation), pair(a.kernel_size),
                                             pair(a.stride))
    ]  # fmt: skip
    keys |= {"out_channels": len(weight), "groups": dims[0]}
    node = c.emit(step, "conv2d", name, dims=as_dims((len(weight), *rows)), weight=weight, **keys)
    return Lazy.shaped(node.name, node.dims, c.shape(step))


@handles("col2im")
def fold(c: Converter, step: fx.Node, a: SimpleNamespace):
    """Windows added up where they lie: a transposed convolution of ones and zeros."""
    channels, h, w = c.shape(step)
    keys, weight = windows(a, channels)
    rows = [
        (size + 2 * pad - by * (of - 1) - 1) // stride + 1
        for size, pad, by, of, stride in zip((h, w), pair(a.padding), pair(a.dilation), pair(a.kernel_size),
                                             pair(a.stride))
    ]  # fmt: skip
    lazy = c.whole(a.self_)
    name = c.settle(step, lazy, as_dims((len(weight), *rows)))
    (y, x), dilation, stride = pair(a.padding), pair(a.dilation), pair(a.stride)
    kernel = pair(a.kernel_size)
    more = [
        size + 2 * pad - (of - 1) * by - dilated * (k - 1) - 1
        for size, pad, of, by, dilated, k in zip((h, w), (y, x), rows, stride, dilation, kernel)
    ]
    keys |= {"out_channels": channels, "groups": channels} | ({"output_padding": more} if any(more) else {})
    node = c.emit(step, "conv_transpose2d", name, dims=(channels, h, w), weight=weight, **keys)
    return Lazy.shaped(node.name, node.dims, (channels, h, w))


def windows(a: SimpleNamespace, channels: int) -> tuple[dict[str, Any], torch.Tensor]:
    """Keys of windows of an image, and the weights that pick each of their pixels, of every channel by itself."""
    kernel, (y, x) = pair(a.kernel_size), pair(a.padding)
    keys: dict[str, Any] = {"kernel": kernel, "stride": pair(a.stride), "dilation": pair(a.dilation)}
    keys = {key: value for key, value in keys.items() if key == "kernel" or value != [1, 1]}
    keys |= {"padding": [y, x, y, x]} if x or y else {}
    count = math.prod(kernel)
    return keys, torch.eye(count, dtype=torch.float64).reshape(count, 1, *kernel).repeat(channels, 1, 1, 1)
