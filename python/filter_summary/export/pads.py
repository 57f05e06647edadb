"""Rows, columns and channels around a value, or cut off it."""

from __future__ import annotations

from types import SimpleNamespace

from torch import fx

from .convert import Converter, handles, operation_of
from .errors import Refused
from .joins import joined
from .lazy import OPEN, Lazy, as_dims
from .slices import cut, sliced
from .spread import repeated

MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "circular"}
OWN_MODES = {
    "constant_pad_nd": "constant", "reflection_pad1d": "reflect", "reflection_pad2d": "reflect",
    "replication_pad1d": "replicate", "replication_pad2d": "replicate", "_pad_circular": "circular",
}  # fmt: skip
Sides = list[tuple[int, int]]
"""How much before and behind each axis behind the batch."""


@handles("pad", *OWN_MODES)
def pad(c: Converter, step: fx.Node, a: SimpleNamespace):
    mode, amounts = OWN_MODES.get(operation_of(step)) or a.mode, list(getattr(a, "pad", None) or a.padding)
    value = float(getattr(a, "value", 0) or 0)
    x = c.whole(a.self_)
    rank = len(x.shape)
    pairs = list(zip(amounts[::2], amounts[1::2]))
    if any(amount for side in pairs[rank:] for amount in side):
        raise Refused("it pads the batch")
    sides = [(0, 0)] * (rank - len(pairs)) + pairs[:rank][::-1]
    if mode not in MODES:
        raise Refused(f"the mode {mode!r}; the format has {', '.join(MODES)}")
    for axis, (before, behind) in enumerate(sides):
        # What is cut off is gone before the rest is padded.
        if min(before, behind) < 0:
            x = sliced(c, step, x, axis, max(-before, 0), min(behind, 0) or OPEN)
    sides = [(max(before, 0), max(behind, 0)) for before, behind in sides]
    if mode == "circular":
        return circular(c, step, x, sides)
    return padded(c, step, x, sides, MODES[mode], value)


def padded(c: Converter, step: fx.Node, x: Lazy, sides: Sides, mode: str, value: float) -> Lazy:
    """A value with more around it: rows and columns of its node at once, its channels by themselves."""
    more = [axis for axis, side in enumerate(sides) if any(side)]
    while more:
        x, place = c.placed(step, x, more[-1])
        covers = x.covers()
        axes = [axis for axis in more if place and covers[axis] in ((1,), (2,))] or more[-1:]
        if place == 0:
            x = with_channels(c, step, x, axes[0], sides[axes[0]], value)
        else:
            at = {(covers[axis] or (place,))[0]: sides[axis] for axis in axes}
            x = with_rows(
                c, step, x, axes[0], at, {"value": value} if value else {} if mode == "constant" else {"mode": mode}
            )
        more = [axis for axis in more if axis not in axes]
    return x


def with_rows(c: Converter, step: fx.Node, x: Lazy, axis: int, at: dict[int, tuple[int, int]], keys: dict) -> Lazy:
    """Rows (`at[1]`) and columns (`at[2]`) around a node."""
    (top, bottom), (left, right) = at.get(1, (0, 0)), at.get(2, (0, 0))
    after = as_dims((x.dims[0], x.dims[1] + top + bottom, x.dims[2] + left + right))
    node = c.emit(step, "pad", x.base, dims=after, padding=[top, left, bottom, right], **keys)
    return x.resized(node.name, after, axis)


def with_channels(c: Converter, step: fx.Node, x: Lazy, axis: int, side: tuple[int, int], value: float) -> Lazy:
    """Channels of one number before and behind those of a node."""
    before, behind = side
    channels, h, w = x.dims
    after = as_dims((channels + before + behind, h, w))
    if not value and before == (before + behind) // 2:
        node = c.emit(step, "shortcut_a", x.base, dims=after, out_channels=after[0], stride=[1, 1])
        return x.resized(node.name, after, axis)
    first = c.emit(step, "slice", x.base, dims=(1, h, w), **cut({0: (0, 1, 1)})).name
    number = c.emit(step, "activation", first, dims=(1, h, w), activation={"clip": [value, value]}).name
    parts = [
        repeated(c.graph, c.name(step), number, as_dims((count, h, w))) if count else None for count in (before, behind)
    ]
    names = [name for name in (parts[0], x.base, parts[1]) if name is not None]
    return x.resized(c.emit(step, "concat", *names, dims=after).name, after, axis)


def circular(c: Converter, step: fx.Node, x: Lazy, sides: Sides) -> Lazy:
    """Around each axis what is at its other end."""
    for axis, (before, behind) in enumerate(sides):
        size = x.shape[axis]
        if max(before, behind) > size:
            raise Refused(f"it pads an axis of {size} by {max(before, behind)}")
        parts = [sliced(c, step, x, axis, size - before, size)] if before else []
        parts += [x]
        parts += [sliced(c, step, x, axis, 0, behind)] if behind else []
        x = joined(c, step, parts, axis)
    return x
