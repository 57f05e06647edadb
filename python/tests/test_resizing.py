"""Images made larger: to a size of the model's own, or to one that follows from the image's."""

import pytest
import torch
import torch.nn.functional as F
from test_operators import Call, file_of
from test_reductions import ties

from filter_summary import Interpreter, export


def like(x, mode, smaller=2, **keys):
    """What is smaller made as large as `x`, and added to it: at an odd size a file of factors is refused there."""
    smaller = F.max_pool2d(x, smaller) if isinstance(smaller, int) else smaller
    return x + F.interpolate(smaller, size=x.shape[-2:], mode=mode, **keys)


ANY_SIZE = {
    "constant": lambda x: F.interpolate(x, size=(16, 12)),
    "constant, exact": lambda x: F.interpolate(x, size=(16, 12), mode="nearest-exact"),
    "constant, bilinear": lambda x: F.interpolate(x, size=(16, 12), mode="bilinear"),
    "constant from one pixel": lambda x: F.interpolate(x.mean((2, 3), True), size=(4, 4)),
    "as another": lambda x: like(x, "nearest"),
    "as another, bilinear": lambda x: like(x, "bilinear"),
    "as another, corners": lambda x: like(x, "bilinear", align_corners=True),
    "twice": lambda x: F.interpolate(x, size=(2 * x.shape[2], 2 * x.shape[3])),
    "by a factor": lambda x: F.interpolate(x, scale_factor=1.5, mode="bilinear"),
    "by a factor, corners": lambda x: F.interpolate(x, scale_factor=1.5, mode="bilinear", align_corners=True),
    "both": lambda x: F.interpolate(like(x, "nearest"), size=(16, 12)),
}


@pytest.mark.parametrize("name", ANY_SIZE)
def test_at_any_size(name, tmp_path):
    model, path = Call(ANY_SIZE[name]).eval(), tmp_path / "net.safetensors"
    export(model, torch.randn(1, 3, 8, 6), path)
    assert not ties(path)
    x = torch.randn(2, 3, 12, 10)
    with torch.no_grad():
        right, (got,) = model.double()(x.double()), Interpreter.open(path, torch.float64).values(x.double()).values()
    assert (got - right).abs().max() <= 1e-5 * right.abs().max()


OF_A_SIZE = {
    "no whole factor": lambda x: like(x, "nearest", x[:, :, 1:, 1:]),
    "no whole factor, bilinear": lambda x: like(x, "bilinear", x[:, :, 1:, 1:]),
    "from one pixel": lambda x: F.interpolate(x.mean((2, 3), True), size=x.shape[-2:]),
    "from one pixel, bilinear": lambda x: F.interpolate(x.mean((2, 3), True), size=x.shape[-2:], mode="bilinear"),
}


@pytest.mark.parametrize("name", OF_A_SIZE)
def test_of_one_size(name, tmp_path):
    export(Call(OF_A_SIZE[name]), torch.randn(1, 3, 8, 6), tmp_path / "net.safetensors")
    assert ties(tmp_path / "net.safetensors")


def test_where_nobody_knows_a_whole_factor_stays_one(tmp_path):
    """A model that `torch.export` traces for images of one size alone."""

    def function(x):
        assert x.shape[2] == 8
        return F.interpolate(x, size=(16, 12))

    export(Call(function), torch.randn(1, 3, 8, 6), tmp_path / "net.safetensors")
    assert [node["op"] for node in file_of(tmp_path / "net.safetensors")["nodes"]] == ["conv2d", "upsample_nearest2d"]
