"""Accuracy of a network on the test batch, in float32."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from .data import TEST_FILES, Images, load, normalize


@torch.inference_mode()
def count_correct(
    model: nn.Module, images: Images, batch: int = 500, prepare: Callable[[torch.Tensor], torch.Tensor] = normalize
) -> int:
    """How many images get their own label from `model` (in eval mode, float32); ties go to the first class."""
    training = model.training
    model.eval()
    correct = 0
    for pixels, labels in zip(images.pixels.split(batch), images.labels.split(batch)):
        correct += int((model(prepare(pixels)).float().argmax(1) == labels).sum())
    model.train(training)
    return correct


def main() -> None:
    from ..interpret import Interpreter
    from .checkpoint import load_model

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="a checkpoint (.pt), or an exported network (.safetensors)")
    parser.add_argument("--data", type=Path, required=True, help="folder of the CIFAR-10 binary files")
    arguments = parser.parse_args()
    images = load(arguments.data, TEST_FILES)
    if arguments.model.suffix == ".safetensors":
        network = Interpreter.open(arguments.model)
        correct = count_correct(network, images, prepare=network.preprocess)
    else:
        correct = count_correct(load_model(arguments.model)[0], images)
    print(f"{arguments.model}: {correct} of {len(images)} correct")


if __name__ == "__main__":
    main()
