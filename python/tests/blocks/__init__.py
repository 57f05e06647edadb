"""Parts of CNNs as people write them, for images of 8 channels, and what each is called.

Every one is a whole model of `[N, 8, 16, 12]`. Where one thing is written in several ways, all are here.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from .assignments import ASSIGNMENTS
from .attention import ATTENTION
from .backbones import BACKBONES
from .folds import FOLDS
from .model import SHAPE
from .norms import NORMS
from .shapes import SHAPES
from .transformers import TRANSFORMERS

BLOCKS: dict[str, Callable[[], nn.Module]] = {
    **ASSIGNMENTS, **ATTENTION, **BACKBONES, **FOLDS, **NORMS, **SHAPES, **TRANSFORMERS,
}  # fmt: skip


def made(name: str) -> tuple[nn.Module, torch.Tensor]:
    """A block in eval mode, with statistics as after training, and an input; the same at every call."""
    torch.manual_seed(0)
    model = BLOCKS[name]().eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return model, torch.randn(2, *SHAPE)
