"""Models with numbers that follow from the example's size: their files are of that size, others' of any."""

import subprocess

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from test_operators import file_of
from test_zoo import FSNET, TARGET
from torch import nn

from filter_summary import Interpreter, export

OPEN = 2147483647


class Call(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, 2, padding=1)
        self.function = function

    def forward(self, x):
        return self.function(self, x)


def padded(m, x):
    h, w = x.shape[2:]
    return m.first(F.pad(x, (0, (8 - w % 8) % 8, 0, (8 - h % 8) % 8)))


def same(m, x):
    """A convolution of TensorFlow's padding."""
    h, w = x.size()[2:]
    down, across = (max((-(-size // 2) - 1) * 2 + 3 - size, 0) for size in (h, w))
    x = F.pad(x, [across // 2, across - across // 2, down // 2, down - down // 2])
    return F.conv2d(x, m.first.weight, None, 2)


def pyramid(m, x):
    y = m.first(x)
    z = m.second(y)
    top = m.second(z)
    z = z + F.interpolate(top, size=z.shape[2:])
    return y + F.interpolate(z, size=y.shape[2:]), z, top


SIZED = {
    "slice": lambda m, x: m.first(x[:, :, x.shape[2] // 2 :]),
    "pad": padded,
    "same": same,
    "factor": lambda m, x: m.first(x * (x.shape[3] / 32)),
    "sum": lambda m, x: m.first(x).mean((2, 3)) + x.shape[2],
    "pool": lambda m, x: F.avg_pool2d(m.first(x), x.shape[2] // 4),
    "scale": lambda m, x: F.interpolate(m.first(x), scale_factor=64 / x.shape[2]),
    "branch": lambda m, x: m.first(x) * 2 if x.shape[2] > 33 else m.first(x),
    "stride": lambda m, x: F.max_pool2d(m.first(x), 2, 1 + x.shape[2] // 33),
}


def particular(m, x):
    """Of images of 32 rows alone."""
    if x.shape[2] != 32:
        raise KeyError(x.shape[2])
    return m.first(x)


FREE = {
    "of one size by itself": particular,
    "convolutions": lambda m, x: m.second(m.first(x).relu()),
    "u-net by 2": lambda m, x: torch.cat([y := m.first(x), F.interpolate(m.second(y), scale_factor=2.0)], 1),
    "u-net to a shape": lambda m, x: torch.cat([y := m.first(x), F.interpolate(m.second(y), size=y.shape[2:])], 1),
    "pyramid": pyramid,
    "adaptive": lambda m, x: F.adaptive_avg_pool2d(m.first(x), 1).flatten(1),
    "gates": lambda m, x: (y := m.first(x)) * F.adaptive_avg_pool2d(y, 1).sigmoid(),
}


def runs(path, x):
    """The runtime's exit code and what it says, for images of another size."""
    np.savez(path.with_suffix(".npz"), input=x.numpy())
    command = [str(FSNET), "run", str(path), str(path.with_suffix(".npz")), "--device", "cpu"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stderr


def is_tied(path):
    return any(end < OPEN for node in file_of(path)["nodes"] for end in node.get("end", [OPEN])[1:])


@pytest.mark.parametrize("size", [32, 36])
@pytest.mark.parametrize("name", SIZED)
def test_numbers_of_a_size_tie_the_file_to_it(name, size, tmp_path):
    path = tmp_path / "net.safetensors"
    model, x = Call(SIZED[name]), torch.randn(1, 3, size, size)
    export(model, x, path)
    assert [n for n in file_of(path)["nodes"] if n.get("end") == [OPEN, size, size]][0]["input"] == "input"
    with torch.no_grad():
        right = model(x)
        (got,) = Interpreter.open(path).values(x).values()
    torch.testing.assert_close(got.reshape(right.shape), right, rtol=1e-4, atol=1e-4)
    if FSNET is None:
        pytest.skip(f"no fsnet in {TARGET}: that it refuses other sizes was not seen")
    assert runs(path, x)[0] == 0
    code, why = runs(path, torch.randn(1, 3, 2 * size, size + 4))
    assert code == 2 and "size" in why and len(why.strip().splitlines()) == 1, why


@pytest.mark.parametrize("name", FREE)
def test_others_are_of_any_size(name, tmp_path):
    path = tmp_path / "net.safetensors"
    export(Call(FREE[name]), torch.randn(1, 3, 32, 32), path)
    assert not is_tied(path)
    if FSNET is None:
        pytest.skip(f"no fsnet in {TARGET}: that it runs other sizes was not seen")
    code, why = runs(path, torch.randn(1, 3, 64, 48))
    assert code == 0, why


def test_lines(tmp_path):
    path = tmp_path / "net.safetensors"
    free, tied = nn.Conv1d(3, 4, 3), Line()
    export(free, torch.randn(1, 3, 20), path)
    assert not is_tied(path)
    export(tied, torch.randn(1, 3, 20), path)
    assert is_tied(path)


class Line(nn.Module):
    def forward(self, x):
        return x * x.shape[2]
