"""The commands of docs/your-network.md, on a few images of noise, and the program of docs/onnx.md."""

import lzma
import os
import re
import shlex
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from test_train import folder  # noqa: F401

ROOT = Path(__file__).parents[2]
SMALL = ["--batch", "16", "--widths", "4", "16", "16", "--epochs", "1"]


def fsnet() -> str | None:
    """The command line, where somebody has built it."""
    built = [ROOT / "target" / kind / "fsnet" for kind in ("release", "debug")]
    there = [str(path) for path in built if path.exists()]
    return os.environ.get("FSNET") or next(iter(there), None) or shutil.which("fsnet")


def commands() -> list[list[str]]:
    text = (ROOT / "docs" / "your-network.md").read_text()
    first = re.search(r"```sh\n(.*?)```", text, re.DOTALL)
    return [shlex.split(line) for line in first[1].splitlines()]


def test_your_network(folder, tmp_path):  # noqa: F811
    packed = (folder / "test_batch.bin.xz").read_bytes()
    (folder / "test_batch.bin").write_bytes(lzma.decompress(packed))  # as fsnet reads it
    places = {"DATA": str(folder), "WORK": str(tmp_path)}
    ran = []
    for command in commands():
        program, *arguments = [re.sub(r"\b(DATA|WORK)\b", lambda m: places[m[0]], word) for word in command]
        if program == "pip":
            continue  # this test runs in what it installs
        if program == "fsnet":
            if fsnet() is None:
                pytest.skip("fsnet is not built: cargo build -p filter-summary-cli; the Python commands passed")
            whole = [fsnet(), *arguments]
            whole += ["--device", "cpu"] if arguments[0] == "eval" else []
        else:
            whole = [sys.executable, *arguments, *SMALL]
        # What is tested is this folder's, whether or not some of it is installed.
        path = os.pathsep.join(filter(None, [str(ROOT / "python"), os.environ.get("PYTHONPATH")]))
        environment = os.environ | {"PYTHONPATH": path}
        done = subprocess.run(whole, cwd=ROOT, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, f"{' '.join(whole)}: {done.stderr}"
        ran.append(f"{program} {arguments[0]}")
    assert ran.count("fsnet eval") == 3 and "fsnet quantize" in ran, ran


def test_values_of_a_model_whose_batch_has_a_name(tmp_path):
    for package in ("onnx", "onnxruntime"):
        pytest.importorskip(package)
    (program,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "onnx.md").read_text(), re.DOTALL)
    (tmp_path / "values.py").write_text(program)
    model, names = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU()), {"input_names": ["x"]}
    names |= {"output_names": ["y"], "dynamic_axes": {"x": {0: "batch"}}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model, (torch.randn(1, 3, 8, 6),), tmp_path / "model.onnx", dynamo=False, **names)
    command = [sys.executable, "values.py", "model.onnx", "values.npz"]
    asked = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert asked.returncode == 1 and "x is ['batch', 3, 8, 6]: give all its sizes" in asked.stderr
    done = subprocess.run([*command, "2x3x8x6"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "values.npz") as values:
        assert values["x"].shape == (2, 3, 8, 6) and values["y"].shape == (2, 4, 6, 4)


def test_values_of_a_model_that_reads_bytes(tmp_path):
    for package in ("onnx", "onnxruntime"):
        pytest.importorskip(package)
    from onnx import TensorProto, helper, save

    (program,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "onnx.md").read_text(), re.DOTALL)
    (tmp_path / "values.py").write_text(program)
    nodes = [helper.make_node("Cast", ["x"], ["c"], to=1), helper.make_node("Relu", ["c"], ["y"])]
    value = [("x", TensorProto.UINT8), ("y", TensorProto.FLOAT)]
    x, y = (helper.make_tensor_value_info(name, kind, [1, 3, 8, 6]) for name, kind in value)
    graph = helper.make_graph(nodes, "bytes", [x], [y])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), tmp_path / "model.onnx")
    command = [sys.executable, "values.py", "model.onnx", "values.npz"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "values.npz") as values:
        x, y = values["x"], values["y"]
        assert x.dtype == y.dtype == np.float32 and (x == y).all() and x.max() > 100 and (x == x.round()).all()
