"""Images and lines made larger and smaller."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from torch import fx

from .convert import Converter, handles, operation_of
from .slices import tied
from .spread import nothing


@handles(
    "upsample_nearest1d", "_upsample_nearest_exact1d", "upsample_linear1d",
    "upsample_nearest2d", "_upsample_nearest_exact2d", "upsample_bilinear2d",
)  # fmt: skip
def resize(c: Converter, step: fx.Node, a: SimpleNamespace):
    name, dims = c.real(a.input if hasattr(a, "input") else a.self_)
    op, line = operation_of(step), "1d" in operation_of(step)
    size = [*c.shape(step)[1:], 1][:2]
    factors, nearest = factors_of(a, line), "linear" not in op
    whole = [out // have for out, have in zip(size, dims[1:])]
    by_whole = [have * times for have, times in zip(dims[1:], whole)] == size
    if factors is None:
        follows = c.follows(step)
        if follows and dims[1:] == (1, 1):
            name = c.emit(step, "add", name, nothing(c.graph), dims=dims).name
        elif follows and by_whole:
            # At other sizes as many times more: that a size is given does not say it.
            factors = [*map(float, whole)]
        elif follows:
            name = tied(c, step, name, dims, (1, 2))
        elif follows is not None and dims[1:] != (1, 1):
            by_whole = False
    if nearest and by_whole:
        return c.made(step, c.emit(step, "upsample_nearest2d", name, scale_factor=whole))
    keys: dict[str, Any] = {"size": size} if factors is None else {"scale": factors}
    if getattr(a, "align_corners", False):
        keys["coordinates"] = "align_corners"
    if nearest:
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
