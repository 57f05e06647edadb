"""Means, sums and maxima over any axes but the batch."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import torch
from torch import fx

from .convert import Converter, handles, operation_of
from .errors import Refused
from .lazy import Dims, Lazy, as_dims
from .shapes import tied

KINDS = {"mean": "avg", "sum": "avg", "amax": "max", "max": "max"}


@handles(*KINDS)
def reduce(c: Converter, step: fx.Node, a: SimpleNamespace):
    op, rank = operation_of(step), len(c.shape(a.self_)) + 1
    if hasattr(a, "other"):
        raise Refused("the greater of two values: the format has none but with numbers (clamp)")
    given = getattr(a, "dim", None)
    if given is None or given == []:
        raise Refused("it is taken over the images of a batch: name the axes, dim=(1, 2, 3)")
    axes = sorted(axis % rank for axis in ([given] if isinstance(given, int) else given))
    if axes[0] == 0:
        raise Refused("it is taken over the images of a batch")
    name, dims = c.real(a.self_)
    name, after = reduced(c, step, name, dims, [axis - 1 for axis in axes], KINDS[op])
    if op == "sum":
        count = 1
        for axis in axes:
            count *= dims[axis - 1]
        name = tied_sum(c, step, name, after, count)
    values = step.meta["val"]
    first = values[0] if isinstance(values, (tuple, list)) else values
    made = Lazy.of(name, after, 3).viewed(tuple(int(size) for size in first.shape[1:]))
    return [made] if first is not values else made


def tied_sum(c: Converter, step: fx.Node, name: str, dims: Dims, count: int) -> str:
    """A mean times how many values it is of."""
    scale = torch.full((dims[0],), float(count), dtype=torch.float64)
    return c.emit(step, "batch_norm", name, dims=dims, scale=scale, bias=torch.zeros_like(scale)).name


def reduced(
    c: Converter, step: fx.Node, name: str, dims: Dims, axes: Sequence[int], kind: str
) -> tuple[str, Dims]:
    """Pools (`avg`, `max`) over axes of `[C, H, W]`, each of which then has one element: the node, and its
    dimensions."""
    channels, *image = dims
    named = [axis for axis in (1, 2) if axis in axes]
    kernel = [size if axis in named else 1 for axis, size in enumerate(image, 1)]
    rest = [size // of for size, of in zip(image, kernel)]
    if len(named) == 2 or (named and rest == [1, 1]):
        name = c.emit(step, f"global_{kind}_pool2d", name, dims=(channels, 1, 1)).name
    elif named:
        # The format has no pool over one whole axis of any size.
        name = tied(c, step, name, dims, named)
        name = c.emit(step, f"{kind}_pool2d", name, dims=as_dims((channels, *rest)), kernel=kernel).name
    image = rest
    if 0 in axes and channels > 1:
        # Channels change places with rows.
        h, w = image
        name = c.emit(step, "permute", name, dims=(h, channels, w), order=[1, 0, 2]).name
        name = c.emit(step, f"{kind}_pool2d", name, dims=(h, 1, w), kernel=[channels, 1]).name
        name = c.emit(step, "permute", name, dims=(1, h, w), order=[1, 0, 2]).name if h > 1 else name
        channels = 1
    return name, as_dims((channels, *image))
