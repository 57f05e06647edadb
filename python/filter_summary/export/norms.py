"""Layer, group and instance norm, which compute mean and variance of each image: of means, products and quotients."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from torch import fx

from .convert import Converter, handles
from .errors import Refused
from .lazy import Dims, format_dims
from .reductions import reduced


@handles("layer_norm")
def layer_norm(c: Converter, step: fx.Node, a: SimpleNamespace):
    rank = len(c.shape(a.input)) + 1
    axes = range(rank - len(a.normalized_shape), rank)
    if axes[0] == 0:
        raise Refused("it is computed over the images of a batch")
    name, dims = c.real(a.input)

    def mean(name: str) -> str:
        return reduced(c, step, name, dims, [axis - 1 for axis in axes], "avg")[0]

    # Its scale has the sizes of the last axes, with ones for those before.
    sizes = format_dims(tuple(dims[axis - 1] if axis in axes else 1 for axis in range(1, rank)))
    return normalized(c, step, a, name, dims, mean, sizes)


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
    name, dims = c.real(a.input)
    return c.made(step, c.emit(step, "batch_norm", name, dims=dims, scale=scale, bias=bias))


def of_groups(c: Converter, step: fx.Node, a: SimpleNamespace, groups: int):
    name, dims = c.real(a.input)

    def mean(name: str) -> str:
        return mean_of_groups(c, step, name, dims, groups)

    return normalized(c, step, a, name, dims, mean, (dims[0], 1, 1))


def mean_of_groups(c: Converter, step: fx.Node, name: str, dims: Dims, groups: int) -> str:
    """`[C, 1, 1]`: each channel's is that of its group. Or `[1, 1, 1]`, where there is one group."""
    channels = dims[0]
    name, dims = reduced(c, step, name, dims, (1, 2), "avg")
    if groups in (1, channels):
        return reduced(c, step, name, dims, (0,), "avg")[0] if groups == 1 else name
    each = channels // groups
    name = c.emit(step, "reshape", name, dims=(groups, each, 1), shape=[groups, each, 1]).name
    name = c.emit(step, "global_avg_pool2d", name, dims=(groups, 1, 1)).name
    name = c.emit(step, "upsample_nearest2d", name, dims=(groups, each, 1), scale_factor=[each, 1]).name
    return c.emit(step, "flatten", name, dims=(channels, 1, 1)).name


def normalized(c: Converter, step: fx.Node, a: SimpleNamespace, name: str, dims: Dims, mean, sizes: Dims):
    """`(x - mean) / sqrt(variance + eps)`, times the weight, plus the bias, both of `sizes`."""
    centred = c.emit(step, "sub", name, mean(name), dims=dims).name
    variance = mean(c.emit(step, "mul", centred, centred, dims=dims).name)
    of = c.graph.dims_of(variance)
    one = torch.ones(of[0], dtype=torch.float64)
    above = c.emit(step, "batch_norm", variance, dims=of, scale=one, bias=one * a.eps).name
    # The square root: v / (0 + v^2)^(1/4).
    root = c.emit(step, "local_response_norm", above, dims=of, size=1, alpha=1.0, beta=0.25, k=0.0).name
    name = c.emit(step, "div", centred, root, dims=dims).name
    weight, bias = (c.optional(part, what) for part, what in ((a.weight, "weight"), (a.bias, "bias")))
    if sizes[1:] == (1, 1) and sizes[0] == dims[0]:
        if weight is not None or bias is not None:
            weight = torch.ones(dims[0], dtype=torch.float64) if weight is None else weight
            bias = torch.zeros_like(weight) if bias is None else bias
            name = c.emit(step, "batch_norm", name, dims=dims, scale=weight.flatten(), bias=bias.flatten()).name
    else:
        for op, constant in (("mul", weight), ("add", bias)):
            if constant is not None:
                name = c.emit(step, op, name, dims=dims, constant=constant.reshape(sizes)).name
    return c.made(step, name)
