"""Pools, resizing and padding."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from torch import fx

from .convert import Converter, handles, operation_of
from .convolutions import along, pair
from .errors import Refused
from .lazy import Lazy, format_dims
from .shapes import OPEN, cut


def pool_keys(a: SimpleNamespace) -> dict[str, Any]:
    (y, x), kernel = pair(a.padding), pair(a.kernel_size)
    keys: dict[str, Any] = {"kernel": kernel, "stride": pair(a.stride) if a.stride else kernel, "padding": [y, x, y, x]}
    keys |= {"ceil_mode": True} if a.ceil_mode else {}
    return {key: value for key, value in keys.items() if key != "padding" or any(value)}


@handles("max_pool2d", "max_pool2d_with_indices")
def max_pool2d(c: Converter, step: fx.Node, a: SimpleNamespace):
    if pair(a.dilation) != [1, 1]:
        raise Refused("the format has no dilated pools")
    name, _ = c.real(a.self_)
    values = step.meta["val"]
    value = values[0] if isinstance(values, (tuple, list)) else values
    node = c.emit(step, "max_pool2d", name, dims=format_dims(tuple(value.shape[1:])), **pool_keys(a))
    return first_of(values, Lazy.of(node.name, node.dims, 3))


def first_of(values, made: Lazy):
    """What a step has: one value, or several, of which only the first is of use."""
    return [made] if isinstance(values, (tuple, list)) else made


@handles("avg_pool2d")
def avg_pool2d(c: Converter, step: fx.Node, a: SimpleNamespace):
    keys = pool_keys(a)
    if a.divisor_override is not None:
        raise Refused("the format has no other divisors")
    if not a.count_include_pad:
        keys["count_include_pad"] = False
    name, _ = c.real(a.self_)
    return c.made(step, c.emit(step, "avg_pool2d", name, **keys))


@handles("avg_pool1d")
def avg_pool1d(c: Converter, step: fx.Node, a: SimpleNamespace):
    """A line `[N, C, L]` is an image of width 1."""
    kernel, stride, pad = (along(values) for values in (a.kernel_size, a.stride, a.padding))
    keys: dict[str, Any] = {"kernel": [kernel, 1], "stride": [stride or kernel, 1]}
    keys |= {"padding": [pad, 0, pad, 0]} if pad else {}
    keys |= {"ceil_mode": True} if a.ceil_mode else {}
    keys |= {} if a.count_include_pad else {"count_include_pad": False}
    name, _ = c.real(a.self_)
    return c.made(step, c.emit(step, "avg_pool2d", name, **keys))


@handles("upsample_nearest2d", "_upsample_nearest_exact2d", "upsample_bilinear2d")
def resize(c: Converter, step: fx.Node, a: SimpleNamespace):
    name, (channels, h, w) = c.real(a.input if hasattr(a, "input") else a.self_)
    factors = getattr(a, "scale_factors", None) or [getattr(a, f"scales_{n}", None) for n in "hw"]
    size = list(c.shape(step)[1:])
    op = operation_of(step)
    keys: dict[str, Any]
    if getattr(a, "align_corners", False):
        keys = {"size": size, "coordinates": "align_corners"}
    elif None not in factors:
        keys = {"scale": [float(factor) for factor in factors]}
    else:
        keys = {"size": size}
    if "bilinear" not in op:
        whole = [out // have for out, have in zip(size, (h, w))]
        if [h * whole[0], w * whole[1]] == size:
            return c.made(step, c.emit(step, "upsample_nearest2d", name, scale_factor=whole))
        exact = {"mode": "nearest", "coordinates": "half_pixel", "rounding": "round_prefer_ceil"}
        keys |= exact if "exact" in op else {"mode": "nearest", "coordinates": "asymmetric", "rounding": "floor"}
    return c.made(step, c.emit(step, "resize", name, **keys))


@handles("pad", "constant_pad_nd", "reflection_pad2d", "replication_pad2d")
def pad(c: Converter, step: fx.Node, a: SimpleNamespace):
    op = operation_of(step)
    fixed = {"constant_pad_nd": "constant", "reflection_pad2d": "reflect", "replication_pad2d": "replicate"}
    mode, amounts = fixed.get(op) or a.mode, list(getattr(a, "pad", None) or a.padding)
    value = float(getattr(a, "value", 0) or 0)
    name, dims = c.real(a.self_)
    rank = len(c.shape(step))
    # From the last axis on; `[before, after]` of channels, height and width.
    axes = [[0, 0] for _ in range(3)]
    for n in range(len(amounts) // 2):
        if n < rank:
            axes[rank - 1 - n] = amounts[2 * n : 2 * n + 2]
        elif any(amounts[2 * n : 2 * n + 2]):
            raise Refused("it pads the batch")
    if mode not in ("constant", "reflect", "replicate"):
        raise Refused(f"the mode {mode!r}; the format has constant, reflect and edge")
    (before, after), (top, bottom), (left, right) = axes
    if min(before, after, top, bottom, left, right) < 0:
        if any(amount > 0 for pads in axes for amount in pads):
            raise Refused("it pads and cuts at once")
        rest = cut({
            n: (-pads[0], size + pads[1] if pads[1] else OPEN, 1) for n, (size, pads) in enumerate(zip(dims, axes))
        })  # fmt: skip
        return c.made(step, c.emit(step, "slice", name, **rest))
    if before or after:
        if mode != "constant" or value or any((top, bottom, left, right)) or before != (before + after) // 2:
            raise Refused(f"channels padded by {before} before and {after} after; the format has half of zeros before")
        return c.made(step, c.emit(step, "shortcut_a", name, out_channels=dims[0] + before + after, stride=[1, 1]))
    keys: dict[str, Any] = {"padding": [top, left, bottom, right]}
    if mode != "constant":
        keys["mode"] = "edge" if mode == "replicate" else mode
    elif value:
        keys["value"] = value
    return c.made(step, c.emit(step, "pad", name, **keys))
