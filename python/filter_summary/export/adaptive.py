"""Pools to a size, whose windows follow from the size of what they read."""

from __future__ import annotations

from types import SimpleNamespace

from torch import fx

from .convert import Converter, handles, operation_of
from .lazy import AXES, Dims, Lazy, as_dims, format_dims
from .pools import first_of
from .slices import cut, tied

Windows = list[tuple[int, int]]
"""`(start, end)` of each, along an axis."""


@handles(
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "_adaptive_avg_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d"
)
def adaptive_pool(c: Converter, step: fx.Node, a: SimpleNamespace):
    kind = "max" if "max" in operation_of(step) else "avg"
    name, dims = c.real(a.self_)
    values = step.meta["val"]
    shape = c.folds.shape(step, tuple((values[0] if isinstance(values, (tuple, list)) else values).shape))
    want = format_dims(shape)
    if want[1:] == (1, 1):
        name = c.emit(step, f"global_{kind}_pool2d", name, dims=want).name
    elif dims[1:] == (1, 1):
        name = c.emit(step, "upsample_nearest2d", name, dims=want, scale_factor=list(want[1:])).name
    else:
        # The windows are those of one size: a larger image is refused, and not pooled by these.
        name = tied(c, step, name, dims, (1, 2))
        if want != dims:
            name = pooled(c, step, kind, name, dims, want)
    return first_of(values, Lazy.of(name, want, len(shape)))


def pooled(c: Converter, step: fx.Node, kind: str, name: str, dims: Dims, want: Dims) -> str:
    """One pool where windows are alike along both axes, else an axis after the other, a window at a time."""
    windows = [windows_of(have, size) for have, size in zip(dims[1:], want[1:])]
    alike = [found for one in windows if (found := regular(one)) is not None]
    if len(alike) == len(windows):
        kernel, stride = ([one[n] for one in alike] for n in (0, 1))
        keys = {} if stride == kernel else {"stride": stride}
        return c.emit(step, f"{kind}_pool2d", name, dims=want, kernel=kernel, **keys).name
    for axis in (1, 2):
        after = as_dims(want[n] if n == axis else size for n, size in enumerate(dims))
        if after != dims:
            name = along_axis(c, step, kind, name, dims, axis, windows[axis - 1])
        dims = after
    return name


def along_axis(c: Converter, step: fx.Node, kind: str, name: str, dims: Dims, axis: int, windows: Windows) -> str:
    def with_size(size: int) -> Dims:
        return as_dims(size if n == axis else other for n, other in enumerate(dims))

    parts = []
    for start, end in windows:
        part = c.emit(step, "slice", name, dims=with_size(end - start), **cut({axis: (start, end, 1)})).name
        kernel = [end - start if n == axis else 1 for n in (1, 2)]
        parts.append(c.emit(step, f"{kind}_pool2d", part, dims=with_size(1), kernel=kernel).name)
    return c.emit(step, "concat", *parts, dims=with_size(len(windows)), axis=AXES[axis]).name


def windows_of(have: int, want: int) -> Windows:
    """PyTorch's: together they cover everything, and may overlap."""
    return [(n * have // want, -(-(n + 1) * have // want)) for n in range(want)]


def regular(windows: Windows) -> tuple[int, int] | None:
    """Kernel and stride of windows that have one."""
    starts, lengths = [start for start, _ in windows], {end - start for start, end in windows}
    strides = {after - before for before, after in zip(starts, starts[1:])} or lengths
    if len(lengths) > 1 or len(strides) > 1 or 0 in strides:
        return None
    return max(lengths), max(strides)
