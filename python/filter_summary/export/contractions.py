"""Products of two computed values, summed along axes that both have: attention's. The format has no such operation:
all products are written down, and added up."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import cast

import torch
from torch import fx

from .arithmetic import affine, combined, two
from .convert import Converter, handles
from .elementwise import softened
from .errors import Refused
from .joins import joined, with_axis
from .lazy import Lazy
from .reductions import reduced
from .slices import lowered, sliced

LARGEST = 1 << 24
"""Products of one image: 64 MiB."""
PARTS = 16
"""So many pairs of matrices at most (heads of attention) are multiplied one after another."""


def contracted(c: Converter, step: fx.Node, one: Lazy, of_one: str, other: Lazy, of_other: str, result: str) -> Lazy:
    """The sum of products over all axes whose label is not in the result; labels name axes behind the batch."""
    union = result + "".join(dict.fromkeys(label for label in of_one + of_other if label not in result))
    sizes = dict(zip(of_one + of_other, one.shape + other.shape))
    count = math.prod(sizes[label] for label in union)
    if count > LARGEST:
        raise Refused(f"both factors are computed, and it would write down {count} products an image, beyond {LARGEST}")
    placed = [
        Lazy(x.base, x.dims, x.sizes, x.order, tuple(x.axes[of.index(n)] if n in of else () for n in union))
        for x, of in ((one, of_one), (other, of_other))
    ]
    products = two(c, step, "mul", *placed)
    summed = list(range(len(result), len(union)))
    total = reduced(c, step, products, summed, "sum") if summed else products
    return Lazy(total.base, total.dims, total.sizes, total.order, total.axes[: len(result)])


def multiplied(c: Converter, step: fx.Node, one: Lazy, other: Lazy) -> Lazy:
    """A matrix by a matrix, of values `[.., M, K]` and `[.., K, N]`."""
    ranks = [len(one.shape), len(other.shape)]
    if min(ranks) < 2 or len(set(ranks)) > 1:
        raise Refused(f"factors of {[r + 1 for r in ranks]} axes: both must have as many, three or more")
    if ranks[0] == 2:
        return contracted(c, step, one, "mk", other, "kn", "mn")
    count = max(one.shape[0], other.shape[0])
    if count > PARTS:
        raise Refused(f"{count} pairs of computed matrices: at most {PARTS} are multiplied one after another")
    parts = []
    for n in range(count):
        pair = [lowered(x if x.shape[0] == 1 else sliced(c, step, x, 0, n, n + 1), 0) for x in (one, other)]
        parts.append(with_axis(multiplied(c, step, *pair), 0))
    return joined(c, step, parts, 0)


@handles("scaled_dot_product_attention")
def attention(c: Converter, step: fx.Node, a: SimpleNamespace):
    if a.is_causal or a.dropout_p:
        raise Refused("it is causal, or drops values; the format has plain attention")
    query, key, value = (c.whole(x) for x in (a.query, a.key, a.value))
    rank = len(key.shape)
    scale = query.shape[-1] ** -0.5 if a.scale is None else float(a.scale)
    turned = key.permuted((*range(rank - 2), rank - 1, rank - 2))
    scores = affine(c, step, multiplied(c, step, query, turned), scale, 0.0)
    if a.attn_mask is not None:
        mask = c.tensor(a.attn_mask, "mask")
        if c.values[a.attn_mask].dtype == torch.bool:
            mask = torch.where(mask.bool(), 0.0, -1e30)
        scores = cast(Lazy, combined(c, step, "add", scores, mask))
    return multiplied(c, step, softened(c, step, scores, rank - 1, "softmax"), value)
