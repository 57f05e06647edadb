"""Channels folded into the batch: `[B, C, H, W]` as `[B * G, C / G, H, W]`, computed as that many images, and back.

The value of an image then has the G first, an axis that the model does not see: operations of single numbers, and those
along axes, work as they do on values of an axis more. Operations on images get all G * C / G channels, in as many
groups more, with weights repeated.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch
from torch import fx

from .errors import Refused
from .lazy import Lazy, format_dims

if TYPE_CHECKING:
    from .convert import Converter

VIEWS = {
    "view", "reshape", "_unsafe_view", "flatten", "unflatten", "squeeze", "unsqueeze", "view_copy", "_reshape_alias",
    "view_as", "reshape_as",
}  # fmt: skip
"""Operations that may fold, and unfold."""
ALONG = {
    "relu", "relu6", "leaky_relu", "sigmoid", "tanh", "silu", "hardsigmoid", "hardswish", "gelu", "mish", "selu",
    "celu", "sqrt", "exp", "hardtanh", "elu", "softplus", "clamp", "clamp_min", "clamp_max", "abs", "neg",
    "reciprocal", "add", "sub", "mul", "div", "rsub", "pow", "square", "rsqrt", "maximum", "minimum", "mean", "sum",
    "amax", "amin", "max", "min", "var", "std", "var_mean", "softmax", "log_softmax", "slice", "narrow", "select",
    "chunk", "split", "split_with_sizes", "unbind", "cat", "stack", "permute", "transpose", "contiguous", "clone",
    "detach", "alias", "dropout", "feature_dropout", "_to_copy", "to", "expand", "expand_as", "linear", "matmul",
    "bmm", "layer_norm", "prelu", "scaled_dot_product_attention", "linalg_vector_norm",
}  # fmt: skip
"""Operations along axes."""
OF_IMAGES = {
    "conv2d", "conv1d", "batch_norm", "_native_batch_norm_legit_no_training", "group_norm", "instance_norm",
    "max_pool2d", "max_pool1d", "avg_pool2d", "avg_pool1d", "adaptive_avg_pool1d", "adaptive_avg_pool2d",
    "adaptive_max_pool1d", "adaptive_max_pool2d", "max_pool2d_with_indices", "upsample_nearest2d",
    "upsample_bilinear2d",
}  # fmt: skip
"""Operations that compute all channels by themselves, or in groups."""


class Folds:
    """How many parts of each image are images of their own, by step."""

    def __init__(self, batch: int):
        self.batch = batch
        self.of: dict[fx.Node, int] = {}
        # While an operation on images is converted: how many parts its channels are of.
        self.merged = 1

    def more(self, step: fx.Node) -> int:
        """How many axes a step's value has that the model does not see."""
        return int(step in self.of and self.merged == 1)

    def like(self, step: fx.Node, other: fx.Node) -> None:
        if other in self.of:
            self.of[step] = self.of[other]

    def shape(self, step: fx.Node, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of a step's value behind the batch, of what the model sees."""
        parts = self.of.get(step, 1)
        if parts == 1:
            return shape
        return (parts * shape[0], *shape[1:]) if self.merged > 1 else (parts, *shape)

    def folded(self, step: fx.Node, before: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape behind the batch of a view, of a value of the shape `before`, that the model sees as `shape`."""
        parts = math.prod(before) // max(math.prod(shape[1:]), 1) if shape else 0
        if not parts or shape[0] != self.batch * parts or parts * math.prod(shape[1:]) != math.prod(before):
            raise Refused(f"a view of shape {list(shape)} mixes the {self.batch} images of a batch")
        if parts == 1:
            return shape[1:]
        self.of[step] = parts
        return (parts, *shape[1:])

    def constant(self, value: torch.Tensor) -> torch.Tensor:
        """Weights of an operation on images, for all parts."""
        return value.repeat(self.merged, *(1,) * (value.dim() - 1)) if self.merged > 1 and value.dim() else value

    def begin(self, c: Converter, name: str, step: fx.Node, a: SimpleNamespace) -> None:
        """Before an operation is converted."""
        read = [one for one in step.all_input_nodes if not isinstance(c.values[one], torch.Tensor)]
        found = {self.of.get(one, 1) for one in read}
        if found <= {1} or name in VIEWS:
            return
        if len(found) > 1 or name not in (ALONG | OF_IMAGES):
            raise Refused(f"it computes with parts of the {self.batch} images of a batch as images of their own")
        (parts,) = found
        values = step.meta["val"] if isinstance(step.meta["val"], (tuple, list)) else [step.meta["val"]]
        shapes = [value.shape for value in values if value is not None and value.numel()]
        if any(shape[:1] != (self.batch * parts,) for shape in shapes):
            raise Refused(f"it mixes the {self.batch} images of a batch")
        self.of[step] = parts
        if name in OF_IMAGES or name == "prelu" and c.values[a.weight].numel() > 1:
            self.merged = parts
            for key in ("groups", "num_groups"):
                if hasattr(a, key):
                    setattr(a, key, getattr(a, key) * parts)

    def together(self, whole: Callable[[], Lazy]) -> Lazy:
        """A value as operations on images see it."""
        parts, self.merged = self.merged, 1
        lazy, self.merged = whole(), parts
        one, other, *rest = lazy.axes
        return Lazy(lazy.base, lazy.dims, lazy.sizes, lazy.order, (one + other, *rest))

    def end(self, c: Converter, step: fx.Node, made: Any) -> Any:
        """After an operation is converted: its value with the parts as an axis again."""
        if self.merged == 1:
            return made
        parts, self.merged = self.merged, 1

        def apart(lazy: Lazy) -> Lazy:
            shape = (parts, lazy.shape[0] // parts, *lazy.shape[1:])
            dims = format_dims(lazy.shape)
            return lazy.viewed(shape) or Lazy.shaped(c.settle(step, lazy, dims), dims, shape)

        return [apart(one) for one in made] if isinstance(made, list) else apart(made)
