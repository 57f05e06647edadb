"""From a dense network to a Filter Summary one, on CIFAR-10: train, compress, fine-tune with the dense one as teacher.

    python examples/finetune.py --data DATA --work WORK dense
    python examples/finetune.py --data DATA --work WORK small
    python examples/finetune.py --data DATA --work WORK small --placement tap:1 --start random --seed 1

DATA is a folder with CIFAR-10's binary files (`filter_summary.research.data`). Everything lands in WORK: a checkpoint
an epoch (the same command goes on from it), a JSON with the learning curve, and the exported network. It is an example:
copy the loop into yours, whose network, data and recipe are better.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from filter_summary import FsConv2d, compress, export, quantize_aware
from filter_summary.files import write_beside
from filter_summary.research import data

TEMPERATURE = 4.0
"""Softens the teacher's answers, so that it tells how likely it finds the other classes."""
TEACHING = 0.7
"""The teacher's share of the loss; the labels have the rest."""


class Block(nn.Module):
    """Two 3x3 convolutions around which the input goes."""

    def __init__(self, width: int):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.norm2 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(x + self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x))))))


def stage(channels: int, width: int, blocks: int) -> nn.Sequential:
    """Half the size and `width` channels, then `blocks` blocks."""
    first = nn.Conv2d(channels, width, 3, padding=1, bias=False)
    return nn.Sequential(
        first, nn.MaxPool2d(2), nn.BatchNorm2d(width), nn.ReLU(), *(Block(width) for _ in range(blocks))
    )


def network(widths: tuple[int, int, int]) -> nn.Sequential:
    """`[N, 3, 32, 32] -> [N, 10]`."""
    a, b, c = widths
    return nn.Sequential(
        stage(3, a, 0), stage(a, b, 1), stage(b, c, 1), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(c, 10)
    )


def small_network(teacher: nn.Module, placement: str, random: bool) -> nn.Module:
    """The dense network compressed, or the same layers with new random values."""
    model, report = compress(teacher, placement=placement, example=torch.zeros(1, 3, 32, 32))
    print(report)
    if random:
        for module in model.modules():
            if isinstance(module, FsConv2d):
                fresh = FsConv2d(*module.shape[1::-1], module.kernel_size, placement=module.layout)
                module.summary.data = fresh.summary.data
                module.gains = fresh.gains
            elif hasattr(module, "reset_parameters"):
                module.reset_parameters()
    return model


def loss_of(logits: torch.Tensor, labels: torch.Tensor, taught: torch.Tensor | None) -> torch.Tensor:
    """Cross entropy with the labels, and with the teacher's softened probabilities."""
    loss = F.cross_entropy(logits, labels)
    if taught is None:
        return loss
    ours, theirs = (F.log_softmax(values / TEMPERATURE, 1) for values in (logits, taught))
    apart = F.kl_div(ours, theirs, reduction="batchmean", log_target=True) * TEMPERATURE**2
    return (1 - TEACHING) * loss + TEACHING * apart


@torch.no_grad()
def count_correct(model: nn.Module, images: data.Images) -> int:
    model.eval()
    parts = zip(images.pixels.split(500), images.labels.split(500))
    return sum(
        int((model(data.normalize(x).contiguous(memory_format=torch.channels_last)).argmax(1) == y).sum())
        for x, y in parts
    )


