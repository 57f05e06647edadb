"""What cannot be exported, and where it stands in the model's source."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import fx

TORCH = str(Path(torch.__file__).parent)


class ExportError(ValueError):
    """A model with operations that the format lacks, or with values that it does not hold: one line for each."""


def not_in_the_format(count: int, lines: list[str]) -> ExportError:
    """The error of so many operations, described by lines."""
    what = f"{count} operation{'s are' if count > 1 else ' is'} not in the network format"
    return ExportError("\n".join([f"{what}:", *lines]))


class Refused(Exception):
    """One operation that the format lacks; the message says why, and the nearest way out where there is one."""


def source_of(step: fx.Node) -> str:
    """File, line and text that an operation comes from: the innermost one that is not PyTorch's own."""
    frames = re.findall(r'File "([^"]+)", line (\d+), in [^\n]*\n\s*([^\n]*)', step.meta.get("stack_trace") or "")
    own = [frame for frame in frames if not frame[0].startswith(TORCH)] or frames
    if not own:
        return "source unknown"
    path, line, text = own[-1]
    return f"{path}:{line}: {text.strip()}"


def module_of(step: fx.Node) -> tuple[str, str]:
    """Path and class of the module that an operation belongs to."""
    stack = list((step.meta.get("nn_module_stack") or {}).values())
    path, kind = stack[-1] if stack else ("", "")
    kind = kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}"
    # A module that runs again has the number of the turn behind its name.
    return re.sub(r"@\d+", "", path), kind
