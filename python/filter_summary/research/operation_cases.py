"""Write a network of every operation beside convolution, with PyTorch's answers:
`python -m filter_summary.research.operation_cases FILE`.

The graph is written by hand from the format's words, and no exporter is asked. The metadata are those of
`network_cases`; ours is `tests/data/networks/operations.safetensors`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from .network_cases import image

SHAPE = (4, 6, 9)


class Operations:
    """Nodes and tensors of a file, beside what PyTorch makes of them."""

    def __init__(self) -> None:
        self.nodes: list[dict] = []
        self.tensors: dict[str, Tensor] = {}
        self.ends: list[tuple[str, Tensor]] = []

    def end(self, op: str, result: Tensor, tensors: dict[str, Tensor] | None = None, **keys: object) -> None:
        """A node whose value is a result, as PyTorch has it."""
        name = f"{op}{len(self.nodes)}"
        if "inputs" not in keys:
            keys.setdefault("input", "input")
        self.nodes.append({"name": name, "op": op, **keys})
        self.tensors.update({f"{name}.{part}": tensor for part, tensor in (tensors or {}).items()})
        self.ends.append((name, result))


def resizes(to: Operations, x: Tensor) -> None:
    """`nn.functional.interpolate`, up and down, by sizes and by factors that halve and double exactly."""
    corners = {False: "half_pixel", True: "align_corners"}
    for size in [(7, 11), (4, 5), (6, 1)]:
        for align, coordinates in corners.items():
            value = functional.interpolate(x, size, mode="bilinear", align_corners=align)
            to.end("resize", value, size=list(size), coordinates=coordinates)
    for factor in [2.0, 0.5]:
        scale = [factor, factor]
        nearest = functional.interpolate(x, scale_factor=factor, mode="nearest")
        to.end("resize", nearest, scale=scale, mode="nearest", coordinates="asymmetric")
        exact = functional.interpolate(x, scale_factor=factor, mode="nearest-exact")
        to.end("resize", exact, scale=scale, mode="nearest", rounding="round_prefer_ceil")


def transposed(to: Operations, x: Tensor) -> None:
    """`nn.ConvTranspose2d` with everything."""
    cases = [
        {"stride": 2, "padding": 1, "output_padding": 1},
        {"stride": (3, 2), "padding": (0, 2), "groups": 4},
        {"dilation": (2, 1), "stride": (1, 2), "groups": 2, "output_padding": (0, 1)},
    ]
    for case in cases:
        groups = case.get("groups", 1)
        weight = torch.randint(-8, 9, (4, 8 // groups, 3, 4)).double() / 8
        bias = torch.randint(-8, 9, (8,)).double() / 8
        value = functional.conv_transpose2d(x, weight, bias, **case)
        pair = {key: list(case[key] if isinstance(case[key], tuple) else (case[key],) * 2)
                for key in ("stride", "dilation", "output_padding") if key in case}
        across = case.get("padding", 0)
        padding = list(across if isinstance(across, tuple) else (across,) * 2) * 2
        to.end("conv_transpose2d", value, {"weight": weight, "bias": bias}, out_channels=8, kernel=[3, 4],
               padding=padding, groups=groups, **pair)


def places(to: Operations, x: Tensor) -> None:
    """What only puts values elsewhere."""
    to.end("slice", x[:, 1:4:2, 2:, 8:9], start=[1, 2, 8], end=[4, 99, 9], step=[2, 1, 1])
    to.end("permute", x.permute(0, 3, 1, 2), order=[2, 0, 1])
    to.end("reshape", x.reshape(1, 12, 2, 9), shape=[12, 2, 9])
    to.end("depth_to_space", functional.pixel_shuffle(x, 2), block=2)
    to.end("space_to_depth", functional.pixel_unshuffle(x, 3), block=3)
    to.end("channel_shuffle", functional.channel_shuffle(x, 4), groups=4)
    to.end("pad", functional.pad(x, (1, 2, 3, 4), value=0.5), padding=[3, 1, 4, 2], value=0.5)
    to.end("pad", functional.pad(x, (8, 2, 5, 0), mode="reflect"), padding=[5, 8, 0, 2], mode="reflect")
    to.end("pad", functional.pad(x, (1, 9, 2, 3), mode="replicate"), padding=[2, 1, 3, 9], mode="edge")
    to.end("concat", torch.cat([x, x], 2), inputs=["input", "input"], axis="height")
    to.end("concat", torch.cat([x, x], 3), inputs=["input", "input"], axis="width")


def numbers(to: Operations, x: Tensor) -> None:
    """What computes."""
    gates = torch.tensor([1.0, 0.5, -2.0, 3.0]).double().reshape(4, 1, 1)
    for op, result in [("add", x + gates), ("sub", x - gates), ("mul", x * gates), ("div", x / gates)]:
        to.end(op, result, {"constant": gates}, inputs=["input"])
    to.end("softmax", x.softmax(1))
    to.end("log_softmax", x.log_softmax(3), axis="width")
    norm = nn.LocalResponseNorm(5, alpha=0.5, beta=0.75, k=2.0)
    to.end("local_response_norm", norm(x), size=5, alpha=0.5, beta=0.75, k=2.0)
    to.end("global_max_pool2d", x.amax((2, 3), keepdim=True))
    to.end("global_avg_pool2d", x.mean((2, 3), keepdim=True))


def write(path: Path) -> Tensor:
    """Writes the file; returns what it computes."""
    torch.manual_seed(1)
    to, x = Operations(), image(SHAPE).double()
    for add in (resizes, transposed, places, numbers):
        add(to, x)
    flat = [{"name": f"{name} flat", "op": "flatten", "input": name} for name, _ in to.ends]
    joined = {"name": "all", "op": "concat", "inputs": [node["name"] for node in flat]}
    channels, height, width = SHAPE
    graph = {"input": {"channels": channels, "height": height, "width": width},
             "nodes": [*to.nodes, *flat, joined], "output": "all"}
    expected = torch.cat([value.flatten() for _, value in to.ends])
    metadata = {"format": "filter-summary", "format_version": "2", "graph": json.dumps(graph),
                "expected": json.dumps([round(value, 7) for value in expected.tolist()])}
    save_file({name: tensor.float().contiguous() for name, tensor in to.tensors.items()}, path, metadata)
    return expected


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    path = parser.parse_args().file
    write(path)
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
