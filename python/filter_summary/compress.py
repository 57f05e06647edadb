"""Filter Summaries in place of the convolutions of a trained model."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import Any, NamedTuple, cast

import torch
from torch import nn

from .conv import FsConv2d
from .fit import Fit, fit
from .placement import Placement, PlacementError
from .report import Report, Row, operations

Where = Callable[[str, nn.Conv2d], "bool | str | Placement | None"]

NARROW = 16
"""Fewest channels and filters of a layer that the rule compresses."""


MOST = 2
"""Values of a summary a weight, from which on a placement is a mistake."""

LONGEST_STEP = 1 << 16
"""Units; a step of as many as a filter has taps shares nothing any more."""

HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")
"""What PyTorch calls with a module, which another module in its place would not: pruning, old weight norms, yours."""


class Compressed(NamedTuple):
    """The model, and what happened to its convolutions."""

    model: nn.Module
    report: Report


def compress(
    model: nn.Module, step: int | float | str | Fraction = 1, *,
    where: Where | str | Iterable[str] | None = None, keep: str | Iterable[str] = (), gains: bool = True,
    placement: str | Placement | None = None, example: torch.Tensor | tuple | None = None,
    order: bool = True, sweeps: int = 20, narrow: int = NARROW, inplace: bool = False,
) -> Compressed:  # fmt: skip
    """A copy of `model` with `FsConv2d` in place of chosen `nn.Conv2d`, fitted to their weights, and a report.

    `step` is how far filters lie apart, in units of a layer's channels (`1` means s = C: about 1 / (KH * KW) of the
    values; `2` twice that; `"1/2"`, `0.5`); with `gains` every filter and tap has a factor of its own. `placement`
    says both in its own words instead (`"base:1/2"`, `"channel:4"`, `"learned:tap:2"`; see `placement.py`).

    `where` says which convolutions: names or patterns of names (`"layer3.*"`), or a function of name and module that
    answers yes, no, or with a placement for this one. By default all but

    * the first layer, and others that read at most 4 channels: few values, and what they lose nothing brings back;
    * grouped and depthwise ones: a filter has so few channels that there is nothing to share;
    * 1x1 ones: they have one tap, and filters a whole step apart share none;
    * those of fewer than `narrow` channels or filters: the window at the end of the summary, K values, weighs more,
      and shared products gain least;
    * those whose summary would be no smaller.

    `keep` names what stays as it is in any case. The weights are the start of a fine-tuning, not its result: a summary
    of a fraction of the values cannot hold the filters (the report has the errors `|W - W'| / |W|`).

    `order` lets filters change places in the summary, where neighbours agree; no channel moves. `sweeps` are those of
    the least squares. With an `example` (what the model takes) the report has multiply-adds. Layers and parameters
    that are used twice still are; `inplace` changes `model` itself.

    Raises `PlacementError` where a layer that was asked for cannot be placed so, `ValueError` for names that no
    convolution has and an example that the model cannot run, `TypeError` where the model is no `nn.Module`.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"the model is a {type(model).__name__}; it must be an nn.Module")
    _check_names("where", where)
    _check_names("keep", keep)
    wanted = _placement(step, gains, placement)
    sizes = _sizes(model, example)
    model = model if inplace else copy.deepcopy(model)
    convs = {name: module for name, module in model.named_modules() if isinstance(module, nn.Conv2d)}
    choose = _chooser(convs, where, keep, narrow)
    made: dict[int, nn.Module] = {}
    fits: dict[int, tuple[FsConv2d, Fit]] = {}
    rows = []
    for name, conv in convs.items():
        answer = choose(name, conv)
        chosen = answer if isinstance(answer, Placement) else wanted
        reason = answer if isinstance(answer, str) else None
        if reason is None:
            try:
                new, error = _replaced(name, conv, chosen, fits, order, sweeps)
                if where is None and new.summary.numel() + _numel(new.gains) >= conv.weight.numel():
                    reason = "its summary would be no smaller"
            except PlacementError as error_:
                if where is not None:
                    raise PlacementError(f"{name or 'the model'}: {error_}") from error_
                reason = str(error_)
        if reason is None:
            made[id(conv)] = new
        rows.append(_row(name, conv, None if reason else new, reason, None if reason else error, sizes.get(name)))
    if id(model) in made:
        model = made[id(model)]
    for module in list(model.modules()):
        for child_name, child in list(module._modules.items()):
            if child is not None and id(child) in made:
                module._modules[child_name] = made[id(child)]
    others = sum(p.numel() for p in model.parameters()) - _learned(model)
    return Compressed(model, Report(tuple(rows), others))


