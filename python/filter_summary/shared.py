"""The fast form of a Filter Summary convolution: shared products, then shifted sums with gains.

The bases are the distinct positions of the summary that taps begin at, `u = starts[i] + tap_offsets[t]`:

    P[p, u] = sum over c of f[u + c] * X[p, c]                       a 1x1 convolution
    Y[p, i] = sum over t of g[i, t] * P[p + t, starts[i] + tap_offsets[t]]

It holds for every layer whose channels lie side by side (channel stride 1), whose starts are an arithmetic
progression in any order of the filters, and which neither wraps nor learns positions, at stride 1. Both passes are
linear; their backward is

    dg[i, t] = sum over p of dY[p, i] * P[p + t, ..]       dP[q, u] = sum over (i, t) of g[i, t] * dY[q - t, i]
    dX = dP B        df = the rows of dP^T X, added up where bases overlap           (B[u, c] = f[u + c])

Tensors are NHWC in memory: `[N, C, H, W]` in PyTorch's channels_last format.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F

from . import native
from .placement import Layout


@dataclass(frozen=True)
class Terms:
    """The second pass of `out` filters over `bases` values a pixel: filter i reads base `off[k] + i` of the pixel that
    lies `(dy[k], dx[k])` away, one term a tap."""

    bases: int
    out: int
    off: tuple[int, ...]
    dy: tuple[int, ...]
    dx: tuple[int, ...]

    @property
    def depthwise(self) -> bool:
        """Whether it is a 3x3 depthwise convolution of the bases, for which there are faster kernels."""
        around = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)]
        return not any(self.off) and self.bases == self.out and list(zip(self.dy, self.dx)) == around


@dataclass(frozen=True)
class Plan:
    """How a layer runs in the fast form: `index` int64 `[U, C]`, the values of the summary that the bases consist of,
    and the terms of the second pass. `order` int64 `[O]` are the filters by their starts, `place` where each of them
    comes there; None where they are in order."""

    index: torch.Tensor
    terms: Terms
    order: torch.Tensor | None = None
    place: torch.Tensor | None = None

    def to(self, device: torch.device) -> Plan:
        """The same with its tensors on `device`."""
        order, place = (None if value is None else value.to(device) for value in (self.order, self.place))
        return replace(self, index=self.index.to(device), order=order, place=place)

    @staticmethod
    def of(
        layout: Layout, stride: tuple[int, int], padding: tuple[int, int], dilation: tuple[int, int], groups: int
    ) -> Plan | None:
        """The plan of a layer, or None where the fast form does not serve it."""
        same = (layout.kh, layout.kw) == (2 * padding[0] + 1, 2 * padding[1] + 1)
        if len(layout.shape) != 1 or layout.unit is not None or layout.channel_stride != 1 or groups != 1:
            return None
        taps = layout.kh * layout.kw
        if stride != (1, 1) or dilation != (1, 1) or not same or layout.boundary != "none" or taps == 1:
            return None
        (starts, order), out = layout.starts.sort(stable=True), len(layout.starts)
        step = int(starts[1] - starts[0]) if out > 1 else 1
        if step < 1 or not torch.equal(starts, int(starts[0]) + step * torch.arange(out)):
            return None
        # Bases in planes of equal remainder, so that at one tap neighbouring filters read neighbouring bases.
        firsts = [int(starts[0]) + o for o in layout.tap_offsets]
        off: dict[int, int] = {}
        rows: list[int] = []
        for remainder in sorted({u % step for u in firsts}):
            plane = [u for u in firsts if u % step == remainder]
            off |= {u: len(rows) + (u - min(plane)) // step for u in plane}
            rows += range(min(plane), max(plane) + step * (out - 1) + 1, step)
        index = torch.tensor(rows)[:, None] + torch.arange(layout.channels)
        moves = [(y - padding[0], x - padding[1]) for y in range(layout.kh) for x in range(layout.kw)]
        dy, dx = zip(*moves)
        terms = Terms(len(rows), out, tuple(off[u] for u in firsts), dy, dx)
        if torch.equal(order, torch.arange(out)):
            return Plan(index, terms)
        return Plan(index, terms, order, order.argsort())


def shifted(x: torch.Tensor, dy: int, dx: int) -> torch.Tensor:
    """`[N, H, W, C]`: `y[p] = x[p + (dy, dx)]`, zero outside."""
    h, w = x.shape[1:3]
    rows, columns = slice(max(dy, 0), h + min(dy, 0)), slice(max(dx, 0), w + min(dx, 0))
    return F.pad(x[:, rows, columns], (0, 0, max(-dx, 0), max(dx, 0), max(-dy, 0), max(dy, 0)))


def for_kernels(gains: torch.Tensor | None) -> torch.Tensor | None:
    """Gains as the kernels read them, whatever the activations are: float32, side by side."""
    return None if gains is None else gains.to(torch.float32).contiguous()


def mix(p: torch.Tensor, gains: torch.Tensor | None, terms: Terms) -> torch.Tensor:
    """`Y` `[N, H, W, O]` of `P` `[N, H, W, U]`; `gains` `[T, O]`."""
    n, h, w, u = p.shape
    if native.serves(p):
        gains = for_kernels(gains)
        y = p.new_empty(n, h, w, terms.out)
        if terms.depthwise and gains is not None:
            native.call("depthwise", p.dtype, p, y, gains, 0, n, h, w, u)
        else:
            native.call("mix", p.dtype, p, y, gains, n, h, w, u, terms.out, len(terms.off), *_lists(terms))
        return y
    y = p.new_zeros(n, h, w, terms.out)
    for k, (off, dy, dx) in enumerate(zip(terms.off, terms.dy, terms.dx)):
        part = shifted(p[..., off : off + terms.out], dy, dx)
        y += part if gains is None else part * gains[k].to(p.dtype)
    return y


def mix_back(dy: torch.Tensor, gains: torch.Tensor | None, terms: Terms) -> torch.Tensor:
    """`dP` `[N, H, W, U]` of `dY` `[N, H, W, O]`."""
    n, h, w, o = dy.shape
    if native.serves(dy):
        gains = for_kernels(gains)
        dp = dy.new_empty(n, h, w, terms.bases)
        if terms.depthwise and gains is not None:
            native.call("depthwise", dy.dtype, dy, dp, gains, 1, n, h, w, o)
        else:
            native.call("mix_dp", dy.dtype, dy, dp, gains, n, h, w, terms.bases, o, len(terms.off), *_lists(terms))
        return dp
    dp = dy.new_zeros(n, h, w, terms.bases)
    for k, (off, y, x) in enumerate(zip(terms.off, terms.dy, terms.dx)):
        dp[..., off : off + o] += shifted(dy if gains is None else dy * gains[k].to(dy.dtype), -y, -x)
    return dp


def mix_gains(dy: torch.Tensor, p: torch.Tensor, terms: Terms, like: torch.Tensor) -> torch.Tensor:
    """`dg` `[T, O]` of the dtype of `like`."""
    n, h, w, u = p.shape
    dg = torch.empty_like(like, dtype=torch.promote_types(like.dtype, torch.float32))
    if native.serves(p) and dg.dtype == torch.float32:
        if terms.depthwise:
            native.call("depthwise_dgain", p.dtype, dy, p, dg, n, h, w, u)
        else:
            native.call("mix_dgain", p.dtype, dy, p, dg, n, h, w, u, terms.out, len(terms.off), *_lists(terms))
        return dg.to(like.dtype)
    for k, (off, y, x) in enumerate(zip(terms.off, terms.dy, terms.dx)):
        dg[k] = (dy * shifted(p[..., off : off + terms.out], y, x)).to(dg.dtype).sum((0, 1, 2))
    return dg.to(like.dtype)


def _lists(terms: Terms) -> tuple[list[int], list[int], list[int]]:
    return list(terms.off), list(terms.dy), list(terms.dx)


def nhwc(x: torch.Tensor) -> torch.Tensor:
    """`[N, C, H, W]` as a contiguous `[N, H, W, C]`."""
    return x.permute(0, 2, 3, 1).contiguous()


def moved(x: torch.Tensor, order: torch.Tensor | None, axis: int) -> torch.Tensor:
    """`x` with its slices along `axis` in another order, or as it is."""
    return x if order is None else x.index_select(axis, order)


class SharedConv(torch.autograd.Function):
    """`X [N, C, H, W], f [L], gains [O, T] or None -> Y [N, O, H, W]`, in the dtype of X.

    The plan's `order` is undone at the end, since the kernels want neighbouring filters side by side.
    """

    @staticmethod
    def forward(ctx, x, f, gains, plan: Plan):
        index, terms = plan.index, plan.terms
        x = nhwc(x)
        n, h, w, c = x.shape
        bases = f.index_select(0, index.flatten()).view(-1, c).to(x.dtype)
        p = F.linear(x, bases)
        g = None if gains is None else moved(gains, plan.order, 0).t().contiguous()
        y = moved(mix(p, g, terms), plan.place, 3)
        ctx.plan, ctx.index, ctx.terms, ctx.length, ctx.dtype = plan, index, terms, len(f), f.dtype
        ctx.save_for_backward(x, bases, p if ctx.needs_input_grad[2] else None, g)
        return y.permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx, dy):
        x, bases, p, g = ctx.saved_tensors
        dy = moved(nhwc(dy.to(x.dtype)), ctx.plan.order, 3)
        n, h, w, c = x.shape
        dp = mix_back(dy, g, ctx.terms).view(n * h * w, -1)
        dx = df = dg = None
        if ctx.needs_input_grad[0]:
            dx = (dp @ bases).view(n, h, w, c).permute(0, 3, 1, 2)
        if ctx.needs_input_grad[1]:
            rows = (x.view(n * h * w, c).t() @ dp).t()  # oneDNN is faster so than with the factors exchanged
            wide = rows.to(torch.promote_types(rows.dtype, torch.float32))
            df = wide.new_zeros(ctx.length).index_add_(0, ctx.index.flatten(), wide.flatten()).to(ctx.dtype)
        if g is not None and ctx.needs_input_grad[2]:
            dg = moved(mix_gains(dy, p, ctx.terms, g).t(), ctx.plan.place, 0)
        return dx, df, dg, None


class Depthwise(torch.autograd.Function):
    """`X [N, C, H, W], weight [C, 9] -> Y [N, C, H, W]`: a 3x3 depthwise convolution, by the same kernels."""

    @staticmethod
    def forward(ctx, x, weight):
        x, g = nhwc(x), weight.t().contiguous()
        c = x.shape[3]
        around = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)]
        ctx.terms = Terms(c, c, (0,) * 9, *map(tuple, zip(*around)))
        ctx.save_for_backward(x, g)
        return mix(x, g, ctx.terms).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx, dy):
        x, g = ctx.saved_tensors
        dy = nhwc(dy.to(x.dtype))
        return mix_back(dy, g, ctx.terms).permute(0, 3, 1, 2), mix_gains(dy, x, ctx.terms, g).t()
