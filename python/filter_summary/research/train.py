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
from torch import nn

from ..placement import Placement, PlacementError, Placements
from . import checkpoint, data
from .architectures import NAMES, ArchitectureError, build
from .evaluate import count_correct
from .network import CIFAR_INPUT, Network
from .recipe import RECIPES, Air, Cycle, loss_of, settle

LOCATION_LR = 10.0
RECIPE = ("recipe", "batch", "lr", "location_lr", "weight_decay", "smoothing", "seed", "bf16")
RECIPE_OF_AIR = ("gain_decay", "translate", "teacher", "temperature")
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


def train_epoch(
    model: nn.Module, recipe: Cycle | Air, images: data.Images, arguments: argparse.Namespace, epoch: int
) -> tuple[float, float]:
    """One pass over the images; returns the mean loss, and the part of the images classified right."""
    steps = len(images) // arguments.batch
    device = images.pixels.device.type
    total, correct, begin = 0.0, 0, time.monotonic()
    for step, (x, labels, target) in enumerate(recipe.batches(images, epoch)):
        for group in recipe.optimizer.param_groups:
            group["lr"] = recipe.rate(epoch, step, steps) * group.get("lr_scale", 1.0)
        x = data.resize(x, arguments.sizes.at(epoch))
        if arguments.channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        with torch.autocast(device, torch.bfloat16, enabled=arguments.bf16):
            logits = model(x)
        loss = loss_of(logits.float(), labels, target, arguments.smoothing)
        recipe.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        recipe.optimizer.step()
        recipe.stepped(epoch * steps + step + 1, arguments.epochs * steps)
        total += loss.detach()
        correct += (logits.detach().argmax(1) == labels).sum()
        if (step + 1) % arguments.log_every == 0:
            seconds = time.monotonic() - begin
            mean = float(total) / (step + 1)
            left = seconds / (step + 1) * (steps - step - 1)
            print(f"  epoch {epoch + 1} step {step + 1}/{steps} loss {mean:.4f} {left:.0f} s left", flush=True)
    mean = float(total) / steps
    if mean != mean:
        raise SystemExit(f"epoch {epoch + 1}: the loss is not a number; try a smaller --lr")
    return mean, int(correct) / (steps * arguments.batch)


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
    add("--epochs", type=int, help="default: as many as --sizes has, or 20; may be changed when a training goes on")
    add(
        "--sizes",
        type=Sizes,
        default=Sizes(""),
        help="image sizes of the first epochs, SIZE:EPOCHS,..; "
        "16:8,24:2 is 8 epochs at 16x16, 2 at 24x24, then full images",
    )
    add("--recipe", default=None, choices=RECIPES, help="default: air for air networks, else cycle; see recipe.py")
    add("--batch", type=int, default=128, help="default %(default)s")
    add("--lr", type=float, help="peak learning rate (default 0.2; with the air recipe a factor on it, default 1)")
    add("--weight-decay", type=float, help="default 5e-4; with the air recipe a factor on its own, default 1")
    add("--gain-decay", type=float, default=1.0, help="air recipe: factor on the decay of gains (default %(default)s)")
    add("--smoothing", type=float, help="label smoothing (default 0; with the air recipe 0.2)")
    add("--translate", type=int, default=2, help="air recipe: most pixels that images are moved (default %(default)s)")
    add("--teacher", type=Path, help="air recipe: logits that teacher.py wrote, to be learned instead of the labels")
    add("--temperature", type=float, default=5.0, help="divides the teacher's logits (default %(default)s)")
    held = "hold out the last 5,000 training images and count on them; test images are not read"
    add("--validate", action="store_true", help=held)
    add("--seed", type=int, default=0)
    add("--device", default="auto", choices=("auto", "cpu", "cuda"))
    add("--threads", type=int, default=1, help="CPU threads (default %(default)s: the fastest for these small layers)")
    add("--bf16", action=argparse.BooleanOptionalAction, default=True, help="bfloat16 autocast (default on)")
    add("--channels-last", action=argparse.BooleanOptionalAction, default=True, help="NHWC memory (default on)")
    often = "epochs between evaluations; the last has one (default 5; with the air recipe only the last)"
    add("--evaluate-every", type=int, help=often)
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
    arguments.recipe = arguments.recipe or ("air" if arch.startswith("air:") else "cycle")
    for option, value in RECIPES[arguments.recipe].defaults.items():
        if getattr(arguments, option) is None:
            setattr(arguments, option, value)
    if arguments.epochs is None:
        arguments.epochs = sum(epochs for _, epochs in arguments.sizes.parts()) or 20
    if arguments.recipe == "cycle" and arguments.teacher is not None:
        parser.error("--teacher needs --recipe air")
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
    recipe = RECIPES[arguments.recipe](model, arguments)
    state: dict = {"epoch": 0, "before": 0, "seconds": 0.0, "history": []}
    if arguments.checkpoint.exists():
        state = restore(arguments.checkpoint, model)
        recipe.load(state)
        print(f"going on after epoch {state['epoch']}", flush=True)
    elif arguments.init:
        first = restore(arguments.init, model)
        state["before"] = first["epoch"] + first.get("before", 0)
        print(f"beginning from {arguments.init}, trained for {state['before']} epochs", flush=True)

    starts = checkpoint.moved_starts(model)
    train_set = data.load(arguments.data, data.TRAIN_FILES)
    if arguments.validate:
        train_set, counted = train_set[: -data.VALIDATION], train_set[-data.VALIDATION :]
    else:
        counted = data.load(arguments.data, data.TEST_FILES)
    train_set, counted = train_set.to(device), counted.to(device)
    if state["epoch"] == 0 and not arguments.init:
        model.prepare(data.normalize(train_set.pixels[:2000]))
    print(f"{model.arch}, {model.placements}: {model.parameters_count()} parameters, on {device}", flush=True)
    for epoch in range(state["epoch"], arguments.epochs):
        begin, cpu = time.monotonic(), time.process_time()
        loss, right = train_epoch(model, recipe, train_set, arguments, epoch)
        last = epoch + 1 == arguments.epochs
        if last:
            with torch.autocast(device.type, torch.bfloat16, enabled=arguments.bf16):
                settle(model, train_set, arguments.sizes.at(epoch), arguments.seed)
        wall, cpu = time.monotonic() - begin, time.process_time() - cpu
        due = (epoch + 1) % arguments.evaluate_every == 0 or last
        correct = None
        if due:  # test images are counted as they are, held out ones at the size of the epoch
            size = arguments.sizes.at(epoch) if arguments.validate else FULL_SIZE
            correct = count_correct(model, counted, prepare=lambda x: data.resize(data.normalize(x), size))
        state = {
            "model": model.state_dict(), **recipe.state(), "epoch": epoch + 1,
            "epochs": arguments.epochs, "before": state.get("before", 0),
            **checkpoint.describe(model.arch, model.placements), "starts": starts, "correct": correct,
            "validated": arguments.validate, "seconds": state["seconds"] + wall,
            "history": state["history"] + [[epoch + 1, loss, correct, wall, cpu, right]],
            "recipe": recipe_of(arguments),
        }  # fmt: skip
        checkpoint.save(arguments.checkpoint, state)
        print(
            f"epoch {epoch + 1}/{arguments.epochs} loss {loss:.4f} {right:.2%} {wall:.0f} s ({cpu:.0f} s of CPU)"
            + (f" correct {correct} of {len(counted)}" if due else ""),
            flush=True,
        )


def recipe_of(arguments: argparse.Namespace) -> dict:
    """What a checkpoint, and an exported file, say of the training."""
    names = RECIPE + (RECIPE_OF_AIR if arguments.recipe == "air" else ())
    recipe = {name: getattr(arguments, name) for name in names} | {"sizes": arguments.sizes.text}
    if recipe.get("teacher") is not None:
        recipe["teacher"] = recipe["teacher"].name
    return recipe


if __name__ == "__main__":
    main()
