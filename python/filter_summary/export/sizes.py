"""Whether a file's numbers are those of images of one size: what a model computes from `x.shape` is a plain number when
it is traced, and the file has the example's."""

from __future__ import annotations

import torch
from torch import nn

from ..interpret import Interpreter
from .check import answers, learned_tolerance
from .graph import LISTED, Graph
from .lazy import OPEN
from .slices import cut

MORE = 64
"""Rows and columns more at most: a multiple of the strides of nearly all networks, which lets U-Nets run."""


class OtherSize(Exception):
    """The network cannot run images of this size: a runtime refuses them."""


class Sized(Interpreter):
    """A network at sizes that it was not written for, refused where runtimes refuse it (docs/format.md, sizes of other
    inputs), and where values of one size meet no longer: a U-Net's at an odd size, where the model itself crops."""

    def __init__(self, written: Interpreter, graph: Graph):
        nn.Module.__init__(self)
        self.graph, self.tensors, self.written_dims = written.graph, written.tensors, graph.dims_of
        self.residual: torch.Tensor | None = None

    def run(self, node: dict, inputs: list[torch.Tensor], values: dict[str, torch.Tensor]) -> torch.Tensor:
        names = node["inputs"] if "inputs" in node else [node["input"]]
        before, now = [tuple(self.written_dims(name)) for name in names], [tuple(x.shape[1:]) for x in inputs]
        constant = self.get(node, "constant")
        tied = (
            node["op"] in ("linear", "reshape")
            or (node["op"] == "resize" and "size" in node)
            or (node["op"] == "slice" and any(end < OPEN for end in node.get("end", [OPEN] * 3)[1:]))
            or (constant is not None and constant[0].numel() > 1)
        )
        if tied and before != now:
            raise OtherSize
        if node["op"] in LISTED and node["op"] != "concat":
            for axis in range(3):
                alike = [len({dims[axis] for dims in of}) == 1 for of in (before, now)]
                if alike == [True, False]:
                    raise OtherSize
        self.residual = values.get(node.get("residual") or "")
        return super().run(node, inputs, values)

    def convolve(self, node: dict, x: torch.Tensor) -> torch.Tensor:
        y = super().convolve(node, x)
        if self.residual is not None and self.residual.shape != y.shape:
            raise OtherSize
        return y


def other_shapes(shape: torch.Size) -> list[tuple[int, ...]]:
    """Half of an image, a larger one, and one of odd sizes; none of a single pixel."""
    sizes = shape[2:]
    if all(size == 1 for size in sizes):
        return []
    halves = tuple(max(size // 2, 1) for size in sizes)
    larger = tuple(size + min(size, MORE) for size in sizes)
    odd = tuple(size + more for size, more in zip(sizes, (3, 5)))
    return [(1, shape[1], *size) for size in (halves, odd, larger) if size != tuple(sizes)]


def follows_size(
    model: nn.Module, written: Interpreter, graph: Graph, example: torch.Tensor, chosen: list[int]
) -> bool:
    """Whether the network runs images of another size, and computes something else than the model there. A size at
    which either cannot run tells nothing. A number that changes at none of the sizes tried is not found."""
    sized = Sized(written, graph)
    for shape in other_shapes(example.shape):
        x = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(example)
        try:
            # Images as the format has them: lines are of width 1.
            got = sized.values(x.double().cpu().reshape(*shape, *(1,) * (4 - len(shape))))
        except (OtherSize, RuntimeError, ValueError):
            continue
        try:
            tolerance, rights = answers(model, x)
        except Exception:
            # The model's own checks of a size, of whatever kind.
            continue
        if len(rights) <= max(chosen):
            return True
        tolerance += learned_tolerance(model)
        if any(apart(got[name], rights[n], tolerance) for name, n in zip(sized.outputs, chosen)):
            return True
    return False


def apart(got: torch.Tensor, right: torch.Tensor, tolerance: float) -> bool:
    """Whether values are further apart than a share of their largest one."""
    if got.numel() != right.numel():
        return True
    right = right.double().cpu()
    bound = tolerance * float(right.abs().max().clamp_min(1e-30)) if right.numel() else 0.0
    return not torch.allclose(got.reshape(right.shape), right, rtol=0.0, atol=bound, equal_nan=True)


def tie(graph: Graph) -> None:
    """Let all that reads the input read it through a slice that ends where the example does: readers of the format
    refuse images of other sizes there."""
    readers = [node for node in graph.nodes.values() if "input" in node.reads]
    _, h, w = graph.dims
    node = graph.add("size", "slice", ["input"], graph.dims, cut({1: (0, h, 1), 2: (0, w, 1)}))
    for reader in readers:
        reader.inputs = [node.name if name == "input" else name for name in reader.inputs]
        if reader.keys.get("residual") == "input":
            reader.keys["residual"] = node.name
    graph.sort()