def train(model: nn.Module, teacher: nn.Module | None, arguments: argparse.Namespace, name: str) -> list[dict]:
    """Train for `arguments.epochs` epochs, going on from a checkpoint where there is one; the learning curve."""
    images, test = (data.load(arguments.data, names) for names in (data.TRAIN_FILES, data.TEST_FILES))
    decayed = [p for p in model.parameters() if p.dim() > 1 or isinstance(p, nn.Parameter) and p.numel() > 10_000]
    rest = [p for p in model.parameters() if all(p is not other for other in decayed)]
    groups = [{"params": decayed, "weight_decay": 5e-4}, {"params": rest, "weight_decay": 0.0}]
    optimizer = torch.optim.SGD(groups, arguments.lr, 0.9, nesterov=True)
    steps = len(images) // arguments.batch
    total, warm = arguments.epochs * steps, max(steps * arguments.epochs // 5, 1)
    ramp = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda n: min((n + 1) / warm, (total - n) / (total - warm)))
    path, curve = arguments.work / f"{name}.pt", []
    if path.exists():
        state = torch.load(path, weights_only=True)
        for part, saved in ((model, "model"), (optimizer, "optimizer"), (ramp, "ramp")):
            part.load_state_dict(state[saved])
        curve = state["curve"]
        print(f"{name}: going on after epoch {len(curve)}")
    for epoch in range(len(curve), arguments.epochs):
        rng = torch.Generator().manual_seed(1000 * arguments.seed + epoch)
        began, losses = time.process_time(), torch.zeros(())
        model.train()
        for x, labels in data.batches(images, arguments.batch, rng, pad=2):
            x = x.contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16, enabled=arguments.bf16):
                with torch.no_grad():
                    taught = None if teacher is None else teacher(x).float()
                logits = model(x).float()
            loss = loss_of(logits, labels, taught)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            ramp.step()
            losses += loss.detach()
        correct = count_correct(model, test)
        took = round(time.process_time() - began, 1)
        curve.append({"loss": round(float(losses) / steps, 4), "correct": correct, "seconds": took})
        print(f"{name}: epoch {epoch + 1} of {arguments.epochs}, {curve[-1]}", flush=True)
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "ramp": ramp.state_dict()}
        write_beside(path, lambda to, state=state: torch.save(state | {"curve": curve}, to))
    return curve


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder of the CIFAR-10 binary files")
    add("--work", type=Path, required=True, help="folder for checkpoints, curves and networks")
    add("what", choices=("dense", "small"), help="train the dense network, or compress and fine-tune it")
    add("--placement", default="gains:tap:1", help="where filters lie (default %(default)s)")
    add("--start", choices=("compressed", "random"), default="compressed", help="what the small one begins with")
    add("--bits", type=int, choices=(8,), help="fine-tune with summaries as stored in 8 bits")
    add("--widths", type=int, nargs=3, default=(32, 64, 128), help="channels of the three stages")
    add("--epochs", type=int, default=None, help="10 dense, 5 small")
    add("--lr", type=float, default=0.1, help="the highest learning rate (default %(default)s)")
    add("--batch", type=int, default=128)
    add("--seed", type=int, default=0)
    add("--bf16", action="store_true", help="compute in bfloat16, with a processor that can")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(arguments.seed)
    model, teacher = network(arguments.widths), None
    name = f"dense-seed{arguments.seed}"
    arguments.epochs = arguments.epochs or (10 if arguments.what == "dense" else 5)
    if arguments.what == "small":
        teacher, taught = model, arguments.work / "dense-seed0.pt"
        if not taught.exists():
            parser.error(f"{taught} is not there: train the dense network first (finetune.py .. dense)")
        teacher.load_state_dict(torch.load(taught, weights_only=True)["model"])
        teacher.eval()
        model = small_network(teacher, arguments.placement, arguments.start == "random")
        quantize_aware(model, arguments.bits)
        name = f"{arguments.placement.replace(':', '-').replace('/', '-')}-{arguments.start}-lr{arguments.lr}"
        name += f"{'-8bit' if arguments.bits else ''}-seed{arguments.seed}"
    model = model.to(memory_format=torch.channels_last)
    try:
        curve = train(model, teacher, arguments, name)
    except data.DataError as error:
        parser.error(str(error))
    values = sum(p.numel() for p in model.parameters())
    result = {"name": name, "values": values, "epochs": arguments.epochs, "lr": arguments.lr, "curve": curve}
    write_beside(arguments.work / f"{name}.json", lambda to: to.write_text(json.dumps(result, indent=1) + "\n"))
    preprocess = {"mean": data.MEAN, "std": data.STD}
    path = arguments.work / f"{name}.safetensors"
    print(export(model.eval(), torch.zeros(1, 3, 32, 32), path, labels=data.LABELS, preprocess=preprocess))


if __name__ == "__main__":
    main()
