"""Train a network for CIFAR-10 whose filters lie in Filter Summaries.

SGD with Nesterov momentum and one cycle of the learning rate: a straight rise, then a straight fall to zero. A
checkpoint is written after every epoch; the same command goes on from it. Interrupt it whenever you like.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from . import checkpoint, data
from .architectures import NAMES, ArchitectureError, build
from .conv import FsConv2d
from .evaluate import count_correct
from .network import CIFAR_INPUT, Network
from .placement import Placement, PlacementError, Placements

LOCATION_LR = 10.0
RECIPE = ("batch", "lr", "location_lr", "weight_decay", "smoothing", "seed", "bf16")
FULL_SIZE = CIFAR_INPUT[1]
SMALLEST_SIZE = 8


@dataclass(frozen=True)
class Sizes:
    """The size of the images in each epoch: small ones first, which cost less, then the full ones.

    Written `SIZE:EPOCHS,..`, as in `16:8,24:2`; later epochs see full images.
    """

    text: str

    def __post_init__(self) -> None:
        if any(not SMALLEST_SIZE <= size <= FULL_SIZE or epochs < 1 for size, epochs in self.parts()):
            raise ValueError(f"sizes {self.text!r}: sizes are {SMALLEST_SIZE} to {FULL_SIZE}, for at least one epoch")

    def parts(self) -> list[tuple[int, int]]:
        pairs = [part.partition(":") for part in self.text.split(",") if part]
        return [(int(size), int(epochs)) for size, _, epochs in pairs]

    def at(self, epoch: int) -> int:
        """The size in epoch `epoch`, counted from 0."""
        for size, epochs in self.parts():
            if epoch < epochs:
                return size
            epoch -= epochs
        return FULL_SIZE


def one_cycle(progress: float, rise: float = 0.2) -> float:
    """The learning rate as a part of its peak, at `progress` (0 to 1) of the training."""
    return min(progress / rise, (1 - progress) / (1 - rise))


def optimizer_for(model: nn.Module, weight_decay: float, location_lr: float = 1.0) -> torch.optim.SGD:
    """Weight decay for filters, summaries and linear layers; none for batch norm, biases and positions.

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
    return torch.optim.SGD(groups, lr=0.1, momentum=0.9, nesterov=True)


def train_epoch(
    model: nn.Module, optimizer: torch.optim.Optimizer, images: data.Images, rng: torch.Generator,
    arguments: argparse.Namespace, epoch: int,
) -> float:  # fmt: skip
    """One pass over the images; returns the mean loss."""
    steps = len(images) // arguments.batch
    device = images.pixels.device.type
    total, begin = 0.0, time.monotonic()
    for step, (x, labels) in enumerate(data.batches(images, arguments.batch, rng)):
        progress = (epoch + (step + 1) / (steps + 1)) / arguments.epochs
        for group in optimizer.param_groups:
            group["lr"] = arguments.lr * one_cycle(progress) * group.get("lr_scale", 1.0)
        x = data.resize(x, arguments.sizes.at(epoch))
        if arguments.channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        with torch.autocast(device, torch.bfloat16, enabled=arguments.bf16):
            logits = model(x)
        loss = F.cross_entropy(logits.float(), labels, label_smoothing=arguments.smoothing)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        total += loss.detach()
        if (step + 1) % arguments.log_every == 0:
            seconds = time.monotonic() - begin
            mean = float(total) / (step + 1)
            left = seconds / (step + 1) * (steps - step - 1)
            print(f"  epoch {epoch + 1} step {step + 1}/{steps} loss {mean:.4f} {left:.0f} s left", flush=True)
    mean = float(total) / steps
    if mean != mean:
        raise SystemExit(f"epoch {epoch + 1}: the loss is not a number; try a smaller --lr")
    return mean


