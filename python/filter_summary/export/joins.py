"""Values one after another along an axis, and the same value several times."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

from torch import fx

from .channels import form, resized, spans
from .convert import Converter, handles
from .errors import Refused
from .folds import FIRST, Place
from .layout import best
from .lazy import AXES, Dims, Lazy, as_dims
from .slices import RUNS, sliced, tied


def joined(c: Converter, step: fx.Node, parts: Sequence[Lazy], axis: int) -> Lazy:
    """Values one after another along an axis, in the order in which fewest have to be moved."""
    if len(parts) == 1:
        return parts[0]
    groups = of_groups(c, step, parts, axis)
    if groups is not None:
        return groups
    whole = tuple(sum(part.shape[n] for part in parts) if n == axis else size for n, size in enumerate(parts[0].shape))
    layout = best(parts, whole, axis)
    if layout is None:
        raise Refused(f"it joins values of {len(whole) + 1} axes in too many")
    names = [c.settle(step, part.permuted(layout.order), layout.dims(part.shape)) for part in parts]
    place = layout.place(axis)
    keys = {} if place == 0 else {"axis": AXES[place]}
    node = c.emit(step, "concat", *names, dims=cast(Dims, layout.dims(whole)), **keys)
    return layout.back(node.name, node.dims, whole)


def of_groups(c: Converter, step: fx.Node, parts: Sequence[Lazy], axis: int) -> Lazy | None:
    """The same along an axis that leads others of the channels in all of the values: channels one after another."""
    first, forms = parts[0], [form(part, axis) for part in parts]
    if forms[0] is None or not forms[0][0] or any(one != forms[0] for one in forms):
        return None
    if step not in c.folds.of and not all(part.axes[axis] for part in parts):
        return None
    if any(part.dims[1:] != first.dims[1:] or spans(part) is None or spans(part) != spans(first) for part in parts):
        return None
    dims = as_dims((sum(part.dims[0] for part in parts), *first.dims[1:]))
    node = c.emit(step, "concat", *(part.base for part in parts), dims=dims)
    return resized(first, node.name, axis, sum(part.shape[axis] for part in parts))


def with_axis(x: Lazy, axis: int) -> Lazy:
    """A value with an axis of one element more."""
    return replace(x, axes=(*x.axes[:axis], (), *x.axes[axis:]))


@handles("cat", "concat", "concatenate")
def cat(c: Converter, step: fx.Node, a: SimpleNamespace):
    axis = c.axis(step, a.dim)
    parts = [c.whole(part) for part in a.tensors if math.prod(part.meta["val"].shape)]
    return joined(c, step, parts, axis)


@handles("stack")
def stack(c: Converter, step: fx.Node, a: SimpleNamespace):
    rank = len(step.meta["val"].shape)
    if a.dim % rank == 0 and c.folds.place == FIRST:
        # The images are behind the new axis.
        c.folds.of[step] = Place(at=1)
        return joined(c, step, [with_axis(with_axis(c.whole(part), 0), 0) for part in a.tensors], 0)
    axis = c.axis(step, a.dim)
    return joined(c, step, [with_axis(c.whole(part), axis) for part in a.tensors], axis)


@handles("unfold")
def windows(c: Converter, step: fx.Node, a: SimpleNamespace):
    """`size` places of an axis from every `step`-th on, as an axis at the end: `Tensor.unfold`."""
    if not a.size:
        raise Refused("nothing is left")
    axis, x = c.axis(a.self_, a.dimension), c.whole(a.self_)
    count, last = (x.shape[axis] - a.size) // a.step + 1, len(x.shape)
    by = a.size if count == 1 else a.step
    if by >= a.size and count * by <= x.shape[axis]:
        # Side by side: parts of the axis, and of each its first places.
        x = sliced(c, step, x, axis, 0, count * by)
        cut = (*x.shape[:axis], count, by, *x.shape[axis + 1 :])
        found = sliced(c, step, c.viewed(step, x, cut), axis + 1, 0, a.size)
        return found.permuted((*range(axis + 1), *range(axis + 2, last + 1), axis + 1))
    if a.size > RUNS:
        raise Refused(f"its windows of {a.size} places, {a.step} apart, are not side by side: {RUNS} places at most")
    parts = (sliced(c, step, x, axis, n, n + (count - 1) * a.step + 1, a.step) for n in range(a.size))
    return joined(c, step, [with_axis(part, last) for part in parts], last)


@handles("repeat", "tile")
def repeat(c: Converter, step: fx.Node, a: SimpleNamespace):
    """Axes of one element are repeated by whoever reads them, others joined to themselves."""
    times = list(getattr(a, "repeats", None) or a.dims)
    rank = len(a.self_.meta["val"].shape)
    times = [1] * (rank - len(times)) + times
    if len(times) != rank or times[0] != 1:
        raise Refused(f"it repeats {rank} axes {times} times: it must have as many, and the batch once")
    x = c.whole(a.self_)
    for axis, count in enumerate(times[1:]):
        if count > 1 and x.shape[axis] > 1:
            x = joined(c, step, [x] * count, axis)
    return x


@handles("repeat_interleave")
def repeat_interleave(c: Converter, step: fx.Node, a: SimpleNamespace):
    """Every element so often before the next: as rows of a larger image."""
    if isinstance(a.repeats, fx.Node) or a.dim is None:
        raise Refused("it repeats each element by itself; the format repeats all of an axis so often")
    if a.dim % len(a.self_.meta["val"].shape) == 0:
        # Every image so often before the next, as one for each of its windows.
        c.folds.of[step] = Place(inner=a.repeats)
        return with_axis(c.lazy(a.self_), 0)
    axis, x = c.axis(a.self_, a.dim), c.whole(a.self_)
    if x.shape[axis] == 1:
        return x
    x, place = c.placed(step, x, axis)
    after = as_dims(size * a.repeats if n == place else size for n, size in enumerate(x.dims))
    if place:
        factor = [a.repeats if n == place else 1 for n in (1, 2)]
        name = c.emit(step, "upsample_nearest2d", x.base, dims=after, scale_factor=factor).name
        return x.resized(name, after, axis)
    channels, h, w = x.dims
    name = tied(c, step, x.base, x.dims, (1, 2)) if h * w > 1 else x.base
    name = c.emit(step, "reshape", name, dims=(channels, 1, h * w), shape=[channels, 1, h * w]).name
    many: Dims = (channels, a.repeats, h * w)
    name = c.emit(step, "upsample_nearest2d", name, dims=many, scale_factor=[a.repeats, 1]).name
    return x.resized(c.emit(step, "reshape", name, dims=after, shape=list(after)).name, after, axis)
