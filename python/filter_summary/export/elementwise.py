"""Activations, and operations of two values or a value and constants."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace

import torch
from torch import fx

from .convert import Converter, handles, operation_of
from .errors import Refused
from .lazy import format_dims

GREATEST = 3.4028234663852886e38
"""The greatest float32: `clip` has two ends."""


def clip(low: float | None, high: float | None) -> str | dict:
    """The shortest word for a clip."""
    if low == 0 and high in (None, 6):
        return "relu" if high is None else "relu6"
    ends = [-GREATEST if low is None else float(low), GREATEST if high is None else float(high)]
    if any(map(math.isnan, ends)):
        raise Refused("a bound is NaN")
    return {"clip": [min(max(end, -GREATEST), GREATEST) for end in ends]}


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
    "celu": lambda a: {"celu": float(a.alpha)},
    "sqrt": lambda a: "sqrt",
    "hardtanh": lambda a: clip(a.min_val, a.max_val),
    "clamp": lambda a: clip(a.min, a.max),
    "clamp_min": lambda a: clip(a.min, None),
    "clamp_max": lambda a: clip(None, a.max),
}


@handles(*ACTIVATIONS)
def activation(c: Converter, step: fx.Node, a: SimpleNamespace):
    if any(isinstance(value, fx.Node) for name, value in vars(a).items() if name != "self_"):
        raise Refused("its bounds are tensors")
    return activated(c, step, a.self_, ACTIVATIONS[operation_of(step)](a))


@handles("elu")
def elu(c: Converter, step: fx.Node, a: SimpleNamespace):
    if a.scale != 1 or a.input_scale != 1:
        raise Refused("a scale of what it computes, or of what it reads: multiply around it")
    return activated(c, step, a.self_, {"elu": float(a.alpha)})


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
    name, dims = c.real(x)
    if beta != 1:
        name = c.emit(step, "batch_norm", name, dims=dims, **scaled(dims, beta)).name
    node = c.emit(step, "activation", name, dims=dims, activation="softplus")
    if beta != 1:
        node = c.emit(step, "batch_norm", node.name, dims=dims, **scaled(dims, 1 / beta))
    return c.made(step, node)


def scaled(dims: tuple[int, ...], factor: float) -> dict[str, torch.Tensor]:
    """The tensors of a batch norm that multiplies."""
    return {"scale": torch.full(dims[:1], factor).double(), "bias": torch.zeros(dims[:1]).double()}


def activated(c: Converter, step: fx.Node, x: fx.Node, word: str | dict):
    name, dims = c.real(x)
    return c.made(step, c.emit(step, "activation", name, dims=dims, activation=word))


@handles("prelu", "_prelu_kernel")
def prelu(c: Converter, step: fx.Node, a: SimpleNamespace):
    name, dims = c.real(a.self_)
    slope = c.tensor(a.weight, "slope").flatten()
    return c.made(step, c.emit(step, "prelu", name, dims=dims, slope=slope))


@handles("add", "sub", "mul", "div", "rsub")
def combine(c: Converter, step: fx.Node, a: SimpleNamespace):
    op = operation_of(step)
    one, other, alpha = a.self_, a.other, getattr(a, "alpha", 1)
    if getattr(a, "rounding_mode", None) is not None:
        raise Refused("it rounds its quotients")
    if op == "rsub":
        op, one, other = "sub", other, one
        if alpha != 1:
            raise Refused("a factor alpha other than 1")
    values = [is_value(c, operand) for operand in (one, other)]
    if all(values):
        if alpha != 1:
            raise Refused("a factor alpha other than 1: multiply before")
        (first, dims), (second, other_dims) = (c.real(operand, spread=True) for operand in (one, other))
        if len({len(c.lazy(operand).shape) for operand in (one, other)}) > 1 and dims != other_dims:
            raise Refused(f"operands of {list(c.shape(one))} and {list(c.shape(other))}: give both as many axes")
        spread = tuple(max(sizes) for sizes in zip(dims, other_dims))
        if spread != format_dims(c.shape(step)):
            raise Refused("its operands are expanded beyond each other")
        return c.made(step, c.emit(step, op, first, second, dims=spread))
    x, constant = (one, other) if values[0] else (other, one)
    return with_constant(c, step, op, x, constant, values[0], float(alpha))


def is_value(c: Converter, operand) -> bool:
    return isinstance(operand, fx.Node) and not c.is_constant(operand)


def with_constant(c: Converter, step: fx.Node, op: str, x: fx.Node, constant, value_first: bool, alpha: float):
    """`x op constant`, or `constant op x`: a factor and a bias a channel where it is one."""
    rank = len(step.meta["val"].shape)
    number = c.tensor(constant, "operand") if isinstance(constant, fx.Node) else torch.tensor(float(constant)).double()
    number = number.reshape((1,) * (rank - number.dim()) + tuple(number.shape)) * (alpha if value_first else 1)
    if number.shape[0] != 1:
        raise Refused(f"a constant of {list(number.shape)} differs from image to image")
    number = number.reshape(format_dims(tuple(number.shape[1:])))
    name, dims = c.real(x, spread=True)
    if format_dims(c.shape(step)) != tuple(max(sizes) for sizes in zip(dims, number.shape)):
        raise Refused("the value is expanded by a constant that is larger than what it meets")
    if op == "div" and not value_first:
        # The format divides values: here those are ones, whatever x is, times the constant.
        ones = c.emit(step, "activation", name, dims=dims, activation={"clip": [1.0, 1.0]}).name
        if number.numel() > 1 or float(number) != 1:
            ones = c.emit(step, "mul", ones, constant=number).name
        return c.made(step, c.emit(step, "div", ones, name))
    by_channel = number.shape[1:] == (1, 1) and dims == format_dims(c.shape(step))
    if not by_channel:
        if not value_first and alpha != 1:
            raise Refused("a factor alpha other than 1: multiply before")
        if not value_first and op == "sub":
            raise Refused("values are subtracted from a constant of more than one value a channel")
        return c.made(step, c.emit(step, op, name, constant=number))
    flat = number.flatten().expand(dims[0])
    one, zero = torch.ones_like(flat), torch.zeros_like(flat)
    scale, bias = {"add": (one, flat), "sub": (one, -flat), "mul": (flat, zero), "div": (1 / flat, zero)}[op]
    if not value_first and op in ("add", "sub"):
        scale, bias = one * (alpha if op == "add" else -alpha), flat
    return c.made(step, c.emit(step, "batch_norm", name, dims=dims, scale=scale, bias=bias))


@handles("reciprocal")
def reciprocal(c: Converter, step: fx.Node, a: SimpleNamespace):
    return with_constant(c, step, "div", a.self_, 1.0, False, 1.0)


@handles("neg")
def neg(c: Converter, step: fx.Node, a: SimpleNamespace):
    return with_constant(c, step, "mul", a.self_, -1.0, True, 1.0)


@handles("pow")
def power(c: Converter, step: fx.Node, a: SimpleNamespace):
    if getattr(a, "exponent", None) != 2:
        raise Refused(f"the power {getattr(a, 'exponent', 'of a tensor')}; the format has squares")
    name, dims = c.real(a.self_)
    return c.made(step, c.emit(step, "mul", name, name, dims=dims))


@handles("square")
def square(c: Converter, step: fx.Node, a: SimpleNamespace):
    name, dims = c.real(a.self_)
    return c.made(step, c.emit(step, "mul", name, name, dims=dims))


@handles("softmax", "_softmax", "log_softmax", "_log_softmax")
def softmax(c: Converter, step: fx.Node, a: SimpleNamespace):
    rank = len(step.meta["val"].shape)
    axis = a.dim % rank
    if axis == 0:
        raise Refused("it is computed over the images of a batch")
    name, dims = c.real(a.self_)
    op = "log_softmax" if "log_softmax" in operation_of(step) else "softmax"
    keys = {} if axis == 1 else {"axis": ("height", "width")[axis - 2]}
    return c.made(step, c.emit(step, op, name, dims=dims, **keys))


@handles("filter_summary.local_response_norm")
def local_response_norm(c: Converter, step: fx.Node, a: SimpleNamespace):
    if a.size % 2 == 0:
        raise Refused(f"an even size of {a.size}, whose window PyTorch and the format place differently")
    name, dims = c.real(a.x)
    keys = {"size": a.size, "alpha": float(a.alpha), "beta": float(a.beta), "k": float(a.k)}
    return c.made(step, c.emit(step, "local_response_norm", name, dims=dims, **keys))
