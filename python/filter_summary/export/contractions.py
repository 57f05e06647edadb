"""Products of two computed values, summed along axes that both have: attention's. The format has no such operation:
all products are written down, and added up."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import torch
from torch import fx

from .arithmetic import affine, combined, two
from .convert import Converter, Value, handles
from .elementwise import softened
from .errors import Refused
from .joins import joined, with_axis
from .lazy import Lazy
from .reductions import reduced
from .slices import lowered, sliced

LARGEST = 1 << 25
"""Products of one image: 128 MiB, what a GPU binds at once."""
PARTS = 16
"""So many pairs of matrices at most (heads of attention) are multiplied one after another; more (heads of windows) at
once."""
NEVER = -1e30
"""For minus infinity, which no tensor of a file holds: its exponential is nothing, too."""


def contracted(c: Converter, step: fx.Node, one: Lazy, of_one: str, other: Value, of_other: str, result: str) -> Lazy:
    """The sum of products over all axes whose label is not in the result; labels name axes behind the batch, and all of
    a constant's."""
    if isinstance(other, torch.Tensor):
        # What it alone has and nobody keeps is added up here.
        gone = [label for label in of_other if label not in of_one + result]
        other = other.sum([of_other.index(label) for label in gone]) if gone else other
        of_other = "".join(label for label in of_other if label not in gone)
        # What both have is together, and what either repeats.
        order = sorted(dict.fromkeys(of_one + of_other), key=lambda label: (label not in of_one, label not in of_other))
        union = "".join(order)
    else:
        union = result + "".join(dict.fromkeys(label for label in of_one + of_other if label not in result))
        if len(union) > 3:
            # What both have is together, so that the format's axes are enough.
            union = "".join(sorted(union, key=lambda label: (label in of_other) - (label in of_one)))
    sizes = dict(zip(of_one + of_other, one.shape + tuple(other.shape)))
    count = math.prod(sizes[label] for label in union)
    if count > LARGEST:
        raise Refused(f"it would write down {count} products an image, beyond {LARGEST}")
    first = spread_over(one, of_one, union)
    if isinstance(other, torch.Tensor):
        number = other.permute([of_other.index(n) for n in union if n in of_other])
        number = number.reshape([sizes[n] if n in of_other else 1 for n in union])
        products = cast(Lazy, combined(c, step, "mul", first, number))
    else:
        products = two(c, step, "mul", first, spread_over(other, of_other, union))
    summed = [axis for axis, label in enumerate(union) if label not in result]
    total = reduced(c, step, products, summed, "sum") if summed else products
    return total.permuted(tuple(union.index(label) for label in result))


def spread_over(x: Lazy, labels: str, union: str) -> Lazy:
    """A value with all axes of `union`, of one element where it has none of that label."""
    return replace(x, axes=tuple(x.axes[labels.index(n)] if n in labels else () for n in union))


def multiplied(c: Converter, step: fx.Node, one: Lazy, other: Lazy) -> Lazy:
    """A matrix by a matrix, of values `[.., M, K]` and `[.., K, N]`; of fewer matrices, each is of a group's."""
    ranks = [len(one.shape), len(other.shape)]
    if min(ranks) < 2 or len(set(ranks)) > 1:
        raise Refused(f"factors of {[r + 1 for r in ranks]} axes: both must have as many, three or more")
    if ranks[0] == 2:
        return contracted(c, step, one, "mk", other, "kn", "mn")
    if ranks[0] == 3 and 1 in (one.shape[1], other.shape[2]):
        # A vector by matrices has no more products than these have numbers.
        return contracted(c, step, one, "gmk", other, "gkn", "gmn")
    leading = [max(pair) for pair in zip(one.shape[:-2], other.shape[:-2])]
    matrices, count = math.prod(leading), leading[0]
    products = matrices * one.shape[-2] * one.shape[-1] * other.shape[-1]
    alike = one.shape[:-2] == other.shape[:-2]
    if alike and matrices > PARTS and products <= LARGEST:
        of = "abcdefgh"[: len(leading)]
        return contracted(c, step, one, f"{of}mk", other, f"{of}kn", f"{of}mn")
    by = max(LARGEST * count // products, 1) if alike and matrices > PARTS else 1
    if count > PARTS * by:
        raise Refused(f"{count} pairs of computed matrices: at most {PARTS} are multiplied one after another")
    parts = []
    for n in range(0, count, by):
        pair = []
        for x in (one, other):
            at = n * x.shape[0] // count
            part = x if x.shape[0] == 1 else sliced(c, step, x, 0, at, min(at + by, x.shape[0]))
            pair.append(part if by > 1 else lowered(part, 0))
        parts.append(multiplied(c, step, *pair) if by > 1 else with_axis(multiplied(c, step, *pair), 0))
    return joined(c, step, parts, 0)


@handles("scaled_dot_product_attention")
def attention(c: Converter, step: fx.Node, a: SimpleNamespace):
    if a.dropout_p:
        raise Refused("it drops values; the format has plain attention")
    query, key, value = (c.whole(x) for x in (a.query, a.key, a.value))
    rank = len(key.shape)
    scale = query.shape[-1] ** -0.5 if a.scale is None else float(a.scale)
    turned = key.permuted((*range(rank - 2), rank - 1, rank - 2))
    scores = affine(c, step, multiplied(c, step, query, turned), scale, 0.0)
    mask = mask_of(c, a, query.shape[-2], key.shape[-2])
    if mask is not None:
        scores = cast(Lazy, combined(c, step, "add", scores, mask))
    return multiplied(c, step, softened(c, step, scores, rank - 1, "softmax"), value)


def mask_of(c: Converter, a: SimpleNamespace, rows: int, columns: int) -> torch.Tensor | None:
    """What is added to the scores."""
    if a.is_causal:
        return torch.full((rows, columns), NEVER, dtype=torch.float64).triu(1)
    if a.attn_mask is None:
        return None
    mask = c.tensor(a.attn_mask, "mask")
    if c.values[a.attn_mask].dtype == torch.bool:
        return torch.where(mask.bool(), 0.0, NEVER)
    return torch.where(mask == -math.inf, NEVER, mask)
