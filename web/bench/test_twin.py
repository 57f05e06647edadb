"""Twins of layers that no bundled network has: base stages, groups, strides."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx.reference import ReferenceEvaluator

sys.path.insert(0, str(Path(__file__).parents[2] / "python"))
from filter_summary.interpret import Interpreter  # noqa: E402
from onnx_file import OnnxFile  # noqa: E402
from step import steps_of  # noqa: E402

SIZE = 9
ONE_BASE = {"channels": 4, "height": 3, "width": 3, "strides": [1, 0, 0]}
NINE_BASES = {"channels": 4, "height": 3, "width": 3, "strides": [1, 12, 4]}


def network(window: dict, starts: list[int], parts: list[str], **keys) -> Interpreter:
    """One Filter Summary convolution of 8 filters with random tensors, those of `parts` among them."""
    random = torch.Generator().manual_seed(1)
    tensors = {"fs.summary": torch.randn(100, generator=random), "fs.starts": torch.tensor(starts)}
    bases = {(i * keys.get("groups", 1) // len(starts), s + y * window["strides"][1] + x * window["strides"][2])
             for i, s in enumerate(starts) for y in range(3) for x in range(3)}  # fmt: skip
    sizes = {"gains": (len(starts), 9), "scale": (len(starts),), "bias": (len(starts),)}
    for part in parts:
        tensors[f"fs.{part}"] = torch.randn(sizes.get(part, (len(bases),)), generator=random)
    node = {"name": "fs", "op": "fs_conv2d", "input": "input", "out_channels": len(starts), "window": window, **keys}
    channels = window["channels"] * keys.get("groups", 1)
    graph = {"input": {"channels": channels, "height": SIZE, "width": SIZE}, "nodes": [node], "output": "fs"}
    return Interpreter(graph, tensors)


STAGE = ["base_scale", "base_bias", "gains", "scale", "bias"]
APART = [4 * i for i in range(8)]
OVERLAPPING = [2 * i for i in range(8)]
PADDED = {"padding": [1, 1, 1, 1], "stride": [2, 2]}


@pytest.mark.parametrize("separable", [False, True])
@pytest.mark.parametrize(
    "net",
    [
        network(ONE_BASE, APART, STAGE, base_activation="relu6", activation="relu", **PADDED),
        network(ONE_BASE, [0, 0, 4, 4, 8, 8, 12, 12], STAGE, base_activation="relu"),
        network(ONE_BASE, APART, STAGE, groups=2, **PADDED),
        network(NINE_BASES, OVERLAPPING, STAGE, base_activation="relu", **PADDED),
        network(ONE_BASE, OVERLAPPING, ["gains", "scale", "bias"], activation="relu6", **PADDED),
        network(NINE_BASES, OVERLAPPING, ["gains"], padding=[0, 1, 2, 1]),
    ],
)
def test_an_onnx_twin_gives_what_the_interpreter_gives(net: Interpreter, separable: bool):
    shape = [net.graph["input"]["channels"], SIZE, SIZE]
    x = torch.randn(1, *shape, generator=torch.Generator().manual_seed(2))
    expected = net(x).numpy()
    twin = OnnxFile(shape, steps_of(net, separable), "fs", expected.shape[1])
    found = ReferenceEvaluator(onnx.load_from_string(twin.bytes())).run(None, {"input": x.numpy()})[0]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
