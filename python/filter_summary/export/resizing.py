"""Images and lines made larger and smaller."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from torch import fx

from .convert import Converter, handles, operation_of


@handles(
    "upsample_nearest1d", "_upsample_nearest_exact1d", "upsample_linear1d",
    "upsample_nearest2d", "_upsample_nearest_exact2d", "upsample_bilinear2d",
)  # fmt: skip
def resize(c: Converter, step: fx.Node, a: SimpleNamespace):
    name, dims = c.real(a.input if hasattr(a, "input") else a.self_)
    op, line = operation_of(step), "1d" in operation_of(step)
    size = [*c.shape(step)[1:], 1][:2]
    factors = factors_of(a, line)
    keys: dict[str, Any]
    if getattr(a, "align_corners", False):
        keys = {"size": size, "coordinates": "align_corners"}
    else:
        keys = {"size": size} if factors is None else {"scale": factors}
    if "linear" not in op:
        whole = [out // have for out, have in zip(size, dims[1:])]
        if [have * times for have, times in zip(dims[1:], whole)] == size:
            return c.made(step, c.emit(step, "upsample_nearest2d", name, scale_factor=whole))
        exact = {"mode": "nearest", "coordinates": "half_pixel", "rounding": "round_prefer_ceil"}
        keys |= exact if "exact" in op else {"mode": "nearest", "coordinates": "asymmetric", "rounding": "floor"}
    return c.made(step, c.emit(step, "resize", name, **keys))


def factors_of(a: SimpleNamespace, line: bool) -> list[float] | None:
    """By how much, along both axes: None where that follows from the size."""
    given = getattr(a, "scale_factors", None)
    if line:
        given = given or [getattr(a, "scales", None)]
    elif not given:
        given = [getattr(a, f"scales_{n}", None) for n in "hw"]
    return None if None in given else [*map(float, given), 1.0][:2]
