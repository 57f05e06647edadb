"""An interpreter of exported networks, written from docs/format.md alone (version 2, which has all of version 1).

It shares no code with the modules and the exporter, so that it checks them: the window's formula expands the filters
(`filters.py`), and PyTorch functions do the rest (`operations.py`).
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import safe_open

from .activations import FormatError, activate
from .filters import blend, dense, expand, offsets, staged
from .operations import OPERATIONS

__all__ = ["FormatError", "Interpreter", "blend", "expand", "offsets"]

VERSIONS = ("1", "2")


def reads(node: dict) -> list[str]:
    """The nodes whose values a node reads."""
    residual = [node["residual"]] if node.get("residual") is not None else []
    return [*(node["inputs"] if "inputs" in node else [node["input"]]), *residual]


class Interpreter(torch.nn.Module):
    """Runs the graph of one file: `[N, C, H, W] -> [N, classes]`, what a classifier reads of the first output.

    `values` gives every output as the `[N, C, H, W]` that it is. `filters` are the convolutions that are expanded
    already.
    """

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
                tensors[f"{name}.weight"] = dense(node, tensors)

    @staticmethod
    def open(path: Path | str, dtype: torch.dtype = torch.float32) -> Interpreter:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != "filter-summary" or metadata.get("format_version") not in VERSIONS:
                raise FormatError(f"{path}: not a filter-summary network of version {' or '.join(VERSIONS)}")
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

    @property
    def dims(self) -> tuple[int, ...]:
        """Channels, height and width of the input."""
        return tuple(self.graph["input"][axis] for axis in ("channels", "height", "width"))

    @property
    def outputs(self) -> list[str]:
        """The nodes whose values are the results, in order."""
        return self.graph["outputs"] if "outputs" in self.graph else [self.graph["output"]]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.values(x)[self.outputs[0]].flatten(1)

    def values(self, x: torch.Tensor, names: list[str] | None = None) -> dict[str, torch.Tensor]:
        """The values `[N, C, H, W]` of the nodes named, of the outputs without names."""
        nodes = {node["name"]: node for node in self.graph["nodes"]}
        values = {"input": x}
        wanted = self.outputs if names is None else names
        # Values go when nobody is left who reads them: products of attention are hundreds of MiB.
        readers = Counter(of for node in self.graph["nodes"] for of in reads(node))
        # By hand, since a deep network would exceed Python's recursion.
        open_nodes = list(reversed(wanted))
        while open_nodes:
            name = open_nodes[-1]
            if name not in values:
                node = nodes[name]
                missing = [of for of in reads(node) if of not in values]
                if missing:
                    open_nodes += reversed(missing)
                    continue
                inputs = node["inputs"] if "inputs" in node else [node["input"]]
                values[name] = self.run(node, [values[of] for of in inputs], values)
                for of in reads(node):
                    readers[of] -= 1
                    if not readers[of] and of not in wanted:
                        del values[of]
            open_nodes.pop()
        return {name: values[name] for name in wanted}

    def run(self, node: dict, inputs: list[torch.Tensor], values: dict[str, torch.Tensor]) -> torch.Tensor:
        op = node["op"]
        if op in ("fs_conv2d", "conv2d"):
            y = self.convolve(node, inputs[0])
            if node.get("residual") is not None:
                y = y + values[node["residual"]]
        elif op in OPERATIONS:
            y = OPERATIONS[op](node, lambda part: self.get(node, part), *inputs)
        else:
            raise FormatError(f"{node['name']}: this interpreter has no {op}")
        return activate(y, node.get("activation"))

    def has_base_stage(self, node: dict) -> bool:
        numbers = (self.get(node, part) for part in ("base_scale", "base_bias"))
        return node.get("base_activation", "none") != "none" or any(number is not None for number in numbers)

    def get(self, node: dict, part: str) -> Any:
        """A tensor, or None."""
        return self.tensors.get(f"{node['name']}.{part}")

    def convolve(self, node: dict, x: torch.Tensor) -> torch.Tensor:
        """`scale[i] * conv(x, W[i]) + bias[i]`."""
        if node["op"] == "fs_conv2d" and self.has_base_stage(node):
            y = staged(node, self.tensors, x)
        else:
            top, left, bottom, right = node.get("padding", [0] * 4)
            stride, dilation = node.get("stride", [1, 1]), node.get("dilation", [1, 1])
            x = F.pad(x, (left, right, top, bottom))
            y = F.conv2d(x, self.get(node, "weight"), None, stride, 0, dilation, node.get("groups", 1))
        for part, apply in (("scale", torch.mul), ("bias", torch.add)):
            factor = self.get(node, part)
            y = y if factor is None else apply(y, factor.view(1, -1, 1, 1))
        return y
