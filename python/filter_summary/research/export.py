"""Export a trained network to the `filter-summary` network format (docs/format.md of the repository).

The network is traced with `torch.fx`, so every builder is exported by the same few rules.
Batch norm after a convolution is folded: into `scale` and `bias` of an FS convolution (its filters share values,
so it cannot go into the summary), into weight and bias of a dense one; elsewhere it becomes a `batch_norm` node.
Additions and ReLUs are fused into the node before them where nothing else reads that.
"""

from __future__ import annotations

import argparse
import json
import operator
import re
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import fx, nn

from ..conv import FsConv2d
from ..files import write_beside
from . import checkpoint
from .data import MEAN, STD
from .layers import DepthwiseConv, GlobalMaxPool, NormRelu, Pool, ScaledLinear, WhitenedConv
from .network import Network
from .resnet import ShortcutA

PRODUCER = "filter_summary.research 0.3"
ADDITIONS = (operator.add, operator.iadd, torch.add)
RELUS = (F.relu, F.relu_, torch.relu, torch.relu_)


OWN_LAYERS = (FsConv2d, ShortcutA, WhitenedConv, DepthwiseConv, NormRelu, Pool, GlobalMaxPool, ScaledLinear)


class ExportError(ValueError):
    """A network with an operation that the format lacks, or with values that it does not hold."""


def folded(bn: nn.BatchNorm2d | NormRelu) -> tuple[torch.Tensor, torch.Tensor]:
    """`(scale, bias)`, each `[O]`, with `bn(y) = scale * y + bias` in eval mode; computed in float64."""
    weight = 1.0 if isinstance(bn, NormRelu) else bn.weight.double()
    scale = weight / torch.sqrt(bn.running_var.double() + bn.eps)
    return scale, bn.bias.double() - bn.running_mean.double() * scale


def exported_positions(positions: torch.Tensor) -> torch.Tensor:
    """Positions as float32 with the same floors: one that would be rounded up to a whole number goes just below it."""
    rounded = positions.detach().float()
    below = torch.nextafter(rounded, torch.zeros(()))
    return torch.where(rounded.double().floor() > positions.detach().double().floor(), below, rounded)


def pair(value: int | tuple[int, int]) -> list[int]:
    return [value, value] if isinstance(value, int) else list(value)


def four(padding: int | tuple[int, int]) -> list[int]:
    return pair(padding) * 2


class Tracer(fx.Tracer):
    """Our own layers are one operation each."""

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        return isinstance(module, OWN_LAYERS) or super().is_leaf_module(module, name)


