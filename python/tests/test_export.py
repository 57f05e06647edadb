"""Every builder of the papers, narrow: its export runs to the module's outputs, and has the nodes that it should."""

import json
from collections import Counter

import pytest
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from filter_summary import FsConv2d
from filter_summary.export import graph_of
from filter_summary.interpret import Interpreter
from filter_summary.placement import Placements
from filter_summary.quantize import dequantize, quantize
from filter_summary.research import network_cases
from filter_summary.research.architectures import build
from filter_summary.research.counts import file_counts
from filter_summary.research.export import example_of, export
from filter_summary.research.network import Network
from filter_summary.research.network_cases import CASES, NETWORKS, PLACEMENTS, SMALL, image, made, scramble, write


def small_input(model: Network) -> torch.Tensor:
    """Two images; sizes that make every pool and stride meet its border, but smaller than ImageNet's."""
    size = 32 if model.input_shape[1] == 32 else SMALL
    return torch.randn(2, 3, size, size, dtype=torch.float64)


# Every builder, and every placement; all pairs would only take longer.
PAIRS = sorted({*CASES.items(), *(("resnet-b", placements) for placements in PLACEMENTS), ("air-residual", "gains")})


@pytest.mark.parametrize(("name", "placements"), PAIRS)
def test_export_computes_the_same(name, placements, tmp_path):
    model = made(name, placements)
    path = tmp_path / "net.safetensors"
    export(model, path)
    exported = Interpreter.open(path, torch.float64)
    x = small_input(model)
    with torch.no_grad():
        want, got = model(x), exported(x)
    spread = float((want - want.mean(0)).abs().max())
    assert spread > 1e-6 * float(want.abs().max()), "the outputs depend on the image"
    # Weights, positions and folded batch norms are rounded to float32 (6e-8) in each of some 10 to 20 layers.
    torch.testing.assert_close(got, want, rtol=0, atol=2e-5 * float(want.abs().max()))
    graph = exported.graph
    assert {node["input"] for node in graph["nodes"] if "input" in node} | {graph["output"]} <= {
        "input", *(node["name"] for node in graph["nodes"])
    }  # fmt: skip


def test_cases_are_written_with_their_answers(tmp_path):
    assert set(CASES) == set(NETWORKS) and set(CASES.values()) == set(PLACEMENTS)
    for name in CASES:
        path = tmp_path / f"{name}.safetensors"
        want = write(name, path)
        with safe_open(path, "pt") as file:
            assert json.loads(file.metadata()["expected"]) == want.tolist()
        exported = Interpreter.open(path, torch.float64)
        shape = tuple(exported.graph["input"][axis] for axis in ("channels", "height", "width"))
        got = exported(image(shape, network_cases.is_integral(name)).double())[0]
        torch.testing.assert_close(got, want, rtol=0, atol=2e-5 * float(want.abs().max()))


def operations(name: str, placements: str = "authors") -> tuple[list[dict], Counter]:
    model = made(name, placements)
    if model.input_shape[1] > SMALL:
        model.input_shape = (3, SMALL, SMALL)
    nodes = graph_of(model, example_of(model))[0].described()
    return nodes, Counter(node["op"] for node in nodes)


def test_what_a_bottleneck_network_becomes():
    nodes, ops = operations("bottleneck")
    assert ops == {"fs_conv2d": 1 + 4 * 3 + 3, "global_avg_pool2d": 1, "linear": 1}
    by_name = {node["name"]: node for node in nodes}
    assert by_name["stages.1.0.conv3"]["residual"] == "stages.1.0.shortcut.0"
    assert "activation" not in by_name["stages.1.0.shortcut.0"]
    assert by_name["stages.0.1.conv3"]["residual"] == "stages.0.0.conv3"
    assert sum(node.get("activation") == "relu" for node in nodes) == 1 + 4 * 3


def test_what_a_preactivation_network_becomes():
    """The first batch norm is folded too: its projection reads the normalized values, so nothing else reads conv1."""
    nodes, ops = operations("preactivation")
    assert ops == {"fs_conv2d": 1 + 4 * 3 + 3, "batch_norm": 4, "global_avg_pool2d": 1, "linear": 1}
    by_name = {node["name"]: node for node in nodes}
    assert by_name["stages.0.1.bn1"] == {
        "name": "stages.0.1.bn1", "op": "batch_norm", "input": "stages.0.0.conv3", "activation": "relu",
    }  # fmt: skip
    assert by_name["stages.0.1.conv3"]["residual"] == "stages.0.0.conv3"
    assert by_name["stages.1.0.shortcut"]["input"] == "stages.1.0.bn1"
    assert "activation" not in by_name["stages.0.1.conv3"] and by_name["stages.0.1.conv2"]["activation"] == "relu"


def test_what_a_densenet_becomes():
    """Concatenations are a chain of pairs, older channels first; only what follows one keeps its batch norm."""
    nodes, ops = operations("densenet")
    assert [node["name"] for node in nodes if node["op"] == "batch_norm"][:2] == ["stages.0.0.bn1", "stages.0.1.bn1"]
    assert ops == {
        "fs_conv2d": 1 + 6 * 2 + 2, "batch_norm": 6 + 3, "concat": 6, "avg_pool2d": 2, "global_avg_pool2d": 1,
        "linear": 1,
    }  # fmt: skip
    concats = [node for node in nodes if node["op"] == "concat"]
    first, second = (node["inputs"] for node in concats[:2])
    assert first == ["conv1", "stages.0.0.conv2"] and second == [concats[0]["name"], "stages.0.1.conv2"]
    pool = next(node for node in nodes if node["op"] == "avg_pool2d")
    assert pool["input"] == "stages.0.2.conv"
    assert (pool["kernel"], pool["stride"]) == ([2, 2], [2, 2]) and "padding" not in pool


