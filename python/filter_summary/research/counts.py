"""Parameters of networks and of exported files, and the effective parameters of the FSNet papers.

A tensor quantized to 8 bits counts `numel / 4 + 2` (its scale and zero), everything else counts whole.
Three numbers of a network are in use: what is learned; the authors' logs add the buffers of batch norm (running mean
and variance, and one counter each); an exported file holds batch norm folded, without its statistics.
Gains count in all three.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from torch import nn

from ..conv import FsConv2d
from .network import Network


def state_count(model: nn.Module) -> int:
    """Parameters and buffers, as the authors' logs count: everything in the state dict but fixed starts."""
    return sum(value.numel() for name, value in model.state_dict().items() if not name.endswith("starts"))


def effective(numel: int, quantized: bool) -> float:
    """Effective parameters of one tensor."""
    return numel / 4 + 2 if quantized else numel


def quantized_state_count(model: nn.Module) -> float:
    """`state_count` after quantization as the authors do it: every summary, and the linear layer."""
    total = 0.0
    for name, value in model.state_dict().items():
        part = name.split(".")
        if part[-1] == "starts":
            continue
        total += effective(value.numel(), part[-1] == "summary" or part[0] == "linear")
    return total


def file_counts(tensors: Mapping[str, torch.Tensor]) -> tuple[int, float]:
    """`(parameters, effective parameters)` of the tensors of an exported file; integer starts are none."""
    kept = {n: t for n, t in tensors.items() if t.dtype != torch.int64 and not n.endswith(".quantization")}
    total = sum(t.numel() for t in kept.values())
    return total, sum(effective(t.numel(), t.dtype == torch.uint8) for t in kept.values())


@torch.no_grad()
def operations(model: Network) -> tuple[int, int]:
    """`(multiply-adds, additions)` of convolutions and linear layers for one image, in the form in which they run.

    A layer in the fast form multiplies once a base, channel and pixel, then once a tap, filter and pixel with gains,
    and adds as often without them.
    """
    done = [0, 0]

    def count(layer: nn.Module, _, y: torch.Tensor) -> None:
        pixels = y.shape[2] * y.shape[3] if y.dim() == 4 else 1
        if isinstance(layer, FsConv2d) and layer.plan is not None and layer.fast is not False:
            second = layer.plan.terms.out * len(layer.plan.terms.off) * pixels
            done[0] += layer.plan.index.numel() * pixels + (0 if layer.gains is None else second)
            done[1] += second if layer.gains is None else 0
        elif isinstance(layer, FsConv2d):
            done[0] += layer.shape.numel() * pixels
        else:
            done[0] += layer.weight.numel() * pixels

    layers = [m for m in model.modules() if isinstance(m, (FsConv2d, nn.Conv2d, nn.Linear))]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    training = model.training
    model.eval()(torch.zeros(1, *model.input_shape))
    model.train(training)
    for hook in hooks:
        hook.remove()
    return done[0], done[1]


def main(argv: list[str] | None = None) -> None:
    from .checkpoint import load_model

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="+", help="checkpoints (.pt) or exported networks (.safetensors)")
    for path in parser.parse_args(argv).models:
        if path.suffix == ".safetensors":
            with safe_open(path, "pt") as file:
                total, counted = file_counts({name: file.get_tensor(name) for name in file.keys()})
            print(f"{path}: {total} values, {counted:g} effective, {path.stat().st_size} bytes")
        else:
            model, _ = load_model(path)
            total, state, counted = model.parameters_count(), state_count(model), quantized_state_count(model)
            multiplied, added = operations(model)
            print(f"{path}: {multiplied} multiply-adds and {added} additions an image")
            print(f"{path}: {total} learned, {state} with buffers, {counted:g} of those effective after quantization")


if __name__ == "__main__":
    main()
