"""Values seen through reshapes and permutations, which are written down only where somebody needs the result.

The values of one image, row-major, are cut into factors; every axis of the value as the model sees it is a list of
factors. A view regroups them and cuts them further, a permutation moves axes: a channel shuffle is two factors of the
channels that change places, whatever number of axes the model needed to say so.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import cast

Dims = tuple[int, int, int]
AXES = ("channels", "height", "width")
"""What the format calls the axes of `[C, H, W]`."""
OPEN = 2147483647
"""An `end` beyond every size: a slice takes the rest, whatever the size of the input."""


def format_dims(sizes: tuple[int, ...]) -> Dims:
    """`[C, H, W]` of a value whose axes, without the batch, have these sizes: ones are at the end."""
    return as_dims((*sizes, 1, 1, 1)[: max(3, len(sizes))])


def as_dims(sizes: Iterable[int]) -> Dims:
    """`[C, H, W]`; more than three sizes are equal to no dimensions."""
    return cast(Dims, tuple(sizes))


@dataclass(frozen=True)
class Lazy:
    """The node `base` of dimensions `dims`, whose factors `order` (of `sizes`, by number) lie in `axes`. Factors are
    larger than 1: an axis of one element has none."""

    base: str
    dims: Dims
    sizes: dict[int, int]
    order: tuple[int, ...]
    axes: tuple[tuple[int, ...], ...]

    @staticmethod
    def of(base: str, dims: Dims, rank: int) -> Lazy:
        """A node as the model sees it, with `rank` axes besides the batch."""
        # Axes of the format beyond the model's rank have one element.
        return Lazy.shaped(base, dims, (*dims[: rank - 1], math.prod(dims[rank - 1 :])) if rank else ())

    @staticmethod
    def shaped(base: str, dims: Dims, shape: tuple[int, ...]) -> Lazy:
        """A node's values as they lie, with axes of these sizes."""
        sizes = {n: size for n, size in enumerate(shape) if size != 1}
        return Lazy(base, dims, sizes, tuple(sizes), tuple((n,) if n in sizes else () for n in range(len(shape))))

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(math.prod(self.sizes[f] for f in axis) for axis in self.axes)

    @property
    def plain(self) -> bool:
        """Whether the values lie as they do in the base."""
        return tuple(f for axis in self.axes for f in axis) == self.order

    def over(self, base: str) -> Lazy:
        """The values of another node of the same dimensions, which lie in the same way."""
        return replace(self, base=base)

    def permuted(self, order: tuple[int, ...]) -> Lazy:
        """Axes in another order."""
        return replace(self, axes=tuple(self.axes[n] for n in order))

    def viewed(self, shape: tuple[int, ...]) -> Lazy | None:
        """As many values with other axes, or None where an axis would be cut where it has no seam."""
        if self.plain:
            return Lazy.shaped(self.base, self.dims, shape)
        sizes, order = dict(self.sizes), list(self.order)
        queue, axes = deque(f for axis in self.axes for f in axis), []
        for wanted in shape:
            axis, have = [], 1
            while have < wanted:
                factor = queue.popleft()
                need = wanted // have
                if sizes[factor] > need:
                    if wanted % have or sizes[factor] % need:
                        return None
                    rest = max(sizes) + 1
                    sizes[factor], sizes[rest] = need, sizes[factor] // need
                    order.insert(order.index(factor) + 1, rest)
                    queue.appendleft(rest)
                axis.append(factor)
                have *= sizes[factor]
            if have != wanted:
                return None
            axes.append(tuple(axis))
        return Lazy(self.base, self.dims, sizes, tuple(order), tuple(axes))

    def runs(self) -> tuple[tuple[tuple[int, int], ...], ...]:
        """Of every axis, the runs `(size, step)` of the base's values, row-major, that it goes over: the same for all
        ways to write one and the same arrangement."""
        steps, step = {}, 1
        for f in reversed(self.order):
            steps[f], step = step, step * self.sizes[f]
        found = []
        for axis in self.axes:
            joined: list[tuple[int, int]] = []
            for f in axis:
                if joined and joined[-1][1] == self.sizes[f] * steps[f]:
                    joined[-1] = (joined[-1][0] * self.sizes[f], steps[f])
                else:
                    joined.append((self.sizes[f], steps[f]))
            found.append(tuple(joined))
        return tuple(found)

    def covers(self) -> list[tuple[int, ...] | None]:
        """Of every axis, which of the base's `[C, H, W]` it runs over from beginning to end, or None where it does
        something else. Those of one element count for nobody."""
        found: list[tuple[int, ...] | None] = []
        for runs in self.runs():
            spans = [(a, b) for a in range(3) for b in range(a + 1, 4)] if len(runs) == 1 else []
            fits = [span for span in spans if runs[0] == self.span(*span)]
            whole = tuple(k for k in range(*fits[0]) if self.dims[k] != 1) if fits else None
            found.append(whole if runs else ())
        return found

    def span(self, first: int, end: int) -> tuple[int, int]:
        """The run of the base's axes `first` to `end`, as `runs` has it."""
        return math.prod(self.dims[first:end]), math.prod(self.dims[end:])

    def resized(self, base: str, dims: Dims, axis: int) -> Lazy:
        """The values of another node of other sizes `dims`, along axes of `[C, H, W]` that axes of this value cover,
        or that have one element: that is then the value's axis `axis`."""
        found = self
        for k in range(3):
            if dims[k] != self.dims[k]:
                found = found._with_size(k, dims[k], axis)
        return found.over(base)

    def _with_size(self, k: int, size: int, axis: int) -> Lazy:
        sizes, order, axes = dict(self.sizes), list(self.order), list(self.axes)
        inside, place = self.factors(k)
        if inside:
            gone = set(inside[1:] if size > 1 else inside)
            sizes[inside[0]] = size
            order = [f for f in order if f not in gone]
            axes = [tuple(f for f in of if f not in gone) for of in axes]
        elif size > 1:
            new = max(sizes, default=-1) + 1
            sizes[new] = size
            order.insert(place, new)
            axes[axis] += (new,)
        dims = as_dims(size if n == k else old for n, old in enumerate(self.dims))
        return Lazy(self.base, dims, {f: sizes[f] for f in order}, tuple(order), tuple(axes))

    def factors(self, k: int) -> tuple[list[int], int]:
        """The factors of an axis of `[C, H, W]`, and how many there are before it."""
        before, count, inside, place = math.prod(self.dims[:k]), 1, [], 0
        for f in self.order:
            if before <= count < before * self.dims[k]:
                inside.append(f)
            place += count < before
            count *= self.sizes[f]
        return inside, place

    def movement(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """`(sizes, order)` of the fewest blocks of the base that have to change places."""
        order = self.order
        place = {f: n for n, f in enumerate(order)}
        now = [place[f] for axis in self.axes for f in axis]
        blocks: list[list[int]] = []
        for n in now:
            if blocks and blocks[-1][-1] + 1 == n:
                blocks[-1].append(n)
            else:
                blocks.append([n])
        first = sorted(block[0] for block in blocks)
        lengths = {block[0]: math.prod(self.sizes[order[n]] for n in block) for block in blocks}
        return tuple(lengths[n] for n in first), tuple(first.index(block[0]) for block in blocks)


def moves(order: tuple[int, ...]) -> list[tuple[tuple[tuple[int, ...], ...], tuple[int, ...]]]:
    """The fewest permutations of three blocks that bring `0, 1, ..` into `order`: each as the blocks, and theirs."""
    begin = tuple(range(len(order)))
    found: dict[tuple[int, ...], list] = {begin: []}
    queue = deque([begin])
    while queue and order not in found:
        now = queue.popleft()
        for cuts in itertools.combinations(range(1, len(now)), min(2, len(now) - 1)):
            edges = (0, *cuts, len(now))
            blocks = tuple(now[a:b] for a, b in zip(edges, edges[1:]))
            for turn in itertools.permutations(range(len(blocks))):
                after = tuple(n for t in turn for n in blocks[t])
                if after not in found:
                    found[after] = [*found[now], (blocks, turn)]
                    queue.append(after)
    return found[order]