def _placement(step, gains: bool, placement: str | Placement | None) -> Placement:
    if isinstance(placement, str):
        placement = Placement.parse(placement)
    if not isinstance(placement, Placement | None):
        raise TypeError(f"placement is a text or a Placement, not {placement!r}")
    if placement is None:
        try:
            amount = Fraction(step).limit_denominator(1 << 16)
        except (ValueError, TypeError, OverflowError, ZeroDivisionError) as error:
            raise PlacementError(f"step {step!r}: {error}") from error
        if not 0 < amount <= LONGEST_STEP:
            raise PlacementError(f"step {step!r} is not positive, or more than {LONGEST_STEP}")
        placement = Placement("tap", amount, gains=gains)
    if placement.kind == "dense":
        raise PlacementError("placement dense leaves nothing to compress")
    return placement


def _check_names(argument: str, value) -> None:
    """Names are texts, `where` may be a function."""
    if isinstance(value, str) or (argument == "where" and (value is None or callable(value))):
        return
    if not isinstance(value, Iterable) or not all(isinstance(name, str) for name in value):
        raise TypeError(f"{argument} is names of convolutions{' or a function' * (argument == 'where')}, not {value!r}")


def _names(patterns: str | Iterable[str], convs: dict[str, nn.Conv2d]) -> set[str]:
    found = set()
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        names = {name for name in convs if fnmatchcase(name, pattern)}
        if not names:
            raise ValueError(f"no convolution is called {pattern!r}; there are {', '.join(convs) or 'none'}")
        found |= names
    return found


def _chooser(
    convs: dict[str, nn.Conv2d], where: Where | str | Iterable[str] | None, keep: str | Iterable[str], narrow: int
) -> Callable[[str, nn.Conv2d], str | Placement | None]:
    """A function that answers with a reason to keep a convolution, a placement of its own, or None: as the others."""
    kept = _names(keep, convs)
    asked = where if callable(where) else None
    named = None if where is None or callable(where) else _names(where, convs)
    first = next(iter(convs.values()), None)

    def choose(name: str, conv: nn.Conv2d) -> str | Placement | None:
        if type(conv) is not nn.Conv2d:
            return f"a {type(conv).__name__} may compute something else"
        if any(getattr(conv, hooks) for hooks in HOOKS):
            return "has hooks"
        if name in kept:
            return "named in keep"
        if named is not None:
            return None if name in named else "not named"
        if asked is not None:
            answer = asked(name, conv)
            if isinstance(answer, str):
                return Placement.parse(answer)
            return answer if isinstance(answer, Placement) else None if answer else "not chosen"
        if conv is first or conv.in_channels <= 4:
            return "first layer"
        if conv.groups > 1:
            return "grouped"
        if conv.kernel_size == (1, 1):
            return "1x1"
        if min(conv.in_channels, conv.out_channels) < narrow:
            return f"fewer than {narrow} channels or filters"
        return None

    return choose


