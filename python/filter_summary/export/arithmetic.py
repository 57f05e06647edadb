"""Sums, products and quotients of two values, or of a value and constants.

Values are computed where they lie: no operation of single numbers asks in which order its axes are.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

import torch
from torch import fx

from .channels import beside, of_channels
from .convert import Converter, Value, handles, operation_of
from .errors import Refused
from .layout import best, spread_shape
from .lazy import Lazy

OPERATIONS: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div,
}  # fmt: skip


def combined(c: Converter, step: fx.Node, op: str, one: Value, other: Value) -> Value:
    """`one op other`, where either may be a constant."""
    if isinstance(one, torch.Tensor):
        if isinstance(other, torch.Tensor):
            return OPERATIONS[op](one, other)
        return with_constant(c, step, op, other, one, False)
    return (
        with_constant(c, step, op, one, other, True)
        if isinstance(other, torch.Tensor)
        else two(c, step, op, one, other)
    )


def two(c: Converter, step: fx.Node, op: str, one: Lazy, other: Lazy) -> Lazy:
    """Of two values: where both lie, or in the order in which fewest have to be moved."""
    whole = spread_shape(one.shape, other.shape)
    if whole is None:
        raise Refused(f"operands of {[c.batch, *one.shape]} and {[c.batch, *other.shape]}: give both as many axes")
    if one.dims == other.dims and one.runs() == other.runs():
        return one.over(c.emit(step, op, one.base, other.base, dims=one.dims).name)
    alike = beside(c, step, one, other)
    if alike is not None:
        whole_of, *bases, dims = alike
        return whole_of.over(c.emit(step, op, *bases, dims=dims).name)
    layout = best([one, other], whole)
    if layout is None:
        raise Refused(f"operands of {[c.batch, *one.shape]} and {[c.batch, *other.shape]} repeat each other too often")
    names = [c.settle(step, lazy.permuted(layout.order), layout.dims(lazy.shape)) for lazy in (one, other)]
    node = c.emit(step, op, *names, dims=layout.dims(whole))
    return layout.back(node.name, node.dims, whole)


def with_constant(c: Converter, step: fx.Node, op: str, x: Lazy, constant: torch.Tensor, value_first: bool) -> Lazy:
    """`x op constant`, or `constant op x`: a factor and a bias a channel where it is one."""
    number = aligned(c, x, constant)
    varying = [axis for axis, size in enumerate(number.shape) if size != 1]
    if op == "div" and not value_first:
        # The format divides values: here those are ones, whatever x is, times the constant.
        above = ones(c, step, x)
        if varying or float(number) != 1:
            above = with_constant(c, step, "mul", above, number, True)
        return two(c, step, "div", above, x)
    flat = number.flatten().expand(x.dims[0]) if not varying else of_channels(x, number)
    if flat is not None:
        one, zero = torch.ones_like(flat), torch.zeros_like(flat)
        scale, bias = {"add": (one, flat), "sub": (one, -flat), "mul": (flat, zero), "div": (1 / flat, zero)}[op]
        if op == "sub" and not value_first:
            scale, bias = -one, flat
        return lines(c, step, x, scale, bias)
    if op == "sub" and not value_first:
        op, x = "add", affine(c, step, x, -1.0, 0.0)
    shape = tuple(number.shape)
    whole = cast(tuple[int, ...], spread_shape(x.shape, shape))
    layout = best([x], whole, others=[shape])
    if layout is None:
        raise Refused(f"its constant of {list(shape)} repeats a value of {list(x.shape)} too often")
    number = number.permute(layout.order).reshape(cast(tuple, layout.dims(shape)))
    name = c.settle(step, x.permuted(layout.order), layout.dims(x.shape))
    node = c.emit(step, op, name, dims=layout.dims(whole), constant=number)
    return layout.back(node.name, node.dims, whole)


def alone(c: Converter, constant: torch.Tensor) -> torch.Tensor:
    """A constant without the batch's images, where it is the same for all."""
    first = constant[:1] if constant.dim() and constant.shape[0] == c.batch else constant
    return first if bool((constant == first).all()) else constant


