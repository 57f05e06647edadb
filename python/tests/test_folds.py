"""Channels folded into the batch, computed as images of their own, and back."""

import pytest
import torch
import torch.nn.functional as F
from test_operators import Call, check
from torch import nn

from filter_summary import ExportError, Interpreter, export

G, C, H, W = 3, 4, 8, 6
"""Parts of the 12 channels of images, and channels of each."""


class Folded(nn.Module):
    """A function of parts of images, and of a layer's weights."""

    def __init__(self, function, layer):
        super().__init__()
        self.first, self.function, self.layer = nn.Conv2d(3, G * C, 1), function, layer

    def forward(self, x):
        b, _, h, w = x.shape
        y = self.function(self.first(x).reshape(b * G, C, h, w), self.layer)
        return y.reshape(b, -1, *y.shape[2:])


def norm(layer):
    nn.init.normal_(layer.running_mean)
    nn.init.uniform_(layer.running_var, 0.5, 2)
    return layer


def attended(x, m):
    q = x.flatten(2)
    return (q @ (q.transpose(1, 2) @ q).softmax(-1)).reshape(x.shape)


OF_PARTS = {
    "conv": (lambda x, m: m(x), nn.Conv2d(C, 6, 3, padding=1)),
    "grouped": (lambda x, m: m(x), nn.Conv2d(C, 6, 3, stride=2, groups=2)),
    "line": (lambda x, m: m(x.flatten(2)), nn.Conv1d(C, 5, 3)),
    "batch norm": (lambda x, m: m(x.tanh()), norm(nn.BatchNorm2d(C))),
    "group norm": (lambda x, m: m(x), nn.GroupNorm(2, C)),
    "instance norm": (lambda x, m: m(x), nn.InstanceNorm2d(C, affine=True)),
    "layer norm": (lambda x, m: m(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), nn.LayerNorm(C)),
    "prelu": (lambda x, m: m(x), nn.PReLU(C)),
    "prelu of one": (lambda x, m: m(x), nn.PReLU()),
    "linear": (lambda x, m: x * m(x.mean((2, 3))).sigmoid()[:, :, None, None], nn.Linear(C, C)),
    "linear over columns": (lambda x, m: m(x), nn.Linear(W, 5)),
    "pools": (lambda x, m: F.max_pool2d(x, 2) + F.avg_pool2d(x, 2), None),
    "adaptive pools": (lambda x, m: F.adaptive_avg_pool2d(x, (None, 1)) * F.adaptive_max_pool2d(x, 1), None),
    "larger": (lambda x, m: F.interpolate(x, scale_factor=2) + F.interpolate(x, scale_factor=2, mode="bilinear"), None),
    "halves": (lambda x, m: torch.cat([x.chunk(2, 1)[1].sigmoid(), x.chunk(2, 1)[0]], 1), None),
    "one channel": (lambda x, m: torch.cat([x[:, 1:2] * x[:, 3].unsqueeze(1), x], 1), None),
    "every other": (lambda x, m: x[:, ::2] - x[:, 1::2], None),
    "rows": (lambda x, m: torch.cat([x[:, :, 2:], x[:, :, :2]], 2), None),
    "stacked": (lambda x, m: torch.stack([x, x.relu()], 2).flatten(1, 2), None),
    "sum of channels": (lambda x, m: x * x.sum(1, keepdim=True), None),
    "largest": (lambda x, m: x - x.amax(1, keepdim=True) + x.max(2, keepdim=True)[0], None),
    "variance": (lambda x, m: x / (x.var((1, 2, 3), keepdim=True) + 1), None),
    "softmax": (lambda x, m: x.softmax(1) + x.flatten(2).softmax(2).view_as(x), None),
    "gate": (lambda x, m: x * (m * x.mean((2, 3), keepdim=True) + 1).sigmoid(), torch.rand(1, C, 1, 1)),
    "constants of pixels": (lambda x, m: x * m + 1, torch.rand(C, H, W)),
    "products": (attended, None),
    "vector by matrices": (
        lambda x, m: (x.mean((2, 3)).unsqueeze(1) @ x.flatten(2)).view(-1, 1, H, W) * x, None),
    "bmm": (lambda x, m: torch.bmm(x.flatten(2), x.flatten(2).transpose(1, 2)).unsqueeze(3), None),
    "expanded": (lambda x, m: x.mean((2, 3), keepdim=True).expand_as(x).contiguous() + x, None),
    "folded again": (lambda x, m: F.avg_pool2d(x.view(-1, 2, H, W).tanh(), 2).view(-1, C, H // 2, W // 2), None),
    "extremes": (lambda x, m: torch.maximum(x, x.mean(1, keepdim=True)).clamp(-1, 1) ** 2, None),
}  # fmt: skip


@pytest.mark.parametrize("name", OF_PARTS)
def test_parts_of_images(name, tmp_path):
    function, layer = OF_PARTS[name]
    check(Folded(function, layer), tmp_path / "net.safetensors")


def shuffle_attention(x, m):
    one, other = x.chunk(2, 1)
    one = one * (m[:, : one.shape[1]] * one.mean((2, 3), keepdim=True) + 0.5).sigmoid()
    return torch.cat([one, other * F.group_norm(other, other.shape[1]).sigmoid()], 1)


def of_pairs(x, m):
    return shuffle_attention(x.reshape(-1, 2, *x.shape[2:]), m).reshape(x.shape)


@pytest.mark.parametrize("function, moves", [(shuffle_attention, 4), (of_pairs, 2)])
def test_groups_at_any_size(function, moves, tmp_path):
    """Groups are channels in another order, whatever the size."""
    torch.manual_seed(0)
    model, path = Folded(function, torch.rand(1, C // 2, 1, 1)).eval(), tmp_path / "net.safetensors"
    exported = export(model, torch.randn(1, 3, H, W), path)
    assert exported.operations["channel_shuffle"] == moves and "reshape" not in exported.operations
    x = torch.randn(2, 3, 11, 15)
    with torch.no_grad():
        right, (got,) = model(x), Interpreter.open(path).values(x).values()
    torch.testing.assert_close(got, right, rtol=1e-4, atol=1e-5)


REFUSED = {
    r"the first axis of \[4, 288\] is not the 2 images": lambda x: x.reshape(4, -1),
    r"output 0: the first axis of \[6, 4, 8, 6\] is not the 2 images of a batch alone": lambda x: x.reshape(
        len(x) * G, C, H, W).relu(),
    "off the model by .* images of their own": lambda x: (
        (y := x.reshape(4, -1, H, W)) * y.mean((1, 2, 3), keepdim=True)).reshape(x.shape),
    "roll: it computes with parts": lambda x: x.view(-1, C, H, W).roll(1, 0).view(x.shape),
    "sum: it mixes the 2 images": lambda x: x.view(-1, C, H, W).sum(0, keepdim=True) + x[:, :C],
    "the model cannot run 3 images": lambda x: x.reshape(4, 6, H, W).mean(1, keepdim=True).view(2, -1),
    r"output 0: the first axis of \[2, 12, 8, 6\] is not the 2 images": lambda x: (
        x.view(-1, C, H, W).transpose(0, 1).reshape(x.shape)),
    "local_response_norm: it computes with parts": lambda x: F.local_response_norm(
        x.view(-1, C, H, W), 3).view(x.shape),
}  # fmt: skip


@pytest.mark.parametrize("why", REFUSED)
def test_refused(why, tmp_path):
    with pytest.raises(ExportError, match=why):
        export(Call(REFUSED[why]), torch.randn(2, 3, H, W), tmp_path / "net.safetensors")
    assert not list(tmp_path.iterdir())