def _replaced(
    name: str, conv: nn.Conv2d, placement: Placement, fits: dict[int, tuple[FsConv2d, Fit]], order: bool, sweeps: int
) -> tuple[FsConv2d, float]:
    """The layer in place of `conv`; `fits` are those made of other parameters, which tied ones share."""
    if conv.weight.is_meta:
        raise ValueError("weights on the meta device have no values to fit")
    if not bool(torch.isfinite(conv.weight).all()):
        raise ValueError(f"{name or 'the model'}: its weights are not finite")
    layout, known = placement.layout(*conv.weight.shape), fits.get(id(conv.weight))
    if layout.numel > MOST * conv.weight.numel():
        raise PlacementError(f"{layout.numel} values of a summary for {conv.weight.numel()} weights")
    found = known[1] if known else fit(conv.weight, layout, sweeps, order)
    # PyTorch calls these tuples of any length.
    kernel, stride, padding, dilation = cast(Any, (conv.kernel_size, conv.stride, conv.padding, conv.dilation))
    new = FsConv2d(
        conv.in_channels, conv.out_channels, kernel, stride, padding, dilation, conv.groups,
        conv.bias is not None, conv.padding_mode, conv.weight.device, conv.weight.dtype, placement=found.layout,
    )  # fmt: skip
    new.bias = cast("nn.Parameter | None", conv.bias)
    if known:
        new.summary, new.gains, new.location_logit = known[0].summary, known[0].gains, known[0].location_logit
    else:
        with torch.no_grad():
            new.summary.copy_(found.summary)
            if new.gains is not None and found.gains is not None:
                new.gains.copy_(found.gains)
        for parameter in (new.summary, new.gains, new.location_logit):
            if parameter is not None:
                parameter.requires_grad_(conv.weight.requires_grad)
        fits[id(conv.weight)] = new, found
    new.train(conv.training)
    dense = conv.weight.detach().double()
    with torch.no_grad():
        error = float((dense - new.weight().double()).norm() / dense.norm().clamp_min(torch.finfo(torch.float64).tiny))
    return new, error


def _row(
    name: str, conv: nn.Conv2d, new: FsConv2d | None, reason: str | None, error: float | None, sizes: list | None
) -> Row:
    before = conv.weight.numel() + _numel(conv.bias)
    after = before if new is None else sum(p.numel() for p in new.parameters())
    counted = None if sizes is None else operations(conv, sizes)
    shared = counted if new is None or sizes is None else operations(new, sizes)
    return Row(name, tuple(conv.weight.shape), reason, before, after, counted, shared, error)


def _sizes(model: nn.Module, example: torch.Tensor | tuple | None) -> dict[str, list]:
    """Of every convolution by name: height and width of input and output each time that it runs on `example`."""
    if example is None:
        return {}
    if not isinstance(example, (torch.Tensor, tuple, list, dict)):
        raise TypeError(f"the example is a {type(example).__name__}; it is a tensor [N, C, H, W], or a tuple of inputs")
    sizes: dict[str, list] = {}
    hooks = []
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            seen = sizes.setdefault(name, [])
            hook = lambda _, x, y, seen=seen: seen.append((x[0].shape[-2:], y.shape[-2:]))  # noqa: E731
            hooks.append(module.register_forward_hook(hook))
    training = {module: module.training for module in model.modules()}
    try:
        model.eval()
        with torch.no_grad():
            model(*example) if isinstance(example, tuple) else model(example)
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        given = f", {list(example.shape)}" if isinstance(example, torch.Tensor) else ""
        raise ValueError(f"the model cannot run the example{given}: {reason}") from error
    finally:
        for module, was in training.items():
            module.training = was
        for handle in hooks:
            handle.remove()
    return sizes


def _numel(parameter: torch.Tensor | None) -> int:
    return 0 if parameter is None else parameter.numel()


def _learned(model: nn.Module) -> int:
    """Values of the convolutions of a model, counted once where they are shared."""
    own = [p for m in model.modules() if isinstance(m, (nn.Conv2d, FsConv2d)) for p in m.parameters(recurse=False)]
    return sum(p.numel() for p in {id(p): p for p in own}.values())
