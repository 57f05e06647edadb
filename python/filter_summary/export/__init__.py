"""Export of any PyTorch model made of the network format's operations (docs/format.md of the repository)."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import fx, nn

from ..files import write_beside
from ..interpret import Interpreter
from . import (  # noqa: F401 (they register what they convert)
    adaptive,
    arithmetic,
    assignments,
    contractions,
    convolutions,
    elementwise,
    extremes,
    joins,
    masks,
    matrices,
    norms,
    pads,
    places,
    pools,
    powers,
    reductions,
    resizing,
    shapes,
    slices,
)
from .check import differences, run, twice
from .convert import Converter
from .describe import described_file
from .errors import ExportError, Refused
from .fuse import fuse
from .graph import Graph
from .lazy import as_dims
from .sizes import follows_size, tie
from .trace import evaluated, trace

__all__ = ["ExportError", "Exported", "export", "graph_of"]


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
    model: nn.Module, example: torch.Tensor | tuple[torch.Tensor], path: str | os.PathLike, *,
    labels: Sequence[str] | None = None, preprocess: Mapping | None = None,
    outputs: str | Sequence[str] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Exported:  # fmt: skip
    """Write `model`, as in eval mode, to `path`, for inputs of the example's shape `[N, C, H, W]`.

    `labels` are the names of a classifier's classes, `preprocess` says how pixels become the input: `order` (`rgb` or
    `bgr`), `scale` (1/255), `mean` and `std`, each of the format's meaning. `outputs` names the results: of a model
    that returns a dict the keys wanted (all, in order, unless given; of a dict in it `key.key`), of one that returns a
    tuple a name each.
    `metadata` are strings of yours.

    Batch norm is folded, activations and sums go into the nodes before them. What is in the file is computed by the
    format's interpreter and compared with the model, on the example, on two images of it and on noise, before the file
    is there: a difference of more than 1e-5 of an output's largest value (both in float64) is an error, and so is one
    in float32 of more than 1e-4 and 16 times the model's own. Both are computed for noise of half the size, a larger
    and an odd one, too: where they differ there, numbers of the model follow from the example's size, and the file is
    tied to it. Layers with `bits=8` are written in 8 bits.

    Raises `ExportError`, with a line for every operation that the format lacks: its module, its source and why; and
    before anything is computed where the model is no `nn.Module`, the example no image, or `path` in no folder.
    """
    path = place_of(path)
    model, example = module_of(model), image_of(example)
    with evaluated(model), torch.no_grad():
        graph, chosen = graph_of(model, example, outputs)
        metadata = {"architecture": type(model).__name__, **(metadata or {})}
        described, tensors = described_file(graph, labels, preprocess, metadata)
        written = in_double(described, tensors)
        if follows_size(model, written, graph, image_of(example), chosen):
            tie(graph)
            described, tensors = described_file(graph, labels, preprocess, metadata)
            written = in_double(described, tensors)
        rounded = Interpreter(json.loads(described["graph"]), dict(tensors))
        difference, tolerance = differences(model, written, rounded, example, chosen, graph.folded)
    write_beside(path, lambda to: save_file(tensors, to, described))
    operations = dict(Counter(node.op for node in graph.nodes.values()))
    return Exported(path, path.stat().st_size, operations, tuple(graph.outputs), difference, tolerance)


def in_double(described: Mapping[str, str], tensors: Mapping[str, torch.Tensor]) -> Interpreter:
    """What is about to be written, computed in float64."""
    as_double = {name: t.double() if t.is_floating_point() else t for name, t in tensors.items()}
    return Interpreter(json.loads(described["graph"]), as_double)


def place_of(path: str | os.PathLike) -> Path:
    """Where a file can be written."""
    try:
        place = Path(path)
    except TypeError:
        raise ExportError(f"path is a {type(path).__name__}; it must be the name of a file") from None
    if place.is_dir():
        raise ExportError(f"path {place} is a folder; it must be the name of a file")
    if not place.parent.is_dir():
        raise ExportError(f"path {place}: there is no folder {place.parent}; make it first")
    return place


def module_of(model: nn.Module) -> nn.Module:
    """What can be traced."""
    if not isinstance(model, nn.Module):
        raise ExportError(f"the model is a {type(model).__name__}; it must be an nn.Module")
    return model


def image_of(example: torch.Tensor | tuple[torch.Tensor]) -> torch.Tensor:
    """The one input of a network."""
    if isinstance(example, (tuple, list)):
        if len(example) != 1:
            raise ExportError(f"the example is {len(example)} inputs; the format has one")
        (example,) = example
    if not isinstance(example, torch.Tensor):
        raise ExportError(f"the example is a {type(example).__name__}; an input is a tensor [N, C, H, W]")
    if example.dim() not in (2, 3, 4):
        raise ExportError(f"the example has {example.dim()} axes; an input has [N, C, H, W]")
    if not example.is_floating_point():
        raise ExportError(f"the example is {example.dtype}; the format has floating point numbers")
    if not example.numel():
        raise ExportError(f"the example {list(example.shape)} has no values")
    return example


def graph_of(
    model: nn.Module, example: torch.Tensor | tuple[torch.Tensor], outputs: str | Sequence[str] | None = None
) -> tuple[Graph, list[int]]:
    """Nodes and tensors of a model in eval mode, and which of its results they are; nothing is compared."""
    example = twice(image_of(example))
    returned = run(module_of(model), example)
    if not returned:
        raise ExportError("the model returns no tensor")
    if outputs is not None:
        outputs = [outputs] if isinstance(outputs, str) else list(outputs)
        if not outputs or not all(isinstance(name, str) for name in outputs):
            raise ExportError(f"outputs are one name or more, not {outputs!r}")
    converter = Converter(model, trace(model, example), example)
    chosen, names = choose_outputs(converter, [key for key, _ in returned], outputs)
    converter.graph.folded = bool(converter.folds.of)
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
    graph = c.graph
    found: list[str] = []
    for number in numbers:
        name = output_node(c, number, names[len(found)])
        if name == "input" or name in found:
            name = graph.add(f"{name}.output", "activation", [name], graph.dims_of(name), {"activation": "none"}).name
        found.append(name)
    graph.outputs = found
    graph.prune()
    return numbers, names


def output_node(c: Converter, number: int, name: str | None) -> str:
    """The node of one of the model's results."""
    called = f"output {number}" if name is None else f"the output {name!r}"
    if not isinstance(c.results[number], fx.Node) or c.is_constant(c.results[number]):
        raise ExportError(f"{called} does not depend on the input: the format has no constants")
    try:
        value = c.results[number]
        if c.folds.more(value):
            shape = list(value.meta["val"].shape)
            raise Refused(f"the first axis of {shape} is not the {c.batch} images of a batch alone")
        lazy = c.whole(value)
        # The format has four axes: those behind the third are one.
        dims = as_dims((*lazy.shape[:2], math.prod(lazy.shape[2:]))) if len(lazy.shape) > 3 else None
        return c.settle(value, lazy, dims)
    except Refused as fault:
        raise ExportError(f"{called}: {fault}") from fault


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
