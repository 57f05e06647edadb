"""A checkpoint to fine-tune from, made of a network file: what `fsnet compress` leaves of a trained dense network.

    fsnet compress dense.safetensors --step 2 -o compressed.safetensors
    python -m filter_summary.research.initialize --data DATA --arch resnet20 --placement tap:2 \
        compressed.safetensors init.pt
    python -m filter_summary.research.train --data DATA --arch resnet20 --placement tap:2 --init init.pt \
        --checkpoint net.pt

The file's batch norm is folded into scales and biases; here it is unfolded again. With the mean `m` and the variance
`v` of a convolution's output on training images, `bn(y) = scale * y + bias` when its weight is `scale * sqrt(v + eps)`,
its bias `bias + scale * m`, and `m` and `v` are its running statistics: the network computes what the file does,
and training goes on from there.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import nn

from ..conv import FsConv2d
from ..interpret import FormatError, Interpreter
from ..placement import Placement, PlacementError, Placements
from . import checkpoint, data
from .architectures import ArchitectureError, build
from .network import Network


def pairs_of(model: nn.Module) -> list[tuple[nn.Module, nn.BatchNorm2d]]:
    """Every convolution and the batch norm after it, in the order in which they run (as in the CIFAR ResNets here)."""
    convs = [m for m in model.modules() if isinstance(m, (FsConv2d, nn.Conv2d))]
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    if len(convs) != len(norms):
        raise FormatError(f"{len(convs)} convolutions and {len(norms)} batch norms: not one after each")
    return list(zip(convs, norms))


def initialize(model: Network, file: Interpreter, images: torch.Tensor) -> None:
    """Give `model` the weights of `file`; `images` `[N, C, H, W]` measure the statistics of its batch norms."""
    nodes = [node for node in file.graph["nodes"] if node["op"] in ("conv2d", "fs_conv2d")]
    pairs = pairs_of(model)
    if len(nodes) != len(pairs):
        raise FormatError(f"the file has {len(nodes)} convolutions, {model.arch} {len(pairs)}")
    hooks = []
    for node, (conv, norm) in zip(nodes, pairs):
        set_weights(node, file, conv)
        scale, bias = (file.get(node, part) for part in ("scale", "bias"))
        scale = torch.ones(norm.num_features) if scale is None else scale
        bias = torch.zeros(norm.num_features) if bias is None else bias
        hooks.append(norm.register_forward_pre_hook(unfold_with(scale, bias)))
    linear = [m for m in model.modules() if isinstance(m, nn.Linear)][-1]
    with torch.no_grad():
        linear.weight.copy_(file.tensors["linear.weight"])
        linear.bias.copy_(file.tensors["linear.bias"])
        model.eval()
        model(images)
    for hook in hooks:
        hook.remove()


def set_weights(node: dict, file: Interpreter, conv: nn.Module) -> None:
    name = node["name"]
    if isinstance(conv, FsConv2d) != (node["op"] == "fs_conv2d"):
        raise FormatError(f"{name} is {node['op']}, the network's is {type(conv).__name__}")
    part, parameter = ("summary", conv.summary) if isinstance(conv, FsConv2d) else ("weight", conv.weight)
    values = file.get(node, part)
    if values.shape != parameter.shape:
        raise FormatError(f"{name}.{part} is {list(values.shape)}, the network's is {list(parameter.shape)}")
    if isinstance(conv, FsConv2d):
        if node["window"] != conv.layout.window() or node.get("boundary", "none") != conv.layout.boundary:
            raise FormatError(f"{name}: its window is {node['window']}, the network's is {conv.layout.window()}")
        conv.place(file.get(node, "starts"))
    with torch.no_grad():
        parameter.copy_(values)


def unfold_with(scale: torch.Tensor, bias: torch.Tensor):
    """A hook that sets a batch norm by its input, just before it runs: those after it then see what they will see."""

    def unfold(norm: nn.BatchNorm2d, inputs: tuple[torch.Tensor, ...]) -> None:
        var, mean = torch.var_mean(inputs[0], (0, 2, 3), correction=0)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(var)
        norm.weight.copy_(scale * torch.sqrt(var + norm.eps))
        norm.bias.copy_(bias + scale * mean)

    return unfold


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", type=Path, help="the .safetensors file")
    parser.add_argument("output", type=Path, help="the checkpoint to write, for train.py --init")
    parser.add_argument("--data", type=Path, required=True, help="folder of the CIFAR-10 binary files")
    parser.add_argument("--arch", default="resnet20")
    parser.add_argument("--placement", default="tap:2", help="the placement whose starts the file has, in any order")
    measured = "training images to measure statistics on (default %(default)s)"
    parser.add_argument("--images", type=int, default=1000, help=measured)
    arguments = parser.parse_args(argv)
    if arguments.images < 1:
        parser.error("--images must be at least 1")
    try:
        model = build(arguments.arch, Placements.of(Placement.parse(arguments.placement)))
        file = Interpreter.open(arguments.network)
        pixels = data.load(arguments.data, data.TRAIN_FILES[:1]).pixels[: arguments.images]
        initialize(model, file, file.preprocess(pixels))
    except (PlacementError, ArchitectureError, FormatError, data.DataError, OSError) as error:
        parser.error(str(error))
    state = {
        "model": model.state_dict(), "epoch": 0, "correct": None, "recipe": {},
        "starts": checkpoint.moved_starts(model), **checkpoint.describe(model.arch, model.placements),
    }  # fmt: skip
    checkpoint.save(arguments.output, state)
    moved = len(state["starts"])
    print(f"{arguments.output}: {model.arch}, {model.placements}, {moved} layers in an order of their own")


if __name__ == "__main__":
    main()
