"""The written file's numbers beside the model's."""

from __future__ import annotations

import copy
import math

import torch
from torch import nn

from ..conv import FsConv2d
from ..interpret import Interpreter
from .errors import ExportError

TOLERANCE = 1e-5
"""How far an output may be off, of the largest value of that output: both are computed in float64, the file's numbers
are rounded to float32, which is 6e-8 a number."""
ROUNDED = 1e-4
"""How far an output may be off in float32, whatever the model is: 2^-24 a sum or product, of some hundreds on end. In
the networks of `research.zoo` it is 1.2e-6 at most."""
MORE = 16
"""Beyond that, so many times what the model is off by itself: its operations are others, in another order."""
TOLERANCE_FLOAT32 = 1e-3
"""The same for a model that cannot be computed in float64."""


def results_of(output) -> list[tuple[str | None, torch.Tensor]]:
    """The tensors that a model returns, with their keys where it returns a dict, in the order of `torch.export`."""
    if isinstance(output, torch.Tensor):
        return [(None, output)]
    if output is None:
        return []
    if isinstance(output, dict):
        return [(f"{key}{below}", value) for key, part in output.items() for below, value in parts_of(part)]
    if isinstance(output, (list, tuple)):
        return [pair for part in output for pair in results_of(part)]
    raise ExportError(f"the model returns a {type(output).__name__}: the format has tensors")


def parts_of(part) -> list[tuple[str, torch.Tensor]]:
    """The tensors below a key, and what their names have after it: `.c` of a dict's, `.0` of a tuple's."""
    found = results_of(part)
    return [("" if part is found[n][1] else f".{n if key is None else key}", v) for n, (key, v) in enumerate(found)]


def run(model: nn.Module, x: torch.Tensor) -> list[tuple[str | None, torch.Tensor]]:
    """The results of a model that may fail."""
    try:
        output = model(x)
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        of = f"{list(x.shape)} {str(x.dtype).removeprefix('torch.')}"
        raise ExportError(f"the model cannot run {len(x)} images, {of}: {reason}") from error
    return results_of(output)


def differences(
    model: nn.Module,
    written: Interpreter,
    rounded: Interpreter,
    example: torch.Tensor,
    chosen: list[int],
    folded: bool = False,
) -> tuple[float, float]:
    """The largest difference of any output over its largest value, and what it may be: for the example, two images
    of it at least (what mixes the images of a batch shows), and noise of one image more (what counts them shows).
    `written` computes in float64, and `rounded` in float32, as runtimes do: it may lose what the model loses. Where
    parts of an image are images of their own (`folded`), the model must take another number of images."""
    several = twice(example)
    noise = noise_of(model, several, folded)
    worst = 0.0
    for x in (example, several, noise):
        tolerance, rights = answers(model, x)
        tolerance += learned_tolerance(model)
        image = x.double().cpu().reshape(len(x), *written.dims)
        values, roundeds = written.values(image), rounded.values(image.float())
        for number, name in zip(chosen, written.outputs):
            got, right = values[name], rights[number].double().cpu()
            if got.numel() != right.numel():
                raise ExportError(f"{name} has {list(got.shape)}, the model {list(right.shape)}")
            apart = share(got, right)
            # A comparison with NaN is false.
            if not torch.isfinite(right).all() or not apart <= tolerance:
                which = "its values are not finite" if not torch.isfinite(right).all() else f"more than {tolerance:g}"
                which += ", where parts of images are images of their own" if folded else ""
                raise ExportError(f"{name} is off the model by {apart:.1e} of its largest value, {which}")
            worst = max(worst, apart)
            lost = share(roundeds[name], got)
            if not lost <= ROUNDED:
                own = rounding_of(model, x, number, got)
                if not lost <= MORE * own:
                    raise ExportError(
                        f"{name} is off by {lost:.1e} of its largest value where it is computed in float32, the model "
                        f"by {own:.1e}: its parts cancel each other"
                    )
    return worst, tolerance


@torch.no_grad()
def noise_of(model: nn.Module, several: torch.Tensor, folded: bool) -> torch.Tensor:
    """An image more than there are, unless the model takes so many and no more."""
    shape = (len(several) + 1, *several.shape[1:])
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(several)
    if not folded:
        try:
            run(model, noise)
        except ExportError:
            return noise[1:]
    return noise


def share(one: torch.Tensor, right: torch.Tensor) -> float:
    """The largest difference over the largest value."""
    return float((one.double().cpu().reshape(right.shape) - right).abs().max() / right.abs().max().clamp_min(1e-30))


def rounding_of(model: nn.Module, x: torch.Tensor, number: int, exact: torch.Tensor) -> float:
    """How far one of the model's results is off in float32; infinitely where it is no number there."""
    own = share(run(copy.deepcopy(model).float(), x.float())[number][1].detach(), exact)
    return math.inf if math.isnan(own) else own


def twice(example: torch.Tensor) -> torch.Tensor:
    """Two images at least."""
    return example if len(example) > 1 else torch.cat([example, example])


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
        return TOLERANCE_FLOAT32, [value for _, value in run(model, x)]
