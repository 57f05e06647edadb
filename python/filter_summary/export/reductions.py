"""Means, sums, maxima, variances and norms over any axes but the batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import torch
from torch import fx

from .arithmetic import affine, combined, size_of, two
from .convert import Converter, handles, operation_of
from .errors import Refused
from .extremes import extreme
from .lazy import Dims, Lazy, as_dims
from .powers import power, power_mean, rooted
from .slices import tied

KINDS = {
    "mean": "mean", "sum": "sum", "amax": "max", "max": "max", "amin": "min", "min": "min", "nansum": "sum",
}  # fmt: skip


def axes_of(c: Converter, a: SimpleNamespace, what: str = "dim") -> list[int]:
    """The axes that an operation names, counted behind the batch."""
    given = getattr(a, what, None)
    if given is None or given == []:
        raise Refused("it is taken over the images of a batch: name the axes, dim=(1, 2, 3)")
    given = [given] if isinstance(given, int) else given
    return sorted(c.axis(a.self_, axis) for axis in given)


@handles(*KINDS)
def reduce(c: Converter, step: fx.Node, a: SimpleNamespace):
    op = operation_of(step)
    if hasattr(a, "other"):
        return extreme(c, step, c.value(a.self_), c.value(a.other), op == "max")
    found = reduced(c, step, c.whole(a.self_), axes_of(c, a), KINDS[op])
    return finished(c, step, found)


def finished(c: Converter, step: fx.Node, *found: Lazy) -> Any:
    """Values as a step has them, with or without the axes that are gone."""
    values = step.meta["val"]
    several = isinstance(values, (tuple, list))
    shapes = [c.folds.shape(step, tuple(map(int, value.shape))) for value in (values if several else [values])]
    made = [lazy.viewed(shape) for lazy, shape in zip(found, shapes)]
    return made if several else made[0]


def reduced(c: Converter, step: fx.Node, lazy: Lazy, axes: Sequence[int], kind: str) -> Lazy:
    """`mean`, `sum`, `max` or `min` over axes of a value, each of which then has one element."""
    if kind == "min":
        return affine(c, step, reduced(c, step, affine(c, step, lazy, -1.0, 0.0), axes, "max"), -1.0, 0.0)
    covers = [lazy.covers()[axis] for axis in axes]
    if None not in covers:
        places = {k for found in covers for k in found or ()}
        name, dims = pooled(c, step, lazy.base, lazy.dims, places, kind)
        return lazy.resized(name, dims, 0)
    return of_rows(c, step, lazy, axes, kind)


def of_rows(c: Converter, step: fx.Node, lazy: Lazy, axes: Sequence[int], kind: str) -> Lazy:
    """The same where the value's axes are none of its node's: written down, each image as rows that are reduced."""
    shape = lazy.shape
    after = tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    count = math.prod(shape[axis] for axis in axes)
    large = [axis for axis in axes if shape[axis] != 1]
    first, last = min(large), max(large)
    if lazy.plain and all(shape[axis] == 1 for axis in range(first, last) if axis not in axes):
        before, behind = math.prod(shape[:first]), math.prod(shape[last + 1 :])
        dims = (count, behind, 1) if before == 1 else (before, count, behind)
        place = 0 if before == 1 else 1
    else:
        kept = tuple(axis for axis in range(len(shape)) if axis not in axes)
        lazy = lazy.permuted((*kept, *axes))
        dims, place = (math.prod(shape[axis] for axis in kept), count, 1), 1
    name, dims = pooled(c, step, c.settle(step, lazy, dims), dims, {place}, kind, tie=False)
    return Lazy.shaped(name, dims, after)


def pooled(
    c: Converter, step: fx.Node, name: str, dims: Dims, axes: set[int], kind: str, tie: bool = True
) -> tuple[str, Dims]:
    """A node reduced over axes of `[C, H, W]`, and its dimensions. With `tie` the file is tied to the size where that
    is in the numbers."""
    pool = "max" if kind == "max" else "avg"
    named = [axis for axis in (1, 2) if axis in axes and dims[axis] > 1]
    if named:
        if tie and (kind == "sum" or any(dims[axis] > 1 for axis in (1, 2) if axis not in named)):
            # The format has no sum, and no pool over one axis, of any size.
            name = tied(c, step, name, dims, named)
        after = as_dims(1 if axis in named else size for axis, size in enumerate(dims))
        if after[1:] == (1, 1):
            name = c.emit(step, f"global_{pool}_pool2d", name, dims=after).name
        else:
            kernel = [dims[axis] if axis in named else 1 for axis in (1, 2)]
            name = c.emit(step, f"{pool}_pool2d", name, dims=after, kernel=kernel).name
        if kind == "sum":
            count = math.prod(dims[axis] for axis in named)
            name = affine(c, step, Lazy.of(name, after, 3), float(count), 0.0).base
        dims = after
    if 0 in axes and dims[0] > 1:
        name = of_channels(c, step, name, dims, kind)
        dims = (1, *dims[1:])
    return name, dims


def of_channels(c: Converter, step: fx.Node, name: str, dims: Dims, kind: str) -> str:
    channels, h, w = dims
    if kind != "max":
        # A factor, which stays as it is in whatever precision weights are stored.
        scale = None if kind == "sum" else torch.full((1,), 1 / channels, dtype=torch.float64)
        weight = torch.ones(1, channels, 1, 1, dtype=torch.float64)
        keys = {"out_channels": 1, "kernel": [1, 1]}
        return c.emit(step, "conv2d", name, dims=(1, h, w), weight=weight, scale=scale, **keys).name
    # Channels change places with rows.
    if (h, w) != (1, 1):
        name = c.emit(step, "permute", name, dims=(h, channels, w), order=[1, 0, 2]).name
        name = c.emit(step, "max_pool2d", name, dims=(h, 1, w), kernel=[channels, 1]).name
        return c.emit(step, "permute", name, dims=(1, h, w), order=[1, 0, 2]).name if h > 1 else name
    name = c.emit(step, "reshape", name, dims=(1, channels, 1), shape=[1, channels, 1]).name
    return c.emit(step, "global_max_pool2d", name, dims=(1, 1, 1)).name


def variance(c: Converter, step: fx.Node, x: Lazy, axes: Sequence[int], less: float) -> tuple[Lazy, Lazy]:
    """Variance and mean over axes, where `less` is taken from the count of numbers."""
    count = math.prod(x.shape[axis] for axis in axes)
    if less and any(k != 0 for axis in axes for k in x.covers()[axis] or (1,)):
        # How many there are is known of images of this size.
        places = sorted({k for axis in axes for k in x.covers()[axis] or () if k != 0})
        x = x.over(tied(c, step, x.base, x.dims, places)) if places else x
    mean = reduced(c, step, x, axes, "mean")
    centred = two(c, step, "sub", x, mean)
    found = reduced(c, step, two(c, step, "mul", centred, centred), axes, "mean")
    if count <= less:
        raise Refused(f"it is a variance of {count} numbers with a correction of {less:g}")
    return (affine(c, step, found, count / (count - less), 0.0) if less else found), mean


@handles("var", "std", "var_mean", "std_mean")
def spread_of(c: Converter, step: fx.Node, a: SimpleNamespace):
    op = operation_of(step)
    less = float(a.unbiased) if hasattr(a, "unbiased") else 1.0 if a.correction is None else float(a.correction)
    found, mean = variance(c, step, c.whole(a.self_), axes_of(c, a), less)
    if op.startswith("std"):
        found = rooted(c, step, found)
    return finished(c, step, found, mean) if op.endswith("mean") else finished(c, step, found)


@handles("linalg_vector_norm", "norm", "frobenius_norm")
def norm(c: Converter, step: fx.Node, a: SimpleNamespace):
    given = getattr(a, "ord", getattr(a, "p", 2))
    order = 2.0 if given in (None, "fro") else float(given)
    return finished(c, step, norm_of(c, step, c.whole(a.self_), axes_of(c, a), order))


def norm_of(c: Converter, step: fx.Node, x: Lazy, axes: Sequence[int], order: float) -> Lazy:
    """The norm of an order over axes of a value."""
    if order == math.inf:
        return reduced(c, step, size_of(c, step, x), axes, "max")
    if order == -math.inf:
        return reduced(c, step, size_of(c, step, x), axes, "min")
    if order <= 0:
        raise Refused(f"a norm of order {order:g}: the format computes those above 0")
    total = reduced(c, step, power_mean(c, step, x, order), axes, "sum")
    return total if order == 1 else rooted(c, step, total) if order == 2 else power(c, step, total, 1 / order)


@handles("pairwise_distance")
def pairwise_distance(c: Converter, step: fx.Node, a: SimpleNamespace):
    """The norm along the last axis of a difference, to which `eps` is added."""
    apart = combined(
        c, step, "add", combined(c, step, "sub", c.value(a.x1), c.value(a.x2)), torch.tensor(a.eps).double()
    )
    if not isinstance(apart, Lazy) or len(apart.shape) < 1:
        raise Refused("it goes along the batch: images are computed one by one")
    found = norm_of(c, step, apart, [len(apart.shape) - 1], float(a.p))
    return finished(c, step, found)


@handles("cosine_similarity")
def cosine_similarity(c: Converter, step: fx.Node, a: SimpleNamespace):
    """Of two values along an axis: each over the greater of its norm and `eps`."""
    axis = a.dim % len(step.meta["val"].shape + (1,)) - 1
    if axis < 0:
        raise Refused("it goes along the batch: images are computed one by one")
    parts = []
    for operand in (c.value(a.x1), c.value(a.x2)):
        if isinstance(operand, torch.Tensor):
            size = operand.norm(dim=axis + 1 - max(len(c.shape(step)) + 2 - operand.dim(), 0), keepdim=True)
            parts.append(operand / size.clamp_min(a.eps))
        else:
            size = extreme(c, step, norm_of(c, step, operand, [axis], 2.0), torch.tensor(a.eps), True)
            parts.append(combined(c, step, "div", operand, size))
    product = cast(Lazy, combined(c, step, "mul", *parts))
    return finished(c, step, reduced(c, step, product, [axis], "sum"))
