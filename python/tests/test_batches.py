"""Values whose batch lies behind other axes, or within one."""

import pytest
import torch
import torch.nn.functional as F
from test_operators import Call, check
from torch import nn

from filter_summary import ExportError, export

C, H, W = 12, 8, 6


class Layered(nn.Module):
    """A function of images, and of a layer or a constant."""

    def __init__(self, function, layer):
        super().__init__()
        self.first, self.function = nn.Conv2d(3, C, 1), function
        if isinstance(layer, torch.Tensor):
            self.register_buffer("layer", layer)
        else:
            self.layer = layer

    def forward(self, x):
        return self.function(self.first(x), self.layer)


def taken_apart(x, m):
    one, two, three = x.view(-1, 3, 4, H, W).permute(1, 3, 0, 2, 4).unbind(0)
    return (one * two[2:3] + three.chunk(2, 0)[1][:1]).permute(1, 2, 0, 3)


def by_number(x, m):
    y = x.view(-1, 3, 4, H, W).permute(2, 1, 0, 3, 4)
    return (y[1, 2] - y.select(1, 0)[3] * y[0][1]).unsqueeze(1)


def heads(x, m):
    """Tokens, images, and numbers; then heads of images."""
    b = len(x)
    q = x.flatten(2).permute(2, 0, 1)
    k, v = (one.reshape(H * W, b * 3, 4).transpose(0, 1) for one in (q.tanh(), q))
    q = q.contiguous().view(H * W, b * 3, 4).transpose(0, 1)
    seen = torch.bmm(torch.bmm(q, k.transpose(1, 2)).softmax(-1), v)
    return m(seen.transpose(0, 1).reshape(H * W * b, C)).view(H * W, b, 5).permute(1, 2, 0)


def of_lines(x, m):
    """Every row of an image an image, rows first."""
    return m(x.permute(2, 0, 1, 3).reshape(-1, C, W)).view(H, len(x), 5, W).permute(1, 2, 0, 3)


BEHIND = {
    "there and back": (lambda x, m: x.transpose(0, 1).tanh().transpose(0, 1), None),
    "constants": (lambda x, m: (x.permute(1, 2, 0, 3) * m + 1).permute(2, 0, 1, 3), torch.rand(C, 1, 1, W)),
    "constants of each image": (
        lambda x, m: (x.permute(1, 0, 2, 3) * m.expand(C, len(x), H, W)).transpose(0, 1), torch.rand(C, 1, H, W)),
    "constants of rows of images": (
        lambda x, m: (x.permute(2, 0, 1, 3).reshape(-1, C, W) + m.repeat_interleave(len(x), 0)).view(
            H, len(x), C, W).transpose(0, 1), torch.rand(H, C, W)),
    "joined to constants": (
        lambda x, m: torch.cat([m.expand(1, len(x), H, W), x.transpose(0, 1)]).transpose(0, 1), torch.rand(1, 1, H, W)),
    "joined": (lambda x, m: torch.cat([(y := x.permute(2, 0, 1, 3)), y[:3]], 0).permute(1, 2, 0, 3), None),
    "stacked before and behind": (
        lambda x, m: (y := x.mean(3).permute(1, 0, 2)).new_zeros(1) + torch.stack(
            [torch.stack([y, y.exp()]).sum(0), y], 2).permute(1, 0, 2, 3), None),
    "stacked in front": (lambda x, m: torch.stack([x, x.tanh()]).sum(0) + torch.stack([x, x.exp()], -5)[1], None),
    "selective kernels, in front": (
        lambda x, m: (torch.stack([x, x.tanh()]) * torch.stack(
            [x.mean((2, 3)), x.amax((2, 3))]).softmax(0)[..., None, None]).sum(0), None),
    "linear": (lambda x, m: m(x.permute(2, 3, 0, 1)).permute(2, 3, 0, 1), nn.Linear(C, 5)),
    "product with a constant": (lambda x, m: (x.permute(2, 3, 0, 1) @ m).permute(2, 3, 0, 1), torch.rand(C, 5)),
    "layer norm": (lambda x, m: m(x.permute(3, 0, 2, 1)).permute(1, 3, 2, 0), nn.LayerNorm([H, C])),
    "softmax": (lambda x, m: x.transpose(0, 1).softmax(0).transpose(0, 1), None),
    "sums": (lambda x, m: (y := x.permute(1, 2, 0, 3)).sum(0).mean(0) + y.amax((1, 3)).t()[:, :W], None),
    "variance": (lambda x, m: x.transpose(0, 1).var(0, keepdim=True).squeeze(0).unsqueeze(1), None),
    "taken apart": (taken_apart, None),
    "by number": (by_number, None),
    "two of them": (lambda x, m: ((y := x.permute(1, 3, 0, 2)) * y.amax(0, keepdim=True)).permute(2, 0, 3, 1), None),
    "largest": (lambda x, m: x.transpose(0, 1).max(0)[0].unsqueeze(1) + x, None),
    "heads": (heads, nn.Linear(C, 5)),
    "attention": (
        lambda x, m: F.scaled_dot_product_attention(y := x.permute(1, 0, 2, 3), y, y).transpose(0, 1), None),
    "lines": (of_lines, nn.Conv1d(C, 5, 3, padding=1)),
    "every image several times": (
        lambda x, m: (x.reshape(-1, 4, H, W) * x.mean(2)[:, :4, None].repeat_interleave(3, 0)).view_as(x), None),
    "many matrices": (lambda x, m: (y := x.view(-1, 2, 6, H, W).transpose(2, 3).flatten(1, 2)) @ y.mT @ y, None),
}  # fmt: skip


