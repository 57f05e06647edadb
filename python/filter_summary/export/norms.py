"""Layer, group, instance and root-mean-square norm, which compute statistics of each image: of means, products and
quotients."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

import torch
from torch import fx

from .arithmetic import affine, combined, lines, two
from .convert import Converter, handles
from .errors import Refused
from .lazy import Dims, Lazy
from .powers import rooted
from .reductions import pooled, reduced

Mean = Callable[[Lazy], Lazy]


@handles("layer_norm", "rms_norm")
def layer_norm(c: Converter, step: fx.Node, a: SimpleNamespace):
    x = c.whole(a.input)
    rank = len(x.shape)
    axes = range(rank - len(a.normalized_shape), rank)
    if axes[0] < c.folds.more(a.input):
        raise Refused("it is computed over the images of a batch")

    def mean(x: Lazy) -> Lazy:
        return reduced(c, step, x, list(axes), "mean")

    if hasattr(a, "bias"):
        return scaled(c, step, a, standardized(c, step, x, mean, a.eps))
    eps = torch.finfo(torch.float32).eps if a.eps is None else a.eps
    return scaled(c, step, a, over_root(c, step, x, mean(two(c, step, "mul", x, x)), eps))


@handles("group_norm")
def group_norm(c: Converter, step: fx.Node, a: SimpleNamespace):
    return of_groups(c, step, a, a.num_groups)


@handles("instance_norm")
def instance_norm(c: Converter, step: fx.Node, a: SimpleNamespace):
    channels = c.shape(a.input)[0]
    if a.use_input_stats:
        return of_groups(c, step, a, channels)
    one = torch.ones(channels, dtype=torch.float64)
    weight, bias = c.optional(a.weight, "weight"), c.optional(a.bias, "bias")
    mean, variance = c.tensor(a.running_mean, "mean"), c.tensor(a.running_var, "variance")
    scale = (one if weight is None else weight) / (variance + a.eps).sqrt()
    bias = (0 * one if bias is None else bias) - mean * scale
    return lines(c, step, c.channels(a.input, 0), scale, bias)


def of_groups(c: Converter, step: fx.Node, a: SimpleNamespace, groups: int):
    name, dims = c.real(a.input)
    x = Lazy.shaped(name, dims, c.shape(a.input))

    def mean(x: Lazy) -> Lazy:
        name, found = mean_of_groups(c, step, x.base, x.dims, groups)
        return x.resized(name, found, 0)

    for part in ("weight", "bias"):
        # One a channel, whatever axes are behind.
        value = c.optional(getattr(a, part), part)
        setattr(a, part, None if value is None else value.reshape(-1, *(1,) * (len(x.shape) - 1)))
    return scaled(c, step, a, standardized(c, step, x, mean, a.eps))


def mean_of_groups(c: Converter, step: fx.Node, name: str, dims: Dims, groups: int) -> tuple[str, Dims]:
    """`[C, 1, 1]`: each channel's is that of its group. Or `[1, 1, 1]`, where there is one group."""
    channels = dims[0]
    name, dims = pooled(c, step, name, dims, {1, 2}, "mean")
    if groups in (1, channels):
        return pooled(c, step, name, dims, {0}, "mean") if groups == 1 else (name, dims)
    each = channels // groups
    name = c.emit(step, "reshape", name, dims=(groups, each, 1), shape=[groups, each, 1]).name
    name = c.emit(step, "global_avg_pool2d", name, dims=(groups, 1, 1)).name
    name = c.emit(step, "upsample_nearest2d", name, dims=(groups, each, 1), scale_factor=[each, 1]).name
    return c.emit(step, "flatten", name, dims=(channels, 1, 1)).name, (channels, 1, 1)


def standardized(c: Converter, step: fx.Node, x: Lazy, mean: Mean, eps: float) -> Lazy:
    """`(x - mean) / sqrt(variance + eps)`."""
    centred = two(c, step, "sub", x, mean(x))
    return over_root(c, step, centred, mean(two(c, step, "mul", centred, centred)), eps)


def over_root(c: Converter, step: fx.Node, x: Lazy, variance: Lazy, eps: float) -> Lazy:
    return two(c, step, "div", x, rooted(c, step, affine(c, step, variance, 1.0, eps)))


def scaled(c: Converter, step: fx.Node, a: SimpleNamespace, x: Lazy) -> Lazy:
    """Times the weight, plus the bias, of the last axes."""
    for op, part in (("mul", a.weight), ("add", getattr(a, "bias", None))):
        value = part if isinstance(part, torch.Tensor) else c.optional(part, op)
        if value is not None:
            x = cast(Lazy, combined(c, step, op, x, value))
    return x
