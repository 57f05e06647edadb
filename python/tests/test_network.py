"""The whole network: its export runs to the same logits in an interpreter that shares no code with it."""

import json

import pytest
import torch
from safetensors import safe_open
from torch import nn

from filter_summary.interpret import FormatError, Interpreter, expand
from filter_summary.research import checkpoint
from filter_summary.research.architectures import build
from filter_summary.research.data import normalize
from filter_summary.research.export import export
from filter_summary.research.network import Network
from filter_summary.research.resnet import shortcut_a


def scrambled(placement: str, depth: int = 8) -> Network:
    """A network whose batch norms are not the identity."""
    torch.manual_seed(1)
    model = build(f"resnet{depth}", placement)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    return model.eval()


@pytest.mark.parametrize("placement", ["dense", "tap:2", "tap:2:0,4,8,1,5,6,2,3,7", "channel:4", "tensor:4"])
def test_export_computes_the_same_logits(placement, tmp_path):
    model = scrambled(placement).double()
    path = tmp_path / "net.safetensors"
    export(model, path, {"epochs": "0"})
    pixels = torch.randint(256, (3, 3, 32, 32), dtype=torch.uint8)
    exported = Interpreter.open(path, torch.float64)
    with torch.no_grad():
        want = model(normalize(pixels).double())
        got = exported(exported.preprocess(pixels).double())
    torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5 * float(want.abs().max()))
    assert [file.name for file in tmp_path.iterdir()] == ["net.safetensors"]


def test_export_follows_the_format(tmp_path):
    path = tmp_path / "net.safetensors"
    export(scrambled("tap:2", 20), path, {"epochs": "7"})
    with safe_open(path, "pt") as file:
        metadata, shapes = file.metadata(), {name: tuple(file.get_tensor(name).shape) for name in file.keys()}
    assert (metadata["format"], metadata["format_version"], metadata["epochs"]) == ("filter-summary", "2", "7")
    nodes = json.loads(metadata["graph"])["nodes"]
    ops = [node["op"] for node in nodes]
    assert {op: ops.count(op) for op in ops} == {
        "conv2d": 1, "fs_conv2d": 18, "shortcut_a": 2, "global_avg_pool2d": 1, "linear": 1,
    }  # fmt: skip
    assert sum("residual" in node for node in nodes) == 9
    shortcut = next(node for node in nodes if node["name"].startswith("stages.2.0.shortcut"))
    assert (shortcut["op"], shortcut["input"]) == ("shortcut_a", "stages.1.2.conv2")
    assert (shortcut["out_channels"], shortcut["stride"]) == (64, [2, 2])
    strided = next(node for node in nodes if node["name"] == "stages.1.0.conv1")
    assert strided["window"] == {"channels": 16, "height": 3, "width": 3, "strides": [1, 48, 16]}
    assert (strided["stride"], strided["padding"], strided["boundary"]) == ([2, 2], [1, 1, 1, 1], "none")
    for part, shape in (("summary", (2 * 31 * 16 + 144,)), ("starts", (32,)), ("scale", (32,)), ("bias", (32,))):
        assert shapes[f"stages.1.0.conv1.{part}"] == shape


def test_export_refuses_values_that_are_not_finite(tmp_path):
    model = scrambled("tap:2")
    model.linear.weight.data[0, 0] = float("inf")
    with pytest.raises(ValueError, match="linear.weight"):
        export(model, tmp_path / "net.safetensors")
    assert not list(tmp_path.iterdir())


def test_interpreter_refuses_starts_outside():
    window = {"channels": 1, "height": 1, "width": 2, "strides": [1, 1, 1]}
    with pytest.raises(FormatError, match="filter 1"):
        expand(torch.zeros(3).numpy(), torch.tensor([0, 2]).numpy(), window, "none")


def test_shortcut_pads_channels_on_both_sides():
    x = torch.arange(1.0, 33.0).view(1, 2, 4, 4)
    y = shortcut_a(x, 4, 2)
    assert torch.equal(y[:, 1:3], x[:, :, ::2, ::2])
    assert not y[:, 0].any() and not y[:, 3].any()


def test_a_foreign_checkpoint_is_refused(tmp_path):
    path = tmp_path / "a.pt"
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(checkpoint.CheckpointError):
        checkpoint.load_model(path)
    torch.save({"something": 1}, path)
    with pytest.raises(checkpoint.CheckpointError, match="not a checkpoint"):
        checkpoint.load_model(path)
