"""The written file's numbers beside the model's."""

from __future__ import annotations

import copy

import torch
from torch import nn

from ..conv import FsConv2d
from ..interpret import Interpreter
from .errors import ExportError

TOLERANCE = 1e-5
"""How far an output may be off, of the largest value of that output: both are computed in float64, the file's numbers
are rounded to float32, which is 6e-8 a number."""
TOLERANCE_FLOAT32 = 1e-3
"""The same for a model that cannot be computed in float64."""


def results_of(output) -> list[tuple[str | None, torch.Tensor]]:
    """The tensors that a model returns, with their keys where it returns a dict, in the order of `torch.export`."""
    if isinstance(output, torch.Tensor):
        return [(None, output)]
    if isinstance(output, dict):
        return [(str(key), value) for key, part in output.items() for _, value in results_of(part)]
    if isinstance(output, (list, tuple)):
        return [pair for part in output if part is not None for pair in results_of(part)]
    raise ExportError(f"the model returns a {type(output).__name__}: the format has tensors")


def differences(
    model: nn.Module, written: Interpreter, example: torch.Tensor, chosen: list[int]
) -> tuple[float, float]:
    """The largest difference of any output over its largest value, and what it may be: for the example and noise."""
    noise = torch.randn(example.shape, generator=torch.Generator().manual_seed(0)).to(example)
    worst = 0.0
    for x in (example, noise):
        tolerance, rights = answers(model, x)
        tolerance += learned_tolerance(model)
        for name, right in zip(written.outputs, (rights[n] for n in chosen)):
            got = written.values(x.double().cpu(), [name])[name]
            right = right.double().cpu()
            if got.numel() != right.numel():
                raise ExportError(f"{name} has {list(got.shape)}, the model {list(right.shape)}")
            apart = (got.reshape(right.shape) - right).abs().max() / right.abs().max().clamp_min(1e-30)
            worst = max(worst, float(apart))
            if not torch.isfinite(right).all() or not worst <= tolerance:
                which = "its values are not finite" if not torch.isfinite(right).all() else f"more than {tolerance:g}"
                raise ExportError(f"{name} is off the model by {float(apart):.1e} of its largest value, {which}")
    return worst, tolerance


def learned_tolerance(model: nn.Module) -> float:
    """What rounding to float32 makes of learned positions: 2^-24 of the farthest, of a blend of two segments, which may
    be of opposite sign, in two layers out of phase."""
    spans = [module.layout.span for module in model.modules() if isinstance(module, FsConv2d) and module.layout.unit]
    return 4 * 2.0**-24 * max(spans, default=0)


@torch.no_grad()
def answers(model: nn.Module, x: torch.Tensor) -> tuple[float, list[torch.Tensor]]:
    """What the model returns, in float64 if it can, and how far another computation may be off."""
    try:
        return TOLERANCE, [value for _, value in results_of(copy.deepcopy(model).double()(x.double()))]
    except (RuntimeError, TypeError):
        return TOLERANCE_FLOAT32, [value for _, value in results_of(model(x))]
