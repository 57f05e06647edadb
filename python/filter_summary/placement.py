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
    base:1                 all taps of a filter read one base of C values, with tap gains (below), step s = C:
                           a 1x1 convolution, then a depthwise one (BSConv-U, Haase & Amthor 2020); L = C + (O-1)*s
    base:1/2               the same with s = C/2: the bases of neighbouring filters overlap
    gains:tap:1            a placement with tap gains; also gains:channel:4, gains:tensor:4
    learned:tap:2          positions are learned, in whole-tap units, beginning at those of tap:2
    learned:channel:4      the same in scalar units (DFSNet), beginning at those of channel:4
    learned:base:1/2, gains:learned:tap:2      both

Tap gains are one learned number a filter and tap:

    W[i, c, t] = gains[i, t] * f[starts[i] + c * channel_stride + tap_offsets[t]]

A learned position `p` is a real number of units: with `s = floor(p) * unit` and `a = p - floor(p)` the filter is
`(1 - a) * segment(s) + a * segment(s + unit)`; gains multiply the blend.

`Placements` says which placement each convolution of a network gets.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import torch

KINDS = ("dense", "tap", "base", "channel", "tensor")
LEARNED_KINDS = ("tap", "base", "channel")


class PlacementError(ValueError):
    """A placement that cannot be read, or that does not fit a layer's shape."""


@dataclass(frozen=True)
class Layout:
    """A placement of `out` filters of `channels * kh * kw` weights.

    `shape` is the summary's, `[L]` or `[D, FH, FW]`; `starts` is int64 `[O]`, or `[O, 3]` with a rank-3 summary.
    With a `unit` the positions are learned: `starts` are only where they begin, and they stay in `0 ..= span` units.
    With `gains` every filter has a learned factor a tap.
    """

    shape: tuple[int, ...]
    starts: torch.Tensor
    channels: int
    kh: int
    kw: int
    channel_stride: int
    tap_offsets: tuple[int, ...]
    boundary: str
    unit: int | None = None
    span: int = 0
    gains: bool = False

    @property
    def numel(self) -> int:
        return torch.Size(self.shape).numel()

    def index(self, starts: torch.Tensor | None = None, check: bool = True) -> torch.Tensor:
        """Place in the flat summary of every weight, int64 `[O, C, KH, KW]`; -1 stands for a zero.

        Other `starts` than the layout's own may be given, int64 `[O]`, for a summary of rank 1. `check=False` is for
        those that cannot lead outside: to look would make a GPU wait, and cannot be traced.
        """
        starts = self.starts if starts is None else starts
        c = torch.arange(self.channels, device=starts.device)
        if len(self.shape) == 3:
            axes = [
                self._bound(starts[:, 0, None] + c, self.shape[0])[:, :, None, None],
                self._bound(starts[:, 1, None] + torch.arange(self.kh), self.shape[1])[:, None, :, None],
                self._bound(starts[:, 2, None] + torch.arange(self.kw), self.shape[2])[:, None, None, :],
            ]
            flat = (axes[0] * self.shape[1] + axes[1]) * self.shape[2] + axes[2]
            outside = (axes[0] < 0) | (axes[1] < 0) | (axes[2] < 0)
            return flat.masked_fill(outside, -1)
        taps = torch.tensor(self.tap_offsets, device=starts.device).view(self.kh, self.kw)
        at = starts.view(-1, 1, 1, 1) + (c * self.channel_stride).view(1, -1, 1, 1) + taps
        return at if self.boundary == "none" and not check else self._bound(at, self.shape[0])

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
        apart = len(set(self.tap_offsets)) == len(self.tap_offsets)
        if apart and list(self.tap_offsets) == [y * sy + x * sx for y in range(self.kh) for x in range(self.kw)]:
            return window | {"strides": [self.channel_stride, sy, sx]}
        return window | {"channel_stride": self.channel_stride, "tap_offsets": list(self.tap_offsets)}