def aligned(c: Converter, x: Lazy, constant: torch.Tensor) -> torch.Tensor:
    """A constant with the axes of a value, behind the batch."""
    rank = len(x.shape) + 1
    constant = c.folds.beside(constant)
    constant = alone(c, constant) if constant.dim() == rank else constant
    shape = (1,) * (rank - constant.dim()) + tuple(constant.shape)
    if len(shape) > rank:
        raise Refused(f"a constant of {list(constant.shape)} beside a value of {[c.batch, *x.shape]}: of more axes")
    if shape[0] != 1:
        raise Refused(f"a constant of {list(constant.shape)} differs from image to image")
    if spread_shape(x.shape, shape[1:]) is None:
        raise Refused(f"a constant of {list(constant.shape)} beside a value of {[c.batch, *x.shape]}")
    constant = constant.double().reshape(shape[1:])
    for axis, size in enumerate(constant.shape):
        # What is the same all along an axis of the value need not be there so often.
        first = constant.narrow(axis, 0, 1)
        constant = first if size == x.shape[axis] and bool((constant == first).all()) else constant
    return constant


def each(c: Converter, step: fx.Node, x: Lazy, word: str | dict) -> Lazy:
    """An activation of every number, wherever it lies."""
    return x.over(c.emit(step, "activation", x.base, dims=x.dims, activation=word).name)


def ones(c: Converter, step: fx.Node, x: Lazy) -> Lazy:
    """As many ones as a value has numbers."""
    return each(c, step, x, {"clip": [1.0, 1.0]})


def lines(c: Converter, step: fx.Node, x: Lazy, scale: torch.Tensor, bias: torch.Tensor) -> Lazy:
    """`scale * x + bias`, of the channels of its node."""
    if bool((scale == 1).all()) and not bool(bias.any()):
        return x
    return x.over(c.emit(step, "batch_norm", x.base, dims=x.dims, scale=scale, bias=bias).name)


def affine(c: Converter, step: fx.Node, x: Lazy, scale: float, bias: float) -> Lazy:
    """`scale * x + bias`, of every number."""
    one = torch.ones(x.dims[0], dtype=torch.float64)
    return lines(c, step, x, one * scale, one * bias)


def times(c: Converter, step: fx.Node, x: Value, factor: float) -> Value:
    if factor == 1:
        return x
    return x * factor if isinstance(x, torch.Tensor) else affine(c, step, x, factor, 0.0)


@handles("add", "sub", "mul", "div", "rsub")
def combine(c: Converter, step: fx.Node, a: SimpleNamespace):
    op = operation_of(step)
    if getattr(a, "rounding_mode", None) is not None:
        raise Refused("it rounds its quotients")
    one, other = c.value(a.self_), c.value(a.other)
    if op == "rsub":
        op, one, other = "sub", other, times(c, step, one, a.alpha)
    else:
        other = times(c, step, other, getattr(a, "alpha", 1))
    return combined(c, step, op, one, other)


@handles("lerp")
def lerp(c: Converter, step: fx.Node, a: SimpleNamespace):
    """`self + weight * (end - self)`."""
    start, way = c.value(a.self_), combined(c, step, "sub", c.value(a.end), c.value(a.self_))
    return combined(c, step, "add", start, combined(c, step, "mul", way, c.value(a.weight)))


@handles("addcmul", "addcdiv")
def add_product(c: Converter, step: fx.Node, a: SimpleNamespace):
    op = "mul" if operation_of(step) == "addcmul" else "div"
    product = combined(c, step, op, c.value(a.tensor1), c.value(a.tensor2))
    return combined(c, step, "add", c.value(a.self_), times(c, step, product, a.value))


@handles("reciprocal")
def reciprocal(c: Converter, step: fx.Node, a: SimpleNamespace):
    return with_constant(c, step, "div", c.lazy(a.self_), torch.tensor(1.0), False)


@handles("neg")
def neg(c: Converter, step: fx.Node, a: SimpleNamespace):
    return affine(c, step, c.lazy(a.self_), -1.0, 0.0)


@handles("abs")
def absolute(c: Converter, step: fx.Node, a: SimpleNamespace):
    return size_of(c, step, c.lazy(a.self_))


def size_of(c: Converter, step: fx.Node, x: Lazy) -> Lazy:
    """Numbers without their sign: what is left of 0 is turned around."""
    return each(c, step, x, {"leaky_relu": -1.0})
