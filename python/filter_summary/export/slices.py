"""Parts of values: slices, and places in any order, which are slices one after another."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import torch
from torch import fx

from .arithmetic import each, two
from .channels import leading, resized
from .convert import Converter, handles, operation_of
from .errors import Refused
from .fixed import fixed
from .lazy import AXES, OPEN, Dims, Lazy, as_dims
from .spread import nothing

RUNS = 16
"""So many slices at most are joined again; more are a convolution."""
LINES = 1024
"""So many rows or columns at most are put into another order by one, of as many channels."""


def sliced(c: Converter, step: fx.Node, x: Lazy, axis: int, start: int, end: int, by: int = 1) -> Lazy:
    """A slice along an axis, counted behind the batch; the whole is no slice."""
    size, is_open = x.shape[axis], end >= OPEN
    if start == 0 and is_open and by == 1:
        return x
    first, last = (min(max(at + size if at < 0 else at, 0), size) for at in (start, end))
    if first < last and by == 1 and x.covers()[axis] is None and fixed(c.graph, x.base)[0]:
        found = leading(c, step, x, axis)
        if found is not None:
            rest = x.dims[0] // size
            dims = as_dims(((last - first) * rest, *x.dims[1:]))
            keys = cut({0: (first * rest, OPEN if is_open else last * rest, 1)})
            return resized(found, c.emit(step, "slice", found.base, dims=dims, **keys).name, axis, last - first)
    x, place = c.placed(step, x, axis)
    known = fixed(c.graph, x.base)[place]
    # What counts from the end, or ends within an image, is of images of this size alone.
    rest = is_open and (start >= 0 or known)
    start, end = (min(max(at + size if at < 0 else at, 0), size) for at in (start, end))
    if start >= end:
        raise Refused("nothing is left")
    if place == 0 and not known and not rest:
        x = x.over(c.emit(step, "add", x.base, nothing(c.graph), dims=x.dims).name)
    if start == 0 and end == size and by == 1:
        return x if known or place == 0 else x.over(tied(c, step, x.base, x.dims, [place]))
    count = -(-(end - start) // by)
    after = as_dims(count if n == place else size for n, size in enumerate(x.dims))
    keys = cut({place: (start, OPEN if rest else end, by)})
    return x.resized(c.emit(step, "slice", x.base, dims=after, **keys).name, after, axis)


def tied(c: Converter, step: fx.Node, name: str, dims: Dims, axes: Sequence[int]) -> str:
    """The same values, of images of this size along `axes` of `[C, H, W]` alone: readers of the format refuse
    others."""
    keys = cut({axis: (0, dims[axis], 1) for axis in axes})
    return c.graph.add(c.name(step, "size"), "slice", [name], dims, keys).name


def cut(axes: dict[int, tuple[int, int, int]]) -> dict[str, Any]:
    """The keys of a slice of `(start, end, step)` along some axes; those that nobody cuts are whole at any size."""
    keys = {}
    for n, (key, default) in enumerate((("start", 0), ("end", OPEN), ("step", 1))):
        values = [axes[axis][n] if axis in axes else default for axis in range(3)]
        if values != [default] * 3:
            keys[key] = values
    return keys


def lowered(x: Lazy, axis: int) -> Lazy:
    """A value without an axis of one element."""
    return x.permuted(tuple(n for n in range(len(x.axes)) if n != axis))


@handles("chunk", "split", "split_with_sizes", "tensor_split", "unsafe_chunk", "unsafe_split", "split_copy")
def split(c: Converter, step: fx.Node, a: SimpleNamespace):
    axis, parts, at = c.axis(a.self_, a.dim), [], 0
    for value in step.meta["val"]:
        size = int(value.shape[a.dim])
        parts.append(sliced(c, step, c.whole(a.self_), axis, at, at + size))
        at += size
    return parts


@handles("unbind")
def unbind(c: Converter, step: fx.Node, a: SimpleNamespace):
    axis = c.axis(a.self_, a.dim)
    whole = c.whole(a.self_)
    return [lowered(sliced(c, step, whole, axis, n, n + 1), axis) for n in range(len(step.meta["val"]))]


@handles("glu")
def glu(c: Converter, step: fx.Node, a: SimpleNamespace):
    """The first half times the sigmoid of the second."""
    axis, whole = c.axis(a.self_, a.dim), c.whole(a.self_)
    size = whole.shape[axis] // 2
    first, gate = (sliced(c, step, whole, axis, at, at + size) for at in (0, size))
    return two(c, step, "mul", first, each(c, step, gate, "sigmoid"))


def runs_of(places: Sequence[int]) -> list[tuple[int, int, int]]:
    """`(start, end, step)` of as few slices as have these places in their order."""
    runs: list[tuple[int, int, int]] = []
    at = 0
    while at < len(places):
        by = places[at + 1] - places[at] if at + 1 < len(places) else 1
        count = 1
        while by > 0 and at + count < len(places) and places[at + count] == places[at] + by * count:
            count += 1
        by = by if count > 1 else 1
        runs.append((places[at], places[at] + by * (count - 1) + 1, by))
        at += count
    return runs


def picked(c: Converter, step: fx.Node, x: Lazy, axis: int, places: Sequence[int]) -> Lazy:
    """The places named of an axis, in that order: a slice, or some one after another."""
    size = x.shape[axis]
    places = [place + size if place < 0 else place for place in places]
    runs = runs_of(places)
    if len(runs) == 1:
        return sliced(c, step, x, axis, *runs[0])
    x, place = c.placed(step, x, axis)
    after = as_dims(len(places) if n == place else size for n, size in enumerate(x.dims))
    if len(runs) > RUNS:
        if place != 0:
            return of_rows(c, step, x, axis, place, places)
        weight = torch.zeros(len(places), size, 1, 1, dtype=torch.float64)
        weight[torch.arange(len(places)), torch.tensor(places)] = 1
        keys = {"out_channels": len(places), "kernel": [1, 1]}
        return x.resized(c.emit(step, "conv2d", x.base, dims=after, weight=weight, **keys).name, after, axis)
    parts = [sliced(c, step, x, axis, *run).base for run in runs]
    along = {} if place == 0 else {"axis": AXES[place]}
    return x.resized(c.emit(step, "concat", *parts, dims=after, **along).name, after, axis)


def of_rows(c: Converter, step: fx.Node, x: Lazy, axis: int, place: int, places: Sequence[int]) -> Lazy:
    """Rows or columns one by one: as channels, which a convolution puts into any order."""
    if max(len(places), x.dims[place]) > LINES:
        raise Refused(f"it moves {len(places)} rows or columns one by one, where at most {LINES} are moved")
    turn = [place, *(n for n in range(3) if n != place)]
    dims = as_dims(x.dims[n] for n in turn)
    name = c.emit(step, "permute", x.base, dims=dims, order=turn).name
    size, many = dims[0], len(places)
    weight = torch.zeros(many, size, 1, 1, dtype=torch.float64)
    weight[torch.arange(many), torch.tensor(places)] = 1
    dims = as_dims((many, *dims[1:]))
    name = c.emit(step, "conv2d", name, dims=dims, weight=weight, out_channels=many, kernel=[1, 1]).name
    back = [turn.index(n) for n in range(3)]
    after = as_dims(dims[n] for n in back)
    return x.resized(c.emit(step, "permute", name, dims=after, order=back).name, after, axis)


@handles("index_select")
def index_select(c: Converter, step: fx.Node, a: SimpleNamespace):
    places = c.tensor(a.index, "index").flatten().long().tolist()
    return picked(c, step, c.whole(a.self_), c.axis(a.self_, a.dim), places)


@handles("index")
def index(c: Converter, step: fx.Node, a: SimpleNamespace):
    """One axis by a list of places."""
    named = [(axis, places) for axis, places in enumerate(a.indices) if places is not None]
    if len(named) != 1:
        raise Refused(f"it picks along {len(named)} axes at once: the format has slices of one after another")
    axis, places = named[0]
    found = c.tensor(places, "index")
    if c.values[places].dtype in (torch.bool, torch.uint8):
        found = c.values[places].nonzero()[:, 0] if found.dim() == 1 else found
    if found.dim() != 1:
        raise Refused(f"its index has {found.dim()} axes; the format has slices along one")
    return picked(c, step, c.whole(a.self_), c.axis(a.self_, axis), found.long().tolist())


@handles("flip", "roll")
def turned(c: Converter, step: fx.Node, a: SimpleNamespace):
    op, x = operation_of(step), c.whole(a.self_)
    if not a.dims:
        raise Refused("it goes along the batch: images are computed one by one")
    for n, dim in enumerate([a.dims] if isinstance(a.dims, int) else a.dims):
        axis = c.axis(a.self_, dim)
        places = list(range(x.shape[axis]))
        if op == "flip":
            places.reverse()
        else:
            shift = (a.shifts if isinstance(a.shifts, (list, tuple)) else [a.shifts])[n] % len(places)
            places = places[len(places) - shift :] + places[: len(places) - shift]
        x = picked(c, step, x, axis, places)
    return x
