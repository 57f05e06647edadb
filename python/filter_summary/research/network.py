"""What training, counting and export need to know of every network, beside its modules."""

from __future__ import annotations

from torch import nn

from ..placement import Placement, Placements
from .data import LABELS

CIFAR_INPUT = (3, 32, 32)
IMAGENET_INPUT = (3, 224, 224)


class Network(nn.Module):
    """A classifier `[N, *input_shape] -> [N, classes]` whose convolutions are placed by `placements`."""

    def __init__(self, placement: Placement | Placements | str, input_shape: tuple[int, int, int], classes: int):
        super().__init__()
        self.placements = Placements.of(placement)
        self.input_shape, self.classes = input_shape, classes
        self.arch = type(self).__name__.lower()

    @property
    def labels(self) -> tuple[str, ...] | None:
        """The names of the classes, where they are known: CIFAR-10's."""
        return LABELS if (self.input_shape, self.classes) == (CIFAR_INPUT, len(LABELS)) else None

    def parameters_count(self) -> int:
        """Learned values: summaries, weights, batch norms, biases, positions."""
        return sum(p.numel() for p in self.parameters())

    def prepare(self, x) -> None:
        """Called once before training, with normalized training images `[N, *input_shape]`; most need nothing."""
