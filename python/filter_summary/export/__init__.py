"""Export of any PyTorch model made of the network format's operations (docs/format.md of the repository)."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from ..files import write_beside
from ..interpret import Interpreter
from . import convolutions, elementwise, images, shapes  # noqa: F401 (they register what they convert)
from .check import differences, results_of
from .convert import Converter
from .errors import ExportError
from .fuse import fuse
from .graph import Graph
from .trace import evaluated, trace

__all__ = ["ExportError", "Exported", "export", "graph_of"]

PRODUCER = "filter-summary for PyTorch"
PREPROCESS_KEYS = ("order", "scale", "mean", "std")


@dataclass(frozen=True)
class Exported:
    """What was written: operations with their counts, names of the outputs, and how far the file's numbers are off the
    model's, of each output's largest value."""

    path: Path
    bytes: int
    operations: dict[str, int]
    outputs: tuple[str, ...]
    difference: float
    tolerance: float

    def __str__(self) -> str:
        operations = ", ".join(f"{count} {op}" for op, count in self.operations.items())
        off = f"{self.difference:.1e} of the largest value off the model, {self.tolerance:g} allowed"
        return f"{self.path}: {self.bytes:,} bytes, {operations}; {off}"


def export(
    model: nn.Module, example: torch.Tensor, path: str | os.PathLike, *, labels: Sequence[str] | None = None,
    preprocess: Mapping | None = None, outputs: Sequence[str] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Exported:  # fmt: skip
    """Write `model`, as in eval mode, to `path`, for inputs of the example's shape `[N, C, H, W]`.

    `labels` are the names of a classifier's classes, `preprocess` says how pixels become the input: `order` (`rgb` or
    `bgr`), `scale` (1/255), `mean` and `std`, each of the format's meaning. `outputs` names the results: of a model
    that returns a dict the keys wanted (all, in order, unless given), of one that returns a tuple a name each.
    `metadata` are strings of yours.

    Batch norm is folded, activations and sums go into the nodes before them. What is in the file is computed by the
    format's interpreter and compared with the model, on the example and on noise, before the file is there:
    a difference of more than 1e-5 of an output's largest value (both in float64) is an error. Layers with `bits=8` are
    written in 8 bits.

    Raises `ExportError`, with a line for every operation that the format lacks: its module, its source and why.
    """
    path = Path(path)
    with evaluated(model), torch.no_grad():
        graph, chosen = graph_of(model, example, outputs)
        metadata = {"architecture": type(model).__name__, **(metadata or {})}
        described, tensors = described_file(graph, labels, preprocess, metadata)
        as_double = {name: t.double() if t.is_floating_point() else t for name, t in tensors.items()}
        written = Interpreter(json.loads(described["graph"]), as_double)
        difference, tolerance = differences(model, written, twice(example), chosen)
    write_beside(path, lambda to: save_file(tensors, to, described))
    operations = dict(Counter(node.op for node in graph.nodes.values()))
    return Exported(path, path.stat().st_size, operations, tuple(graph.outputs), difference, tolerance)


def twice(example: torch.Tensor) -> torch.Tensor:
    """Two images at least: what mixes the images of a batch shows."""
    if example.dim() not in (2, 3, 4):
        raise ExportError(f"the example has {example.dim()} axes; an input has [N, C, H, W]")
    return example if len(example) > 1 else torch.cat([example, example])


def graph_of(model: nn.Module, example: torch.Tensor, outputs: Sequence[str] | None = None) -> tuple[Graph, list[int]]:
    """Nodes and tensors of a model in eval mode, and which of its results they are; nothing is compared."""
    example = twice(example)
    returned = results_of(model(example))
    converter = Converter(model, trace(model, example), example)
    chosen, names = choose_outputs(converter, [key for key, _ in returned], outputs)
    fuse(converter.graph)
    name_outputs(converter.graph, names)
    return converter.graph, chosen


def choose_outputs(
    c: Converter, keys: list[str | None], wanted: Sequence[str] | None
) -> tuple[list[int], list[str | None]]:
    """Make nodes of the results; which of the model's they are, and their names."""
    if len(c.results) != len(keys):
        raise ExportError(f"the model returns {len(keys)} tensors, its graph {len(c.results)}")
    numbers, names = list(range(len(keys))), list(keys)
    if wanted is not None and all(key is not None for key in keys):
        unknown = [name for name in wanted if name not in keys]
        if unknown:
            raise ExportError(f"the model has no output {unknown[0]!r}; it has {', '.join(map(str, keys))}")
        numbers, names = [keys.index(name) for name in wanted], list(wanted)
    elif wanted is not None:
        if len(wanted) != len(keys):
            raise ExportError(f"{len(wanted)} names for {len(keys)} outputs")
        names = list(wanted)
    graph, found = c.graph, []
    for number in numbers:
        name, _ = c.real(c.results[number])
        if name == "input" or name in found:
            name = graph.add(f"{name}.output", "activation", [name], graph.dims_of(name), {"activation": "none"}).name
        found.append(name)
    graph.outputs = found
    graph.prune()
    return numbers, names


def name_outputs(graph: Graph, names: list[str | None]) -> None:
    """Give the outputs their names, and whoever has one of these another."""
    for old, new in zip(list(graph.outputs), names):
        if new is None or new == old:
            continue
        if not new or new == "input" or new in graph.outputs:
            raise ExportError(f"an output may not be called {new!r}")
        if new in graph.nodes:
            graph.rename(new, graph.free(new))
        graph.rename(old, new)


def described_file(
    graph: Graph, labels: Sequence[str] | None, preprocess: Mapping | None, metadata: Mapping
) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    """Metadata and tensors of the file."""
    channels, height, width = graph.dims
    described: dict = {"input": {"channels": channels, "height": height, "width": width}}
    if preprocess is not None:
        unknown = [key for key in preprocess if key not in PREPROCESS_KEYS]
        if unknown:
            raise ExportError(f"preprocess has {', '.join(PREPROCESS_KEYS)}, not {unknown[0]!r}")
        plain = {key: list(v) if key in ("mean", "std") else v for key, v in preprocess.items()}
        described["input"]["preprocess"] = plain
    described["nodes"] = graph.described()
    described |= {"output": graph.outputs[0]} if len(graph.outputs) == 1 else {"outputs": graph.outputs}
    if labels is not None:
        classes = 1
        for size in graph.dims_of(graph.outputs[0]):
            classes *= size
        if len(labels) != classes:
            raise ExportError(f"{len(labels)} labels for {classes} values of {graph.outputs[0]}")
        described["labels"] = [str(label) for label in labels]
    tensors = graph.stored()
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ExportError(f"{name} holds a value that is not finite")
    strings = {"format": "filter-summary", "format_version": "2", "graph": json.dumps(described), "producer": PRODUCER}
    return strings | {str(key): str(value) for key, value in metadata.items()}, tensors
