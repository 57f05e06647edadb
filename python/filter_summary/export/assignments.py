"""Parts of values read and written: an assignment in place is a value with another one in some of its places.

What a part was written with is read from there, and not cut out of the whole again: so nobody needs the wholes between
`y[:, 0] = a` and `y[:, 1] = b`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import cast

import torch
from torch import fx

from .arithmetic import alone, combined, each, ones
from .convert import Converter, Value, handles, operation_of
from .errors import Refused
from .extremes import clip
from .joins import joined, with_axis
from .lazy import OPEN, Lazy, as_dims
from .masks import chosen
from .pads import padded
from .slices import RUNS, lowered, picked, sliced
from .spread import written_constant

Places = Sequence[int]


@dataclass(frozen=True)
class Written:
    """What a value was made of: `base`, with `source` in some places of an axis. `origin` is the step that `source` is
    the value of, where there is one."""

    base: fx.Node
    source: Value
    origin: fx.Node | None
    axis: int
    places: tuple[int, ...]


@handles("slice", "slice_copy", "narrow")
def slice_(c: Converter, step: fx.Node, a: SimpleNamespace):
    places = places_of(c, a)
    if places is None:
        return unchanged(c, step, a.self_)
    axis = c.axis(a.self_, a.dim)
    if a.self_ in c.written and places:
        return read(c, step, a.self_, axis, places, keep=True)
    start, end = ends_of(a)
    return sliced(c, step, c.whole(a.self_), axis, start, end, places.step)


def ends_of(a: SimpleNamespace) -> tuple[int, int]:
    """Where a slice begins and ends, as the model says it."""
    start = a.start or 0
    if isinstance(start, fx.Node):
        raise Refused("its start is computed")
    return start, start + a.length if hasattr(a, "length") else OPEN if a.end is None else a.end


def places_of(c: Converter, a: SimpleNamespace) -> range | None:
    """The places of a slice along its axis; None where it is all of it."""
    (start, end), by = ends_of(a), getattr(a, "step", 1)
    shape = a.self_.meta["val"].shape
    size, axis = int(shape[a.dim]), a.dim % len(shape)
    is_all = start == 0 and end >= size and by == 1
    # As many images as the example has are not all of any number.
    if axis == c.folds.axis(a.self_) and not (is_all and end >= OPEN):
        raise Refused("it takes some images of a batch")
    if is_all:
        return None
    return range(*slice(start, end, by).indices(size))


@handles("select")
def select(c: Converter, step: fx.Node, a: SimpleNamespace):
    axis = c.axis(a.self_, a.dim)
    at = a.index % c.shape(a.self_)[axis]
    if a.self_ not in c.written:
        return lowered(sliced(c, step, c.whole(a.self_), axis, at, at + 1), axis)
    found = read(c, step, a.self_, axis, [at])
    return lowered(found, axis) if isinstance(found, Lazy) else found.squeeze(axis + 1)


def unchanged(c: Converter, step: fx.Node, x: fx.Node) -> Value:
    """The value of another step."""
    if x in c.written:
        c.written[step] = c.written[x]
    found = c.values[x]
    return found if isinstance(found, torch.Tensor) else c.lazy(x)


def read(c: Converter, step: fx.Node, x: fx.Node, axis: int, places: Places, keep: bool = False) -> Value:
    """Some places of an axis, from what was written there last. With `keep` this is the step's value, and what that was
    made of is known of it, too."""
    while (put := c.written.get(x)) is not None and put.axis == axis:
        inside = [place in put.places for place in places]
        if not any(inside):
            x = put.base
            continue
        if not all(inside):
            break
        if tuple(places) == put.places:
            if keep and put.origin in c.written:
                c.written[step] = c.written[put.origin]
            return put.source
        at = [put.places.index(place) for place in places]
        if put.origin is not None and not isinstance(put.source, torch.Tensor):
            x, places = put.origin, at
            continue
        return taken(c, step, put.source, axis, at)
    found = c.values[x]
    return taken(c, step, found if isinstance(found, torch.Tensor) else c.whole(x), axis, places)


def taken(c: Converter, step: fx.Node, x: Value, axis: int, places: Places) -> Value:
    """Some places of a value or a constant."""
    if isinstance(x, torch.Tensor):
        return x.index_select(axis + 1, torch.tensor(places))
    size, by = x.shape[axis], places[1] - places[0] if len(places) > 1 else 1
    if by > 0 and list(places) == list(range(places[0], size, by)):
        # To the end, wherever that is.
        return sliced(c, step, x, axis, places[0], OPEN, by)
    return picked(c, step, x, axis, places)


@handles("copy")
def copy(c: Converter, step: fx.Node, a: SimpleNamespace):
    """What is written, of the shape of the place that it is written to."""
    found, shape = c.values[a.src], c.shape(step)
    if isinstance(found, torch.Tensor):
        return found.double().expand(step.meta["val"].shape)
    if c.shape(a.src) == shape:
        return unchanged(c, step, a.src)
    return repeated_to(c, step, c.lazy(a.src), shape)


def repeated_to(c: Converter, step: fx.Node, x: Lazy, shape: tuple[int, ...]) -> Lazy:
    """A value of as many axes, where sums and products may repeat it."""
    if len(x.shape) != len(shape) or any(have not in (1, size) for have, size in zip(x.shape, shape)):
        raise Refused(f"it writes {[c.batch, *x.shape]} to {[c.batch, *shape]}: give it as many axes before")
    return x


@handles("fill", "zero")
def fill(c: Converter, step: fx.Node, a: SimpleNamespace):
    value = getattr(a, "value", 0)
    number = c.tensor(value, "value") if isinstance(value, fx.Node) else torch.tensor(float(value))
    return number.double().expand(step.meta["val"].shape)


@handles("slice_scatter")
def slice_scatter(c: Converter, step: fx.Node, a: SimpleNamespace):
    places = places_of(c, a)
    if places is None:
        return unchanged(c, step, a.src)
    return put(c, step, a.self_, source_of(c, a.src), a.src, c.axis(a.self_, a.dim), places)


@handles("select_scatter")
def select_scatter(c: Converter, step: fx.Node, a: SimpleNamespace):
    axis, source = c.axis(a.self_, a.dim), source_of(c, a.src)
    source = with_axis(source, axis) if isinstance(source, Lazy) else source.unsqueeze(axis + 1)
    return put(c, step, a.self_, source, None, axis, [a.index % c.shape(a.self_)[axis]])


@handles("index_put", "index_copy", "index_fill")
def index_put(c: Converter, step: fx.Node, a: SimpleNamespace):
    """Constant places of one axis; with a mask one number."""
    if getattr(a, "accumulate", False):
        raise Refused("it adds what it writes: write the sum")
    value = a.values if hasattr(a, "values") else a.source if hasattr(a, "source") else a.value
    named = list(enumerate(a.indices)) if hasattr(a, "indices") else [(a.dim % len(step.meta["val"].shape), a.index)]
    named = [(axis, index) for axis, index in named if index is not None]
    if len(named) != 1:
        raise Refused(f"it writes along {len(named)} axes at once: write one after another")
    axis, index = named[0]
    places = c.tensor(index, "index")
    if c.values[index].dtype in (torch.bool, torch.uint8) and (axis == 0 or places.dim() > 1):
        mask = places.bool().reshape((1,) * axis + tuple(places.shape))
        mask = mask.reshape(tuple(mask.shape) + (1,) * (len(step.meta["val"].shape) - mask.dim()))
        number = c.values[value] if isinstance(value, fx.Node) else torch.tensor(float(value))
        if not isinstance(number, torch.Tensor) or number.numel() != 1:
            raise Refused("it writes values under a mask: write one number, or use torch.where")
        return chosen(c, step, mask, number.reshape(()), c.value(a.self_))
    if c.values[index].dtype in (torch.bool, torch.uint8):
        places = places.nonzero()[:, 0]
    if places.dim() != 1:
        raise Refused(f"its index has {places.dim()} axes: write along one, in a list of places")
    axis = c.axis(a.self_, axis)
    size = c.shape(a.self_)[axis]
    found = [int(place) % size for place in places]
    if len(set(found)) != len(found):
        raise Refused("it writes a place twice: which is last, nobody says")
    region = tuple(len(found) if n == axis else one for n, one in enumerate(c.shape(step)))
    if not isinstance(value, fx.Node) or c.is_constant(value):
        number = c.values[value].double() if isinstance(value, fx.Node) else torch.tensor(float(value)).double()
        source: Value = number.expand(c.batch, *region)
    else:
        source = repeated_to(c, step, c.whole(value), region)
    return put(c, step, a.self_, source, None, axis, found)


def source_of(c: Converter, source: fx.Node) -> Value:
    found = c.values[source]
    return found.double() if isinstance(found, torch.Tensor) else c.lazy(source)


def put(
    c: Converter, step: fx.Node, base: fx.Node, source: Value, origin: fx.Node | None, axis: int, places: Places
) -> Value:
    """`base` with `source` in some places of an axis."""
    places = tuple(places)
    if not places:
        return unchanged(c, step, base)
    if base in c.written and isinstance(source, Lazy):
        there = read(c, step, base, axis, places)
        if isinstance(there, Lazy) and there == source:
            # A part read and written back.
            return unchanged(c, step, base)
    found = c.values[base]
    whole = alone(c, found) if isinstance(found, torch.Tensor) else c.whole(base)
    size = c.shape(step)[axis]
    region = tuple(len(places) if n == axis else one for n, one in enumerate(c.shape(step)))
    if isinstance(source, Lazy) and source.shape != region:
        if isinstance(whole, torch.Tensor):
            raise Refused("it repeats a value where a constant is: expand it before")
        beside = ones(c, step, cast(Lazy, taken(c, step, whole, axis, places)))
        source = cast(Lazy, combined(c, step, "mul", beside, source))
    c.written[step] = Written(base, source, origin, axis, places)
    if isinstance(source, torch.Tensor):
        if isinstance(whole, Lazy) and whole.covers()[axis] == (0,) and uniform(source):
            # Of channels it is a factor and a bias.
            mask = torch.zeros(1, *(size if n == axis else 1 for n in range(len(region))), dtype=torch.bool)
            mask.index_fill_(axis + 1, torch.tensor(places), True)
            return chosen(c, step, mask, source.flatten()[0], whole)
        source = as_value(c, step, source, read(c, step, base, axis, places))
    return assembled(c, step, base, whole, source, axis, places)


def uniform(constant: torch.Tensor) -> bool:
    return bool((constant == constant.flatten()[0]).all())


def as_value(c: Converter, step: fx.Node, constant: torch.Tensor, beside: Value) -> Lazy:
    """A constant as a value, as large as the one beside it."""
    constant = alone(c, constant).double()
    if not isinstance(beside, Lazy):
        return written_constant(c.graph, c.name(step), constant)
    if uniform(constant):
        number = float(constant.flatten()[0])
        return each(c, step, beside, clip(number, number))
    return cast(Lazy, combined(c, step, "add", each(c, step, beside, {"clip": [0.0, 0.0]}), constant))


def assembled(
    c: Converter, step: fx.Node, base: fx.Node, whole: Value, source: Lazy, axis: int, places: tuple[int, ...]
) -> Lazy:
    """Pieces of `base` and of `source`, one after another."""
    size = c.shape(step)[axis]
    first, count = places[0], len(places)
    if count == size and places == tuple(range(size)):
        return source
    if isinstance(whole, torch.Tensor) and uniform(whole) and places == tuple(range(first, first + count)):
        sides = [(0, 0)] * len(source.shape)
        sides[axis] = (first, size - first - count)
        return padded(c, step, source, sides, "constant", float(whole.flatten()[0]))
    by = places[1] - first if count > 1 else 1
    if 1 < by <= RUNS and places == tuple(range(first, size, by)) and size == count * by:
        # Every so many, as an axis of its own.
        parts = [read(c, step, base, axis, range(n, size, by)) if n != first else source for n in range(by)]
        made = [part if isinstance(part, Lazy) else as_value(c, step, part, source) for part in parts]
        return interleaved(c, step, made, axis, is_grid(base, by) or made[0].covers()[axis] == (0,))
    pieces = pieces_of(size, places)
    if len(pieces) > RUNS:
        whole = whole if isinstance(whole, Lazy) else written(c, step, whole, source, axis, size)
        order = [size + places.index(n) if n in places else n for n in range(size)]
        return picked(c, step, joined(c, step, [whole, source], axis), axis, order)
    parts = []
    for is_source, start, end in pieces:
        if is_source:
            parts.append(taken(c, step, source, axis, range(start, end)))
            continue
        piece = read(c, step, base, axis, range(start, end))
        parts.append(piece if isinstance(piece, Lazy) else written(c, step, piece, source, axis, end - start))
    return joined(c, step, cast(list[Lazy], parts), axis)


def interleaved(c: Converter, step: fx.Node, parts: list[Lazy], axis: int, grid: bool) -> Lazy:
    """Values of which each has every so many places of an axis. Of a grid, and of channels, they are put into
    channels: what is left to move is then `depth_to_space` or a channel shuffle."""
    dims, runs = parts[0].dims, parts[0].runs()
    if all(part.dims == dims and part.runs() == runs for part in parts) and (grid or not parts[0].plain):
        count, first = len(parts), parts[0]
        after = as_dims((count * dims[0], *dims[1:]))
        name = c.emit(step, "concat", *(part.base for part in parts), dims=after).name
        new = max(first.sizes, default=-1) + 1
        axes = tuple((*one, new) if n == axis else one for n, one in enumerate(first.axes))
        return Lazy(name, after, first.sizes | {new: count}, (new, *first.order), axes)
    beside = joined(c, step, [with_axis(part, axis + 1) for part in parts], axis + 1)
    axes = beside.axes
    return replace(beside, axes=(*axes[:axis], axes[axis] + axes[axis + 1], *axes[axis + 2 :]))


def is_grid(base: fx.Node, by: int) -> bool:
    """Whether what is written to has every so many places of another axis already."""
    return base.op == "call_function" and operation_of(base) == "slice" and base.args[4:] == (by,)


def written(c: Converter, step: fx.Node, constant: torch.Tensor, beside: Lazy, axis: int, count: int) -> Lazy:
    """A constant as a value, of which the one beside it has other places of the axis."""
    if not uniform(constant) or count > RUNS:
        shape = (1, *(count if n == axis else size for n, size in enumerate(beside.shape)))
        return written_constant(c.graph, c.name(step), alone(c, constant).double().expand(shape))
    number = float(constant.flatten()[0])
    one = each(c, step, sliced(c, step, beside, axis, 0, 1), clip(number, number))
    return joined(c, step, [one] * count, axis)


def pieces_of(size: int, places: tuple[int, ...]) -> list[tuple[bool, int, int]]:
    """Runs of the result: whether each is of what is written, and where it begins and ends there or in the base."""
    found: list[tuple[bool, int, int]] = []
    at = {place: n for n, place in enumerate(places)}
    for place in range(size):
        is_source, n = place in at, at.get(place, place)
        if found and found[-1][0] == is_source and found[-1][2] == n:
            found[-1] = (is_source, found[-1][1], n + 1)
        else:
            found.append((is_source, n, n + 1))
    return found
