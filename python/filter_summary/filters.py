"""Dense filters out of summaries, by plain loops over the formula of the format, and a base stage's sums."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from .activations import FormatError, activate


def expand(summary: np.ndarray, starts: np.ndarray, window: dict, boundary: str) -> np.ndarray:
    """The dense filters `[O, C, KH, KW]` of a summary `[L]` or `[D, FH, FW]`."""
    c, kh, kw = window["channels"], window["height"], window["width"]
    taps = offsets(window) if summary.ndim == 1 else None
    weight = np.zeros((len(starts), c, kh, kw), summary.dtype)
    for i, y, x in np.ndindex(len(starts), kh, kw):
        # Places `[C, rank]` of one tap's weights.
        if taps is None:
            at = np.add(starts[i], (0, y, x)) + np.arange(c)[:, None] * (1, 0, 0)
        else:
            at = (int(starts[i]) + np.arange(c) * channel_stride(window) + taps[y * kw + x])[:, None]
        if boundary == "wrap":
            at = at % summary.shape
        inside = ((at >= 0) & (at < summary.shape)).all(1)
        if not inside.all() and boundary != "zero":
            raise FormatError(f"filter {i} reads {at[~inside][0].tolist()}, outside a summary of {summary.shape}")
        weight[i, inside, y, x] = summary[tuple(at[inside].T)]
    return weight


def blend(summary: np.ndarray, positions: np.ndarray, unit: int, window: dict, boundary: str) -> np.ndarray:
    """The dense filters at real positions, in units of `unit` values."""
    low = np.floor(positions)
    a = (positions - low).astype(summary.dtype).reshape(-1, 1, 1, 1)
    starts = low.astype(np.int64) * unit
    # Where a is 0 the second segment is not read: it may lie outside.
    after = starts + np.where(a.ravel() > 0, unit, 0)
    return (1 - a) * expand(summary, starts, window, boundary) + a * expand(summary, after, window, boundary)


def offsets(window: dict) -> list[int]:
    """Where the taps of a filter begin, row-major."""
    if "tap_offsets" in window:
        return window["tap_offsets"]
    _, sy, sx = window["strides"]
    return [y * sy + x * sx for y in range(window["height"]) for x in range(window["width"])]


def channel_stride(window: dict) -> int:
    return window["channel_stride"] if "channel_stride" in window else window["strides"][0]


def dense(node: dict, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
    """The filters of an `fs_conv2d`, with gains."""
    summary, starts = (tensors[f"{node['name']}.{part}"].numpy() for part in ("summary", "starts"))
    where = (node["window"], node.get("boundary", "none"))
    if starts.dtype == np.int64:
        weight = expand(summary, starts, *where)
    else:
        weight = blend(summary, starts, node.get("start_unit", 1), *where)
    gains = tensors.get(f"{node['name']}.gains")
    if gains is not None:
        weight = weight * gains.numpy().reshape(len(weight), 1, *weight.shape[2:])
    return torch.from_numpy(weight)


def staged(node: dict, tensors: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """The sums of an `fs_conv2d` whose products go through a base stage: `x` is not padded yet."""

    def get(part: str) -> torch.Tensor | None:
        return tensors.get(f"{node['name']}.{part}")

    window, groups = node["window"], node.get("groups", 1)
    channels, kh, kw = window["channels"], window["height"], window["width"]
    (sy, sx), (dy, dx) = node.get("stride", [1, 1]), node.get("dilation", [1, 1])
    top, left, bottom, right = node.get("padding", [0] * 4)
    summary, starts = tensors[f"{node['name']}.summary"], tensors[f"{node['name']}.starts"].tolist()
    gains, numbers = get("gains"), [get("base_scale"), get("base_bias")]
    own, before, planes = len(starts) // groups, 0, []
    for group in range(groups):
        reads = [[s + o for o in offsets(window)] for s in starts[group * own : (group + 1) * own]]
        bases = sorted({base for of_filter in reads for base in of_filter})
        weight = torch.stack([summary[[b + c * channel_stride(window) for c in range(channels)]] for b in bases])
        p = torch.einsum("uc,nchw->nuhw", weight, x[:, group * channels : (group + 1) * channels])
        factor, bias = (n if n is None else n[before : before + len(bases)].view(1, -1, 1, 1) for n in numbers)
        p = p if factor is None else p * factor
        p = p if bias is None else p + bias
        before += len(bases)
        # Nothing outside the picture, whatever the biases are.
        p = F.pad(activate(p, node.get("base_activation")), (left, right, top, bottom))
        height, width = (p.shape[2] - (kh - 1) * dy - 1) // sy + 1, (p.shape[3] - (kw - 1) * dx - 1) // sx + 1
        for i, of_filter in enumerate(reads, group * own):
            plane = x.new_zeros(())
            for t, base in enumerate(of_filter):
                y, left_x = t // kw * dy, t % kw * dx
                rows = slice(y, y + (height - 1) * sy + 1, sy)
                term = p[:, bases.index(base), rows, left_x : left_x + (width - 1) * sx + 1 : sx]
                plane = plane + (term if gains is None else gains[i, t] * term)
            planes.append(plane)
    return torch.stack(planes, 1)