def test_what_squeezenet_becomes():
    nodes, ops = operations("squeezenet")
    assert ops == {"fs_conv2d": 26, "concat": 8, "max_pool2d": 3, "global_avg_pool2d": 1}
    assert all(node["ceil_mode"] for node in nodes if node["op"] == "max_pool2d")
    assert all(node["activation"] == "relu" for node in nodes if node["op"] == "fs_conv2d")
    assert "padding" not in nodes[0] and nodes[0]["stride"] == [2, 2]


def test_learned_positions_in_the_file(tmp_path):
    model = made("resnet", "learned-tap")
    path = tmp_path / "net.safetensors"
    export(model, path)
    tensors = load_file(path)
    with safe_open(path, "pt") as file:
        graph = json.loads(file.metadata()["graph"])
    node = next(node for node in graph["nodes"] if node["name"] == "stages.0.0.conv1")
    assert node["start_unit"] == 4 and node["boundary"] == "none"
    starts = tensors["stages.0.0.conv1.starts"]
    assert starts.dtype == torch.float32 and starts.shape == (4,) and bool((starts.frac() > 0).all())


def test_a_quantized_file_runs(tmp_path):
    """Summaries as U8 with `NAME.quantization`: the same as the dequantized values, and a quarter of the parameters."""
    model = made("bottleneck", "authors")
    export(model, tmp_path / "f32.safetensors")
    graph = Interpreter.open(tmp_path / "f32.safetensors").graph
    tensors, rounded = load_file(tmp_path / "f32.safetensors"), {}
    whole, _ = file_counts(tensors)
    for name in [name for name in tensors if name.endswith(".summary")]:
        q, scale, zero = quantize(tensors[name])
        assert float((dequantize(q, scale, zero) - tensors[name]).abs().max()) <= 0.501 * scale
        rounded[name] = dequantize(q, scale, zero)
        tensors |= {name: q, name.replace("summary", "quantization"): torch.tensor([scale, zero])}
    metadata = {"format": "filter-summary", "format_version": "2", "graph": json.dumps(graph)}
    save_file(tensors, tmp_path / "u8.safetensors", metadata)
    save_file({**load_file(tmp_path / "f32.safetensors"), **rounded}, tmp_path / "rounded.safetensors", metadata)
    x = small_input(model).float()
    one, other = (Interpreter.open(tmp_path / f"{name}.safetensors")(x) for name in ("u8", "rounded"))
    assert torch.equal(one, other)
    summaries = sum(value.numel() for value in rounded.values())
    total, counted = file_counts(tensors)
    assert (total, counted) == (whole, whole - 0.75 * summaries + 2 * len(rounded))


def test_constant_and_foreign_values_are_quantized_or_refused():
    q, scale, zero = quantize(torch.full((5,), -0.25))
    assert (q.tolist(), scale, zero) == ([0] * 5, 1.0, -0.25)
    with pytest.raises(ValueError, match="not finite"):
        quantize(torch.tensor([1.0, float("nan")]))


class Odd(Network):
    """One operation on an image."""

    def __init__(self, operation):
        super().__init__("dense", (3, 32, 32), 3)
        self.conv = nn.Conv2d(3, 3, 1)
        self.operation = operation

    def forward(self, x):
        return self.operation(self.conv(x))


@pytest.mark.parametrize(
    "operation",
    [
        lambda x: F.relu(x) + x, lambda x: x + x, lambda x: F.relu(x + F.relu(x)),
        nn.Sequential(nn.BatchNorm2d(3), nn.BatchNorm2d(3)),
        nn.Sequential(FsConv2d(3, 4, 3, placement="tap:1", bias=False), nn.BatchNorm2d(4), nn.BatchNorm2d(4)),
        lambda x: torch.cat([x, F.relu(x)], 1), nn.Sequential(nn.ReLU(), nn.BatchNorm2d(3), nn.ReLU()),
        nn.Sequential(nn.AvgPool2d(3, 2, 1, True, False), nn.Flatten(1)),
        nn.Sequential(nn.MaxPool2d(3, 2, 1), nn.Conv2d(3, 5, 3, groups=1, dilation=2)),
    ],
)  # fmt: skip
def test_fusing_keeps_the_meaning(operation, tmp_path):
    torch.manual_seed(0)
    model = Odd(operation)
    scramble(model)
    export(model, tmp_path / "net.safetensors")
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        want, got = model(x).flatten(1), Interpreter.open(tmp_path / "net.safetensors")(x)
    torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "arch",
    [
        "resnet56-b", "densenet100-12",
        *(
            pytest.param(arch, marks=pytest.mark.slow)
            for arch in ("resnet110-b", "resnet164", "preresnet164", "densenet100-24", "imagenet-resnet18",
                         "imagenet-resnet34", "imagenet-resnet50", "squeezenet1.0")
        ),
    ],
)  # fmt: skip
def test_the_published_networks_can_be_exported(arch):
    model = build(arch, Placements.authors(4)).eval()
    with torch.no_grad():
        graph, _ = graph_of(model, example_of(model))
    layers = sum(isinstance(module, FsConv2d) for module in model.modules())
    assert sum(node.op == "fs_conv2d" for node in graph.nodes.values()) == layers