def restore(path: Path, model: Network) -> dict:
    """Load a checkpoint's weights into `model`, which must be of the same kind; returns its state."""
    state = checkpoint.read(path)
    arch, placements = checkpoint.network_of(state)
    if (arch, placements) != (model.arch, model.placements):
        raise SystemExit(f"{path}: holds {arch} placed by {placements}")
    checkpoint.load_state(model, state)
    return state


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    about = f"{__doc__}\nArchitectures:\n{NAMES}"
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder of the CIFAR-10 binary files (.bin or .bin.xz)")
    add("--checkpoint", type=Path, required=True, help="file to write after every epoch, and to go on from")
    add(
        "--init",
        type=Path,
        help="begin another cycle from the weights of this checkpoint, or from what initialize.py made",
    )
    add("--arch", default="resnet20", help="resnet20, resnet56-b, resnet164, densenet100-12, .. (default %(default)s)")
    add("--depth", type=int, help="the same as --arch resnetDEPTH")
    add(
        "--placement",
        default="tap:2",
        help="[learned:]tap:A/B[:ORDER], [learned:]channel:R, tensor:R or dense "
        "(default %(default)s; see placement.py)",
    )
    add("--pointwise", help="placement of 1x1 convolutions (default: as the others, or dense with tap:A/B from 1 on)")
    add("--first", default="dense", help="placement of the first convolution (default %(default)s)")
    add(
        "--location-lr",
        type=float,
        default=LOCATION_LR,
        help="learning rate of learned positions, in units at mid range, against the others' (default %(default)s)",
    )
    add("--epochs", type=int, default=20, help="default %(default)s; may be changed when a training goes on")
    add(
        "--sizes",
        type=Sizes,
        default=Sizes(""),
        help="image sizes of the first epochs, SIZE:EPOCHS,..; "
        "16:8,24:2 is 8 epochs at 16x16, 2 at 24x24, then full images",
    )
    add("--batch", type=int, default=128, help="default %(default)s")
    add("--lr", type=float, default=0.2, help="peak learning rate (default %(default)s)")
    add("--weight-decay", type=float, default=5e-4, help="default %(default)s")
    add("--smoothing", type=float, default=0.0, help="label smoothing (default %(default)s)")
    add("--seed", type=int, default=0)
    add("--device", default="auto", choices=("auto", "cpu", "cuda"))
    add("--threads", type=int, default=1, help="CPU threads (default %(default)s: the fastest for these small layers)")
    add("--bf16", action=argparse.BooleanOptionalAction, default=True, help="bfloat16 autocast (default on)")
    add("--channels-last", action=argparse.BooleanOptionalAction, default=True, help="NHWC memory (default on)")
    add(
        "--evaluate-every",
        type=int,
        default=5,
        help="epochs between evaluations; the last has one (default %(default)s)",
    )
    add("--log-every", type=int, default=100, help="steps between progress lines (default %(default)s)")
    arguments = parser.parse_args(argv)
    arch = arguments.arch if arguments.depth is None else f"resnet{arguments.depth}"
    try:
        pointwise = None if arguments.pointwise is None else Placement.parse(arguments.pointwise)
        placements = Placements(Placement.parse(arguments.placement), pointwise, Placement.parse(arguments.first))
        torch.manual_seed(arguments.seed)
        arguments.model = build(arch, placements)
    except (PlacementError, ArchitectureError) as error:
        parser.error(str(error))
    if arguments.model.input_shape != CIFAR_INPUT:
        parser.error(f"{arch} reads {arguments.model.input_shape}: this command trains on CIFAR-10")
    if arguments.epochs < 1 or arguments.batch < 1:
        parser.error("--epochs and --batch must be at least 1")
    return arguments


def main(argv: list[str] | None = None) -> None:
    arguments = parse_arguments(argv)
    torch.set_num_threads(arguments.threads)
    cuda = torch.cuda.is_available() if arguments.device == "auto" else arguments.device == "cuda"
    device = torch.device("cuda" if cuda else "cpu")

    model = arguments.model
    if arguments.channels_last:
        model = model.to(memory_format=torch.channels_last)
    model.to(device)
    optimizer = optimizer_for(model, arguments.weight_decay, arguments.location_lr)
    state: dict = {"epoch": 0, "before": 0, "seconds": 0.0, "history": []}
    if arguments.checkpoint.exists():
        state = restore(arguments.checkpoint, model)
        optimizer.load_state_dict(state["optimizer"])
        print(f"going on after epoch {state['epoch']}", flush=True)
    elif arguments.init:
        first = restore(arguments.init, model)
        state["before"] = first["epoch"] + first.get("before", 0)
        print(f"beginning from {arguments.init}, trained for {state['before']} epochs", flush=True)

    starts = checkpoint.moved_starts(model)
    train_set = data.load(arguments.data, data.TRAIN_FILES).to(device)
    test_set = data.load(arguments.data, data.TEST_FILES).to(device)
    print(f"{model.arch}, {model.placements}: {model.parameters_count()} parameters, on {device}", flush=True)
    for epoch in range(state["epoch"], arguments.epochs):
        rng = torch.Generator().manual_seed(arguments.seed * 1_000_003 + epoch)
        begin, cpu = time.monotonic(), time.process_time()
        loss = train_epoch(model, optimizer, train_set, rng, arguments, epoch)
        wall, cpu = time.monotonic() - begin, time.process_time() - cpu
        due = (epoch + 1) % arguments.evaluate_every == 0 or epoch + 1 == arguments.epochs
        correct = count_correct(model, test_set) if due else None
        state = {
            "model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch + 1,
            "epochs": arguments.epochs, "before": state.get("before", 0),
            **checkpoint.describe(model.arch, model.placements), "starts": starts, "correct": correct,
            "seconds": state["seconds"] + wall,
            "history": state["history"] + [[epoch + 1, loss, correct, wall, cpu]],
            "recipe": {k: getattr(arguments, k) for k in RECIPE} | {"sizes": arguments.sizes.text},
        }  # fmt: skip
        checkpoint.save(arguments.checkpoint, state)
        print(
            f"epoch {epoch + 1}/{arguments.epochs} loss {loss:.4f} {wall:.0f} s ({cpu:.0f} s of CPU)"
            + (f" correct {correct} of {len(test_set)}" if due else ""),
            flush=True,
        )


if __name__ == "__main__":
    main()
