"""Summary and gains fitted to dense filters by least squares, and the order in which filters overlap best.

The filters `W'[i, c, t] = g[i, t] * f[index[i, c, t]]` are linear in `f` and in `g`, and every weight reads one value
of each: whichever of the two is held, the other's best values are quotients of sums,

    f[u] = sum over (i, c, t) at u of g W / sum of g^2          g[i, t] = sum over c of W f / sum over c of f^2

Taken in turn (alternating least squares), no step makes the error larger.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from .placement import Layout

LEAST_GAIN = 1e-5
"""Sweeps end when the relative error gets smaller by less."""


PROBE = 4
"""Sweeps from every beginning, before the best goes on."""


@dataclass(frozen=True)
class Fit:
    """What `fit` found: the layout with its starts in the order taken, `summary` float64 of the layout's shape, `gains`
    float64 `[O, T]` or None, and `errors`, `|W - W'| / |W|` after every sweep."""

    layout: Layout
    summary: torch.Tensor
    gains: torch.Tensor | None
    errors: tuple[float, ...]

    @property
    def error(self) -> float:
        return self.errors[-1]


def fit(weight: torch.Tensor, layout: Layout, sweeps: int = 20, order: bool = True) -> Fit:
    """Fit a layout to dense filters `[O, C, KH, KW]`; `order=False` leaves the filters where the layout has them.

    With `order` filters exchange places (their channels stay what they are), if that makes the error smaller.
    Learned positions are fitted where they begin.
    """
    taps = weight.detach().double().cpu().flatten(2)
    layouts = [layout]
    if order and layout.unit is None and layout.starts.dim() == 1 and len(layout.starts) > 2:
        # Filter `seats[k]` takes the k-th of the layout's places.
        starts = torch.empty_like(layout.starts)
        starts[ordered(taps, layout)] = layout.starts
        layouts += [] if torch.equal(starts, layout.starts) else [replace(layout, starts=starts)]
    begun = [_alternate(taps, one, gains, PROBE) for one in layouts for gains in _beginnings(taps, layout)]
    best = min(begun, key=lambda fitted: fitted.error)
    if best.gains is None or sweeps <= PROBE:
        return best
    end = _alternate(taps, best.layout, best.gains, sweeps - PROBE)
    return replace(end, errors=best.errors + end.errors)


def _beginnings(taps: torch.Tensor, layout: Layout) -> list[torch.Tensor | None]:
    """Gains `[O, T]` to begin with: the error has more than one valley. All 1, and those of each filter's best single
    base, which also have signs."""
    if not layout.gains:
        return [None]
    direction = torch.linalg.svd(taps, full_matrices=False).Vh[:, 0]
    return [torch.ones_like(direction), direction * direction.shape[1] ** 0.5]


def _alternate(taps: torch.Tensor, layout: Layout, gains: torch.Tensor | None, sweeps: int) -> Fit:
    """The least squares, `sweeps` times, from `gains` on; `taps` are the filters `[O, C, T]`."""
    index = layout.index().flatten(2)
    place = index % (layout.numel + 1)  # zeros of the boundary read a value of their own
    read = (index >= 0).double()
    norm = taps.square().sum().sqrt().clamp_min(torch.finfo(torch.float64).tiny)
    errors = []
    for _ in range(sweeps if layout.gains else 1):
        factor = read if gains is None else gains.unsqueeze(1) * read
        above = torch.zeros(layout.numel + 1, dtype=torch.float64)
        below = torch.zeros_like(above)
        above.index_add_(0, place.flatten(), (factor * taps).flatten())
        below.index_add_(0, place.flatten(), factor.square().expand_as(taps).flatten())
        f = torch.where(below > 0, above / below.clamp_min(torch.finfo(torch.float64).tiny), 0.0)
        segments = f[place] * read
        if gains is not None:
            energy = segments.square().sum(1)
            best = (segments * taps).sum(1) / energy.clamp_min(torch.finfo(torch.float64).tiny)
            gains = torch.where(energy > 0, best, gains)
        approximation = segments if gains is None else segments * gains.unsqueeze(1)
        errors.append(float((taps - approximation).square().sum().sqrt() / norm))
        if len(errors) > 1 and errors[-2] - errors[-1] < LEAST_GAIN:
            break
    summary = f[: layout.numel].view(layout.shape)
    if gains is not None:
        # The same filters with gains of mean square 1, so that a step of an optimizer means the same in every layer.
        size = gains.square().mean().sqrt().clamp_min(torch.finfo(torch.float64).tiny)
        gains, summary = gains / size, summary * size
    return Fit(layout, summary, gains, tuple(errors))


def agreements(taps: torch.Tensor, layout: Layout) -> list[torch.Tensor]:
    """How much of two filters a shared part holds: `[lag - 1][i, j]`, filter j `lag` places behind filter i.

    The energy that one vector holds of each pair of taps that would read the same values, less that of the larger of
    the two alone; without gains it may be negative. `taps` is `[O, C, T]`.
    """
    ordered_starts = layout.starts.sort().values
    step = int(ordered_starts[1] - ordered_starts[0])
    c, offsets = taps.shape[1], layout.tap_offsets
    if len(set(offsets)) == 1:
        # All taps read one base, which stands for the filter; neighbours share a part of it.
        u, s, _ = torch.linalg.svd(taps, full_matrices=False)
        taps, offsets = (u[:, :, :1] * s[:, None, :1]), offsets[:1]
    found = []
    for lag in range(1, len(offsets) + 1):
        total = taps.new_zeros(len(taps), len(taps))
        shared = False
        for t, mine in enumerate(offsets):
            for other_t, other in enumerate(offsets):
                # Channel `first + move` of i's tap t reads what channel `first` of j's tap does.
                move, rest = divmod(lag * step + other - mine, layout.channel_stride)
                if rest or abs(move) >= c:
                    continue
                shared = True
                a = taps[:, max(move, 0) : c + min(move, 0), t]
                b = taps[:, max(-move, 0) : c + min(-move, 0), other_t]
                total += _held(a, b, layout.gains)
        if not shared:
            break
        found.append(total)
    return found


def _held(a: torch.Tensor, b: torch.Tensor, gains: bool) -> torch.Tensor:
    """The energy beyond the larger's own that one vector holds of `a[i]` and `b[j]`: with a factor each, or without."""
    dot, aa, bb = a @ b.t(), a.square().sum(1)[:, None], b.square().sum(1)[None]
    if gains:
        return ((aa + bb) + ((aa - bb).square() + 4 * dot.square()).sqrt()) / 2 - torch.maximum(aa, bb)
    return (aa + bb) / 2 + dot - torch.maximum(aa, bb)


def ordered(taps: torch.Tensor, layout: Layout) -> torch.Tensor:
    """Filters `[O]` in the order in which they take the layout's places: greedily, each the one that agrees best with
    those before it. Their own order where nothing is shared."""
    scores = agreements(taps, layout)
    if not scores:
        return torch.arange(len(taps))
    best = scores[0].clone().fill_diagonal_(-torch.inf)
    seats = [int(best.argmax()) // len(taps)]
    free = torch.ones(len(taps), dtype=torch.bool)
    free[seats[0]] = False
    while len(seats) < len(taps):
        total = torch.zeros_like(scores[0][0])
        for lag, score in enumerate(scores[: len(seats)], 1):
            total = total + score[seats[-lag]]
        seats.append(int(total.masked_fill(~free, -torch.inf).argmax()))
        free[seats[-1]] = False
    return torch.tensor(seats)
