"""What is written in place, one case after another, to a layer's result."""

import pytest
import torch
from test_operators import Call, check, file_of
from torch import nn

from filter_summary import ExportError, Interpreter, export


def empty(y):
    return torch.empty(y.shape)


def several(y):
    y[:, :2] += 1
    y[:, 1:3] *= 2
    y[:, 2] = y[:, 2].tanh()
    return y


def parts_of_parts(y):
    y[:, 1:, ::2] *= 2
    y[:, 1:7:2, 3:5] = y[:, 0:6:2, 3:5]
    return y


def joined_again(y):
    z = torch.empty_like(y)
    z[:, :4], z[:, 4:] = y[:, 8:].relu(), y[:, :8]
    return z


def turns(y):
    z = empty(y)
    for n in range(4):
        z[:, n::4] = y[:, 3 * n : 3 * n + 3]
    return z


def many(y):
    y[:, ::2] = y[:, 1::2]
    y[:, torch.tensor([0, 3, 4, 7, 8, 10])] = y[:, :6] * 2
    return y


def grid(y):
    z = torch.ones(y.shape)
    z[:, :, ::2, ::2] = y[:, :, ::2, ::2]
    return z


def columns(y):
    y[..., 0:2] = y[..., 1:3]
    y[..., -1] = 7
    y[:, :, 2, 3] = y[:, :, 0, 0]
    return y


def masked(y):
    y[:, :, torch.arange(48).view(8, 6) % 5 == 0] = 2
    y[:, torch.arange(12) % 3 == 0] = y[:, :4] * 2
    return y


def numbers(y):
    y[:, :, 2] = torch.arange(6.0)
    y.index_fill_(1, torch.tensor([1, 3]), 0.5)
    y.index_copy_(2, torch.tensor([5, 1]), y[:, :, :2])
    y[:, 2:4].copy_(y[:, :1])
    y[:, 5].zero_()
    y[:, 6].fill_(torch.tensor(3.0))
    return y


CASES = {
    "several": (several, None),
    "parts of parts": (parts_of_parts, None),
    "joined again": (joined_again, {"conv2d", "slice", "relu", "concat"}),
    "turns": (turns, {"conv2d", "slice", "concat", "channel_shuffle"}),
    "many": (many, None),
    "grid": (grid, None),
    "columns": (columns, None),
    "masked": (masked, None),
    "numbers": (numbers, None),
    "channels of one number": (lambda y: y.index_fill(1, torch.tensor([1, 3]), 2.0), {"conv2d"}),
    "where": (lambda y: torch.where(torch.arange(6) < 2, y, y.tanh() + 1), None),
    "where, of numbers": (lambda y: torch.where(torch.arange(12).view(12, 1, 1) < 5, 0.25, y), {"conv2d"}),
    "minus infinity before a softmax": (
        lambda y: y.masked_fill(torch.arange(6) == 1, -torch.inf).softmax(3), {"conv2d", "mul", "add", "softmax"}),
    "constants of every image": (
        lambda y: y + torch.zeros_like(y).view(len(y), -1).view_as(y) + torch.ones(len(y), 12, 1, 1), {"conv2d"}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_assignments(name, tmp_path):
    function, operations = CASES[name]
    found = check(Call(lambda y: function(y.clone())), tmp_path / "net.safetensors")
    if operations is not None:
        assert set(found) == operations


class Shift(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.first, self.kind = nn.Conv2d(3, 4, 3, padding=1), kind

    def forward(self, x):
        y = self.first(x)
        if self.kind == "grid":
            z = torch.zeros(*y.shape[:2], 2 * y.shape[2], 2 * y.shape[3])
            z[:, :, ::2, 1::2], z[:, :, 1::2, ::2] = y, y.relu()
            return z
        if self.kind == "shift":
            z = torch.zeros_like(y)
            z[:, :2, 1:], z[:, 2:] = y[:, 2:, :-1], y[:, :2]
            return z
        y[:, 1:3] = 0
        y[:, :, :2] *= 2
        return y


@pytest.mark.parametrize("kind, any_size", [("grid", True), ("shift", False), ("rows", False)])
def test_sizes(kind, any_size, tmp_path):
    """A file says of which sizes it is: what it computes of others is the model's."""
    torch.manual_seed(0)
    model, path = Shift(kind).eval(), tmp_path / "net.safetensors"
    export(model, torch.randn(1, 3, 8, 6), path)
    ends = [node.get("end", [0])[-2:] for node in file_of(path)["nodes"] if node["op"] in ("slice", "reshape")]
    assert any_size == all(end > 1000 for of in ends for end in of)
    if any_size:
        x = torch.randn(2, 3, 10, 14)
        with torch.no_grad():
            (got,) = Interpreter.open(path).values(x).values()
            torch.testing.assert_close(got, model(x), rtol=1e-5, atol=1e-5)


def twice(y):
    y[:, [1, 1]] = y[:, :2]
    return y


def image(y):
    y[0] = 0
    return y


def added(y):
    return y.index_put((torch.ones(y.shape).bool(),), torch.tensor(1.0), accumulate=True)


def computed(y):
    y[y > 0] = 0
    return y


def under(y):
    y[:, :, torch.arange(48).view(8, 6) % 5 == 0] = y[:, :, 0, :1].expand(-1, -1, 10)
    return y


REFUSED = {
    "index_put: it writes a place twice: which is last": twice,
    "select: it goes along the batch": image,
    "index_put: it adds what it writes": added,
    "gt: the format has no such operation": computed,
    "index_put: it writes values under a mask": under,
    "where: its condition is computed": lambda y: torch.where(y.bool(), y, -y),
}


@pytest.mark.parametrize("why", REFUSED)
def test_refused(why, tmp_path):
    with pytest.raises(ExportError, match=why):
        export(Call(lambda y: REFUSED[why](y.clone())), torch.randn(2, 3, 8, 6), tmp_path / "net.safetensors")
    assert not list(tmp_path.iterdir())
