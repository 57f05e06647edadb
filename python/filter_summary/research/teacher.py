"""What a trained network says of the training images, to be learned by smaller ones (`train.py --teacher`).

    fsnet import --arch resnet56 resnet56-4bfd9763.safetensors -o resnet56.safetensors
    python -m filter_summary.research.teacher --data DATA resnet56.safetensors teacher.pt

`OUT` holds float32 `[2, 50000, 10]`: the logits of every training image, and of every image mirrored. Teachers know
training images by heart: their logits are to be divided by a temperature before they say anything about other classes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from ..files import write_beside
from ..interpret import Interpreter
from . import data
from .checkpoint import load_model


@torch.inference_mode()
def logits_of(model: torch.nn.Module, prepare, images: data.Images, batch: int, bf16: bool) -> torch.Tensor:
    """`[2, N, classes]`."""
    kinds = []
    for mirror in (False, True):
        rows = []
        for pixels in images.pixels.split(batch):
            x = prepare(pixels.flip(3) if mirror else pixels).contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                rows.append(model(x).float())
        kinds.append(torch.cat(rows))
    return torch.stack(kinds)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", type=Path, help="an exported network (.safetensors), or a checkpoint (.pt)")
    parser.add_argument("output", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder of the CIFAR-10 binary files")
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--bf16", action=argparse.BooleanOptionalAction, default=True)
    arguments = parser.parse_args(argv)
    torch.set_num_threads(arguments.threads)
    images = data.load(arguments.data, data.TRAIN_FILES)
    if arguments.network.suffix == ".safetensors":
        model = Interpreter.open(arguments.network)
        prepare = model.preprocess
    else:
        model, prepare = load_model(arguments.network)[0], data.normalize
    logits = logits_of(model, prepare, images, arguments.batch, arguments.bf16)
    write_beside(arguments.output, lambda to: torch.save(logits, to))
    right = [int((part.argmax(1) == images.labels).sum()) for part in logits]
    print(f"{arguments.output}: {right[0]} and, mirrored, {right[1]} of {len(images)} right")


if __name__ == "__main__":
    main()
