"""A model's operations as a graph, by `torch.export`, with Filter Summary layers as one operation each."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import fx, nn

from ..conv import FsConv2d
from .errors import ExportError


@torch.library.custom_op("filter_summary::local_response_norm", mutates_args=())
def local_response_norm(x: torch.Tensor, size: int, alpha: float, beta: float, k: float) -> torch.Tensor:
    """What `F.local_response_norm` looks like in a graph: PyTorch computes it in eight operations. It is never run."""
    raise NotImplementedError("this operation stands for another in exports")


@local_response_norm.register_fake
def _(x: torch.Tensor, size: int, alpha: float, beta: float, k: float) -> torch.Tensor:
    return torch.empty_like(x)


class Traced:
    """A graph in which nothing is written in place, and the values of its constants."""

    def __init__(self, program: torch.export.ExportedProgram):
        self.graph: fx.Graph = program.graph
        signature = program.graph_signature
        for name in signature.buffers_to_mutate.values():
            raise ExportError(f"the model writes its buffer {name!r}: the format keeps nothing between images")
        if signature.user_inputs_to_mutate:
            raise ExportError("the model writes into its input: let it write into a copy")
        constants = {**program.constants, **program.state_dict}
        named = {
            **signature.inputs_to_parameters, **signature.inputs_to_buffers,
            **signature.inputs_to_lifted_tensor_constants,
        }  # fmt: skip
        self.constants: dict[str, torch.Tensor] = {at: constants[name].detach() for at, name in named.items()}
        self.inputs: tuple[str, ...] = tuple(str(name) for name in signature.user_inputs)


@contextlib.contextmanager
def evaluated(model: nn.Module) -> Iterator[None]:
    """The model in eval mode for a while."""
    training = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, was in training:
            module.training = was


@contextlib.contextmanager
def leaves(model: nn.Module) -> Iterator[None]:
    """Layers that the format has as one operation are one operation for a while."""
    layers = {name: module for name, module in model.named_modules() if isinstance(module, FsConv2d)}
    plain = F.local_response_norm
    F.local_response_norm = lambda input, size, alpha=1e-4, beta=0.75, k=1.0: local_response_norm(
        input, size, alpha, beta, k
    )
    for name, layer in layers.items():
        layer.leaf = name
    try:
        yield
    finally:
        F.local_response_norm = plain
        for layer in layers.values():
            layer.leaf = None


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Without what PyTorch prints of a graph that it gives up: the error says it in a line."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(disabled)


def sizes_that_follow(model: nn.Module, example: torch.Tensor, name: str) -> list[bool]:
    """Of every operation whose ATen name has `name` in it, in order, whether its size follows from that of the image,
    or is the model's own: `torch.export` says so where it can trace the model for images of any size. Else nothing."""
    axes = {axis: torch.export.Dim.AUTO for axis in range(2, example.dim())}
    with leaves(model), silent():
        try:
            graph = torch.export.export(model, (example,), dynamic_shapes=(axes,)).graph
        except Exception:
            return []
    images = [step.meta["val"].shape[2:] for step in graph.nodes if step.op == "placeholder" and not step.args]
    if any(str(size).isdecimal() for size in images[-1]):
        # It was found to be of this size alone.
        return []
    found = [step for step in graph.nodes if step.op == "call_function" and name in str(step.target)]
    return [any(isinstance(size, fx.Node) for size in step.args[1] or ()) for step in found]


def trace(model: nn.Module, example: torch.Tensor) -> Traced:
    """The graph of `model`, which is in eval mode, for inputs of the example's shape."""
    with leaves(model), silent():
        try:
            program = torch.export.export(model, (example,))
        except Exception as error:
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise ExportError(f"torch.export cannot trace the model: {reason[0]}") from error
    # Without decompositions operations stay what they are called in the model; only writing in place is undone.
    return Traced(program.run_decompositions({}))
