"""The networks by name."""

from __future__ import annotations

import re

from ..placement import Placement, Placements
from .air import Air
from .densenet import DenseNet
from .network import Network
from .resnet import BasicBlock, Bottleneck, PreActBottleneck, ResNet
from .squeezenet import SqueezeNet

IMAGENET_WIDTHS = (64, 128, 256, 512)
NAMES = """\
resnet20, 32, 44, 56, 110, or any 6n+2: CIFAR, shortcuts of option A; resnet56-b: option B, as the FSNet authors
resnet164, resnet1001: CIFAR bottlenecks, option B, as the authors; preresnet164, or any 9n+2: pre-activation
densenet100-12, densenet100-24: CIFAR, growth 12 and 24
air:32-128-128:2: CIFAR, three blocks of 2 convolutions (or 1 to 9); air:48-192-192:3:residual: with shortcuts;
air:32-128-128:2:separable: depthwise, batch norm and 1x1 instead of each (MobileNet's)
imagenet-resnet18, 34, 50; squeezenet1.0: ImageNet"""


class ArchitectureError(ValueError):
    """A name that is no network's."""


def build(arch: str, placement: Placement | Placements | str) -> Network:
    """The network called `arch`, newly initialized."""
    network = _build(arch, placement)
    if network is None:
        raise ArchitectureError(f"architecture {arch!r} is none of\n{NAMES}")
    network.arch = arch
    return network


def _build(arch: str, placement: Placement | Placements | str) -> Network | None:
    if match := re.fullmatch(r"resnet(\d{1,4})(-b)?", arch):
        depth, option = int(match[1]), "B" if match[2] else "A"
        if depth in (164, 1001):
            return None if match[2] else ResNet(placement, (depth // 9,) * 3, block=Bottleneck, option="B")
        if depth > 2 and depth % 6 == 2:
            return ResNet(placement, (depth // 6,) * 3, option=option)
    elif match := re.fullmatch(r"preresnet(\d{1,4})", arch):
        if int(match[1]) > 2 and int(match[1]) % 9 == 2:
            return ResNet(placement, (int(match[1]) // 9,) * 3, block=PreActBottleneck, option="B")
    elif match := re.fullmatch(r"densenet(\d{2,3})-(\d{1,2})", arch):
        depth, growth = int(match[1]), int(match[2])
        if depth % 6 == 4 and depth >= 10 and growth > 0:
            return DenseNet(placement, depth, growth)
    elif match := re.fullmatch(r"air:(\d{1,4})-(\d{1,4})-(\d{1,4}):([1-9])(:residual)?(:separable)?", arch):
        widths = tuple(int(width) for width in match.groups()[:3])
        if min(widths) > 0:
            return Air(placement, widths, int(match[4]), bool(match[5]), bool(match[6]))
    elif arch in ("imagenet-resnet18", "imagenet-resnet34", "imagenet-resnet50"):
        blocks = (2, 2, 2, 2) if arch.endswith("18") else (3, 4, 6, 3)
        block = Bottleneck if arch.endswith("50") else BasicBlock
        return ResNet(placement, blocks, IMAGENET_WIDTHS, 1000, block, "B", imagenet=True)
    elif arch == "squeezenet1.0":
        return SqueezeNet(placement)
    return None
