"""What came out of a training, as JSON: `python -m filter_summary.research.result CHECKPOINT OUT.json`.

Parameters as learned, as an exported file stores them and as the FSNet authors count; multiply-adds and additions of
one image; correct answers; loss, part of the training images classified right and CPU seconds of every epoch.
"""

from __future__ import annotations

import argparse
import json
import platform
from pathlib import Path

import torch

from .. import native
from ..export import graph_of
from ..files import write_beside
from . import checkpoint, counts, data
from .export import example_of
from .network import Network


def result_of(model: Network, state: dict) -> dict:
    """The result of a checkpoint's training."""
    with torch.no_grad():
        graph, _ = graph_of(model.eval(), example_of(model))
    stored, _ = counts.file_counts(graph.stored())
    multiplied, added = counts.operations(model)
    validated = state.get("validated", False)
    return {
        "arch": model.arch, "placement": str(model.placements),
        "learned": model.parameters_count(), "stored": stored, "with_buffers": counts.state_count(model),
        "multiply_adds": multiplied, "additions": added,
        "correct": state["correct"], "of": data.VALIDATION if validated else 10_000, "validated": validated,
        "epochs": state["epoch"], "cpu_seconds": round(sum(row[4] for row in state["history"])),
        "history": [epoch_of(*row) for row in state["history"]], "recipe": state["recipe"],
        "machine": platform.machine(), "torch": torch.__version__, "native_kernels": native.library() is not None,
    }  # fmt: skip


def epoch_of(epoch: int, loss: float, correct: int | None, wall: float, cpu: float, right: float = 0.0) -> dict:
    """A row of a checkpoint's history."""
    row = {"epoch": epoch, "loss": round(loss, 4), "right": round(right, 4), "cpu_seconds": round(cpu, 1)}
    return row if correct is None else row | {"correct": correct}


def write(path: Path, result: dict) -> None:
    """JSON with one line an epoch."""
    lines = json.dumps(result | {"history": []}, indent=1)
    rows = ",\n".join("  " + json.dumps(row) for row in result["history"])
    text = lines.replace('"history": []', f'"history": [\n{rows}\n ]')
    write_beside(path, lambda to: to.write_text(text + "\n"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    write(arguments.output, result_of(*checkpoint.load_model(arguments.checkpoint)))


if __name__ == "__main__":
    main()
