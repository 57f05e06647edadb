"""Models of layers and a function, and the layers that many have."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

C, H, W = 8, 16, 12
SHAPE = (C, H, W)


class Model(nn.Module):
    """Layers, parameters (what requires gradients) and buffers, and a function of them and the input."""

    def __init__(self, function: Callable, **layers: nn.Module | torch.Tensor):
        super().__init__()
        self.function = function
        for name, layer in layers.items():
            if isinstance(layer, nn.Module):
                self.add_module(name, layer)
            elif layer.requires_grad:
                self.register_parameter(name, nn.Parameter(layer))
            else:
                self.register_buffer(name, layer)

    def forward(self, x):
        return self.function(self, x)


def conv(into=C, out=C, kernel=3, **keys):
    return nn.Sequential(
        nn.Conv2d(into, out, kernel, padding=keys.pop("padding", kernel // 2), bias=False, **keys),
        nn.BatchNorm2d(out), nn.ReLU(),
    )  # fmt: skip


def gates(layer=nn.Linear):
    extra = (1,) if layer is nn.Conv2d else ()
    return nn.Sequential(layer(C, 4, *extra), nn.ReLU(), layer(4, C, *extra), nn.Sigmoid())
