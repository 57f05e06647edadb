"""Activations of the network format, as PyTorch functions."""

from __future__ import annotations

import math

import torch


class FormatError(ValueError):
    """A file that is not a network of this format."""


LEAST = 1.1754943508222875e-38
"""The least normal float32: celu divides by its number, so that this and one over it are its limits."""
WORDS = {
    "none": lambda y: y,
    "relu": lambda y: y.clamp_min(0),
    "relu6": lambda y: y.clamp(0, 6),
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "silu": lambda y: y * torch.sigmoid(y),
    "hard_swish": lambda y: y * (y / 6 + 0.5).clamp(0, 1),
    "gelu": lambda y: y * (1 + torch.erf(y / math.sqrt(2))) / 2,
    "selu": torch.nn.functional.selu,
    "softplus": lambda y: y.clamp_min(0) + torch.log1p(torch.exp(-y.abs())),
    "mish": torch.nn.functional.mish,
    "softsign": torch.nn.functional.softsign,
    "sqrt": lambda y: y.clamp_min(0).sqrt(),
    "exp": lambda y: y.clamp_max(88).exp(),
    "gelu_tanh": lambda y: y * (1 + torch.tanh(math.sqrt(2 / math.pi) * (y + 0.044715 * y**3))) / 2,
}
WITH_NUMBERS = {
    "elu": lambda y, a: torch.where(y < 0, a * torch.expm1(y), y),
    "celu": lambda y, a: torch.where(y < 0, a * torch.expm1(y / a), y),
    "leaky_relu": lambda y, a: torch.where(y < 0, a * y, y),
    "clip": lambda y, numbers: y.clamp(*numbers),
    "hard_sigmoid": lambda y, numbers: (numbers[0] * y + numbers[1]).clamp(0, 1),
}


def activate(y: torch.Tensor, activation: str | dict | None) -> torch.Tensor:
    """`y` through what a node's `activation` says; None is `none`."""
    if isinstance(activation, dict) and len(activation) == 1:
        ((word, numbers),) = activation.items()
        if word == "celu" and not LEAST <= numbers <= 1 / LEAST:
            raise FormatError(f"activation.celu is {numbers:g}: it must be from 1.2e-38 to 8.5e37")
        if word in WITH_NUMBERS:
            return WITH_NUMBERS[word](y, numbers)
    elif activation is None or (isinstance(activation, str) and activation in WORDS):
        return WORDS[activation or "none"](y)
    raise FormatError(f"activation {activation!r} is not in the format")
