"""What runtimes compute with: the file in float32, where a large number swallows a small one."""

import re
import sys

import pytest
import torch
import torch.nn.functional as F
from test_both_ways import FSNET, TARGET, agree
from test_operators import Call
from torch import nn

from filter_summary import ExportError, FormatError, Interpreter, export
from filter_summary.activations import activate

SMALLEST = 1.1754943508222875e-38


class Of(nn.Module):
    """A function of the input as a model."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


FAR = torch.tensor([-1e9, 0.0, 7e7, 1e-3]).view(4, 1, 1)
EXTREMES = {
    "maximum": lambda x: torch.maximum(x, FAR),
    "minimum": lambda x: torch.minimum(FAR, x),
    "clamp": lambda x: x.clamp(min=FAR),
    "clamp between": lambda x: x.clamp(FAR - 1, FAR),
    "here and there no bound": lambda x: x.clamp(max=torch.where(FAR > 0, FAR, torch.inf)),
    "channels last": lambda x: torch.maximum(x.permute(0, 2, 3, 1), FAR.flatten()).permute(0, 3, 1, 2),
    "of values": lambda x: torch.maximum(x, x.flip(1) * 1e8),
    "of a value an image": lambda x: torch.minimum(x, x.mean((2, 3), keepdim=True) * 1e8),
    "each repeats the other": lambda x: torch.maximum(x[:, :1] * 1e8, x.mean((2, 3), keepdim=True)),
}


@pytest.mark.parametrize("name", EXTREMES)
def test_extremes_are_exact_at_any_size(name, tmp_path):
    model = Of(EXTREMES[name])
    export(model, torch.randn(1, 4, 8, 6), tmp_path / "net.safetensors")
    written, x = Interpreter.open(tmp_path / "net.safetensors"), torch.randn(2, 4, 10, 12)
    (got,) = written.values(x).values()
    assert got.dtype == torch.float32 and torch.equal(got, model(x))


@pytest.mark.skipif(FSNET is None, reason=f"no fsnet in {TARGET}: the runtime was not compared")
@pytest.mark.parametrize("name", ["maximum", "minimum", "of values"])
def test_extremes_run(name, tmp_path):
    model = Of(EXTREMES[name])
    exported = export(model, torch.randn(1, 4, 8, 6), tmp_path / "net.safetensors")
    agree(exported.path, exported.outputs, model, torch.randn(2, 4, 8, 6))


def test_what_cancels_in_float32_is_not_written(tmp_path, monkeypatch):
    """In float64 nothing is seen."""
    arithmetic = sys.modules["filter_summary.export.arithmetic"]

    def cancelling(c, step, one, other):
        above = arithmetic.each(c, step, arithmetic.combined(c, step, "sub", one, other), "relu")
        return arithmetic.combined(c, step, "add", other, above)

    monkeypatch.setattr(sys.modules["filter_summary.export.extremes"], "greater", cancelling)
    with pytest.raises(ExportError, match="computed in float32, the model by .*: its parts cancel each other"):
        export(Of(lambda x: torch.maximum(x, FAR - 1e9)), torch.randn(1, 4, 8, 6), tmp_path / "net.safetensors")
    assert not list(tmp_path.iterdir())


CANCELLING = {
    "model in float64": lambda x: (x + 3e5).relu() - 3e5,
    # Which float64 images are refused by.
    "model in float32 alone": lambda x: (x.flatten(2).mT + 4e3).relu() @ torch.ones(4, 4) - 16e3,
}


@pytest.mark.parametrize("name", CANCELLING)
def test_a_model_that_cancels_is_written(name, tmp_path):
    """The file loses what the model loses."""
    torch.manual_seed(0)
    exported = export(Of(CANCELLING[name]), torch.randn(1, 4, 8, 6), tmp_path / "net.safetensors")
    assert exported.difference <= exported.tolerance


CURVES = {
    "elu": lambda x: F.elu(x, 0.3),
    "celu": lambda x: F.celu(x, 0.3),
    "celu of a small number": lambda x: F.celu(x, 1e-20),
    "celu of the smallest": lambda x: F.celu(x, SMALLEST),
    "celu of a great number": lambda x: F.celu(x, 1e30),
}


@pytest.mark.parametrize("name", CURVES)
def test_curves_run(name, tmp_path):
    model = Call(CURVES[name])
    exported = export(model, torch.randn(1, 3, 8, 6), tmp_path / "net.safetensors")
    if FSNET is None:
        pytest.skip(f"no fsnet in {TARGET}: the runtime did not read {name}")
    agree(exported.path, exported.outputs, model, torch.randn(2, 3, 8, 6))


@pytest.mark.parametrize("alpha", [-2.0, 1e-38, 1e38])
def test_celus_that_nobody_reads(alpha, tmp_path):
    with pytest.raises(ExportError, match=re.escape(f"celu: an alpha of {alpha:g}: the format has those from")):
        export(Call(lambda x: F.celu(x, alpha)), torch.randn(1, 3, 8, 6), tmp_path / "net.safetensors")
    with pytest.raises(FormatError, match="celu"):
        activate(torch.ones(1), {"celu": alpha})
    assert activate(torch.ones(1), {"celu": SMALLEST}) == 1
