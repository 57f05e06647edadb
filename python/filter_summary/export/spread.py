"""Nodes that repeat values, and nodes of constants: made only where somebody needs them written down."""

from __future__ import annotations

import torch

from .errors import Refused
from .graph import Graph
from .lazy import Dims, Lazy, as_dims, format_dims


def repeated(graph: Graph, called: str, name: str, want: Dims) -> str:
    """A node whose axes are as long as is wanted, of one whose axes are that, or of one element."""
    dims = graph.dims_of(name)
    if dims[0] != want[0]:
        dims = as_dims((want[0], *dims[1:]))
        keys = {"out_channels": want[0], "kernel": [1, 1]}
        weight = torch.ones(want[0], 1, 1, 1, dtype=torch.float64)
        name = graph.add(called, "conv2d", [name], dims, keys, weight=weight).name
    if dims != want:
        name = graph.add(called, "add", [name, nothing(graph)], dims).name
        factor = [size // of for size, of in zip(want[1:], dims[1:])]
        name = graph.add(called, "upsample_nearest2d", [name], want, {"scale_factor": factor}).name
    return name


def nothing(graph: Graph) -> str:
    """A node of one 0 an image, which ties the file to images of this size: nobody knows how often a value would be
    repeated in others."""
    if graph.zero is None:
        dims = as_dims((1, *graph.dims[1:]))
        name = graph.add("size", "slice", ["input"], dims, {"end": list(dims)}).name
        # One number as it is: a mean would be rounded, and whoever bounds errors knows no better of its product with 0.
        name = graph.add("size.first", "slice", [name], (1, 1, 1), {"end": [1, 1, 1]}).name
        graph.zero = graph.add("size.zero", "activation", [name], (1, 1, 1), {"activation": {"clip": [0.0, 0.0]}}).name
    return graph.zero


def written_constant(graph: Graph, called: str, constant: torch.Tensor) -> Lazy:
    """A constant, the same for every image, as a value."""
    if constant.dim() == 0 or not bool((constant == constant[:1]).all()):
        raise Refused(f"a constant of {list(constant.shape)} differs from image to image")
    shape = tuple(constant.shape[1:])
    dims = format_dims(shape) if len(shape) <= 3 else (constant[0].numel(), 1, 1)
    number = constant[0].double().reshape(dims)
    node = graph.add(called, "add", [nothing(graph)], dims, {}, constant=number)
    return Lazy.shaped(node.name, node.dims, shape)
