"""The example of a fine-tuning, on a few images of noise."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from test_train import folder  # noqa: F401

from filter_summary import Interpreter


def finetune(*arguments):
    path = Path(__file__).parents[1] / "examples" / "finetune.py"
    spec = importlib.util.spec_from_file_location("finetune", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    before, sys.argv = sys.argv, ["finetune.py", *map(str, arguments)]
    try:
        module.main()
    finally:
        sys.argv = before


def test_the_example(folder, tmp_path, capsys):  # noqa: F811
    common = ("--data", folder, "--work", tmp_path, "--batch", 16, "--widths", 4, 16, 16)
    finetune(*common, "dense", "--epochs", 1)
    finetune(*common, "small", "--epochs", 1, "--bits", 8)
    whole = capsys.readouterr().out
    assert "-> " in whole and "fs_conv2d" in whole
    result = json.loads((tmp_path / "gains-tap-1-compressed-lr0.1-8bit-seed0.json").read_text())
    assert len(result["curve"]) == 1 and result["values"] > 0
    with safe_open(tmp_path / "gains-tap-1-compressed-lr0.1-8bit-seed0.safetensors", "pt") as file:
        kinds = {file.get_tensor(name).dtype for name in file.keys() if name.endswith("summary")}
    assert kinds == {torch.uint8}
    logits = Interpreter.open(tmp_path / "dense-seed0.safetensors")(torch.zeros(1, 3, 32, 32))
    assert logits.shape == (1, 10)


def test_it_goes_on_where_it_was_interrupted(folder, tmp_path, capsys, monkeypatch):  # noqa: F811
    monkeypatch.setattr("time.process_time", lambda: 0.0)
    common = ("--data", folder, "--batch", 16, "--widths", 4, 16, 16)
    finetune(*common, "--work", tmp_path / "once", "dense", "--epochs", 2)
    import filter_summary.files

    write, count = filter_summary.files.write_beside, []

    def interrupted(path, how):
        write(path, how)
        count.append(path)
        raise KeyboardInterrupt

    monkeypatch.setattr("filter_summary.files.write_beside", interrupted)
    with pytest.raises(KeyboardInterrupt):
        finetune(*common, "--work", tmp_path / "twice", "dense", "--epochs", 2)
    monkeypatch.setattr("filter_summary.files.write_beside", write)
    finetune(*common, "--work", tmp_path / "twice", "dense", "--epochs", 2)
    assert "going on after epoch 1" in capsys.readouterr().out
    one, other = ((tmp_path / name / "dense-seed0.json").read_text() for name in ("once", "twice"))
    assert json.loads(one)["curve"] == json.loads(other)["curve"]
