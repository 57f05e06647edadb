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
from dataclasses import dataclass
from typing import cast

Dims = tuple[int, int, int]


def format_dims(sizes: tuple[int, ...]) -> Dims:
    """`[C, H, W]` of a value whose axes, without the batch, have these sizes: ones are at the end."""
    return as_dims((*sizes, 1, 1, 1)[: max(3, len(sizes))])


def as_dims(sizes: Iterable[int]) -> Dims:
    """`[C, H, W]`; more than three sizes are equal to no dimensions."""
    return cast(Dims, tuple(sizes))


@dataclass(frozen=True)
class Lazy:
    """The node `base` of dimensions `dims`, whose factors `order` (of `sizes`, by number) lie in `axes`."""

    base: str
    dims: Dims
    sizes: dict[int, int]
    order: tuple[int, ...]
    axes: tuple[tuple[int, ...], ...]

    @staticmethod
    def of(base: str, dims: Dims, rank: int) -> Lazy:
        """A node as the model sees it, with `rank` axes besides the batch."""
        axes = tuple((n,) for n in range(3))
        # Axes of the format beyond the model's rank have one element.
        merged = axes[: rank - 1] + (tuple(range(rank - 1, 3)),) if rank else ()
        return Lazy(base, dims, dict(enumerate(dims)), (0, 1, 2), merged)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(math.prod(self.sizes[f] for f in axis) for axis in self.axes)

    @property
    def plain(self) -> bool:
        """Whether the values lie as they do in the base."""
        moving = [f for axis in self.axes for f in axis if self.sizes[f] != 1]
        return moving == [f for f in self.order if self.sizes[f] != 1]

    def permuted(self, order: tuple[int, ...]) -> Lazy:
        """Axes in another order."""
        return Lazy(self.base, self.dims, self.sizes, self.order, tuple(self.axes[n] for n in order))

    def viewed(self, shape: tuple[int, ...]) -> Lazy | None:
        """As many values with other axes, or None where an axis would be cut where it has no seam."""
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
                    rest = len(sizes)
                    sizes[factor], sizes[rest] = need, sizes[factor] // need
                    order.insert(order.index(factor) + 1, rest)
                    queue.appendleft(rest)
                axis.append(factor)
                have *= sizes[factor]
            if have != wanted:
                return None
            axes.append(tuple(axis))
        if axes:
            axes[-1] += tuple(queue)
        return Lazy(self.base, self.dims, sizes, tuple(order), tuple(axes))

    def movement(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """`(sizes, order)` of the fewest blocks of the base that have to change places."""
        order = [f for f in self.order if self.sizes[f] != 1]
        place = {f: n for n, f in enumerate(order)}
        now = [place[f] for axis in self.axes for f in axis if f in place]
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
