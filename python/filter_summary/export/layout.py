"""One way to lie for several values that an operation reads together, in which the fewest of them have to be moved."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from .lazy import Dims, Lazy, as_dims, format_dims

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Joined:
    """Axes in an order, neighbours joined to up to three: each of `groups` is an axis of `[C, H, W]`."""

    groups: tuple[tuple[int, ...], ...]

    @property
    def order(self) -> tuple[int, ...]:
        return tuple(axis for group in self.groups for axis in group)

    def dims(self, shape: Shape) -> Dims | None:
        """Dimensions of a value of this shape."""
        return format_dims(tuple(math.prod(shape[axis] for axis in group) for group in self.groups))

    def place(self, axis: int) -> int:
        """Which axis of `[C, H, W]` has an axis of the values."""
        return next(n for n, group in enumerate(self.groups) if axis in group)

    def back(self, name: str, dims: Dims, shape: Shape) -> Lazy:
        """The values of a node, of this shape."""
        lazy = Lazy.shaped(name, dims, tuple(shape[axis] for axis in self.order))
        return lazy.permuted(tuple(self.order.index(axis) for axis in range(len(shape))))

    def fits(self, shapes: Sequence[Shape], whole: Shape, alone: int | None) -> bool:
        """Whether every value either has all of a group or repeats all of it, and `alone` is alone in its own."""
        for group in self.groups:
            large = [axis for axis in group if whole[axis] != 1]
            if alone in group and large not in ([], [alone]):
                return False
            if alone not in group:
                if any(len({shape[axis] == 1 for axis in large}) > 1 for shape in shapes):
                    return False
        return True


@dataclass(frozen=True)
class Lying:
    """As a value lies, in its node: whose axes may each be several of `[C, H, W]`."""

    lazy: Lazy
    covers: tuple[tuple[int, ...], ...]
    alone: int | None

    @property
    def order(self) -> tuple[int, ...]:
        return tuple(sorted(range(len(self.covers)), key=lambda axis: (self.covers[axis] or (3,))[0]))

    def dims(self, shape: Shape) -> Dims | None:
        sizes = [1, 1, 1]
        for axis, places in enumerate(self.covers):
            if shape[axis] == 1:
                continue
            if axis == self.alone and len(places) == 1:
                sizes[places[0]] = shape[axis]
            elif shape[axis] == self.lazy.shape[axis]:
                for k in places:
                    sizes[k] = self.lazy.dims[k]
            else:
                return None
        return as_dims(sizes)

    def place(self, axis: int) -> int:
        return self.covers[axis][0]

    def back(self, name: str, dims: Dims, shape: Shape) -> Lazy:
        return self.lazy.resized(name, dims, 0)


Layout = Joined | Lying


def layouts(lazies: Sequence[Lazy], shapes: Sequence[Shape], whole: Shape, alone: int | None) -> list[Layout]:
    """All that values of `shapes`, which together are of shape `whole`, can have."""
    found: list[Layout] = []
    orders = [tuple(range(len(whole)))]
    for lazy in lazies:
        covers = lazy.covers()
        if None not in covers and (alone is None or len(covers[alone] or ()) == 1):
            lying = Lying(lazy, tuple(places or () for places in covers), alone)
            if all(lying.dims(shape) is not None for shape in (*shapes, whole)):
                found.append(lying)
            orders.append(lying.order)
    for order in dict.fromkeys(orders):
        rank = len(order)
        for count in range(min(rank, 3)):
            for cuts in itertools.combinations(range(1, rank), count):
                edges = (0, *cuts, rank)
                one = Joined(tuple(order[a:b] for a, b in zip(edges, edges[1:])))
                if one.fits(shapes, whole, alone):
                    found.append(one)
    if not whole:
        found.append(Joined(()))
    return found


def best(lazies: Sequence[Lazy], whole: Shape, alone: int | None = None, others: Sequence[Shape] = ()) -> Layout | None:
    """The layout in which the fewest values have to be moved; `others` are shapes of constants, which lie anyhow. An
    operation goes along the axis `alone`."""

    def cost(layout: Layout) -> tuple:
        moved = reshaped = 0
        for lazy in lazies:
            if not lazy.permuted(layout.order).plain:
                moved += math.prod(lazy.shape)
            reshaped += layout.dims(lazy.shape) != lazy.dims
        in_order = isinstance(layout, Joined) and layout.order == tuple(range(len(whole)))
        groups = len(layout.groups) if isinstance(layout, Joined) else 3
        return moved, reshaped, not in_order, -groups

    shapes = [*(lazy.shape for lazy in lazies), *others]
    return min(layouts(lazies, shapes, whole, alone), key=cost, default=None)


def spread_shape(one: Shape, other: Shape) -> Shape | None:
    """The shape of two values together, of which each may repeat its own; None where they do not fit."""
    fits = len(one) == len(other) and all(a == b or 1 in (a, b) for a, b in zip(one, other))
    return tuple(a if b == 1 else b for a, b in zip(one, other)) if fits else None
