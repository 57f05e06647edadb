"""Where something is, instead of what it is: whole numbers, which the format lacks."""

from __future__ import annotations

from types import SimpleNamespace

from torch import fx

from .convert import Converter, handles, operation_of
from .errors import Refused


@handles("argmax", "argmin", "argsort", "sort", "topk", "kthvalue", "median", "nonzero", "bucketize", "searchsorted")
def places(c: Converter, step: fx.Node, a: SimpleNamespace):
    op = operation_of(step)
    raise Refused(f"it sorts or finds places: let the model return what it reads, and take {op} in your program")
