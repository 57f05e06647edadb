"""Linear layers and products of matrices, with a constant one convolutions of 1x1 over whatever axes there are."""

from __future__ import annotations

import math
from types import SimpleNamespace

import torch
from torch import fx

from .arithmetic import alone
from .contractions import contracted, multiplied
from .convert import Converter, handles
from .errors import Refused
from .lazy import Lazy, as_dims, format_dims


@handles("linear")
def linear(c: Converter, step: fx.Node, a: SimpleNamespace):
    return over_last(c, step, a.input, c.tensor(a.weight, "weight"), c.optional(a.bias, "bias"))


@handles("addmm", "mm", "matmul", "bmm")
def matmul(c: Converter, step: fx.Node, a: SimpleNamespace):
    one, other = (a.mat1, a.mat2) if hasattr(a, "mat1") else (a.self_, a.mat2 if hasattr(a, "mat2") else a.other)
    if c.is_constant(one) and not c.is_constant(other):
        return constant_first(c, step, c.tensor(one, "first factor"), other)
    if not c.is_constant(other):
        if hasattr(a, "mat1"):
            raise Refused("its factors are both computed, and images multiplied by each other")
        if min(len(x.meta["val"].shape) for x in (one, other)) < 3:
            raise Refused("factors of fewer than three axes: both must have as many, three or more")
        return multiplied(c, step, c.whole(one), c.whole(other))
    weight = matrix(c, c.tensor(other, "second factor"), "second")
    bias = None
    if hasattr(a, "mat1"):
        bias = c.tensor(a.self_, "bias").expand(weight.shape[-1]) * a.beta
        weight = weight * a.alpha
    return over_last(c, step, one, weight.t(), bias)


def matrix(c: Converter, weight: torch.Tensor, which: str) -> torch.Tensor:
    """A constant that is one matrix for all that it multiplies."""
    weight = alone(c, weight) if weight.dim() > 2 else weight
    if weight.dim() == 1:
        raise Refused(f"its {which} factor is a vector: give it as a matrix of one row or column")
    while weight.dim() > 2 and weight.shape[0] == 1:
        weight = weight[0]
    if weight.dim() != 2:
        raise Refused(f"its {which} factor has {weight.dim()} axes; the format has one matrix for all")
    return weight


def constant_first(c: Converter, step: fx.Node, weight: torch.Tensor, x: fx.Node) -> Lazy:
    """A constant matrix by a value: along its last axis but one."""
    axis = len(c.shape(x)) - 2
    if axis < c.folds.more(x):
        raise Refused("it multiplies along the batch: images are computed one by one")
    return applied(c, step, c.channels(x, axis), axis, matrix(c, weight, "first"), None)


def over_last(c: Converter, step: fx.Node, x: fx.Node, weight: torch.Tensor, bias: torch.Tensor | None) -> Lazy:
    """A linear layer over the last axis: the node of that name where there is no other, else a 1x1 convolution."""
    lazy = c.whole(x)
    rank = len(lazy.shape)
    if rank == 1:
        # A linear layer flattens by itself.
        name = lazy.base if lazy.plain else c.real(x)[0]
        node = c.emit(step, "linear", name, dims=(len(weight), 1, 1), weight=weight, bias=bias)
        return Lazy.shaped(node.name, node.dims, (len(weight),))
    return applied(c, step, c.channels(x, rank - 1), rank - 1, weight, bias)


def applied(c: Converter, step: fx.Node, x: Lazy, axis: int, weight: torch.Tensor, bias: torch.Tensor | None) -> Lazy:
    """A matrix by the channels of a node, along the axis that they are of its value."""
    keys = {"out_channels": len(weight), "kernel": [1, 1]}
    dims = as_dims((len(weight), *x.dims[1:]))
    node = c.emit(step, "conv2d", x.base, dims=dims, **keys, weight=weight[:, :, None, None], bias=bias)
    return x.resized(node.name, node.dims, axis)


@handles("einsum")
def einsum(c: Converter, step: fx.Node, a: SimpleNamespace):
    """A value by a constant, summed over axes of both."""
    terms, result = terms_of(a.equation.replace(" ", ""))
    if len(a.tensors) != 2:
        raise Refused(f"it has {len(a.tensors)} operands: two at a time are multiplied")
    if not any(c.is_constant(one) for one in a.tensors):
        one, other = terms
        if len({label[:1] for label in (one, other, result)}) != 1 or not set(result) <= {*one, *other}:
            raise Refused(f"the equation {a.equation!r}: the batch must be first in each")
        values = [c.whole(x) for x in a.tensors]
        return contracted(c, step, values[0], one[1:], values[1], other[1:], result[1:])
    (x, of_x), (constant, of_constant) = sorted(zip(a.tensors, terms), key=lambda pair: c.is_constant(pair[0]))
    if not of_x or of_x[0] != result[:1] or of_x[0] in of_constant or not set(result) <= {*of_x, *of_constant}:
        raise Refused(f"the equation {a.equation!r}: the batch must be first, and not be the constant's")
    summed = [label for label in of_x if label in of_constant and label not in result]
    kept = [label for label in of_x[1:] if label not in summed]
    new = [label for label in of_constant if label not in of_x]
    if not summed or set(result[1:]) != {*kept, *new} or any(label in of_constant for label in kept):
        # Not one matrix for all that is kept.
        weight = c.tensor(constant, "constant")
        return contracted(c, step, c.whole(x), of_x[1:], weight, of_constant, result[1:])
    weight = c.tensor(constant, "constant").permute([of_constant.index(label) for label in (*new, *summed)])
    out, into = math.prod(weight.shape[: len(new)]), math.prod(weight.shape[len(new) :])
    sizes = dict(zip(of_x[1:], c.shape(x))) | dict(zip(new, weight.shape))
    turned = c.whole(x).permuted(tuple(of_x[1:].index(label) for label in (*summed, *kept)))
    rest = tuple(sizes[label] for label in kept)
    dims = format_dims((into, *rest)) if len(rest) < 3 else (into, math.prod(rest), 1)
    first = Lazy.shaped(c.settle(step, turned, dims), dims, (into, *rest))
    product = applied(c, step, first, 0, weight.reshape(out, into), None)
    labels = (*new, *kept)
    found = Lazy.shaped(product.base, product.dims, tuple(sizes[label] for label in labels))
    return found.permuted(tuple(labels.index(label) for label in result[1:]))


def terms_of(equation: str) -> tuple[list[str], str]:
    """The labels of each operand, and those of the result."""
    if "..." in equation:
        raise Refused(f"the equation {equation!r} has dots: name the axes")
    given, arrow, result = equation.partition("->")
    terms = given.split(",")
    if not arrow:
        labels = sorted(set(given) - {","})
        result = "".join(label for label in labels if given.count(label) == 1)
    if any(len(set(term)) != len(term) for term in (*terms, result)):
        raise Refused(f"the equation {equation!r} has a label twice")
    return terms, result
