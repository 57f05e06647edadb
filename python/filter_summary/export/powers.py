"""Powers and roots: products, and what the format's normalization over one channel makes of a number by itself."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from torch import fx

from .arithmetic import combined, each, ones, size_of, two, with_constant
from .convert import Converter, handles
from .errors import Refused
from .lazy import Lazy

LEAST = 1.1754943508222875e-38
"""The least normal float32: nothing beside a number's square, and something where that is 0."""
PRODUCTS = 16
"""Whole powers up to this one are products."""


def real_power(c: Converter, step: fx.Node, x: Lazy, exponent: float) -> Lazy:
    """`x ** exponent` of numbers from 1e-16 to 1e19, as `x / (x^2) ** ((1 - exponent) / 2)`: of those below 0, where
    PyTorch has NaN, it is minus the power of their size."""
    keys = {"size": 1, "alpha": 1.0, "beta": (1.0 - exponent) / 2, "k": LEAST}
    return x.over(c.emit(step, "local_response_norm", x.base, dims=x.dims, **keys).name)


def rooted(c: Converter, step: fx.Node, x: Lazy) -> Lazy:
    """The square root."""
    return each(c, step, x, "sqrt")


def over(c: Converter, step: fx.Node, x: Lazy) -> Lazy:
    """`1 / x`."""
    return with_constant(c, step, "div", x, torch.tensor(1.0), False)


def power(c: Converter, step: fx.Node, x: Lazy, exponent: float) -> Lazy:
    """`x ** exponent`, of each number."""
    if abs(exponent) == 0.5:
        return rooted(c, step, x) if exponent > 0 else over(c, step, rooted(c, step, x))
    if exponent == 0:
        return ones(c, step, x)
    if exponent != int(exponent) or abs(exponent) > PRODUCTS:
        return real_power(c, step, size_of(c, step, x) if exponent % 2 == 0 else x, exponent)
    found, square, left = None, x, int(abs(exponent))
    while left:
        if left % 2:
            found = square if found is None else two(c, step, "mul", found, square)
        left //= 2
        square = two(c, step, "mul", square, square) if left else square
    whole = x if found is None else found
    return whole if exponent > 0 else over(c, step, whole)


@handles("pow")
def pow_(c: Converter, step: fx.Node, a: SimpleNamespace):
    exponent = c.value(a.exponent)
    x = c.value(a.self_)
    if isinstance(exponent, Lazy) or isinstance(x, torch.Tensor):
        raise Refused("its exponent is computed from the input")
    if exponent.numel() != 1:
        raise Refused(f"it has exponents of {list(exponent.shape)}: the format has one for all")
    return power(c, step, x, float(exponent))


@handles("square")
def square(c: Converter, step: fx.Node, a: SimpleNamespace):
    return power(c, step, c.lazy(a.self_), 2.0)


@handles("rsqrt")
def rsqrt(c: Converter, step: fx.Node, a: SimpleNamespace):
    return power(c, step, c.lazy(a.self_), -0.5)


@handles("hypot")
def hypot(c: Converter, step: fx.Node, a: SimpleNamespace):
    one, other = (combined(c, step, "mul", value, value) for value in (c.value(a.self_), c.value(a.other)))
    total = combined(c, step, "add", one, other)
    return rooted(c, step, total) if isinstance(total, Lazy) else total.sqrt()


@handles("sign", "sgn")
def sign(c: Converter, step: fx.Node, a: SimpleNamespace):
    raise Refused("the format has no signs: x / (abs(x) + eps) is one for what is not about 0")


def power_mean(c: Converter, step: fx.Node, x: Lazy, order: float) -> Lazy:
    """Numbers' sizes to the power `order`."""
    return power(c, step, x if order % 2 == 0 else size_of(c, step, x), order)
