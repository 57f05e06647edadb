"""The greater and the smaller of two values, or of a value and constants."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import cast

import torch
from torch import fx

from .arithmetic import combined, each
from .convert import Converter, Value, handles, operation_of
from .errors import Refused

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
    """`max(a, b) = b + relu(a - b)`, `min(a, b) = a - relu(a - b)`; with one number a clip."""
    if isinstance(one, torch.Tensor):
        one, other = other, one
    if isinstance(one, torch.Tensor):
        return (torch.maximum if is_max else torch.minimum)(one, cast(torch.Tensor, other))
    if isinstance(other, torch.Tensor) and other.numel() == 1:
        bound = float(other)
        return each(c, step, one, clip(bound, None) if is_max else clip(None, bound))
    above = combined(c, step, "sub", one, other)
    above = above.clamp_min(0) if isinstance(above, torch.Tensor) else each(c, step, above, "relu")
    return combined(c, step, "add", other, above) if is_max else combined(c, step, "sub", one, above)


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
