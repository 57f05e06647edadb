"""Placement: where the filters of a convolution lie in its Filter Summary.

One rule covers every published variant (see docs/format.md). Filter `i` starts at `starts[i]`, and

    W[i, c, t] = f[starts[i] + c * channel_stride + tap_offsets[t]]        t = y * KW + x

A `Placement` is the recipe, written as a short text so that it can be a command line argument; `Layout` is what the
recipe gives for one layer's shape.

    dense                  plain filters, nothing shared
    tap:2                  1-D tap-major, step s = 2C: compression about KH * KW / 2
    tap:3/2                the same with s = 3C/2 (any fraction whose step is a whole number)
    tap:2:0,4,8,1,5,6,2,3,7    taps in another order: tap t lies at offset C * order[t]
    channel:4              the authors' code: channel-major, L = int(O*K/r), starts trunc(i*L/(O-1)), wrap
    tensor:4               a 3-D summary of about O*K/4 values, wrap in every axis (after version 1 of the paper)
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import torch

KINDS = ("dense", "tap", "channel", "tensor")


class PlacementError(ValueError):
    """A placement that cannot be read, or that does not fit a layer's shape."""


@dataclass(frozen=True)
class Layout:
    """A placement of `out` filters of `channels * kh * kw` weights.

    `shape` is the summary's, `[L]` or `[D, FH, FW]`; `starts` is int64 `[O]`, or `[O, 3]` with a rank-3 summary.
    """

    shape: tuple[int, ...]
    starts: torch.Tensor
    channels: int
    kh: int
    kw: int
    channel_stride: int
    tap_offsets: tuple[int, ...]
    boundary: str

    @property
    def numel(self) -> int:
        return torch.Size(self.shape).numel()

    def index(self) -> torch.Tensor:
        """Position in the flat summary of every weight, int64 `[O, C, KH, KW]`; -1 stands for a zero."""
        c = torch.arange(self.channels)
        if len(self.shape) == 3:
            axes = [
                self._bound(self.starts[:, 0, None] + c, self.shape[0])[:, :, None, None],
                self._bound(self.starts[:, 1, None] + torch.arange(self.kh), self.shape[1])[:, None, :, None],
                self._bound(self.starts[:, 2, None] + torch.arange(self.kw), self.shape[2])[:, None, None, :],
            ]
            flat = (axes[0] * self.shape[1] + axes[1]) * self.shape[2] + axes[2]
            outside = (axes[0] < 0) | (axes[1] < 0) | (axes[2] < 0)
            return flat.masked_fill(outside, -1)
        taps = torch.tensor(self.tap_offsets).view(self.kh, self.kw)
        at = self.starts.view(-1, 1, 1, 1) + (c * self.channel_stride).view(1, -1, 1, 1) + taps
        return self._bound(at, self.shape[0])

    def _bound(self, at: torch.Tensor, size: int) -> torch.Tensor:
        """Apply the boundary rule to indices along one axis."""
        if self.boundary == "wrap":
            return at % size
        outside = (at < 0) | (at >= size)
        if self.boundary == "none" and bool(outside.any()):
            raise PlacementError(f"index {at[outside][0].item()} is outside a summary axis of {size}")
        return at.masked_fill(outside, -1)

    def window(self) -> dict:
        """The `window` object of the network format, in its shortest form."""
        window: dict = {"channels": self.channels, "height": self.kh, "width": self.kw}
        if len(self.shape) == 3:
            return window
        sx = self.tap_offsets[1] - self.tap_offsets[0] if self.kw > 1 else 0
        sy = self.tap_offsets[self.kw] - self.tap_offsets[0] if self.kh > 1 else 0
        if list(self.tap_offsets) == [y * sy + x * sx for y in range(self.kh) for x in range(self.kw)]:
            return window | {"strides": [self.channel_stride, sy, sx]}
        return window | {"channel_stride": self.channel_stride, "tap_offsets": list(self.tap_offsets)}


@dataclass(frozen=True)
class Placement:
    """How the filters of every layer are placed; `Placement.parse` reads the text forms above."""

    kind: str
    amount: Fraction = Fraction(1)
    order: tuple[int, ...] | None = None

    @staticmethod
    def parse(text: str) -> Placement:
        kind, *rest = text.split(":")
        if kind not in KINDS:
            raise PlacementError(f"placement {text!r}: {kind!r} is not one of {', '.join(KINDS)}")
        if len(rest) != (0 if kind == "dense" else 1) and not (kind == "tap" and len(rest) == 2):
            raise PlacementError(f"placement {text!r}: wrong number of ':' parts")
        try:
            amount = Fraction(rest[0]) if rest else Fraction(1)
            order = tuple(int(o) for o in rest[1].split(",")) if len(rest) == 2 else None
        except (ValueError, ZeroDivisionError) as error:
            raise PlacementError(f"placement {text!r}: {error}") from error
        if amount <= 0:
            raise PlacementError(f"placement {text!r}: {amount} is not positive")
        if order is not None and (min(order) < 0 or len(set(order)) != len(order)):
            raise PlacementError(f"placement {text!r}: the tap order repeats a place or holds a negative one")
        return Placement(kind, amount, order)

    def __str__(self) -> str:
        text = self.kind if self.kind == "dense" else f"{self.kind}:{self.amount}"
        return text if self.order is None else f"{text}:{','.join(map(str, self.order))}"

    def layout(self, out: int, channels: int, kh: int, kw: int) -> Layout:
        """The layout of `out` filters `[channels, kh, kw]`."""
        make = {"dense": self._dense, "tap": self._tap, "channel": self._channel, "tensor": self._tensor}
        return make[self.kind](out, channels, kh, kw)

    def _dense(self, out: int, c: int, kh: int, kw: int) -> Layout:
        k = c * kh * kw
        return Layout((out * k,), torch.arange(out) * k, c, kh, kw, kh * kw, tuple(range(kh * kw)), "none")

    def _tap(self, out: int, c: int, kh: int, kw: int) -> Layout:
        order = self.order or tuple(range(kh * kw))
        if len(order) != kh * kw:
            raise PlacementError(f"the tap order has {len(order)} places, the kernel {kh}x{kw}")
        step = self.amount * c
        if step.denominator != 1:
            raise PlacementError(f"a step of {self.amount} of {c} channels is not a whole number")
        length = c * (max(order) + 1) + (out - 1) * int(step)
        return Layout((length,), torch.arange(out) * int(step), c, kh, kw, 1, tuple(c * o for o in order), "none")

    def _channel(self, out: int, c: int, kh: int, kw: int) -> Layout:
        length = int(out * c * kh * kw / self.amount)
        if length < 1:
            raise PlacementError(f"ratio {self.amount} leaves nothing of {out} filters of {c * kh * kw} weights")
        starts = torch.tensor([i * length // max(out - 1, 1) for i in range(out)])
        return Layout((length,), starts, c, kh, kw, kh * kw, tuple(range(kh * kw)), "wrap")

    def _tensor(self, out: int, c: int, kh: int, kw: int) -> Layout:
        depth = int(out * c / self.amount)
        if depth < 1:
            raise PlacementError(f"ratio {self.amount} leaves nothing of {out} filters of {c} channels")
        starts = torch.tensor([[i * depth // out, i // kw % kh, i % kw] for i in range(out)])
        return Layout((depth, kh, kw), starts, c, kh, kw, kh * kw, tuple(range(kh * kw)), "wrap")
