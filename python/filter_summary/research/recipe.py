"""The recipes of `train.py`: optimizer, schedule, augmentation, loss.

`Cycle` is SGD with one cycle of the learning rate, for the papers' networks. `Air` is airbench's (Keller Jordan, arXiv
2404.00498), for the air networks: weight decay decoupled from the learning rate, biases of norms 64 times as fast, a
triangular schedule, label smoothing, every image mirrored in every other epoch, translation by two pixels over a
reflected border, and lookahead.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import nn

from ..conv import FsConv2d
from . import data
from .layers import NormRelu, WhitenedConv

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]
"""Normalized images `[B, 3, H, W]`, labels `[B]`, and what to learn instead of them, `[B, classes]`, or None."""


def one_cycle(progress: float, rise: float = 0.2) -> float:
    """The learning rate as a part of its peak, at `progress` (0 to 1) of the training."""
    return min(progress / rise, (1 - progress) / (1 - rise))


def triangle(progress: float, start: float = 0.2, peak: float = 0.23, end: float = 0.07) -> float:
    """The same, airbench's: from `start` to 1 at `peak` of the training, then to `end`."""
    if progress < peak:
        return start + (1 - start) * progress / peak
    return 1 + (end - 1) * (progress - peak) / (1 - peak)


def optimizer_for(model: nn.Module, weight_decay: float, location_lr: float = 1.0) -> torch.optim.SGD:
    """Weight decay for filters, summaries and linear layers; none for batch norm, biases, gains and positions.

    Learned positions train at `location_lr` times the learning rate, had they been learned as they are: the sigmoid
    stretches a step by the square of its slope, at most `span / 4`, which is divided out here.
    """
    decayed, locations = {}, {}
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            decayed[id(module.weight)] = module.weight
        elif isinstance(module, FsConv2d):
            decayed[id(module.summary)] = module.summary
            if module.location_logit is not None:
                locations[id(module.location_logit)] = module.location_logit, (module.layout.span / 4) ** 2
    others = [p for p in model.parameters() if id(p) not in decayed and id(p) not in locations]
    groups = [{"params": list(decayed.values()), "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    for logit, stretch in locations.values():
        groups.append({"params": [logit], "weight_decay": 0.0, "lr_scale": location_lr / stretch})
    for group in groups:
        group["params"] = [p for p in group["params"] if p.requires_grad]
    return torch.optim.SGD(groups, lr=0.1, momentum=0.9, nesterov=True)


class Cycle:
    """One cycle of the learning rate, random flips, crops of images padded by 4."""

    defaults = {"lr": 0.2, "weight_decay": 5e-4, "smoothing": 0.0, "evaluate_every": 5}
    """What options are where the command line does not say."""

    def __init__(self, model: nn.Module, arguments: argparse.Namespace):
        self.arguments = arguments
        self.optimizer = optimizer_for(model, arguments.weight_decay, arguments.location_lr)

    def rate(self, epoch: int, step: int, steps: int) -> float:
        """The learning rate in step `step` (from 0) of epoch `epoch`."""
        return self.arguments.lr * one_cycle((epoch + (step + 1) / (steps + 1)) / self.arguments.epochs)

    def batches(self, images: data.Images, epoch: int) -> Iterator[Batch]:
        """One epoch."""
        rng = torch.Generator().manual_seed(self.arguments.seed * 1_000_003 + epoch)
        for x, labels in data.batches(images, self.arguments.batch, rng):
            yield x, labels, None

    def stepped(self, step: int, total: int) -> None:
        """After step `step` (from 1) of all `total` steps of the training."""

    def state(self) -> dict:
        """What a checkpoint holds beside the network."""
        return {"optimizer": self.optimizer.state_dict()}

    def load(self, state: dict) -> None:
        self.optimizer.load_state_dict(state["optimizer"])


class Air:
    """Airbench's. `--lr` and `--weight-decay` are factors on its values, 11.5 and 0.0153 for 1,024 examples with the
    momentum counted in; `--gain-decay` one more on the decay of gains; `--teacher` and `--temperature` learn the
    probabilities that a teacher's logits have at a temperature, instead of the labels."""

    defaults = {"lr": 1.0, "weight_decay": 1.0, "smoothing": 0.2, "evaluate_every": 10**9}
    momentum, bias_rate = 0.85, 64.0
    every, keep = 20, 0.95
    """Lookahead: steps between two, and how much of the slow weights stays after a step, at the end of the training."""

    def __init__(self, model: nn.Module, arguments: argparse.Namespace):
        self.arguments = arguments
        scale = 1024 * (1 + 1 / (1 - self.momentum)) / arguments.batch
        self.peak = arguments.lr * 11.5 / scale
        decay = arguments.weight_decay * 0.0153 / scale / self.peak
        biases = [m.bias for m in model.modules() if isinstance(m, (NormRelu, WhitenedConv))]
        gains = [m.gains for m in model.modules() if isinstance(m, FsConv2d) and m.gains is not None]
        known = {id(p) for p in [*biases, *gains]}
        self.learned = [p for p in model.parameters() if p.requires_grad]
        others = [p for p in self.learned if id(p) not in known]
        groups = [
            {"params": others, "weight_decay": decay},
            {"params": biases, "weight_decay": decay / self.bias_rate, "lr_scale": self.bias_rate},
            {"params": gains, "weight_decay": decay * arguments.gain_decay},
        ]
        groups = [group for group in groups if group["params"]]
        self.optimizer = torch.optim.SGD(groups, lr=self.peak, momentum=self.momentum, nesterov=True)
        self.ahead = [p.detach().clone() for p in self.learned]
        self.teacher = None
        if arguments.teacher is not None:
            logits = torch.load(arguments.teacher, map_location="cpu", weights_only=True)
            self.teacher = (logits.float() / arguments.temperature).softmax(2)

    def rate(self, epoch: int, step: int, steps: int) -> float:
        return self.peak * triangle((epoch * steps + step + 0.5) / (self.arguments.epochs * steps))

    def batches(self, images: data.Images, epoch: int) -> Iterator[Batch]:
        rng = torch.Generator().manual_seed(self.arguments.seed * 1_000_003 + epoch)
        first = torch.Generator().manual_seed(self.arguments.seed + 77)
        mirrored = (torch.rand(len(images), generator=first) < 0.5) ^ (epoch % 2 == 1)
        batch = self.arguments.batch
        for at in torch.randperm(len(images), generator=rng)[: len(images) // batch * batch].split(batch):
            x = data.translate(images.pixels[at], mirrored[at], self.arguments.translate, rng)
            target = None if self.teacher is None else self.teacher[mirrored[at].long(), at]
            yield data.normalize(x), images.labels[at], target

    @torch.no_grad()
    def stepped(self, step: int, total: int) -> None:
        """Every 20 steps the weights go back to a slow average of theirs, which gets slower during the training."""
        if step % self.every and step != total:
            return
        kept = 1.0 if step == total else self.keep**self.every * (step / total) ** 3
        for slow, p in zip(self.ahead, self.learned):
            slow.lerp_(p, 1 - kept)
            p.copy_(slow)

    def state(self) -> dict:
        return {"optimizer": self.optimizer.state_dict(), "ahead": self.ahead}

    def load(self, state: dict) -> None:
        self.optimizer.load_state_dict(state["optimizer"])
        self.ahead = [slow.to(p.device) for slow, p in zip(state["ahead"], self.learned)]


RECIPES = {"cycle": Cycle, "air": Air}


def loss_of(logits: torch.Tensor, labels: torch.Tensor, target: torch.Tensor | None, smoothing: float) -> torch.Tensor:
    """Cross entropy with the labels, smoothed, or with a teacher's probabilities."""
    if target is not None:
        return F.cross_entropy(logits, target)
    return F.cross_entropy(logits, labels, label_smoothing=smoothing)


@torch.no_grad()
def settle(model: nn.Module, images: data.Images, size: int, seed: int, batch: int = 200, batches: int = 60) -> None:
    """Measure the running statistics of the air networks' norms anew, for the weights as they are in the end: the mean
    over some training images as they are."""
    norms = [m for m in model.modules() if isinstance(m, NormRelu)]
    if not norms:
        return
    momenta = [m.momentum for m in norms]
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    for n, at in enumerate(order[: batch * batches].split(batch)):
        for norm in norms:
            norm.momentum = 1 / (n + 1)
        model(data.resize(data.normalize(images.pixels[at]), size))
    for norm, momentum in zip(norms, momenta):
        norm.momentum = momentum
