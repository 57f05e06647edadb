"""One of two values, as a constant mask says: a product by ones and zeros."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import torch
from torch import fx

from .arithmetic import combined
from .contractions import NEVER
from .convert import Converter, Value, handles
from .errors import Refused


def chosen(c: Converter, step: fx.Node, mask: torch.Tensor, one: Value, other: Value) -> Value:
    """`one` where the mask is true, `other` elsewhere; what is not taken must be finite."""
    parts: list[Value] = []
    for x, takes in ((one, mask), (other, ~mask)):
        if isinstance(x, torch.Tensor):
            x = x.double().nan_to_num(torch.nan, -NEVER, NEVER)
            # NaN times 0 is none.
            parts.append(torch.where(takes, x, 0.0))
        else:
            parts.append(combined(c, step, "mul", x, takes.double()))
    return combined(c, step, "add", *parts)


@handles("where")
def where(c: Converter, step: fx.Node, a: SimpleNamespace):
    if not c.is_constant(a.condition):
        raise Refused("its condition is computed from the input, a jump, which the format lacks")
    return chosen(c, step, c.values[a.condition].bool(), c.value(a.self_), c.value(a.other))


@handles("masked_fill")
def masked_fill(c: Converter, step: fx.Node, a: SimpleNamespace):
    mask = cast(torch.Tensor, c.tensor(a.mask, "mask")).bool()
    number = c.tensor(a.value, "value") if isinstance(a.value, fx.Node) else torch.tensor(float(a.value))
    return chosen(c, step, mask, number, c.value(a.self_))
