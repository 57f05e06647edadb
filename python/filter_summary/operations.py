"""Operations of the network format that are no convolution, as functions `(node, tensors, inputs) -> value`.

Written from docs/format.md alone, with plain indexing where PyTorch has no function of exactly that meaning.
`tensor(part)` is the node's tensor of that name, or None.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from .activations import FormatError

Tensor = torch.Tensor
Parts = Callable[[str], Any]
"""A tensor, or None where the node has none of that name."""
AXES = {"channels": 1, "height": 2, "width": 3}


def linear(node: dict, tensor: Parts, x: Tensor) -> Tensor:
    return F.linear(x.flatten(1), tensor("weight"), tensor("bias"))[:, :, None, None]


def pool(node: dict, tensor: Parts, x: Tensor) -> Tensor:
    """Windows over an image padded on four sides; with `ceil_mode` a last window may hang over the padding."""
    kernel, ceil_mode = node["kernel"], node.get("ceil_mode", False)
    stride, (top, left, bottom, right) = node.get("stride", kernel), node.get("padding", [0] * 4)
    largest = node["op"] == "max_pool2d"
    sizes, over = [], []
    for size, before, after, k, s in zip(x.shape[2:], (top, left), (bottom, right), kernel, stride):
        room = size + before + after - k
        count = (-(-room // s) if ceil_mode else room // s) + 1
        # A window that would begin in the padding after the image is none.
        count -= ceil_mode and (count - 1) * s >= size + before
        sizes.append(count)
        over.append(max((count - 1) * s + k - size - before - after, 0))
    padding = (left, right + over[1], top, bottom + over[0])
    if largest:
        return F.max_pool2d(F.pad(x, padding, value=-torch.inf), kernel, stride)[:, :, : sizes[0], : sizes[1]]
    # What is counted: the image, its padding if asked, never what hangs over.
    counted = torch.ones_like(x[:1, :1])
    if node.get("count_include_pad", True):
        counted = F.pad(counted, (left, right, top, bottom), value=1.0)
        counted = F.pad(counted, (0, over[1], 0, over[0]))
    else:
        counted = F.pad(counted, padding)
    total, count = (F.avg_pool2d(part, kernel, stride, divisor_override=1) for part in (F.pad(x, padding), counted))
    return (total / count)[:, :, : sizes[0], : sizes[1]]


def combine(node: dict, tensor: Parts, *inputs: Tensor) -> Tensor:
    one, other = inputs if len(inputs) == 2 else (inputs[0], tensor("constant")[None])
    operations: dict[str, Callable[[Tensor, Tensor], Tensor]]
    operations = {"add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div}
    return operations[node["op"]](one, other)


def conv_transpose2d(node: dict, tensor: Parts, x: Tensor) -> Tensor:
    weight, groups = tensor("weight"), node.get("groups", 1)
    (top, left, bottom, right), (more_y, more_x) = node.get("padding", [0] * 4), node.get("output_padding", [0, 0])
    stride, dilation = node.get("stride", [1, 1]), node.get("dilation", [1, 1])
    y = F.conv_transpose2d(x, weight, None, stride, 0, 0, groups, dilation)
    # Padding cuts the full result, output padding adds pixels that no weight reaches, after what is cut.
    y = F.pad(y, (-left, more_x - right, -top, more_y - bottom))
    for part, apply in (("scale", torch.mul), ("bias", torch.add)):
        factor = tensor(part)
        y = y if factor is None else apply(y, factor.view(1, -1, 1, 1))
    return y


def prelu(node: dict, tensor: Parts, x: Tensor) -> Tensor:
    return torch.where(x < 0, tensor("slope").view(1, -1, 1, 1) * x, x)


def batch_norm(node: dict, tensor: Parts, x: Tensor) -> Tensor:
    return x * tensor("scale").view(1, -1, 1, 1) + tensor("bias").view(1, -1, 1, 1)


def shortcut_a(node: dict, tensor: Parts, x: Tensor) -> Tensor:
    sy, sx = node["stride"]
    more = node["out_channels"] - x.shape[1]
    return F.pad(x[:, :, ::sy, ::sx], (0, 0, 0, 0, more // 2, more - more // 2))


def upsample_nearest2d(node: dict, tensor: Parts, x: Tensor) -> Tensor:
    y, across = node["scale_factor"]
    return x.repeat_interleave(y, 2).repeat_interleave(across, 3)


def places(node: dict, axis: int, size: int) -> Tensor:
    """Where the pixels of the output lie along an axis (0 or 1) of the input, in float64."""
    if ("size" in node) == ("scale" in node):
        raise FormatError(f"{node['name']}: resize has either a size or a scale")
    out = node["size"][axis] if "size" in node else int(size * node["scale"][axis])
    scale = out / size if "size" in node else node["scale"][axis]
    o, coordinates = torch.arange(out, dtype=torch.float64), node.get("coordinates", "half_pixel")
    if coordinates == "half_pixel" or (coordinates == "pytorch_half_pixel" and out > 1):
        return (o + 0.5) / scale - 0.5
    if coordinates == "align_corners":
        return o * (size - 1) / max(out - 1, 1)
    if coordinates == "asymmetric":
        return o / scale
    if coordinates == "pytorch_half_pixel":
        return o
    raise FormatError(f"{node['name']}: coordinates {coordinates!r} are not in the format")


ROUND = {
    "floor": torch.floor, "ceil": torch.ceil,
    "round_prefer_floor": lambda at: torch.ceil(at - 0.5), "round_prefer_ceil": lambda at: torch.floor(at + 0.5),
}  # fmt: skip


def resize(node: dict, tensor: Parts, x: Tensor) -> Tensor:
    for axis in (0, 1):
        size = x.shape[2 + axis]
        at = places(node, axis, size)
        if node.get("mode", "bilinear") == "nearest":
            x = x.index_select(2 + axis, ROUND[node.get("rounding", "floor")](at).clamp(0, size - 1).long())
            continue
        at = at.clamp(0, size - 1)
        low = at.floor()
        a = (at - low).to(x.dtype).view((-1, 1) if axis == 0 else (-1,))
        after = (low + 1).clamp(max=size - 1)
        x = x.index_select(2 + axis, low.long()) * (1 - a) + x.index_select(2 + axis, after.long()) * a
    return x


def concat(node: dict, tensor: Parts, *inputs: Tensor) -> Tensor:
    return torch.cat(inputs, AXES[node.get("axis", "channels")])


def slice_(node: dict, tensor: Parts, x: Tensor) -> Tensor:
    starts, steps = node.get("start", [0] * 3), node.get("step", [1] * 3)
    ends = node.get("end", list(x.shape[1:]))
    c, y, across = (slice(*of) for of in zip(starts, ends, steps))
    return x[:, c, y, across]


def pad(node: dict, tensor: Parts, x: Tensor) -> Tensor:
    top, left, bottom, right = node["padding"]
    mode = {"constant": "constant", "reflect": "reflect", "edge": "replicate"}[node.get("mode", "constant")]
    if mode == "constant":
        return F.pad(x, (left, right, top, bottom), value=node.get("value", 0.0))
    return F.pad(x, (left, right, top, bottom), mode)


def permute(node: dict, tensor: Parts, x: Tensor) -> Tensor:
    return x.permute(0, *(1 + axis for axis in node["order"]))


def reshape(node: dict, tensor: Parts, x: Tensor) -> Tensor:
    return x.reshape(len(x), *node["shape"])


def flatten(node: dict, tensor: Parts, x: Tensor) -> Tensor:
    return x.flatten(1)[:, :, None, None]


def depth_to_space(node: dict, tensor: Parts, x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    b = node["block"]
    if node.get("order", "crd") == "crd":
        parts = x.reshape(n, c // b**2, b, b, h, w).permute(0, 1, 4, 2, 5, 3)
    else:
        parts = x.reshape(n, b, b, c // b**2, h, w).permute(0, 3, 4, 1, 5, 2)
    return parts.reshape(n, c // b**2, h * b, w * b)


def space_to_depth(node: dict, tensor: Parts, x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    b = node["block"]
    parts = x.reshape(n, c, h // b, b, w // b, b)
    order = (0, 1, 3, 5, 2, 4) if node.get("order", "crd") == "crd" else (0, 3, 5, 1, 2, 4)
    return parts.permute(order).reshape(n, c * b**2, h // b, w // b)


def channel_shuffle(node: dict, tensor: Parts, x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    groups = node["groups"]
    return x.reshape(n, groups, c // groups, h, w).transpose(1, 2).reshape(n, c, h, w)


def local_response_norm(node: dict, tensor: Parts, x: Tensor) -> Tensor:
    size, channels = node["size"], x.shape[1]
    squares = x.square()
    sums = [squares[:, max(c - (size - 1) // 2, 0) : c + size // 2 + 1].sum(1) for c in range(channels)]
    return x / (node["k"] + node["alpha"] / size * torch.stack(sums, 1)) ** node["beta"]


OPERATIONS: dict[str, Callable[..., Tensor]] = {
    "linear": linear, "max_pool2d": pool, "avg_pool2d": pool, "conv_transpose2d": conv_transpose2d,
    "global_avg_pool2d": lambda node, tensor, x: x.mean((2, 3), keepdim=True),
    "global_max_pool2d": lambda node, tensor, x: x.amax((2, 3), keepdim=True),
    "add": combine, "sub": combine, "mul": combine, "div": combine,
    "relu": lambda node, tensor, x: x.clamp_min(0), "activation": lambda node, tensor, x: x, "prelu": prelu,
    "batch_norm": batch_norm, "shortcut_a": shortcut_a, "upsample_nearest2d": upsample_nearest2d, "resize": resize,
    "concat": concat, "slice": slice_, "pad": pad, "permute": permute, "reshape": reshape, "flatten": flatten,
    "depth_to_space": depth_to_space, "space_to_depth": space_to_depth, "channel_shuffle": channel_shuffle,
    "softmax": lambda node, tensor, x: x.softmax(AXES[node.get("axis", "channels")]),
    "log_softmax": lambda node, tensor, x: x.log_softmax(AXES[node.get("axis", "channels")]),
    "local_response_norm": local_response_norm,
}  # fmt: skip
