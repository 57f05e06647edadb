"""What the file says beside its tensors: its metadata, the graph as JSON among them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence

import torch

from .errors import ExportError
from .graph import Graph

PRODUCER = "filter-summary for PyTorch"
PREPROCESS_KEYS = ("order", "scale", "mean", "std")
OWN_KEYS = ("format", "format_version", "graph")
"""Metadata that the format reads."""


def described_file(
    graph: Graph, labels: Sequence[str] | None, preprocess: Mapping | None, metadata: Mapping
) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    """Metadata and tensors of the file."""
    channels, height, width = graph.dims
    described: dict = {"input": {"channels": channels, "height": height, "width": width}}
    if preprocess is not None:
        described["input"]["preprocess"] = preprocessing(preprocess, channels)
    described["nodes"] = graph.described()
    described |= {"output": graph.outputs[0]} if len(graph.outputs) == 1 else {"outputs": graph.outputs}
    if labels is not None:
        if isinstance(labels, (str, bytes)) or not isinstance(labels, Iterable):
            raise ExportError(f"labels are {labels!r}; they must be a list of names, one a class")
        labels, classes = list(labels), 1
        for size in graph.dims_of(graph.outputs[0]):
            classes *= size
        if len(labels) != classes:
            raise ExportError(f"{len(labels)} labels for {classes} values of {graph.outputs[0]}")
        described["labels"] = [str(label) for label in labels]
    tensors = graph.stored()
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            infinite = ": give -1e30 for -inf" if bool((tensor == -math.inf).any()) else ""
            raise ExportError(f"{name} holds a value that is not finite{infinite}")
    own = [key for key in metadata if str(key) in OWN_KEYS]
    if own:
        raise ExportError(f"metadata may not have {own[0]!r}: the format has")
    for node in described["nodes"]:
        try:
            json.dumps(node, allow_nan=False)
        except ValueError:
            raise ExportError(f"{node['name']}: {node['op']} has a number that is not finite") from None
    text = json.dumps(described, allow_nan=False)
    strings = {"format": "filter-summary", "format_version": "2", "graph": text, "producer": PRODUCER}
    return strings | {str(key): str(value) for key, value in metadata.items()}, tensors


def preprocessing(given: Mapping, channels: int) -> dict:
    """How pixels become the input, as the file has it."""
    unknown = [key for key in given if key not in PREPROCESS_KEYS]
    if unknown:
        raise ExportError(f"preprocess has {', '.join(PREPROCESS_KEYS)}, not {unknown[0]!r}")
    plain: dict = {}
    for key, value in given.items():
        if key == "order":
            if value not in ("rgb", "bgr"):
                raise ExportError(f"preprocess order is rgb or bgr, not {value!r}")
            plain[key] = value
            continue
        try:
            numbers = [float(v) for v in ([value] if key == "scale" else value)]
        except (TypeError, ValueError):
            raise ExportError(f"preprocess {key} is no number: {value!r}") from None
        if key != "scale" and len(numbers) != channels:
            raise ExportError(f"preprocess {key} has {len(numbers)} numbers for {channels} channels")
        if not all(map(math.isfinite, numbers)) or (key == "std" and 0.0 in numbers):
            raise ExportError(f"preprocess {key} is {numbers}: it must be finite{', not 0' * (key == 'std')}")
        plain[key] = numbers[0] if key == "scale" else numbers
    return plain
