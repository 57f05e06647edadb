"""The greater and the smaller of two values, or of a value and constants.

Nothing is added: `b + relu(a - b)` loses `a` beside a large `b`. A max pool compares what lies side by side."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import cast

import torch
from torch import fx

from .arithmetic import affine, aligned, combined, each, ones
from .convert import Converter, Value, handles, operation_of
from .errors import Refused
from .layout import best, spread_shape
from .lazy import Lazy, as_dims

GREATEST = 3.4028234663852886e38
"""The greatest float32: `clip` has two ends."""


def clip(low: float | None, high: float | None) -> str | dict:
    """The shortest word for a clip."""
    if low == 0 and high in (None, 6):
        return "relu" if high is None else "relu6"
    ends = [-GREATEST if low is None else float(low), GREATEST if high is None else float(high)]
    if any(map(math.isnan, ends)):
        raise Refused("a bound is NaN")
    # Where the bounds are the wrong way round, everything is the upper one.
    return {"clip": [min(max(end, -GREATEST), GREATEST) for end in (min(ends), ends[1])]}


def extreme(c: Converter, step: fx.Node, one: Value, other: Value, is_max: bool) -> Value:
    """`max(a, b)` or `min(a, b)`, exactly: a pool over both; with one number a clip."""
    if isinstance(one, torch.Tensor):
        one, other = other, one
    if isinstance(one, torch.Tensor):
        return (torch.maximum if is_max else torch.minimum)(one, cast(torch.Tensor, other))
    if isinstance(other, torch.Tensor):
        number = aligned(c, one, other)
        if number.numel() == 1:
            bound = float(number)
            return each(c, step, one, clip(bound, None) if is_max else clip(None, bound))
        # As a value: a number that varies, times ones of the value beside it. Infinite ones are for no bound.
        number = number.clamp(-GREATEST, GREATEST)
        other = cast(Lazy, combined(c, step, "mul", ones(c, step, one), number))
    if is_max:
        return greater(c, step, one, other)
    negative = greater(c, step, *(affine(c, step, x, -1.0, 0.0) for x in (one, other)))
    return affine(c, step, negative, -1.0, 0.0)


def greater(c: Converter, step: fx.Node, one: Lazy, other: Lazy) -> Lazy:
    """A pool over windows of 2x2, in which each of two values stands twice: that runs at any size."""
    whole = spread_shape(one.shape, other.shape)
    if whole is None:
        raise Refused(f"operands of {[c.batch, *one.shape]} and {[c.batch, *other.shape]}: give both as many axes")
    # What is repeated is written down.
    one, other = (
        x if x.shape == whole else cast(Lazy, combined(c, step, "mul", ones(c, step, beside), x))
        for x, beside in ((one, other), (other, one))
    )
    if one.dims == other.dims and one.runs() == other.runs():
        names, dims = [one.base, other.base], one.dims
    else:
        layout = best([one, other], whole)
        if layout is None:
            raise Refused(f"it compares values of {len(whole) + 1} axes, which lie in too many ways")
        names = [c.settle(step, x.permuted(layout.order), layout.dims(whole)) for x in (one, other)]
        dims = c.graph.dims_of(names[0])
        one = layout.back(names[0], dims, whole)
    channels, h, w = dims
    four = c.emit(step, "concat", *names * 2, dims=as_dims((4 * channels, h, w))).name
    beside = c.emit(step, "depth_to_space", four, dims=as_dims((channels, 2 * h, 2 * w)), block=2, order="dcr").name
    return one.over(c.emit(step, "max_pool2d", beside, dims=dims, kernel=[2, 2]).name)


@handles("maximum", "minimum", "fmax", "fmin")
def of_two(c: Converter, step: fx.Node, a: SimpleNamespace):
    return extreme(c, step, c.value(a.self_), c.value(a.other), operation_of(step) in ("maximum", "fmax"))


@handles("clamp", "clip", "clamp_min", "clamp_max")
def clamp(c: Converter, step: fx.Node, a: SimpleNamespace):
    x, low, high = c.value(a.self_), getattr(a, "min", None), getattr(a, "max", None)
    if all(not isinstance(bound, fx.Node) for bound in (low, high)):
        return each(c, step, c.lazy(a.self_), clip(low, high))
    x = x if low is None else extreme(c, step, x, c.value(low), True)
    return x if high is None else extreme(c, step, x, c.value(high), False)
