"""Export a trained network to the `filter-summary` network format (docs/format.md of the repository).

Batch norm is folded: into `scale` and `bias` of an FS convolution (its filters share values, so it cannot go into the
summary), into weight and bias of a dense one. Residual additions and ReLUs are fused into the convolution before them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from . import checkpoint
from .conv import FsConv2d
from .data import LABELS, MEAN, STD
from .resnet import ResNet

PRODUCER = "fsnet_train 0.1"


def folded(bn: nn.BatchNorm2d) -> tuple[torch.Tensor, torch.Tensor]:
    """`(scale, bias)`, each `[O]`, with `bn(y) = scale * y + bias` in eval mode; computed in float64."""
    scale = bn.weight.double() / torch.sqrt(bn.running_var.double() + bn.eps)
    return scale, bn.bias.double() - bn.running_mean.double() * scale


class Exporter:
    """Collects the nodes and tensors of one network."""

    def __init__(self) -> None:
        self.nodes: list[dict] = []
        self.tensors: dict[str, torch.Tensor] = {}

    def tensor(self, name: str, value: torch.Tensor) -> None:
        value = value.detach().cpu()
        self.tensors[name] = (value if value.dtype == torch.int64 else value.float()).clone().contiguous()

    def conv(self, name: str, source: str, conv: nn.Module, bn: nn.BatchNorm2d, residual: str | None = None) -> str:
        """`relu(bn(conv(source)) + residual)` as one node; returns its name."""
        scale, bias = folded(bn)
        node: dict = {"name": name, "input": source, "out_channels": len(bias), "activation": "relu"}
        if isinstance(conv, FsConv2d):
            stride, padding = conv.stride, conv.padding
            node |= {"op": "fs_conv2d", "window": conv.layout.window(), "boundary": conv.layout.boundary}
            self.tensor(f"{name}.summary", conv.summary)
            self.tensor(f"{name}.starts", conv.layout.starts)
            self.tensor(f"{name}.scale", scale)
        else:
            stride, padding = conv.stride[0], conv.padding[0]
            node |= {"op": "conv2d", "kernel": list(conv.kernel_size)}
            self.tensor(f"{name}.weight", conv.weight.double() * scale.view(-1, 1, 1, 1))
        self.tensor(f"{name}.bias", bias)
        node |= {"stride": [stride, stride], "padding": [padding] * 4}
        if residual is not None:
            node["residual"] = residual
        self.nodes.append(node)
        return name

    def resnet(self, model: ResNet) -> str:
        at = self.conv("conv1", "input", model.conv1, model.bn1)
        for s, stage in enumerate(model.stages, 1):
            for b, block in enumerate(stage):
                name, shortcut = f"layer{s}.{b}", at
                if block.changes_shape:
                    shortcut = f"{name}.shortcut"
                    stride = [block.stride, block.stride]
                    self.nodes.append(
                        {"name": shortcut, "op": "shortcut_a", "input": at, "out_channels": block.out, "stride": stride}
                    )
                at = self.conv(f"{name}.conv1", at, block.conv1, block.bn1)
                at = self.conv(f"{name}.conv2", at, block.conv2, block.bn2, shortcut)
        self.nodes.append({"name": "pool", "op": "global_avg_pool2d", "input": at})
        self.nodes.append({"name": "linear", "op": "linear", "input": "pool"})
        self.tensor("linear.weight", model.linear.weight)
        self.tensor("linear.bias", model.linear.bias)
        return "linear"


def export(model: ResNet, path: Path, provenance: dict[str, str] | None = None) -> None:
    """Write `model` (its running statistics, as in eval mode) to `path`."""
    exporter = Exporter()
    output = exporter.resnet(model)
    preprocess = {"order": "rgb", "scale": 1 / 255, "mean": list(MEAN), "std": list(STD)}
    graph = {
        "input": {"channels": 3, "height": 32, "width": 32, "preprocess": preprocess},
        "nodes": exporter.nodes,
        "output": output,
        "labels": list(LABELS),
    }
    metadata = {"format": "filter-summary", "format_version": "1", "graph": json.dumps(graph), "producer": PRODUCER}
    metadata |= {"architecture": f"resnet{model.depth}", "placement": str(model.placement)}
    metadata |= {"parameters": str(model.parameters_count())} | (provenance or {})
    for name, tensor in exporter.tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"{name} holds a value that is not finite")
    checkpoint.write_beside(path, lambda to: save_file(exporter.tensors, to, metadata))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help="written by fsnet_train.train")
    parser.add_argument("output", type=Path, help="the .safetensors file to write")
    arguments = parser.parse_args()
    model, state = checkpoint.load_model(arguments.checkpoint)
    provenance = {"epochs": str(state["epoch"] + state.get("before", 0)), "dataset": "CIFAR-10", "recipe": json.dumps(state["recipe"])}
    if state["correct"] is not None:
        provenance["accuracy"] = f"{state['correct']} of 10000"
    export(model, arguments.output, provenance)
    print(f"{arguments.output}: {arguments.output.stat().st_size} bytes, {provenance}")


if __name__ == "__main__":
    main()
