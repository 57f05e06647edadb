"""Activations, and what goes along the channels."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import torch
from torch import fx

from .arithmetic import affine, each, two
from .convert import Converter, handles, operation_of
from .errors import Refused, module_of, source_of
from .extremes import clip
from .lazy import AXES, Lazy
from .powers import LEAST, power


def celu(alpha: float) -> dict:
    """The word for a celu: the format divides by its number."""
    if not LEAST <= alpha <= 1 / LEAST:
        raise Refused(f"an alpha of {alpha:g}: the format has those from 1.2e-38 to 8.5e37")
    return {"celu": alpha}


ACTIVATIONS: dict[str, Callable[[SimpleNamespace], str | dict]] = {
    "relu": lambda a: "relu",
    "relu6": lambda a: "relu6",
    "leaky_relu": lambda a: {"leaky_relu": float(a.negative_slope)},
    "sigmoid": lambda a: "sigmoid",
    "tanh": lambda a: "tanh",
    "silu": lambda a: "silu",
    "hardsigmoid": lambda a: {"hard_sigmoid": [1 / 6, 0.5]},
    "hardswish": lambda a: "hard_swish",
    "gelu": lambda a: "gelu_tanh" if a.approximate == "tanh" else "gelu",
    "mish": lambda a: "mish",
    "selu": lambda a: "selu",
    "celu": lambda a: celu(float(a.alpha)),
    "sqrt": lambda a: "sqrt",
    "exp": lambda a: "exp",
    "hardtanh": lambda a: clip(a.min_val, a.max_val),
}


@handles(*ACTIVATIONS)
def activation(c: Converter, step: fx.Node, a: SimpleNamespace):
    if any(isinstance(value, fx.Node) for name, value in vars(a).items() if name != "self_"):
        raise Refused("its bounds are tensors")
    return each(c, step, c.lazy(a.self_), ACTIVATIONS[operation_of(step)](a))


@handles("rrelu", "rrelu_with_noise", "rrelu_with_noise_functional")
def rrelu(c: Converter, step: fx.Node, a: SimpleNamespace):
    """Where nothing is trained, the mean of its slopes."""
    if a.training:
        raise Refused("it draws random numbers: two runs of the model differ")
    return each(c, step, c.lazy(a.self_), {"leaky_relu": (float(a.lower) + float(a.upper)) / 2})


@handles("expm1")
def expm1(c: Converter, step: fx.Node, a: SimpleNamespace):
    return affine(c, step, each(c, step, c.lazy(a.self_), "exp"), 1.0, -1.0)


@handles("elu")
def elu(c: Converter, step: fx.Node, a: SimpleNamespace):
    if a.scale != 1 or a.input_scale != 1:
        raise Refused("a scale of what it computes, or of what it reads: multiply around it")
    return each(c, step, c.lazy(a.self_), {"elu": float(a.alpha)})


@handles("threshold")
def threshold(c: Converter, step: fx.Node, a: SimpleNamespace):
    if a.value != a.threshold:
        raise Refused(f"a value of {a.value} up to a threshold of {a.threshold}, a jump, which the format lacks")
    return each(c, step, c.lazy(a.self_), clip(float(a.threshold), None))


@handles("erf")
def erf(c: Converter, step: fx.Node, a: SimpleNamespace):
    """A node that `fuse` makes a GELU with those around it, or refuses."""
    x = c.lazy(a.self_)
    why = f"{module_of(step)[0] or 'the model'}: erf: the format has it in GELU alone ({source_of(step)})"
    return x.over(c.emit(step, "erf", x.base, dims=x.dims, why=why).name)


@handles("softplus")
def softplus(c: Converter, step: fx.Node, a: SimpleNamespace):
    if a.threshold < 16:
        raise Refused(f"a threshold of {a.threshold}: from 16 on what is cut off there is nothing")
    return scaled_softplus(c, step, a.self_, float(a.beta))


@handles("log_sigmoid", "log_sigmoid_forward")
def log_sigmoid(c: Converter, step: fx.Node, a: SimpleNamespace):
    return scaled_softplus(c, step, a.self_, -1.0)


def scaled_softplus(c: Converter, step: fx.Node, x: fx.Node, beta: float):
    """`log(1 + exp(beta * x)) / beta`."""
    curve = each(c, step, affine(c, step, c.lazy(x), beta, 0.0), "softplus")
    return affine(c, step, curve, 1 / beta, 0.0)


@handles("prelu", "_prelu_kernel")
def prelu(c: Converter, step: fx.Node, a: SimpleNamespace):
    slope = c.tensor(a.weight, "slope").flatten()
    x = c.channels(a.self_, 0) if len(slope) > 1 else c.whole(a.self_)
    return x.over(c.emit(step, "prelu", x.base, dims=x.dims, slope=slope).name)


@handles("softmax", "_softmax", "log_softmax", "_log_softmax")
def softmax(c: Converter, step: fx.Node, a: SimpleNamespace):
    op = "log_softmax" if "log_softmax" in operation_of(step) else "softmax"
    return softened(c, step, c.whole(a.self_), c.axis(a.self_, a.dim), op)


def softened(c: Converter, step: fx.Node, x: Lazy, axis: int, op: str) -> Lazy:
    """`softmax` or `log_softmax` along an axis."""
    x, place = c.placed(step, x, axis)
    keys = {} if place == 0 else {"axis": AXES[place]}
    return x.over(c.emit(step, op, x.base, dims=x.dims, **keys).name)


@handles("filter_summary.local_response_norm")
def local_response_norm(c: Converter, step: fx.Node, a: SimpleNamespace):
    x = c.channels(a.x, 0)
    if a.size % 2 == 0:
        return even_response_norm(c, step, a, x)
    keys = {"size": a.size, "alpha": float(a.alpha), "beta": float(a.beta), "k": float(a.k)}
    return x.over(c.emit(step, "local_response_norm", x.base, dims=x.dims, **keys).name)


def even_response_norm(c: Converter, step: fx.Node, a: SimpleNamespace, x: Lazy) -> Lazy:
    """Windows of an even size begin a channel earlier in PyTorch than in the format: squares are added up by a
    convolution."""
    channels = torch.arange(x.dims[0])
    apart = channels[None, :] - channels[:, None]
    weight = ((apart >= -(a.size // 2)) & (apart < (a.size + 1) // 2)).double() * (a.alpha / a.size)
    bias = torch.full((x.dims[0],), float(a.k), dtype=torch.float64)
    squares = c.emit(step, "mul", x.base, x.base, dims=x.dims).name
    keys = {"out_channels": x.dims[0], "kernel": [1, 1]}
    total = c.emit(step, "conv2d", squares, dims=x.dims, weight=weight[:, :, None, None], bias=bias, **keys).name
    return two(c, step, "div", x, power(c, step, x.over(total), float(a.beta)))
