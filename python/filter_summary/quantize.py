"""8-bit values: per tensor, asymmetric, 256 levels, `w = q * scale + zero` (docs/format.md)."""

from __future__ import annotations

import torch
from torch import nn

LAST = 255
LEAST_SCALE = 2.0**-126
"""The least normal number of float32."""


def quantization(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """`(scale, zero)`, float32 of rank 0: from the least to the greatest of `values`, which must be finite.

    The scale is a 255th of the span, rounded up to 16 significant bits, so that `q * scale` is exact in float32 and
    devices that fuse multiplication and addition load the same weights as those that do not. Values that are all equal
    get scale 1, so that level 0 is exact. `fsnet quantize` does the same.
    """
    low, high = values.detach().float().aminmax()
    exact = ((high.double() - low.double()) / LAST).float()
    # The last 8 bits of 24: what the product with a level needs.
    scale = ((exact.view(torch.int32) + 0xFF) & ~0xFF).view(torch.float32).clamp_min(LEAST_SCALE)
    return torch.where(low == high, torch.ones_like(scale), scale), low


def levels(values: torch.Tensor, scale: torch.Tensor, zero: torch.Tensor) -> torch.Tensor:
    """The nearest levels, float64 of whole numbers from 0 to 255, in the shape of `values`."""
    at = (values.detach().double() - zero.double()) / scale.double()
    return (at + 0.5).floor().clamp(0, LAST)


def quantize(values: torch.Tensor) -> tuple[torch.Tensor, float, float]:
    """`(q, scale, zero)`: `q` uint8 of the shape of `values`; scale and zero are float32 numbers."""
    if not bool(torch.isfinite(values).all()):
        raise ValueError("a value is not finite")
    scale, zero = quantization(values)
    return levels(values, scale, zero).to(torch.uint8), float(scale), float(zero)


def dequantize(q: torch.Tensor, scale: float, zero: float) -> torch.Tensor:
    """`q * scale + zero` in float32."""
    return q.float() * scale + zero


def fake_quantize(values: torch.Tensor) -> torch.Tensor:
    """`values` rounded to their 256 levels; gradients pass as if they were not (the straight-through estimator)."""
    scale, zero = quantization(values)
    rounded = (levels(values, scale, zero).float() * scale + zero).to(values.dtype)
    return rounded + (values - values.detach())


def quantize_aware(model: nn.Module, bits: int | None = 8) -> nn.Module:
    """Let every `FsConv2d` of `model` compute with its summary as stored in `bits` (8; None: as it is). Fine-tune
    with it on; `export` then writes the levels that the last steps were made with. Returns `model`."""
    from .conv import FsConv2d

    if bits not in (None, 8):
        raise ValueError(f"bits may be None or 8, not {bits!r}")
    for module in model.modules():
        if isinstance(module, FsConv2d):
            module.bits = bits
    return model
