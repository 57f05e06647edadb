"""Values whose first axis is not the batch alone: channels folded into the batch, `[B * G, C / G, H, W]`, the batch
behind other axes, `[3, B, heads, N, D]`, or within one, `[L * B, E]`; and back.

A value of one image then has all axes that the model sees, without the images on one of them: operations of single
numbers, and those along other axes, work as they do on values of an axis more. Operations on images get all G * C / G
channels, in as many groups more, with weights repeated.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch
from torch import fx

from .errors import Refused
from .lazy import Lazy

if TYPE_CHECKING:
    from .convert import Converter

VIEWS = {
    "view", "reshape", "_unsafe_view", "flatten", "unflatten", "squeeze", "unsqueeze", "view_copy", "_reshape_alias",
    "view_as", "reshape_as",
}  # fmt: skip
"""Operations that may fold, and unfold."""
MOVES = {
    "permute", "transpose", "t", "movedim", "swapaxes", "permute_copy", "transpose_copy", "moveaxis", "swapdims", "mT",
    "adjoint", "numpy_T",
}  # fmt: skip
"""Operations that may bring the batch elsewhere."""
OF_SHAPES = {
    "zeros_like", "ones_like", "new_zeros", "new_ones", "empty_like", "new_empty", "full_like", "new_full",
    "_assert_tensor_metadata", "_assert_async",
}  # fmt: skip
"""Operations that read no numbers."""
ALONG = {
    "relu", "relu6", "leaky_relu", "sigmoid", "tanh", "silu", "hardsigmoid", "hardswish", "gelu", "mish", "selu",
    "celu", "sqrt", "exp", "hardtanh", "elu", "softplus", "clamp", "clamp_min", "clamp_max", "abs", "neg",
    "reciprocal", "add", "sub", "mul", "div", "rsub", "pow", "square", "rsqrt", "maximum", "minimum", "mean", "sum",
    "amax", "amin", "max", "min", "var", "std", "var_mean", "softmax", "log_softmax", "slice", "narrow", "select",
    "chunk", "split", "split_with_sizes", "unbind", "cat", "stack", "contiguous", "clone", "detach", "alias", "dropout",
    "feature_dropout", "_to_copy", "to", "expand", "expand_as", "linear", "matmul", "bmm", "mm", "addmm", "layer_norm",
    "prelu", "scaled_dot_product_attention", "linalg_vector_norm",
}  # fmt: skip
"""Operations along axes."""
OF_IMAGES = {
    "conv2d", "conv1d", "batch_norm", "_native_batch_norm_legit_no_training", "group_norm", "instance_norm",
    "max_pool2d", "max_pool1d", "avg_pool2d", "avg_pool1d", "adaptive_avg_pool1d", "adaptive_avg_pool2d",
    "adaptive_max_pool1d", "adaptive_max_pool2d", "max_pool2d_with_indices", "upsample_nearest2d",
    "upsample_bilinear2d",
}  # fmt: skip
"""Operations that compute all channels by themselves, or in groups."""


@dataclass(frozen=True)
class Place:
    """Where the batch is: the axis `at` of the model's value runs over `outer` places, images, and `inner` places in
    each, the last fastest. A value of one image has `outer * inner` along it."""

    at: int = 0
    outer: int = 1
    inner: int = 1

    @property
    def parts(self) -> int:
        return self.outer * self.inner


FIRST = Place()
"""Where the batch belongs; values of one image have no axis for it then."""


class Folds:
    """Where the batch is, by step, where it is not the first axis alone."""

    def __init__(self, batch: int):
        self.batch = batch
        self.of: dict[fx.Node, Place] = {}
        # While an operation is converted: where the batch is in what it reads, and how many axes are behind that.
        self.place, self.behind = FIRST, 0
        # While an operation on images is converted: how many parts its channels are of.
        self.merged = 1

    def axis(self, step: fx.Node) -> int:
        """Which axis of a step's value the batch is."""
        return self.of.get(step, FIRST).at

    def more(self, step: fx.Node) -> int:
        """How many axes a value has, of one image, for the one of the batch."""
        return int(step in self.of and self.merged == 1)

    def like(self, step: fx.Node, other: fx.Node) -> None:
        if other in self.of:
            self.of[step] = self.of[other]

    def shape(self, step: fx.Node, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of one image's value, of a step that makes what the model sees as `shape`."""
        if step not in self.of:
            return shape[1:]
        at, parts = self.of[step].at, self.of[step].parts
        return (parts * shape[1], *shape[2:]) if self.merged > 1 else (*shape[:at], parts, *shape[at + 1 :])

    def viewed(self, step: fx.Node, x: fx.Node, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of one image's value, of a view of `x` that the model sees as `shape`. In what order values lie
        does not change: the axis of the batch is that which has as many values before the images, and behind."""
        place, before = self.of.get(x, FIRST), 1
        ahead = math.prod(x.meta["val"].shape[: place.at]) * place.outer
        for at, size in enumerate(shape):
            if ahead % before:
                break
            outer = ahead // before
            inner, rest = divmod(size, outer * self.batch)
            if inner and not rest:
                self.of[step] = Place(at, outer, inner)
                return self.shape(step, shape)
            before *= size
        raise Refused(f"a view of shape {list(shape)} mixes the {self.batch} images of a batch")

    def permuted(self, step: fx.Node, x: fx.Node, order: list[int]) -> None:
        """Note where the batch is in a value with its axes in another order."""
        place = self.of.get(x, FIRST)
        self.of[step] = replace(place, at=order.index(place.at))

    def constant(self, value: torch.Tensor) -> torch.Tensor:
        """Weights of an operation on images, for all parts."""
        return value.repeat(self.merged, *(1,) * (value.dim() - 1)) if self.merged > 1 and value.dim() else value

    def beside(self, value: torch.Tensor) -> torch.Tensor:
        """A constant beside a value whose first axis is not the batch alone: of one image."""
        place, axis = self.place, value.dim() - self.behind - 1
        size = place.parts * self.batch
        if place == FIRST or axis < 0 or value.shape[axis] != size:
            return value
        before, after = value.shape[:axis], value.shape[axis + 1 :]
        images = value.reshape(*before, place.outer, self.batch, place.inner, *after)
        first = images.narrow(axis + 1, 0, 1)
        if not bool((images == first).all()):
            raise Refused(f"a constant of {list(value.shape)} differs from image to image")
        return first.reshape(*before, place.parts, *after)

    def begin(self, c: Converter, name: str, step: fx.Node, a: SimpleNamespace) -> None:
        """Before an operation is converted: where the batch is in what it makes."""
        self.place, self.behind = FIRST, 0
        read = [one for one in step.all_input_nodes if not isinstance(c.values[one], torch.Tensor)]
        if name in VIEWS | MOVES | OF_SHAPES or not any(one in self.of for one in read):
            return
        places = {one: self.of.get(one, FIRST) for one in read}
        rank = max(len(one.meta["val"].shape) for one in read)
        # Shapes are aligned at their ends.
        found = {replace(place, at=place.at + rank - len(one.meta["val"].shape)) for one, place in places.items()}
        if len(found) > 1 or name not in (ALONG | OF_IMAGES):
            raise Refused(f"it computes with parts of the {self.batch} images of a batch as images of their own")
        (place,) = found
        if place.at >= rank - mixed(c, name, a) or place.at and name in OF_IMAGES | {"prelu"}:
            raise Refused("it goes along the batch: images are computed one by one")
        at, rank_after = after(name, a, place.at, rank)
        values = step.meta["val"] if isinstance(step.meta["val"], (tuple, list)) else [step.meta["val"]]
        shapes = [value.shape for value in values if value is not None and value.numel()]
        size = self.batch * place.parts
        if any(shape[at : at + 1] != (size,) or rank_after not in (None, len(shape)) for shape in shapes):
            raise Refused(f"it mixes the {self.batch} images of a batch")
        self.place, self.behind = place, rank - place.at - 1
        self.of[step] = replace(place, at=at)
        if name in OF_IMAGES or name == "prelu" and c.values[a.weight].numel() > 1:
            self.merged, self.place = place.parts, FIRST
            for key in ("groups", "num_groups"):
                if hasattr(a, key):
                    setattr(a, key, getattr(a, key) * place.parts)

    def together(self, whole: Callable[[], Lazy]) -> Lazy:
        """A value as operations on images see it."""
        parts, self.merged = self.merged, 1
        lazy, self.merged = whole(), parts
        one, other, *rest = lazy.axes
        return Lazy(lazy.base, lazy.dims, lazy.sizes, lazy.order, (one + other, *rest))

    def end(self, c: Converter, step: fx.Node, made: Any) -> Any:
        """After an operation is converted: its value with the parts as an axis again, if there are any."""
        parts, self.merged, self.place = self.merged, 1, FIRST

        def apart(lazy: Lazy) -> Lazy:
            return c.viewed(step, lazy, (parts, lazy.shape[0] // parts, *lazy.shape[1:]))

        several = made if isinstance(made, list) else [made]
        if parts > 1:
            several = [apart(one) for one in several]
        if self.of.get(step) == FIRST:
            del self.of[step]
            several = [replace(one, axes=one.axes[1:]) for one in several]
        return several if isinstance(made, list) else several[0]

    def give_up(self, step: fx.Node) -> None:
        """After an operation is refused."""
        self.merged, self.place = 1, FIRST
        self.of.pop(step, None)


def mixed(c: Converter, name: str, a: SimpleNamespace) -> int:
    """How many of the last axes an operation goes along, whatever it is told."""
    if name == "layer_norm":
        return len(a.normalized_shape)
    if name in ("matmul", "bmm", "mm", "addmm"):
        second = a.mat2 if hasattr(a, "mat2") else a.other
        return 1 if c.is_constant(second) else 2
    return {"linear": 1, "scaled_dot_product_attention": 2}.get(name, 0)


def after(name: str, a: SimpleNamespace, at: int, rank: int) -> tuple[int, int | None]:
    """Where the batch is in what an operation makes of so many axes, and how many that has, if it is known."""
    if name == "stack":
        return at + (a.dim % (rank + 1) <= at), rank + 1
    given = getattr(a, "dim", None) if name in ("select", "unbind") or getattr(a, "keepdim", True) is False else []
    gone = [dim % rank for dim in ([given] if isinstance(given, int) else given or [])]
    return at - sum(dim < at for dim in gone), rank - len(gone)