class Exporter:
    """Turns the operations of one network, in order, into nodes and tensors."""

    def __init__(self, model: nn.Module) -> None:
        self.modules = dict(model.named_modules())
        self.nodes: list[dict] = []
        self.names = {"input"}
        self.tensors: dict[str, torch.Tensor] = {}
        self.values: dict[fx.Node, dict] = {}
        for step in Tracer().trace(model).nodes:
            self.convert(step)

    def convert(self, step: fx.Node) -> None:
        if step.op == "placeholder":
            self.values[step] = {"name": "input", "op": "input"}
        elif step.op == "output":
            self.output = self.name(step.args[0])
        elif step.op == "call_module":
            self.module(step, self.modules[step.target])
        elif step.target in ADDITIONS:
            self.add(step)
        elif step.target in RELUS or (step.op, step.target) == ("call_method", "relu"):
            self.relu(step)
        elif step.target is torch.cat and (step.args[1:] or (step.kwargs.get("dim"),)) == (1,):
            self.emit(step, "concat", inputs=[self.name(part) for part in step.args[0]])
        elif step.target in (torch.flatten, "flatten") and tuple(step.args[1:]) == (1,):
            self.flatten(step)
        else:
            raise ExportError(f"{step.name}: the format has no {step.op} of {step.target}")

    def module(self, step: fx.Node, module: nn.Module) -> None:
        """One operation that is a module."""
        source = step.args[0]
        if isinstance(module, (FsConv2d, nn.Conv2d)):
            self.conv(step, module)
            if isinstance(module, WhitenedConv):
                self.values[step]["activation"] = "relu"
        elif isinstance(module, NormRelu):
            self.norm_relu(step, module)
        elif isinstance(module, nn.BatchNorm2d):
            self.batch_norm(step, module)
        elif isinstance(module, nn.ReLU):
            self.relu(step)
        elif isinstance(module, (nn.Identity, nn.Dropout)):
            self.values[step] = self.values[source]
        elif isinstance(module, ShortcutA):
            self.emit(step, "shortcut_a", input=self.name(source), out_channels=module.out, stride=pair(module.stride))
        elif isinstance(module, nn.Linear):
            node = self.emit(step, "linear", input=self.name(source))
            self.tensors[f"{node['name']}.weight"] = module.weight * getattr(module, "factor", 1)
            if module.bias is not None:
                self.tensors[f"{node['name']}.bias"] = module.bias
        elif isinstance(module, nn.AdaptiveAvgPool2d) and pair(module.output_size) == [1, 1]:
            self.emit(step, "global_avg_pool2d", input=self.name(source))
        elif isinstance(module, GlobalMaxPool):
            self.emit(step, "max_pool2d", input=self.name(source), kernel=pair(module.size))
        elif isinstance(module, (nn.MaxPool2d, nn.AvgPool2d)):
            self.pool(step, module)
        elif isinstance(module, nn.Flatten) and (module.start_dim, module.end_dim) == (1, -1):
            self.flatten(step)
        else:
            raise ExportError(f"{step.target}: the format has no {type(module).__name__} as it is set up here")

    def emit(self, step: fx.Node, op: str, **keys) -> dict:
        """A new node, named after the module or the operation."""
        name = step.target if step.op == "call_module" else step.name
        name = re.sub(r"^stages\.(\d+)", lambda stage: f"layer{int(stage[1]) + 1}", str(name))
        if name in self.names:
            raise ExportError(f"{name} is used twice")
        self.names.add(name)
        node = {"name": name, "op": op, **keys}
        self.nodes.append(node)
        self.values[step] = node
        return node

    def name(self, step: fx.Node) -> str:
        return self.values[step]["name"]

    def open(self, step: fx.Node, *ops: str) -> dict | None:
        """The node of `step` if it is one of `ops`, has no activation yet, and nothing but the next step reads it."""
        node = self.values[step]
        return node if node["op"] in ops and "activation" not in node and len(step.users) == 1 else None

    def conv(self, step: fx.Node, conv: FsConv2d | nn.Conv2d) -> None:
        if isinstance(conv, nn.Conv2d) and (conv.padding_mode != "zeros" or isinstance(conv.padding, str)):
            padding = f"padding {conv.padding!r} of mode {conv.padding_mode!r}"
            raise ExportError(f"{step.target}: {padding} is not in the format")
        node = self.emit(step, "conv2d", input=self.name(step.args[0]))
        name, keys = node["name"], {"stride": pair(conv.stride), "padding": four(conv.padding)}
        if isinstance(conv, FsConv2d):
            node |= {"op": "fs_conv2d", "out_channels": conv.shape[0], "window": conv.layout.window()}
            node["boundary"] = conv.layout.boundary
            self.tensors[f"{name}.summary"] = conv.summary
            self.tensors[f"{name}.starts"] = conv.layout.starts
            if conv.gains is not None:
                self.tensors[f"{name}.gains"] = conv.gains
            if conv.layout.unit is not None:
                node["start_unit"] = conv.layout.unit
                self.tensors[f"{name}.starts"] = exported_positions(conv.positions())
        else:
            node |= {"out_channels": conv.out_channels, "kernel": pair(conv.kernel_size)}
            self.tensors[f"{name}.weight"] = conv.weight
        if pair(conv.dilation) != [1, 1]:
            keys["dilation"] = pair(conv.dilation)
        if conv.groups != 1:
            keys["groups"] = conv.groups
        if conv.bias is not None:
            self.tensors[f"{name}.bias"] = conv.bias
        node |= keys

    def batch_norm(self, step: fx.Node, bn: nn.BatchNorm2d) -> None:
        node = self.open(step.args[0], "fs_conv2d", "conv2d")
        if node is None or "residual" in node:
            node = self.emit(step, "batch_norm", input=self.name(step.args[0]))
        self.fold(node, bn)
        self.values[step] = node

    def fold(self, node: dict, bn: nn.BatchNorm2d | NormRelu) -> None:
        """Put a batch norm into the scale and bias, or the weights, of a node."""
        scale, shift = folded(bn)
        name = node["name"]
        if node["op"] == "conv2d":
            self.tensors[f"{name}.weight"] = self.tensors[f"{name}.weight"].double() * scale.view(-1, 1, 1, 1)
        else:
            self.tensors[f"{name}.scale"] = self.tensors.get(f"{name}.scale", 1) * scale
        if f"{name}.bias" in self.tensors:
            shift = shift + self.tensors[f"{name}.bias"].double() * scale
        self.tensors[f"{name}.bias"] = shift

    def norm_relu(self, step: fx.Node, norm: NormRelu) -> None:
        """Batch norm, a residual and ReLU, all folded into the convolution before them.

        Between them may be a max pool: norm multiplies by something positive and ReLU is monotonic,
        so that they may come first.
        """
        source, *residual = step.args
        pooled = self.values[source]["op"] == "max_pool2d" and len(source.users) == 1
        before = source.args[0] if pooled else source
        if self.open(before, "fs_conv2d", "conv2d") is None or (pooled and residual):
            raise ExportError(f"{step.target}: there is no convolution of its own before it")
        node = self.values[before]
        self.fold(node, norm)
        node["activation"] = "relu"
        if residual:
            node["residual"] = self.name(residual[0])
        self.values[step] = self.values[source]

    def relu(self, step: fx.Node) -> None:
        node = self.open(step.args[0], "fs_conv2d", "conv2d", "linear", "add", "batch_norm")
        if node is None:
            self.emit(step, "relu", input=self.name(step.args[0]))
        else:
            node["activation"] = "relu"
            self.values[step] = node

    def add(self, step: fx.Node) -> None:
        for one, other in (step.args, reversed(step.args)):
            node = self.open(one, "fs_conv2d", "conv2d")
            if node is not None and "residual" not in node and self.values[other] is not node:
                node["residual"] = self.name(other)
                self.values[step] = node
                return
        self.emit(step, "add", inputs=[self.name(part) for part in step.args])

    def flatten(self, step: fx.Node) -> None:
        """A linear layer, and whoever reads the output, flatten by themselves."""
        reads_flat = [u.op == "output" or isinstance(self.modules.get(str(u.target)), nn.Linear) for u in step.users]
        if all(reads_flat):
            self.values[step] = self.values[step.args[0]]
        else:
            self.emit(step, "flatten", input=self.name(step.args[0]))

    def pool(self, step: fx.Node, pool: nn.MaxPool2d | nn.AvgPool2d) -> None:
        if getattr(pool, "dilation", 1) != 1 or getattr(pool, "divisor_override", None) is not None:
            raise ExportError(f"{step.target}: the format has no dilated pools and no other divisors")
        largest = isinstance(pool, nn.MaxPool2d)
        node = self.emit(step, "max_pool2d" if largest else "avg_pool2d", input=self.name(step.args[0]))
        node |= {"kernel": pair(pool.kernel_size), "stride": pair(pool.stride), "padding": four(pool.padding)}
        node["ceil_mode"] = pool.ceil_mode
        if not largest:
            node["count_include_pad"] = pool.count_include_pad

    def stored(self) -> dict[str, torch.Tensor]:
        """The tensors as the file holds them: F32, and I64 fixed starts."""
        stored = {}
        for name, tensor in self.tensors.items():
            value = tensor.detach().cpu()
            value = (value if value.dtype == torch.int64 else value.float()).clone().contiguous()
            if not bool(torch.isfinite(value).all()):
                raise ExportError(f"{name} holds a value that is not finite")
            stored[name] = value
        return stored