@pytest.mark.parametrize("name", BEHIND)
def test_behind(name, tmp_path):
    check(Layered(*BEHIND[name]), tmp_path / "net.safetensors")


REFUSED = {
    "softmax: it goes along the batch": lambda x: x.transpose(0, 1).softmax(1).transpose(0, 1),
    "sum: it mixes the 2 images": lambda x: x.transpose(0, 1).sum(1, keepdim=True).transpose(0, 1) + x,
    "select: it mixes the 2 images": lambda x: x.transpose(0, 1).select(1, 0),
    "linear: it goes along the batch": lambda x: F.linear(x.flatten(1).t(), torch.ones(2, 2)).t(),
    "layer_norm: it goes along the batch": lambda x: F.layer_norm(x.permute(1, 2, 0, 3), (2, W)).permute(2, 0, 1, 3),
    "matmul: it goes along the batch": lambda x: ((y := x[..., :2].permute(1, 2, 0, 3)) @ y).permute(2, 0, 1, 3),
    "it computes with parts": lambda x: (y := x[:, :2].mean((2, 3))) + y.t(),
    "differs from image to image": lambda x: (x.transpose(0, 1) + torch.arange(2.0)[:, None, None]).transpose(0, 1),
    "prelu: it goes along the batch": lambda x: F.prelu(x.transpose(0, 1), torch.ones(2)).transpose(0, 1),
    "conv1d: it goes along the batch": lambda x: F.conv1d(x[:, :, 0].transpose(0, 1), torch.ones(2, 2, 1)),
    "the model cannot run 3 images": lambda x: x.permute(2, 0, 1, 3).reshape(16, C, W).view(H, 2, C, W).transpose(0, 1),
    "off the model by .* images of their own": lambda x: (
        x.permute(1, 0, 2, 3).reshape(-1, C, H, W).softmax(0).reshape(C, len(x), H, W).transpose(0, 1)),
}  # fmt: skip


@pytest.mark.parametrize("why", REFUSED)
def test_refused(why, tmp_path):
    with pytest.raises(ExportError, match=why):
        export(Call(REFUSED[why]), torch.randn(2, 3, H, W), tmp_path / "net.safetensors")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("some", [slice(9), slice(0, 64), slice(-64, None)])
def test_so_many_images_are_not_all(some, tmp_path):
    class First(nn.Module):
        def forward(self, x):
            return x[some] * 2

    with pytest.raises(ExportError, match="some images of a batch"):
        export(First(), torch.randn(2, 3, 4, 4), tmp_path / "net.safetensors")


@pytest.mark.parametrize("images", [1, 2, 3])
def test_what_counts_the_images_is_refused(images, tmp_path):
    class Counts(nn.Module):
        def forward(self, x):
            return x * x.shape[0]

    with pytest.raises(ExportError, match="off the model"):
        export(Counts(), torch.randn(images, 3, 4, 4), tmp_path / "net.safetensors")


def test_models_of_so_many_images_and_no_more_are_exported(tmp_path):
    class AtMostTwo(nn.Module):
        def forward(self, x):
            if len(x) > 2:
                raise ValueError("too many images")
            return x.relu()

    export(AtMostTwo(), torch.randn(2, 3, 4, 4), tmp_path / "net.safetensors")
