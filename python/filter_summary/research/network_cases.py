"""Write narrow networks of every kind, with PyTorch's answers: `python -m filter_summary.research.network_cases DIR`.

One file of the network format a network. The metadata `expected` is a JSON list of the logits, computed in float64,
of one image whose value `i`, counted through `[C, H, W]`, is `(7919 * i + 13) % 255 / 127 - 1`; where the metadata
`image` is `integers`, `(7919 * i + 13) % 5 - 2`, and so are the weights: every sum is exact in float32.
Other runtimes' tests read them; ours are in `tests/data/networks`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from torch import nn

from ..placement import Placement, Placements
from .air import Air
from .densenet import DenseNet
from .export import export
from .layers import NormRelu
from .network import Network
from .resnet import BasicBlock, Bottleneck, PreActBottleneck, ResNet
from .squeezenet import SqueezeNet


def resnet(block=BasicBlock, option="A", imagenet=False, blocks=(2, 1, 1), widths=(4, 6, 8)):
    return lambda placements: ResNet(placements, blocks, widths, 10, block, option, imagenet)


# Every builder, narrow.
NETWORKS = {
    "resnet": resnet(),
    "resnet-b": resnet(option="B"),
    "bottleneck": resnet(Bottleneck, "B"),
    "preactivation": resnet(PreActBottleneck, "B"),
    "preactivation-a": resnet(PreActBottleneck, "A", blocks=(2, 2, 2), widths=(4, 8, 16)),
    "densenet": lambda placements: DenseNet(placements, 16, 4),
    "densenet-bc": lambda placements: DenseNet(placements, 16, 4, reduction=0.5),
    "imagenet-basic": resnet(option="B", imagenet=True, blocks=(1, 1, 1, 1), widths=(4, 4, 6, 6)),
    "imagenet-bottleneck": resnet(Bottleneck, "B", True, (1, 1, 1, 1), (4, 4, 6, 6)),
    "squeezenet": lambda placements: SqueezeNet(placements, 10, 8),
    "resnet-gains": resnet(),
    "resnet-integers": resnet(blocks=(1, 1, 1)),
    "air": lambda placements: Air(placements, (6, 8, 12), 2),
    "air-residual": lambda placements: Air(placements, (6, 8, 12), 3, residual=True),
    "air-separable": lambda placements: Air(placements, (6, 8, 12), 1, separable=True),
    "air-learned": lambda placements: Air(placements, (6, 8, 12), 2),
}
MIXED = Placements(Placement.parse("tap:2"), Placement.parse("tap:1/2"), Placement.parse("channel:2"))
PLACEMENTS = {
    "dense": Placements.of("dense"),
    "authors": Placements.authors(4),
    "mixed": MIXED,
    "tensor": Placements.of("tensor:4"),
    "learned-tap": Placements.of("learned:tap:2"),
    "learned-authors": Placements.authors(4, learned=True),
    "gains": Placements.of("gains:tap:1"),
    "base": Placements.of("base:1"),
    "base-half": Placements.of("base:1/2"),
    "learned-gains": Placements.of("gains:learned:tap:2"),
}
# Which placement each is written with: every one of both lists at least once.
CASES = {
    "resnet": "learned-tap",
    "resnet-b": "authors",
    "bottleneck": "mixed",
    "preactivation": "tensor",
    "preactivation-a": "mixed",
    "densenet": "authors",
    "densenet-bc": "learned-authors",
    "imagenet-basic": "dense",
    "imagenet-bottleneck": "authors",
    "squeezenet": "mixed",
    "resnet-gains": "gains",
    "resnet-integers": "mixed",
    "air": "base",
    "air-residual": "base-half",
    "air-separable": "base",
    "air-learned": "learned-gains",
}
# Instead of ImageNet's 224 and 227 pixels: every pool and stride still meets its border.
SMALL = 67


def scramble(model: Network) -> None:
    """Eval mode, and batch norms, biases and positions other than those it began with."""
    model.eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.5)
            nn.init.normal_(module.running_mean, std=0.5)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
        elif isinstance(module, NormRelu):
            nn.init.normal_(module.bias, std=0.5)
            nn.init.normal_(module.running_mean, std=0.5)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
        elif getattr(module, "bias", None) is not None:
            nn.init.normal_(module.bias, std=0.5)
        if getattr(module, "location_logit", None) is not None:
            module.location_logit.data += torch.randn_like(module.location_logit)


def integral(model: Network) -> None:
    """Eval mode, weights of -1, 0 and 1, and batch norms that add whole numbers."""
    model.eval()
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            parameter.data = torch.randint(-1, 2, parameter.shape).to(parameter.dtype)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
            module.running_mean = torch.randint(-2, 3, module.running_mean.shape).float()
            module.eps = 1e-30  # it may not be 0, but for float64 it is


def made(name: str, placements: str) -> Network:
    """A narrow network in float64."""
    torch.manual_seed(1)
    model = NETWORKS[name](PLACEMENTS[placements])
    (integral if is_integral(name) else scramble)(model)
    return model.double()


def is_integral(name: str) -> bool:
    return name.endswith("-integers")


def image(shape: tuple[int, int, int], integers: bool = False) -> torch.Tensor:
    """`[1, C, H, W]`: the image that the answers are for."""
    index = 7919 * torch.arange(shape[0] * shape[1] * shape[2]) + 13
    return (index % 5 - 2 if integers else index % 255 / 127 - 1).reshape(1, *shape)


def write(name: str, path: Path) -> torch.Tensor:
    """Writes one of `CASES`; returns its logits."""
    model = made(name, CASES[name])
    if model.input_shape[1] > SMALL:
        model.input_shape = (3, SMALL, SMALL)
    with torch.no_grad():
        expected = model(image(model.input_shape, is_integral(name)).double())[0]
    notes = {"image": "integers"} if is_integral(name) else {}
    export(model, path, {"expected": json.dumps(expected.tolist()), **notes})
    return expected


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    directory = parser.parse_args().directory
    directory.mkdir(parents=True, exist_ok=True)
    for name in CASES:
        path = directory / f"{name}.safetensors"
        write(name, path)
        print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
