"""Seconds of an epoch of training, in the fast form and with materialized filters: the same network, alternately.

    python -m filter_summary.research.speed air:64-256-256:2 --placement base:1

The median of some steps on random images, times the steps of an epoch of CIFAR-10; CPU seconds of this process.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
import torch.nn.functional as F
from torch import nn

from ..conv import FsConv2d
from .architectures import build

EPOCH = 50_000


def step_seconds(model: nn.Module, x: torch.Tensor, labels: torch.Tensor, bf16: bool) -> float:
    """CPU seconds of one forward and backward pass."""
    begin = time.process_time()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        logits = model(x)
    model.zero_grad(set_to_none=True)
    F.cross_entropy(logits.float(), labels).backward()
    return time.process_time() - begin


def epochs(arch: str, placement: str, size: int, batch: int, steps: int, bf16: bool) -> tuple[float, float]:
    """Seconds of an epoch in the fast form, and materialized."""
    model = build(arch, placement)
    layers = [m for m in model.modules() if isinstance(m, FsConv2d)]
    x = torch.randn(batch, 3, size, size).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(model.classes, (batch,))
    seconds: tuple[list[float], list[float]] = [], []
    for n in range(steps + 1):
        for fast, times in zip((True, False), seconds):
            for layer in layers:
                layer.fast = fast
            took = step_seconds(model, x, labels, bf16)
            if n > 0:
                times.append(took)
    fast, slow = (statistics.median(times) * EPOCH / batch for times in seconds)
    return fast, slow


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("arch", nargs="?", default="air:64-256-256:2")
    add("--placement", nargs="+", default=["base:1"])
    add("--sizes", type=int, nargs="+", default=[16, 32])
    add("--batch", type=int, default=128)
    add("--steps", type=int, default=7)
    add("--threads", type=int, default=1)
    add("--bf16", action=argparse.BooleanOptionalAction, default=True)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    for placement in arguments.placement:
        for size in arguments.sizes:
            fast, slow = epochs(arguments.arch, placement, size, arguments.batch, arguments.steps, arguments.bf16)
            about = f"{arguments.arch} {placement} {size}x{size}"
            print(f"{about}: {fast:.1f} s fast, {slow:.1f} s materialized, {slow / fast:.2f} times", flush=True)


if __name__ == "__main__":
    main()
