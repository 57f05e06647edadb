r"""The training of `train_cifar10` by PyTorch: the same network, initial values and batches; the loss of every step.

    train_cifar10 DATA --no-augment --no-shuffle --epochs 1 --steps 300 \
        --save-initial initial.safetensors --json burn.json
    python pytorch.py DATA initial.safetensors burn.json --write pytorch.json
    python compare.py burn.json pytorch.json --svg curves.svg

Layers are those of `python/` in this repository, which come from the papers and know nothing of the Rust crates.
Settings (batch, steps, learning rate, weight decay) are read from what `--json` wrote.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "python"))
from filter_summary import FsConv2d
from filter_summary.research import data

STEM = 16
LAYERS = ((32, 2), (32, 1), (64, 2), (64, 1))
RISE, FIRST = 0.2, 0.1


class Net(nn.Module):
    """As `model.rs` has it."""

    def __init__(self) -> None:
        super().__init__()
        blocks, channels = [], STEM
        for filters, stride in LAYERS:
            # Materialized filters and PyTorch's own convolution.
            conv = FsConv2d(channels, filters, 3, stride, 1, bias=False, placement="gains:tap:1", fast=False)
            blocks.append(nn.Sequential(conv, nn.BatchNorm2d(filters), nn.ReLU()))
            channels = filters
        stem = nn.Conv2d(3, STEM, 3, padding=1, bias=False)
        self.stem = nn.Sequential(stem, nn.BatchNorm2d(STEM), nn.ReLU())
        self.layers = nn.Sequential(*blocks)
        self.head = nn.Linear(channels, len(data.LABELS))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers(self.stem(x)).mean((2, 3)))

    @torch.no_grad()
    def load_initial(self, path: Path) -> None:
        values = load_file(path)
        self.stem[0].weight.copy_(values["stem.summary"].view_as(self.stem[0].weight))
        for index, (conv, _, _) in enumerate(self.layers):
            conv.summary.copy_(values[f"layers.{index}.summary"])
            conv.gains.copy_(values[f"layers.{index}.gains"])
        self.head.weight.copy_(values["head.weight"])
        self.head.bias.copy_(values["head.bias"])

    def groups(self, weight_decay: float) -> list[dict]:
        """Weight decay is for filters, summaries and the linear layer's weights."""
        decayed = [self.stem[0].weight, *(conv.summary for conv, _, _ in self.layers), self.head.weight]
        known = {id(parameter) for parameter in decayed}
        others = [parameter for parameter in self.parameters() if id(parameter) not in known]
        return [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def rate(settings: dict, step: int) -> float:
    """The learning rate of step `step`, from 0."""
    total = settings["epochs"] * settings["steps"]
    rise = max(int(total * RISE), 1)
    if step < rise:
        return settings["lr"] * (FIRST + (1 - FIRST) * step / rise)
    return settings["lr"] * (1 - (step - rise) / (total - rise))


def normalize(pixels: torch.Tensor) -> torch.Tensor:
    """The very numbers of the Rust program: `(pixel * (1 / 255) - mean) / std` in float32."""
    mean, std = (torch.tensor(values, dtype=torch.float32).view(3, 1, 1) for values in (data.MEAN, data.STD))
    return (pixels.float() * float(np.float32(1) / np.float32(255)) - mean) / std


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the CIFAR-10 binary files")
    parser.add_argument("initial", type=Path, help="written by --save-initial")
    parser.add_argument("curve", type=Path, help="written by --json, without augmentation and shuffling")
    parser.add_argument("--write", type=Path, help="where the losses go")
    parser.add_argument("--steps", type=int, help="no more than so many")
    parser.add_argument("--double", action="store_true", help="compute in float64: what float32 rounds")
    arguments = parser.parse_args()
    burn = json.loads(arguments.curve.read_text())
    settings = burn["settings"]
    if settings["is_shuffled"] or settings["is_augmented"] or settings["devices"] != 1:
        sys.exit(f"{arguments.curve}: it must be of --no-augment --no-shuffle on one device")
    dtype = torch.float64 if arguments.double else torch.float32
    images = data.load(arguments.data, data.TRAIN_FILES)
    net = Net()
    net.load_initial(arguments.initial)
    net.to(dtype)
    optimizer = torch.optim.SGD(net.groups(settings["weight_decay"]), lr=settings["lr"], momentum=settings["momentum"])
    losses, start = [], time.monotonic()
    total = settings["epochs"] * settings["steps"]
    for step in range(total if arguments.steps is None else min(total, arguments.steps)):
        first = step % settings["steps"] * settings["batch"]
        part = images[first : first + settings["batch"]]
        loss = F.cross_entropy(net(normalize(part.pixels).to(dtype)), part.labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        lr = rate(settings, step)
        # The step that the other program took.
        assert abs(lr - burn["steps"][step]["lr"]) < 1e-12, (step, lr, burn["steps"][step]["lr"])
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.step()
        losses.append(loss.item())
        print(f"step {step + 1}: loss {losses[-1]:.7f}", flush=True)
    seconds = time.monotonic() - start
    print(f"{seconds:.1f} s")
    if arguments.write:
        device = f"PyTorch {torch.__version__}, {str(dtype).removeprefix('torch.')}, {torch.get_num_threads()} threads"
        report = {"settings": settings | {"device": device}, "seconds": seconds}
        report["steps"] = [{"loss": loss} for loss in losses]
        arguments.write.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
