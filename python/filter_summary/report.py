"""What `compress` did, as a table."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from torch import nn

from .conv import FsConv2d

Sizes = list[tuple[tuple[int, int], tuple[int, int]]]


@dataclass(frozen=True)
class Row:
    """One convolution: `filters` is `[O, C / groups, KH, KW]`; `kept` says why it is as it was, or is None. Values are
    those stored (summary, gains, bias), multiply-adds those for one image, `error` is `|W - W'| / |W|`."""

    name: str
    filters: tuple[int, ...]
    kept: str | None
    values_before: int
    values_after: int
    multiply_adds_before: int | None
    multiply_adds_after: int | None
    error: float | None


@dataclass(frozen=True)
class Report:
    """All convolutions of a model in the order of its modules, and how many values other layers have."""

    rows: tuple[Row, ...]
    other_values: int

    @property
    def values(self) -> tuple[int, int]:
        """Values of the whole model, before and after."""
        before, after = (sum(row.values_before for row in self.rows), sum(row.values_after for row in self.rows))
        return before + self.other_values, after + self.other_values

    @property
    def multiply_adds(self) -> tuple[int, int] | None:
        """Of all convolutions for one image, before and after; None where no example was given."""
        counts = [(row.multiply_adds_before, row.multiply_adds_after) for row in self.rows]
        known = [(before, after) for before, after in counts if before is not None and after is not None]
        if len(known) < len(counts):
            return None
        return sum(before for before, _ in known), sum(after for _, after in known)

    def to_dict(self) -> dict:
        """Numbers and words only, for JSON."""
        return {"rows": [asdict(row) for row in self.rows], "values": self.values, "multiply_adds": self.multiply_adds}

    def __str__(self) -> str:
        table = [("layer", "filters", "values", "", "multiply-adds", "", "error")]
        for row in self.rows:
            filters = f"{row.filters[0]} x {'x'.join(map(str, row.filters[1:]))}"
            values = _change(row.values_before, row.values_after)
            operations = _change(row.multiply_adds_before, row.multiply_adds_after)
            error = f"kept: {row.kept}" if row.kept else f"{row.error:.3f}"
            table.append((row.name, filters, *values, *operations, error))
        total = self.multiply_adds or (None, None)
        table.append(("the network", "", *_change(*self.values), *_change(*total), ""))
        widths = [max(map(len, column)) for column in zip(*table)]
        sides = "<<>>>><"
        cells = [[f"{cell:{side}{wide}}" for cell, side, wide in zip(line, sides, widths)] for line in table]
        lines = ["  ".join(line) for line in cells]
        return "\n".join(line.rstrip() for line in lines)


def _change(before: int | None, after: int | None) -> tuple[str, str]:
    if before is None or after is None:
        return "", ""
    return f"{before:,}", "" if after == before else f"-> {after:,}"


def operations(conv: nn.Conv2d | FsConv2d, sizes: Sizes) -> int:
    """Multiply-adds of a layer for one image, each time that it runs added up; `sizes` are those of input and output.

    A Filter Summary is counted in the cheaper of its two forms: as dense filters, or with shared products, where every
    base is multiplied once with every input pixel, and then one factor a filter and tap where there are gains.
    """
    groups, (kh, kw) = conv.groups, conv.kernel_size
    taps, total = kh * kw, 0
    for before, after in sizes:
        dense = conv.out_channels * (conv.in_channels // groups) * taps * math.prod(after)
        total += dense if isinstance(conv, nn.Conv2d) else min(dense, _shared(conv, before, after) or dense)
    return total


def _shared(conv: FsConv2d, before: tuple[int, int], after: tuple[int, int]) -> int | None:
    layout = conv.layout
    if len(layout.shape) != 1 or layout.unit is not None:
        return None
    of_group, bases = conv.out_channels // conv.groups, 0
    for group in range(conv.groups):
        starts = layout.starts[group * of_group : (group + 1) * of_group].tolist()
        size = layout.shape[0] if layout.boundary == "wrap" else None
        bases += len({(s + o) % size if size else s + o for s in starts for o in layout.tap_offsets})
    gains = conv.out_channels * len(layout.tap_offsets) * math.prod(after) if layout.gains else 0
    return bases * layout.channels * math.prod(before) + gains
