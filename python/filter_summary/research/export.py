"""Export a trained network to the `filter-summary` network format (docs/format.md of the repository)."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from .. import export as general
from ..export import Exported
from . import checkpoint
from .data import MEAN, STD
from .network import Network


def example_of(model: Network) -> torch.Tensor:
    """Two images of noise, of the size and precision of the network."""
    like = next(model.parameters())
    noise = torch.randn(2, *model.input_shape, generator=torch.Generator().manual_seed(1))
    return noise.to(like.device, like.dtype)


def export(model: Network, path: Path, provenance: dict[str, str] | None = None) -> Exported:
    """Write `model` (its running statistics, as in eval mode) to `path`."""
    metadata = {"architecture": model.arch, "placement": str(model.placements)}
    metadata |= {"parameters": str(model.parameters_count())} | (provenance or {})
    preprocess = {"order": "rgb", "scale": 1 / 255, "mean": MEAN, "std": STD}
    return general(model, example_of(model), path, labels=model.labels, preprocess=preprocess, metadata=metadata)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help="written by filter_summary.research.train")
    parser.add_argument("output", type=Path, help="the .safetensors file to write")
    arguments = parser.parse_args()
    model, state = checkpoint.load_model(arguments.checkpoint)
    epochs = str(state["epoch"] + state.get("before", 0))
    provenance = {"epochs": epochs, "dataset": "CIFAR-10", "recipe": json.dumps(state["recipe"])}
    if state["correct"] is not None and not state.get("validated"):
        provenance["accuracy"] = f"{state['correct']} of 10000"
    print(export(model, arguments.output, provenance), provenance)


if __name__ == "__main__":
    main()