def export(model: Network, path: Path, provenance: dict[str, str] | None = None) -> None:
    """Write `model` (its running statistics, as in eval mode) to `path`."""
    exporter = Exporter(model)
    channels, height, width = model.input_shape
    preprocess = {"order": "rgb", "scale": 1 / 255, "mean": list(MEAN), "std": list(STD)}
    graph: dict = {
        "input": {"channels": channels, "height": height, "width": width, "preprocess": preprocess},
        "nodes": exporter.nodes,
        "output": exporter.output,
    }
    if model.labels is not None:
        graph["labels"] = list(model.labels)
    metadata = {"format": "filter-summary", "format_version": "1", "graph": json.dumps(graph), "producer": PRODUCER}
    metadata |= {"architecture": model.arch, "placement": str(model.placements)}
    metadata |= {"parameters": str(model.parameters_count())} | (provenance or {})
    tensors = exporter.stored()
    write_beside(path, lambda to: save_file(tensors, to, metadata))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help="written by filter_summary.research.train")
    parser.add_argument("output", type=Path, help="the .safetensors file to write")
    arguments = parser.parse_args()
    model, state = checkpoint.load_model(arguments.checkpoint)
    epochs = str(state["epoch"] + state.get("before", 0))
    provenance = {"epochs": epochs, "dataset": "CIFAR-10", "recipe": json.dumps(state["recipe"])}
    if state["correct"] is not None and not state.get("validated"):
        provenance["accuracy"] = f"{state['correct']} of 10000"
    export(model, arguments.output, provenance)
    print(f"{arguments.output}: {arguments.output.stat().st_size} bytes, {provenance}")


if __name__ == "__main__":
    main()
