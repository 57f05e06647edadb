"""Networks as people have them: exported, the file equals PyTorch; run by `fsnet` where it is built."""

import os
from pathlib import Path

import pytest
import torch

from filter_summary import Interpreter
from filter_summary.research import zoo

QUICK = ("resnet18, s = C", "mobilenet_v3_small", "shufflenet_v2_x0_5", "unet, one base", "super-resolution")
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", Path(__file__).parents[2] / "target"))
FSNET = next((TARGET / kind / "fsnet" for kind in ("release", "debug") if (TARGET / kind / "fsnet").exists()), None)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in zoo.NETWORKS]
)
def test_networks(name, tmp_path):
    if zoo.NETWORKS[name][0] not in (zoo.UNet, zoo.SuperResolution) and "unet" not in name:
        pytest.importorskip("torchvision")
    exported, numbers = zoo.write(name, tmp_path / "net.safetensors")
    assert exported.difference <= exported.tolerance
    model, x = zoo.made(name)
    with torch.no_grad():
        want, got = model(x), Interpreter.open(exported.path).values(x)
    wants = list(want.values()) if isinstance(want, dict) else [want]
    assert len(wants) == len(got)
    for one, other in zip(wants, got.values()):
        assert float((one - other.reshape(one.shape)).abs().max()) < 1e-3 * float(one.abs().max())
    if FSNET is None:
        pytest.skip(f"no fsnet in {TARGET}: the runtime was not compared")
    answer = zoo.run(FSNET, "cpu", exported.path, numbers)
    if answer.startswith("fsnet: error"):
        pytest.skip(f"{FSNET} is older than this format: {answer}")
    assert float(answer.partition(" of ")[0]) <= 1, answer
