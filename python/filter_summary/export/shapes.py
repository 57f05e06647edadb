"""Views, permutations, and what changes nothing."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from torch import fx

from .convert import Converter, handles, operation_of
from .errors import Refused
from .folds import FIRST
from .joins import with_axis
from .lazy import Lazy


@handles(
    "view", "reshape", "_unsafe_view", "flatten", "unflatten", "squeeze", "unsqueeze", "view_copy", "squeeze_copy",
    "_reshape_alias", "ravel", "view_as", "reshape_as", "unsqueeze_copy",
)  # fmt: skip
def view(c: Converter, step: fx.Node, a: SimpleNamespace):
    shape = tuple(int(size) for size in step.meta["val"].shape)
    return viewed(c, a.self_, c.folds.viewed(step, a.self_, shape))


def viewed(c: Converter, x: fx.Node, shape: tuple[int, ...]) -> Lazy:
    lazy = c.lazy(x)
    if [size for size in c.shape(x) if size != 1] == [size for size in shape if size != 1]:
        # Axes of one element come and go; what is repeated need not be written down for that.
        return renamed(lazy, c.shape(x), shape)
    return c.viewed(x, c.whole(x), shape)


def renamed(lazy: Lazy, before: tuple[int, ...], shape: tuple[int, ...]) -> Lazy:
    """A value's axes but those of one element, which are others."""
    kept = iter([axis for axis, size in zip(lazy.axes, before) if size != 1])
    axes = tuple(() if size == 1 else next(kept) for size in shape)
    return Lazy(lazy.base, lazy.dims, lazy.sizes, lazy.order, axes)


@handles("permute", "transpose", "t", "movedim", "swapaxes", "permute_copy", "transpose_copy", "moveaxis", "swapdims",
         "mT", "adjoint", "numpy_T")  # fmt: skip
def permute(c: Converter, step: fx.Node, a: SimpleNamespace):
    rank = len(a.self_.meta["val"].shape)
    order = list(range(rank))
    if hasattr(a, "dims"):
        order = [axis % rank for axis in a.dims]
    elif hasattr(a, "dim0") or hasattr(a, "axis0"):
        named = "dim" if hasattr(a, "dim0") else "axis"
        one, other = (int(getattr(a, f"{named}{n}")) for n in (0, 1))
        order[one], order[other] = order[other], order[one]
    elif hasattr(a, "source"):
        order = moved(rank, a.source, a.destination)
    elif rank == 2:
        order = [1, 0]
    elif operation_of(step) in ("mT", "adjoint"):
        order[-2:] = order[:-3:-1]
    else:
        raise Refused("the format has no such operation")
    lazy = c.lazy(a.self_)
    c.folds.permuted(step, a.self_, order)
    return (lazy if a.self_ in c.folds.of else with_axis(lazy, 0)).permuted(tuple(order))


def moved(rank: int, source, destination) -> list[int]:
    """The order that brings axes to other places, and leaves the others in theirs."""
    sources, places = ([n % rank for n in ([at] if isinstance(at, int) else at)] for at in (source, destination))
    rest = iter(n for n in range(rank) if n not in sources)
    return [sources[places.index(n)] if n in places else next(rest) for n in range(rank)]


@handles("contiguous", "clone", "alias", "detach", "lift_fresh_copy", "dropout", "feature_dropout", "_to_copy", "to",
         "type_as", "expand_copy", "alpha_dropout", "feature_alpha_dropout",
         "positive", "resolve_conj", "resolve_neg", "real", "cpu", "float", "double")  # fmt: skip
def same(c: Converter, step: fx.Node, a: SimpleNamespace):
    value = step.meta["val"]
    if not value.dtype.is_floating_point:
        raise Refused(f"values become {value.dtype}; the format has floating point numbers")
    x = a.self_ if a.self_ is not None else a.input
    return c.lazy(x)


@handles("_assert_tensor_metadata", "_assert_async")
def nothing(c: Converter, step: fx.Node, a: SimpleNamespace):
    return None


@handles("expand", "expand_as", "broadcast_to")
def expand(c: Converter, step: fx.Node, a: SimpleNamespace):
    lazy, shape = c.lazy(a.self_), step.meta["val"].shape
    place = c.folds.of.get(step, FIRST)
    if len(lazy.shape) != len(c.shape(step)) or shape[place.at] != c.batch * place.parts:
        raise Refused(f"it expands {[c.batch, *c.shape(a.self_)]} to {list(shape)}: give it as many axes before")
    # Sums and products repeat values by themselves; for whoever else reads it they are written down.
    return lazy


LIKE = {
    "zeros_like": torch.zeros, "ones_like": torch.ones, "new_zeros": torch.zeros, "new_ones": torch.ones,
    "empty_like": torch.zeros, "new_empty": torch.zeros,
}  # fmt: skip


@handles(*LIKE, "full_like", "new_full")
def constant(c: Converter, step: fx.Node, a: SimpleNamespace):
    """Of a value it takes the shape alone: the same for every image."""
    shape = list(step.meta["val"].shape)
    if operation_of(step) in LIKE:
        return LIKE[operation_of(step)](shape, dtype=torch.float64)
    return torch.full(shape, float(a.fill_value), dtype=torch.float64)


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
