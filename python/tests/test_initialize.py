"""Checkpoints made of network files."""

import pytest
import torch

from filter_summary import FsConv2d
from filter_summary.interpret import FormatError, Interpreter
from filter_summary.research import checkpoint, export
from filter_summary.research.architectures import build
from filter_summary.research.initialize import initialize


def shuffled(placement: str, seed: int = 0):
    """A ResNet-8 with statistics of its own, whose filters lie in another order than the placement's."""
    torch.manual_seed(seed)
    model = build("resnet8", placement)
    for module in model.modules():
        if isinstance(module, FsConv2d):
            module.place(module.layout.starts[torch.randperm(len(module.layout.starts))])
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
            torch.nn.init.uniform_(module.weight, -1, 1.5)
            torch.nn.init.normal_(module.bias, std=0.2)
    return model.eval()


@pytest.mark.parametrize("placement", ["tap:2", "channel:4", "dense"])
def test_the_function_stays(tmp_path, placement):
    model = shuffled(placement)
    path = tmp_path / "net.safetensors"
    export.export(model, path)
    file = Interpreter.open(path)
    images = torch.randn(16, 3, 32, 32)
    again = build("resnet8", placement)
    initialize(again, file, images)
    with torch.no_grad():
        want, got = model(images), again(images)
        torch.testing.assert_close(got, want, rtol=1e-3, atol=1e-3)
        # In training, batch norm sees the same statistics: the same function on the same images.
        torch.testing.assert_close(again.train()(images), want, rtol=1e-2, atol=1e-2)


def test_the_order_survives_a_checkpoint(tmp_path):
    model = shuffled("tap:2")
    state = {"model": model.state_dict(), "epoch": 0, "starts": checkpoint.moved_starts(model)}
    checkpoint.save(tmp_path / "net.pt", state | checkpoint.describe(model.arch, model.placements))
    again, _ = checkpoint.load_model(tmp_path / "net.pt")
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(again(images), model(images))
    assert checkpoint.moved_starts(build("resnet8", "tap:2")) == {}
    assert len(checkpoint.moved_starts(again)) == 6


def test_other_networks_are_refused(tmp_path):
    path = tmp_path / "net.safetensors"
    export.export(shuffled("tap:2"), path)
    images = torch.randn(2, 3, 32, 32)
    for arch, placement, message in (
        ("resnet14", "tap:2", "the file has 7 convolutions, resnet14 13"),
        ("resnet8", "tap:1", "summary is"),
        ("resnet8", "dense", "is fs_conv2d"),
        ("resnet8", "tap:2:0,4,8,1,5,6,2,3,7", "its window is"),
    ):
        with pytest.raises(FormatError, match=message):
            initialize(build(arch, placement), Interpreter.open(path), images)