@dataclass(frozen=True)
class Placement:
    """How the filters of every layer are placed; `Placement.parse` reads the text forms above."""

    kind: str
    amount: Fraction = Fraction(1)
    order: tuple[int, ...] | None = None
    learned: bool = False
    gains: bool = False

    @staticmethod
    def parse(text: str) -> Placement:
        bare = text.removeprefix("gains:")
        learned = bare.startswith("learned:")
        kind, *rest = bare.removeprefix("learned:").split(":")
        gains = text.startswith("gains:") or kind == "base"
        if kind not in KINDS:
            raise PlacementError(f"placement {text!r}: {kind!r} is not one of {', '.join(KINDS)}")
        if learned and kind not in LEARNED_KINDS:
            raise PlacementError(f"placement {text!r}: positions are learned with {' or '.join(LEARNED_KINDS)} only")
        if text.startswith("gains:") and kind in ("dense", "base"):
            raise PlacementError(f"placement {text!r}: dense filters need no gains, and base has them always")
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
        return Placement(kind, amount, order, learned, gains)

    def __str__(self) -> str:
        text = self.kind if self.kind == "dense" else f"{self.kind}:{self.amount}"
        text = f"learned:{text}" if self.learned else text
        text = f"gains:{text}" if self.gains and self.kind != "base" else text
        return text if self.order is None else f"{text}:{','.join(map(str, self.order))}"

    def layout(self, out: int, channels: int, kh: int, kw: int) -> Layout:
        """The layout of `out` filters `[channels, kh, kw]`."""
        make = {
            "dense": self._dense, "tap": self._tap, "base": self._tap, "channel": self._channel, "tensor": self._tensor,
        }  # fmt: skip
        return replace(make[self.kind](out, channels, kh, kw), gains=self.gains)

    def _dense(self, out: int, c: int, kh: int, kw: int) -> Layout:
        k = c * kh * kw
        return Layout((out * k,), torch.arange(out) * k, c, kh, kw, kh * kw, tuple(range(kh * kw)), "none")

    def _tap(self, out: int, c: int, kh: int, kw: int) -> Layout:
        order = (0,) * (kh * kw) if self.kind == "base" else self.order or tuple(range(kh * kw))
        if len(order) != kh * kw:
            raise PlacementError(f"the tap order has {len(order)} places, the kernel {kh}x{kw}")
        step = self.amount * c
        if step.denominator != 1:
            raise PlacementError(f"a step of {self.amount} of {c} channels is not a whole number")
        starts, offsets = torch.arange(out) * int(step), tuple(c * o for o in order)
        if not self.learned:
            length = c * (max(order) + 1) + int(starts[-1])
            return Layout((length,), starts, c, kh, kw, 1, offsets, "none")
        # The last position may be reached, so the summary ends where the segment there does.
        span = max(-(-int(starts[-1]) // c), 1)
        return Layout((c * (max(order) + 1 + span),), starts, c, kh, kw, 1, offsets, "none", unit=c, span=span)

    def _channel(self, out: int, c: int, kh: int, kw: int) -> Layout:
        length = int(out * c * kh * kw / self.amount)
        if length < 1:
            raise PlacementError(f"ratio {self.amount} leaves nothing of {out} filters of {c * kh * kw} weights")
        starts = torch.tensor([i * length // max(out - 1, 1) for i in range(out)])
        layout = Layout((length,), starts, c, kh, kw, kh * kw, tuple(range(kh * kw)), "wrap")
        return replace(layout, unit=1, span=length) if self.learned else layout

    def _tensor(self, out: int, c: int, kh: int, kw: int) -> Layout:
        depth = int(out * c / self.amount)
        if depth < 1:
            raise PlacementError(f"ratio {self.amount} leaves nothing of {out} filters of {c} channels")
        starts = torch.tensor([[i * depth // out, i // kw % kh, i % kw] for i in range(out)])
        return Layout((depth, kh, kw), starts, c, kh, kw, kh * kw, tuple(range(kh * kw)), "wrap")


@dataclass(frozen=True)
class Placements:
    """The placements of a whole network.

    `kernel` is for kernels larger than 1x1. `pointwise` is for 1x1 convolutions, among them projection shortcuts; by
    default it follows `kernel` without gains (batch norm has a factor a filter already), except that tap-major steps
    of C and more, which would leave 1x1 filters side by side, mean dense ones. `first` is for the layer that reads
    the image. The authors compress all: `kernel` and `first` are `channel:R`.
    """

    kernel: Placement
    pointwise: Placement | None = None
    first: Placement = Placement("dense")

    @staticmethod
    def of(placement: Placement | Placements | str) -> Placements:
        """Placements from one of their parts: a placement, or its text, for the kernels."""
        if isinstance(placement, Placements):
            return placement
        return Placements(Placement.parse(placement) if isinstance(placement, str) else placement)

    @staticmethod
    def authors(ratio: Fraction | str | int, learned: bool = False) -> Placements:
        """Every convolution compressed by `int(O*C*KH*KW / ratio)`, as in the published code."""
        placement = Placement("channel", Fraction(ratio), learned=learned)
        return Placements(placement, first=placement)

    def choose(self, kh: int, kw: int, first: bool = False) -> Placement:
        """The placement of one convolution."""
        if first:
            return self.first
        if (kh, kw) != (1, 1):
            return self.kernel
        if self.pointwise is not None:
            return self.pointwise
        if self.kernel.kind in ("tap", "base"):
            dense = self.kernel.amount >= 1
            return Placement("dense") if dense else replace(self.kernel, kind="tap", order=None, gains=False)
        return replace(self.kernel, gains=False)

    def __str__(self) -> str:
        parts = [str(self.kernel)]
        parts += [] if self.pointwise is None else [f"pointwise {self.pointwise}"]
        parts += [] if self.first.kind == "dense" else [f"first {self.first}"]
        return ", ".join(parts)
