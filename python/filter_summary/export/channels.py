"""Axes of a value that lie within the channels of its node, such as groups: what is done along them is done to
channels, at any size of the image."""

from __future__ import annotations

import math

import torch
from torch import fx

from .convert import Converter
from .lazy import Dims, Lazy, as_dims


def inside(x: Lazy) -> list[int] | None:
    """The factors of a node's channels, where they are no part of a row, too."""
    found, _ = x.factors(0)
    return found if math.prod(x.sizes[f] for f in found) == x.dims[0] else None


def of_channels(x: Lazy, number: torch.Tensor) -> torch.Tensor | None:
    """Constants beside a value, `number` with its axes, as one a channel of its node; None where they are not."""
    factors = inside(x)
    if factors is None:
        return None
    shape, order = [], []
    for axis, size in zip(x.axes, number.shape):
        within = [f for f in axis if f in factors]
        if size != 1 and (not axis or len(within) != len(axis)):
            return None
        shape += [x.sizes[f] if size != 1 else 1 for f in within]
        order += within
    spread = number.reshape(shape).expand([x.sizes[f] for f in order])
    return spread.permute([order.index(f) for f in factors]).reshape(-1)


def leading(c: Converter, step: fx.Node, x: Lazy, axis: int) -> Lazy | None:
    """The value with the channels of its node in an order in which an axis is first; None where the axis is none of
    channels alone, or all of them. Channels are moved where parts of images are images, of which nearly all that is
    done is so; elsewhere a reshape, of one size, moves nothing."""
    factors, first = inside(x), x.axes[axis]
    if factors is None or not first or len(first) == len(factors) or not set(first) <= set(factors):
        return None
    others = tuple(f for f in factors if f not in first)
    if step not in c.folds.of and tuple(factors[: len(first)]) != first:
        return None
    return in_order(c, step, x, (*first, *others), (first, others, x.order[len(factors) :]))


def resized(x: Lazy, base: str, axis: int, count: int) -> Lazy:
    """Another node's value like one whose axis leads the channels, or is of one element, of `count` places along it."""
    first = x.axes[axis]
    rest = x.dims[0] // math.prod(x.sizes[f] for f in first)
    sizes = {f: size for f, size in x.sizes.items() if f not in first}
    kept: tuple[int, ...] = ()
    if count > 1:
        new = first[0] if first else max(x.sizes, default=-1) + 1
        kept, sizes[new] = (new,), count
    axes = tuple(kept if n == axis else one for n, one in enumerate(x.axes))
    order = kept + tuple(f for f in x.order if f not in first)
    return Lazy(base, as_dims((count * rest, *x.dims[1:])), sizes, order, axes)


def form(x: Lazy, axis: int | None = None) -> tuple | None:
    """How a value lies but for its node's height and width, and but for an axis that leads the channels."""
    factors = inside(x)
    if factors is None:
        return None
    own = x.axes[axis] if axis is not None else ()
    if tuple(factors[: len(own)]) != own:
        return None
    left = factors[len(own) :]
    places = tuple(tuple(left.index(f) for f in one if f in left) for one in x.axes)
    return tuple(x.sizes[f] for f in left), places


def spans(x: Lazy) -> list[tuple[int, ...]] | None:
    """Of every axis, which of the node's height and width it is; None where one is something else. Axes of channels
    are neither."""
    factors, found = inside(x) or [], []
    for axis, covers in zip(x.axes, x.covers()):
        if axis and all(f in factors for f in axis):
            covers = ()
        if covers is None or 0 in covers:
            return None
        found.append(covers)
    return found


def names_of(x: Lazy) -> dict[tuple[int, int], int]:
    """The factors of a node's channels, in their order, by the axis of the value that each is of, and the how manyth
    of it."""
    factors = inside(x) or []
    found: dict[int, tuple[int, int]] = {}
    for n, axis in enumerate(x.axes):
        found |= {f: (n, k) for k, f in enumerate(f for f in axis if f in factors)}
    return {found[f]: f for f in factors}


def turned(c: Converter, step: fx.Node, x: Lazy, like: Lazy) -> Lazy | None:
    """A value with its node's channels in the order of another's, where they are of the same axes."""
    mine, theirs = names_of(x), names_of(like)
    if {n: x.sizes[f] for n, f in mine.items()} != {n: like.sizes[f] for n, f in theirs.items()}:
        return None
    order = tuple(mine[name] for name in theirs)
    behind = x.order[len(order) :]
    return in_order(c, step, x, order, (*((f,) for f in order), behind))


def in_order(c: Converter, step: fx.Node, x: Lazy, order: tuple[int, ...], groups: tuple[tuple[int, ...], ...]) -> Lazy:
    """A value with its node's channels, and what is behind them, in another order."""
    behind = x.order[len(order) :]
    if x.order[: len(order)] == order:
        return x
    moved = Lazy(x.base, x.dims, x.sizes, x.order, groups)
    return Lazy(c.settle(step, moved, x.dims), x.dims, x.sizes, (*order, *behind), x.axes)


def beside(c: Converter, step: fx.Node, one: Lazy, other: Lazy) -> tuple[Lazy, str, str, Dims] | None:
    """Of two values with axes within channels, the one that has all axes of both, both nodes with their channels in the
    same order, and the dimensions of both together: so they are computed with where they lie."""
    if None in (inside(one), inside(other)) or len(inside(one) or ()) < 2:
        return None
    mine, theirs = spans(one), spans(other)
    if mine is None or theirs is None:
        return None
    for whole, part, of_whole, of_part in ((one, other, mine, theirs), (other, one, theirs, mine)):
        if all(theirs in ((), mine) for mine, theirs in zip(of_whole, of_part)):
            if all(of in (1, size) for of, size in zip(part.dims, whole.dims)):
                found = turned(c, step, part, whole)
                if found is not None:
                    names = (whole.base, found.base) if whole is one else (found.base, whole.base)
                    return whole, *names, whole.dims
    return None
