"""Parts of CNNs brought into the network format both ways, by `export` and by way of ONNX, and run by `fsnet`.

What comes out is compared with PyTorch in float64, within the tolerance that the runtime derives for the network.
"""

import json
import subprocess
import warnings

import blocks
import numpy as np
import pytest
import torch
from test_zoo import FSNET, TARGET

from filter_summary import ExportError, Interpreter, export
from filter_summary.research import zoo

NOT_EXPORTED: dict[str, str] = {}
"""Blocks that `export` refuses, and what it says."""
NOT_IMPORTED: dict[str, str] = {}
"""Blocks that `fsnet import` refuses, and what it says."""
NOT_IMPORTED_OF_DYNAMO = {"swin": "it computes along the batch"}
"""The same of what PyTorch's newer exporter writes, in other operators."""
NOT_WRITTEN = {
    "channel shuffle layer": "aten::channel_shuffle", "vgg": "output size that are not factor of input size",
}  # fmt: skip
"""Blocks that PyTorch's older exporter refuses, and what it says."""


def results(model, x) -> list[torch.Tensor]:
    with torch.no_grad():
        y = model.double()(x.double())
    model.float()
    return [y] if isinstance(y, torch.Tensor) else list(y)


def numbers(x, names, rights, path):
    """An input and PyTorch's results, for `fsnet run`; values have four axes there."""
    four = [y.reshape(*y.shape, *(1,) * (4 - y.dim())).float().numpy() for y in rights]
    keys = ["expected"] if len(names) == 1 else [f"expected.{name}" for name in names]
    np.savez(path, input=x.numpy(), **dict(zip(keys, four)))
    return path


def agree(network, names, model, x):
    """Let the runtime compare; whatever it says but a share of its tolerance is a fault."""
    answer = zoo.run(FSNET, "cpu", network, numbers(x, names, results(model, x), network.with_suffix(".npz")))
    if answer.startswith("fsnet: error") and "format_version" in answer or "unknown variant" in answer:
        pytest.skip(f"{FSNET} is older than this format: {answer}")
    assert float(answer) <= 1, answer


@pytest.mark.parametrize("name", blocks.BLOCKS)
def test_exported(name, tmp_path):
    model, x = blocks.made(name)
    if name in NOT_EXPORTED:
        with pytest.raises(ExportError, match=NOT_EXPORTED[name]):
            export(model, x, tmp_path / "net.safetensors")
        return
    exported = export(model, x, tmp_path / "net.safetensors")
    rights = results(model, x)
    got = Interpreter.open(exported.path, torch.float64).values(x.double())
    assert len(rights) == len(got)
    for want, value in zip(rights, got.values()):
        apart = (value.reshape(want.shape) - want).abs().max()
        assert apart <= exported.tolerance * want.abs().max()
    if FSNET is None:
        pytest.skip(f"no fsnet in {TARGET}: the runtime was not compared")
    agree(exported.path, exported.outputs, model, x)


def by_onnx(model, x, folder, dynamo):
    """The network of an ONNX model, and the names of its outputs; or what the importer says instead."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        keys = {"verbose": False} if dynamo else {"opset_version": 17}
        torch.onnx.export(model, (x,), folder / "model.onnx", dynamo=dynamo, **keys)
    command = [FSNET, "import", folder / "model.onnx", "-o", folder / "net.safetensors", "--json"]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode:
        assert done.returncode == 2
        return None, done.stderr
    return folder / "net.safetensors", [output["name"] for output in json.loads(done.stdout)["outputs"]]


@pytest.mark.skipif(FSNET is None, reason=f"no fsnet in {TARGET}: ONNX models were not imported")
@pytest.mark.parametrize("exporter", ["torchscript", pytest.param("dynamo", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", blocks.BLOCKS)
def test_imported(name, exporter, tmp_path):
    dynamo = exporter == "dynamo"
    pytest.importorskip("onnxscript" if dynamo else "onnx")
    model, x = blocks.made(name)
    if name in NOT_WRITTEN and not dynamo:
        with pytest.raises(torch.onnx.errors.OnnxExporterError, match=NOT_WRITTEN[name]):
            by_onnx(model, x, tmp_path, dynamo)
        return
    network, names = by_onnx(model, x, tmp_path, dynamo)
    refused = NOT_IMPORTED_OF_DYNAMO if dynamo else NOT_IMPORTED
    if name in refused:
        assert network is None, f"{name} is imported now: strike it from the list"
        assert refused[name] in names
        return
    assert network is not None, names
    agree(network, names, model, x)


def test_another_result_is_seen(tmp_path):
    """Else all of these would pass whatever was computed."""
    if FSNET is None:
        pytest.skip(f"no fsnet in {TARGET}")
    model, x = blocks.made("residual")
    exported = export(model, x, tmp_path / "net.safetensors")
    rights = [right * 1.01 for right in results(model, x)]
    answer = zoo.run(FSNET, "cpu", exported.path, numbers(x, exported.outputs, rights, tmp_path / "net.npz"))
    assert answer.endswith("DIFFERS")


def test_all_that_is_refused_is_a_block():
    assert {*NOT_EXPORTED, *NOT_IMPORTED_OF_DYNAMO, *NOT_WRITTEN} <= set(blocks.BLOCKS)
