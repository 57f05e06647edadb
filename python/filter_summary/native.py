"""The C kernels of `kernels/`, built with the machine's own compiler the first time they are wanted.

The library lies in `$XDG_CACHE_HOME/filter-summary` (`~/.cache/filter-summary`), one file for every text
of the kernels, compiler and processor. Without a compiler `library()` is None, after one notice, and callers use
PyTorch's operations.
`FSNET_NATIVE=0` in the environment does the same without a notice, `FSNET_CC` names another compiler than `cc`.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from torch import nn

SOURCES = Path(__file__).parent / "kernels"
FLAGS = ("-O3", "-march=native", "-shared", "-fPIC")
SUFFIX = {torch.bfloat16: "b16", torch.float32: "f32"}


def cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "filter-summary"


def processor() -> str:
    """What `-march=native` depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return "\n".join(line for line in lines if line.startswith(("flags", "Features", "model name")))[:10_000]
    except OSError:
        return f"{platform.processor()} {platform.node()}"


def build(flags: tuple[str, ...] = FLAGS, folder: Path | None = None) -> Path:
    """The shared library, compiled unless it is there; a whole file always, since it is renamed into its place."""
    compiler = os.environ.get("FSNET_CC") or "cc"
    if shutil.which(compiler) is None:
        raise OSError(f"there is no C compiler {compiler!r}")
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True).stdout
    texts = [path.read_text() for path in sorted(SOURCES.iterdir())]
    about = "\0".join([*texts, *flags, compiler, version, platform.machine(), processor()])
    folder = cache_folder() if folder is None else folder
    path = folder / f"kernels-{hashlib.sha256(about.encode()).hexdigest()[:16]}.so"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as beside:
        made = Path(beside) / path.name
        command = [compiler, *flags, "-Wno-psabi", "-o", str(made), str(SOURCES / "kernels.c")]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise OSError(f"{' '.join(command)}: {done.stderr[-2000:]}")
        os.replace(made, path)
    return path


@functools.cache
def library() -> ctypes.CDLL | None:
    """The kernels, or None where they cannot be had."""
    if os.environ.get("FSNET_NATIVE") == "0":
        return None
    try:
        return ctypes.CDLL(str(build()))
    except OSError as error:
        print(f"no native kernels, training is slower: {error}", file=sys.stderr, flush=True)
        return None


def is_traced() -> bool:
    """Whether a tracer writes down what is computed: that of `torch.compile` and `torch.export`, or `torch.jit.trace`,
    with which PyTorch's older ONNX exporter runs a model on real numbers. None sees what kernels do with them."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()


def serves(x: torch.Tensor) -> bool:
    """Whether there are kernels for activations as `x`: real ones, not those that a tracer passes through."""
    traced = type(x) not in (torch.Tensor, nn.Parameter) or is_traced()
    return not traced and x.device.type == "cpu" and x.dtype in SUFFIX and library() is not None


def call(name: str, dtype: torch.dtype, *arguments) -> None:
    """Call a kernel: tensors (contiguous, or None) become pointers, lists of numbers int arrays, `Long` a C long."""
    getattr(library(), f"{name}_{SUFFIX[dtype]}")(*map(_argument, arguments))


class Long(int):
    """A number that the kernel takes as a `long`."""


def _argument(value):
    if value is None:
        return None
    if isinstance(value, torch.Tensor):
        return ctypes.c_void_p(value.data_ptr())
    if isinstance(value, (list, tuple)):
        return (ctypes.c_int * len(value))(*value)
    return ctypes.c_long(value) if isinstance(value, Long) else ctypes.c_int(value)
