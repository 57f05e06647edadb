"""An interpreter of exported networks, written from docs/format.md alone.

It shares no code with the modules and the exporter, so that it checks them: plain loops over the window's formula
expand the filters, and PyTorch functions do the rest.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open


class FormatError(ValueError):
    """A file that is not a network of this format."""


def expand(summary: np.ndarray, starts: np.ndarray, window: dict, boundary: str) -> np.ndarray:
    """The dense filters `[O, C, KH, KW]` of a summary `[L]` or `[D, FH, FW]`."""
    c, kh, kw = window["channels"], window["height"], window["width"]
    weight = np.zeros((len(starts), c, kh, kw), summary.dtype)
    for (i, j, y, x), _ in np.ndenumerate(weight):
        if summary.ndim == 3:
            at = [int(s) + o for s, o in zip(starts[i], (j, y, x))]
        elif "tap_offsets" in window:
            at = [int(starts[i]) + j * window["channel_stride"] + window["tap_offsets"][y * kw + x]]
        else:
            at = [int(starts[i]) + sum(o * s for o, s in zip((j, y, x), window["strides"]))]
        if boundary == "wrap":
            at = [a % size for a, size in zip(at, summary.shape)]
        if all(0 <= a < size for a, size in zip(at, summary.shape)):
            weight[i, j, y, x] = summary[tuple(at)]
        elif boundary != "zero":
            raise FormatError(f"filter {i} reads {at}, outside a summary of {summary.shape}")
    return weight


def blend(summary: np.ndarray, positions: np.ndarray, unit: int, window: dict, boundary: str) -> np.ndarray:
    """The dense filters at real positions, in units of `unit` values."""
    low = np.floor(positions)
    a = (positions - low).astype(summary.dtype).reshape(-1, 1, 1, 1)
    starts = low.astype(np.int64) * unit
    # Where a is 0 the second segment is not read: it may lie outside.
    after = starts + np.where(a.ravel() > 0, unit, 0)
    return (1 - a) * expand(summary, starts, window, boundary) + a * expand(summary, after, window, boundary)


def activate(y: torch.Tensor, activation: str | None) -> torch.Tensor:
    if activation == "relu6":
        return y.clamp(0, 6)
    return y.relu() if activation == "relu" else y


def offsets(window: dict) -> list[int]:
    """Where the taps of a filter begin, row-major."""
    if "tap_offsets" in window:
        return window["tap_offsets"]
    _, sy, sx = window["strides"]
    return [y * sy + x * sx for y in range(window["height"]) for x in range(window["width"])]


class Interpreter(torch.nn.Module):
    """Runs the graph of one file: `[N, C, H, W] -> [N, classes]`."""

    def __init__(self, graph: dict, tensors: dict[str, torch.Tensor]):
        super().__init__()
        self.graph, self.tensors = graph, tensors
        for node in graph["nodes"]:
            name = node["name"]
            for part in ("summary", "weight"):
                if (value := tensors.get(f"{name}.{part}")) is not None and value.dtype == torch.uint8:
                    scale, zero = tensors[f"{name}.quantization"]
                    tensors[f"{name}.{part}"] = value.to(scale.dtype) * scale + zero
            if node["op"] == "fs_conv2d" and not self.has_base_stage(node):
                summary, starts = (tensors[f"{name}.{part}"].numpy() for part in ("summary", "starts"))
                where = (node["window"], node.get("boundary", "none"))
                if starts.dtype == np.int64:
                    weight = expand(summary, starts, *where)
                else:
                    weight = blend(summary, starts, node.get("start_unit", 1), *where)
                if (gains := tensors.get(f"{name}.gains")) is not None:
                    for (i, t), gain in np.ndenumerate(gains.numpy()):
                        weight[i, :, t // weight.shape[3], t % weight.shape[3]] *= gain
                tensors[f"{name}.weight"] = torch.from_numpy(weight)

    @staticmethod
    def open(path: Path, dtype: torch.dtype = torch.float32) -> Interpreter:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            if (metadata.get("format"), metadata.get("format_version")) != ("filter-summary", "1"):
                raise FormatError(f"{path}: not a filter-summary network of version 1")
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        tensors = {n: t.to(dtype) if t.is_floating_point() else t for n, t in tensors.items()}
        return Interpreter(json.loads(metadata["graph"]), tensors)

    def preprocess(self, pixels: torch.Tensor) -> torch.Tensor:
        """uint8 RGB `[N, 3, H, W]` to the input tensor."""
        rule = self.graph["input"].get("preprocess", {})
        mean = torch.tensor(rule.get("mean", [0.0] * 3)).view(1, -1, 1, 1)
        std = torch.tensor(rule.get("std", [1.0] * 3)).view(1, -1, 1, 1)
        planes = pixels.flip(1) if rule.get("order") == "bgr" else pixels
        return (planes.float() * rule.get("scale", 1 / 255) - mean) / std

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        nodes = {node["name"]: node for node in self.graph["nodes"]}
        values = {"input": x}

        def value(name: str) -> torch.Tensor:
            if name not in values:
                node = nodes[name]
                names = node["inputs"] if "inputs" in node else [node["input"]]
                values[name] = self.run(node, [value(n) for n in names], value)
            return values[name]

        return value(self.graph["output"]).flatten(1)

    def run(self, node: dict, inputs: list[torch.Tensor], value) -> torch.Tensor:
        op, x = node["op"], inputs[0]
        if op in ("fs_conv2d", "conv2d"):
            y = self.convolve(node, x)
            if node.get("residual") is not None:
                y = y + value(node["residual"])
        elif op == "linear":
            y = F.linear(x.flatten(1), self.get(node, "weight"), self.get(node, "bias"))[:, :, None, None]
        elif op == "global_avg_pool2d":
            y = x.mean((2, 3), keepdim=True)
        elif op in ("max_pool2d", "avg_pool2d"):
            y = self.pool(node, x)
        elif op == "batch_norm":
            y = x * self.get(node, "scale").view(1, -1, 1, 1) + self.get(node, "bias").view(1, -1, 1, 1)
        elif op == "shortcut_a":
            sy, sx = node["stride"]
            more = node["out_channels"] - x.shape[1]
            y = F.pad(x[:, :, ::sy, ::sx], (0, 0, 0, 0, more // 2, more - more // 2))
        elif op == "add":
            y = inputs[0] + inputs[1]
        elif op == "relu":
            y = x.relu()
        elif op == "concat":
            y = torch.cat(inputs, 1)
        elif op == "flatten":
            y = x.flatten(1)[:, :, None, None]
        else:
            raise FormatError(f"{node['name']}: this interpreter has no {op}")
        return activate(y, node.get("activation"))

    def has_base_stage(self, node: dict) -> bool:
        numbers = (self.get(node, part) for part in ("base_scale", "base_bias"))
        return "base_activation" in node or any(number is not None for number in numbers)

    def staged(self, node: dict, x: torch.Tensor) -> torch.Tensor:
        """The sums of an `fs_conv2d` whose products go through a base stage: `x` is not padded yet."""
        window, groups = node["window"], node.get("groups", 1)
        channels, kh, kw = window["channels"], window["height"], window["width"]
        channel_stride = window.get("channel_stride", window.get("strides", [0])[0])
        (sy, sx), (dy, dx) = node.get("stride", [1, 1]), node.get("dilation", [1, 1])
        top, left, bottom, right = node.get("padding", [0] * 4)
        summary, starts = self.get(node, "summary"), self.get(node, "starts").tolist()
        gains, numbers = self.get(node, "gains"), [self.get(node, f"base_{part}") for part in ("scale", "bias")]
        own, before, planes = len(starts) // groups, 0, []
        for group in range(groups):
            reads = [[s + o for o in offsets(window)] for s in starts[group * own : (group + 1) * own]]
            bases = sorted({base for of_filter in reads for base in of_filter})
            weight = torch.stack([summary[[b + c * channel_stride for c in range(channels)]] for b in bases])
            p = torch.einsum("uc,nchw->nuhw", weight, x[:, group * channels : (group + 1) * channels])
            for number, apply in zip(numbers, (torch.mul, torch.add)):
                if number is not None:
                    p = apply(p, number[before : before + len(bases)].view(1, -1, 1, 1))
            before += len(bases)
            # Nothing outside the picture, whatever the biases are.
            p = F.pad(activate(p, node.get("base_activation")), (left, right, top, bottom))
            height, width = (p.shape[2] - (kh - 1) * dy - 1) // sy + 1, (p.shape[3] - (kw - 1) * dx - 1) // sx + 1
            for i, of_filter in enumerate(reads, group * own):
                plane = 0
                for t, base in enumerate(of_filter):
                    y, left_x = t // kw * dy, t % kw * dx
                    rows = slice(y, y + (height - 1) * sy + 1, sy)
                    term = p[:, bases.index(base), rows, left_x : left_x + (width - 1) * sx + 1 : sx]
                    plane = plane + (term if gains is None else gains[i, t] * term)
                planes.append(plane)
        return torch.stack(planes, 1)

    def get(self, node: dict, part: str) -> torch.Tensor | None:
        return self.tensors.get(f"{node['name']}.{part}")

    def pool(self, node: dict, x: torch.Tensor) -> torch.Tensor:
        top, left, bottom, right = node.get("padding", [0] * 4)
        if (top, left) != (bottom, right):
            raise FormatError(f"{node['name']}: this interpreter pads pools by the same amount on both sides")
        kernel, ceil_mode = node["kernel"], node.get("ceil_mode", False)
        stride = node.get("stride", kernel)
        if node["op"] == "max_pool2d":
            return F.max_pool2d(x, kernel, stride, (top, left), ceil_mode=ceil_mode)
        return F.avg_pool2d(x, kernel, stride, (top, left), ceil_mode, node.get("count_include_pad", True))

    def convolve(self, node: dict, x: torch.Tensor) -> torch.Tensor:
        """`scale[i] * conv(x, W[i]) + bias[i]`."""
        top, left, bottom, right = node.get("padding", [0] * 4)
        stride, dilation = node.get("stride", [1, 1]), node.get("dilation", [1, 1])
        if node["op"] == "fs_conv2d" and self.has_base_stage(node):
            y = self.staged(node, x)
        else:
            x = F.pad(x, (left, right, top, bottom))
            y = F.conv2d(x, self.get(node, "weight"), None, stride, 0, dilation, node.get("groups", 1))
        for part, apply in (("scale", torch.mul), ("bias", torch.add)):
            factor = self.get(node, part)
            y = y if factor is None else apply(y, factor.view(1, -1, 1, 1))
        return y
