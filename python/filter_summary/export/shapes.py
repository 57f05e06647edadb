"""Views, permutations, slices and concatenations."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

from torch import fx

from .convert import Converter, handles, operation_of
from .errors import Refused
from .lazy import Dims, Lazy, as_dims, format_dims

OPEN = 2147483647
"""An `end` beyond every size: the slice takes the rest, whatever the size of the input."""

AXES = ("channels", "height", "width")


@handles(
    "view", "reshape", "_unsafe_view", "flatten", "unflatten", "squeeze", "unsqueeze", "view_copy", "squeeze_copy",
    "_reshape_alias",
)  # fmt: skip
def view(c: Converter, step: fx.Node, a: SimpleNamespace):
    shape = step.meta["val"].shape
    if not shape or shape[0] != c.batch:
        raise Refused(f"a view of shape {list(shape)} mixes the {c.batch} images of a batch")
    return viewed(c, a.self_, tuple(int(size) for size in shape[1:]))


def viewed(c: Converter, x: fx.Node, shape: tuple[int, ...]) -> Lazy:
    lazy = c.whole(x)
    found = lazy.viewed(shape)
    if found is None:
        # Where an axis is cut elsewhere than where it was joined, what is moved must be written down first.
        flat = lazy.viewed((_count(lazy),))
        found = Lazy.of(c.settle(x, cast(Lazy, flat)), (_count(lazy), 1, 1), 1).viewed(shape)
    return cast(Lazy, found)


def _count(lazy: Lazy) -> int:
    total = 1
    for size in lazy.shape:
        total *= size
    return total


@handles("permute", "transpose", "t", "movedim", "swapaxes", "permute_copy", "transpose_copy")
def permute(c: Converter, step: fx.Node, a: SimpleNamespace):
    lazy = c.whole(a.self_)
    rank = len(lazy.shape) + 1
    order = list(range(rank))
    if hasattr(a, "dims"):
        order = [axis % rank for axis in a.dims]
    elif hasattr(a, "dim0"):
        one, other = a.dim0 % rank, a.dim1 % rank
        order[one], order[other] = other, one
    elif rank == 2:
        order = [1, 0]
    else:
        raise Refused("the format has no such operation")
    if order[0] != 0:
        raise Refused("it moves the images of a batch")
    return lazy.permuted(tuple(axis - 1 for axis in order[1:]))


@handles("contiguous", "clone", "alias", "detach", "lift_fresh_copy", "dropout", "feature_dropout", "_to_copy", "to",
         "type_as", "expand_copy")  # fmt: skip
def same(c: Converter, step: fx.Node, a: SimpleNamespace):
    value = step.meta["val"]
    if not value.dtype.is_floating_point:
        raise Refused(f"values become {value.dtype}; the format has floating point numbers")
    x = a.self_ if a.self_ is not None else a.input
    return c.lazy(x)


@handles("_assert_tensor_metadata", "_assert_async")
def nothing(c: Converter, step: fx.Node, a: SimpleNamespace):
    return None


@handles("expand", "expand_as")
def expand(c: Converter, step: fx.Node, a: SimpleNamespace):
    lazy, rank = c.lazy(a.self_), len(step.meta["val"].shape) - 1
    if len(lazy.shape) != rank or step.meta["val"].shape[0] != c.batch:
        raise Refused("it adds axes")
    # Sums and products repeat values by themselves; whoever else reads it refuses.
    return lazy


def sliced(c: Converter, step: fx.Node, x: fx.Node, axis: int, start: int, end: int, by: int = 1) -> Lazy:
    """A slice along an axis of the model's value; the whole is no slice."""
    rank = len(c.whole(x).shape) + 1
    axis %= rank
    size = int(x.meta["val"].shape[axis])
    # What counts from the end, or ends within an image, is of images of this size alone.
    rest = end >= OPEN and (start >= 0 or axis == 1)
    start, end = (min(max(at + size if at < 0 else at, 0), size) for at in (start, end))
    whole = start == 0 and end == size and by == 1
    if whole and (rest or axis <= 1):
        return c.lazy(x)
    if axis == 0:
        raise Refused("it takes some images of a batch")
    name, dims = c.real(x)
    if whole:
        return Lazy.of(tied(c, step, name, dims, [axis - 1]), dims, rank - 1)
    after = list(dims)
    after[axis - 1] = -(-(end - start) // by)
    keys = cut({axis - 1: (start, OPEN if rest else end, by)})
    node = c.emit(step, "slice", name, dims=as_dims(after), **keys)
    return Lazy.of(node.name, node.dims, rank - 1)


def tied(c: Converter, step: fx.Node, name: str, dims: Dims, axes: Sequence[int]) -> str:
    """The same values, of images of this size along `axes` of `[C, H, W]` alone: readers of the format refuse
    others."""
    keys = cut({axis: (0, dims[axis], 1) for axis in axes})
    return c.graph.add(c.name(step, "size"), "slice", [name], dims, keys).name


def cut(axes: dict[int, tuple[int, int, int]]) -> dict[str, Any]:
    """The keys of a slice of `(start, end, step)` along some axes; those that nobody cuts are whole at any size."""
    keys = {}
    for n, (key, default) in enumerate((("start", 0), ("end", OPEN), ("step", 1))):
        values = [axes[axis][n] if axis in axes else default for axis in range(3)]
        if values != [default] * 3:
            keys[key] = values
    return keys


@handles("slice", "slice_copy", "narrow")
def slice_(c: Converter, step: fx.Node, a: SimpleNamespace):
    start = a.start or 0
    if isinstance(start, fx.Node):
        raise Refused("its start is computed")
    end = start + a.length if hasattr(a, "length") else OPEN if a.end is None else a.end
    return sliced(c, step, a.self_, a.dim, start, end, getattr(a, "step", 1))


@handles("select")
def select(c: Converter, step: fx.Node, a: SimpleNamespace):
    size = int(a.self_.meta["val"].shape[a.dim])
    at = a.index % size
    part = sliced(c, step, a.self_, a.dim, at, at + 1)
    return part.viewed(c.shape(step))


@handles("chunk", "split", "split_with_sizes", "tensor_split", "unsafe_chunk", "unsafe_split", "split_copy")
def split(c: Converter, step: fx.Node, a: SimpleNamespace):
    parts, at = [], 0
    for value in step.meta["val"]:
        size = int(value.shape[a.dim])
        parts.append(sliced(c, step, a.self_, a.dim, at, at + size))
        at += size
    return parts


@handles("glu")
def glu(c: Converter, step: fx.Node, a: SimpleNamespace):
    """The first half times the sigmoid of the second."""
    size = int(a.self_.meta["val"].shape[a.dim]) // 2
    shape = c.shape(step)
    halves = [sliced(c, step, a.self_, a.dim, at, at + size) for at in (0, size)]
    first, gate = (c.settle(step, half) for half in halves)
    dims = format_dims(shape)
    gate = c.emit(step, "activation", gate, dims=dims, activation="sigmoid").name
    return c.made(step, c.emit(step, "mul", first, gate, dims=dims))


@handles("unbind")
def unbind(c: Converter, step: fx.Node, a: SimpleNamespace):
    count = len(step.meta["val"])
    shape = tuple(int(size) for size in step.meta["val"][0].shape[1:])
    return [sliced(c, step, a.self_, a.dim, n, n + 1).viewed(shape) for n in range(count)]


@handles("cat", "concat", "concatenate")
def cat(c: Converter, step: fx.Node, a: SimpleNamespace):
    rank = len(step.meta["val"].shape)
    axis = a.dim % rank
    if axis == 0:
        raise Refused("it joins batches")
    if rank > 4:
        raise Refused(f"it joins values of {rank} axes; the format has 4")
    names = [c.real(part)[0] for part in a.tensors]
    keys: dict[str, Any] = {} if axis == 1 else {"axis": AXES[axis - 1]}
    return c.made(step, c.emit(step, "concat", *names, **keys))


@handles("stack")
def stack(c: Converter, step: fx.Node, a: SimpleNamespace):
    shape = c.shape(step)
    axis = a.dim % (len(shape) + 1)
    if axis == 0 or len(shape) > 3:
        raise Refused("it makes a new axis before the channels, or a fifth")
    one = (*shape[: axis - 1], 1, *shape[axis:])
    names = []
    for part in a.tensors:
        names.append(c.settle(part, viewed(c, part, one)))
    keys: dict[str, Any] = {} if axis == 1 else {"axis": AXES[axis - 1]}
    return c.made(step, c.emit(step, "concat", *names, dims=format_dims(shape), **keys))


@handles("pixel_shuffle", "pixel_unshuffle")
def pixel_shuffle(c: Converter, step: fx.Node, a: SimpleNamespace):
    name, _ = c.real(a.self_)
    up = "unshuffle" not in operation_of(step)
    block = a.upscale_factor if up else a.downscale_factor
    return c.made(step, c.emit(step, "depth_to_space" if up else "space_to_depth", name, block=block, order="crd"))


@handles("channel_shuffle", "native_channel_shuffle")
def channel_shuffle(c: Converter, step: fx.Node, a: SimpleNamespace):
    name, dims = c.real(a.self_)
    return c.made(step, c.emit(step, "channel_shuffle", name, dims=dims, groups=a.groups))


@handles("flip", "roll")
def no_gather(c: Converter, step: fx.Node, a: SimpleNamespace):
    raise Refused("the format moves no single rows or columns")
