"""8-bit values: per tensor, asymmetric, 256 levels, `w = q * scale + zero`."""

from __future__ import annotations

import torch


def quantize(values: torch.Tensor) -> tuple[torch.Tensor, float, float]:
    """`(q, scale, zero)`: `q` uint8 of the shape of `values`; scale and zero are float32 numbers.

    A constant tensor gets scale 1, and its value as zero.
    """
    low, high = values.detach().float().aminmax()
    if not bool(torch.isfinite(low) & torch.isfinite(high)):
        raise ValueError("a value is not finite")
    scale = (high - low) / 255
    if float(scale) == 0:
        return torch.zeros(values.shape, dtype=torch.uint8), 1.0, float(low)
    q = ((values.detach().float() - low) / scale).round().clamp(0, 255).to(torch.uint8)
    return q, float(scale), float(low)


def dequantize(q: torch.Tensor, scale: float, zero: float) -> torch.Tensor:
    """`q * scale + zero` in float32."""
    return q.float() * scale + zero
