"""Values brought into order, by the operations of the format that do it in one pass where there is one."""

from __future__ import annotations

import math
from collections.abc import Callable

from .graph import Graph
from .lazy import Dims, Lazy, as_dims, format_dims, moves


def arrange(graph: Graph, name_of: Callable[[str], str], lazy: Lazy, dims: Dims) -> str:
    """A node of dimensions `dims` that has a value's numbers in order, row-major; `name_of` an operation its name."""

    def add(op: str, before: str, dims: Dims, keys: dict) -> str:
        return graph.add(name_of(op), op, [before], dims, keys).name

    def reshaped(before: str, want: Dims) -> str:
        if graph.dims_of(before) == want:
            return before
        op = "flatten" if want[1:] == (1, 1) else "reshape"
        return add(op, before, want, {} if op == "flatten" else {"shape": list(want)})

    if lazy.plain:
        return reshaped(lazy.base, dims)
    sizes, order = lazy.movement()
    known = rearrangement(lazy, dims, sizes, order)
    if known is not None:
        return add(known[0], lazy.base, dims, known[1])
    name = lazy.base
    for blocks, turn in moves(order):
        want = format_dims(tuple(math.prod(sizes[n] for n in block) for block in blocks))
        turn = (*turn, *range(len(turn), 3))
        name = add("permute", reshaped(name, want), as_dims(want[n] for n in turn), {"order": list(turn)})
    return reshaped(name, dims)


def rearrangement(lazy: Lazy, dims: Dims, sizes: tuple, order: tuple) -> tuple[str, dict] | None:
    """The one node that moves blocks so, where there is one: `(op, keys)`."""
    c, h, w = lazy.dims
    if order == (1, 0) or order == (1, 0, 2):
        if dims == lazy.dims and sizes[0] * sizes[1] == c:
            return "channel_shuffle", {"groups": sizes[0]}
    for block in range(2, c + 1):
        rest = c // block**2
        if rest * block**2 == c and dims == (rest, h * block, w * block):
            parts = {
                "crd": ((rest, block, block, h, w), (0, 3, 1, 4, 2)),
                "dcr": ((block, block, rest, h, w), (2, 3, 0, 4, 1)),
            }
            found = [one for one, form in parts.items() if same_movement(form, sizes, order)]
            return ("depth_to_space", {"block": block, "order": found[0]}) if found else None
    for block in range(2, min(h, w) + 1):
        y, x = h // block, w // block
        if (y * block, x * block) == (h, w) and dims == (c * block**2, y, x):
            parts = {
                "crd": ((c, y, block, x, block), (0, 2, 4, 1, 3)),
                "dcr": ((c, y, block, x, block), (2, 4, 0, 1, 3)),
            }
            found = [one for one, form in parts.items() if same_movement(form, sizes, order)]
            return ("space_to_depth", {"block": block, "order": found[0]}) if found else None
    if len(sizes) <= 3 and format_dims(sizes) == lazy.dims:
        turn = (*order, *range(len(order), 3))
        if tuple(lazy.dims[n] for n in turn) == dims:
            return "permute", {"order": list(turn)}
    # Axes of one element may stand between those that move.
    for turn in ((0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)):
        if tuple(lazy.dims[n] for n in turn) == dims and same_movement((lazy.dims, turn), sizes, order):
            return "permute", {"order": list(turn)}
    return None


def same_movement(form: tuple, sizes: tuple, order: tuple) -> bool:
    """Whether factors in an order are the same movement as blocks in theirs."""
    factors, turn = form
    return Lazy.shaped("", (1, 1, 1), factors).permuted(turn).movement() == (sizes, order)
