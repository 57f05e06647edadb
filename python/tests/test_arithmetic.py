"""Sums, products, powers and extremes of values and constants, exported, beside PyTorch."""

import pytest
import torch
import torch.nn.functional as F
from test_operators import Call, check, file_of

from filter_summary import ExportError, export

EXTREME = {"concat", "depth_to_space", "max_pool2d"}
ROOT = {"local_response_norm"}
CHANNELS = torch.arange(12.0).view(12, 1, 1) / 12


def positive(x):
    return x.sigmoid() + 0.1


def gem(x):
    """Generalized mean pooling, with a power that was learned."""
    return F.avg_pool2d(x.clamp(min=1e-3).pow(torch.tensor([2.9])), (8, 6)).pow(1 / 2.9)


FUNCTIONS = {
    "rsqrt": (lambda x: torch.rsqrt(positive(x)), {"batch_norm", "div"}),
    "power 1/2": (lambda x: positive(x) ** 0.5, {"batch_norm"}),
    "power 1.7": (lambda x: positive(x).pow(1.7), {"batch_norm"} | ROOT),
    "power 0": (lambda x: x**0, set()),
    "power 3": (lambda x: x**3, {"mul"}),
    "power 5": (lambda x: x**5, {"mul"}),
    "power -2": (lambda x: positive(x) ** -2, {"batch_norm", "mul", "activation", "div"}),
    "power 18": (lambda x: x**18, ROOT),
    "power 19": (lambda x: x**19, ROOT),
    "power -18": (lambda x: (x.abs() + 0.5) ** -18, {"batch_norm"} | ROOT),
    "exp": (torch.exp, set()),
    "gem": (gem, {"avg_pool2d"} | ROOT),
    "hypot": (lambda x: torch.hypot(x, x.tanh()), {"activation", "mul", "add"}),
    "maximum": (lambda x: torch.maximum(x, x.tanh()), EXTREME),
    "minimum": (lambda x: torch.minimum(x, x.tanh()), EXTREME | {"batch_norm"}),
    "max": (lambda x: torch.max(x, x.tanh()), EXTREME),
    "maximum of a number": (lambda x: torch.maximum(x, torch.tensor(0.3)), set()),
    "maximum a channel": (lambda x: torch.maximum(x, CHANNELS), EXTREME | {"batch_norm"}),
    "maximum of an image": (lambda x: torch.maximum(x, torch.arange(48.0).view(8, 6)), EXTREME | {"mul"}),
    "maximum of factors": (
        lambda x: torch.maximum(x.view(-1, 3, 4, 8, 6).mT, torch.arange(4.0).view(4, 1, 1)), EXTREME | {
            "batch_norm", "reshape", "permute"}),
    "minimum a channel": (lambda x: torch.minimum(CHANNELS, x), EXTREME | {"batch_norm"}),
    "clamp between tensors": (lambda x: x.clamp(torch.tensor(-0.3), CHANNELS), EXTREME | {"batch_norm"}),
    "clamp the wrong way round": (lambda x: x.clamp(1, -1), set()),
    "add alpha": (lambda x: x.add(x.tanh(), alpha=0.3), {"activation", "batch_norm", "add"}),
    "sub alpha": (lambda x: x.sub(x.tanh(), alpha=0.3), {"activation", "batch_norm", "sub"}),
    "rsub alpha": (lambda x: torch.rsub(x, x.tanh(), alpha=0.3), {"activation", "batch_norm", "sub"}),
    "rsub alpha of a number": (lambda x: torch.rsub(x, 2, alpha=0.3), set()),
    "alpha of an image": (lambda x: torch.add(torch.arange(48.0).view(8, 6), x, alpha=2), {"add"}),
    "lerp": (lambda x: torch.lerp(x, x.tanh(), 0.3), {"activation", "sub", "batch_norm", "add"}),
    "lerp by a value": (lambda x: torch.lerp(x, x.tanh(), x.sigmoid()), {"activation", "sub", "mul", "add"}),
    "addcmul": (lambda x: torch.addcmul(x, x, x.tanh(), value=0.5), {"activation", "mul", "batch_norm", "add"}),
    "addcdiv": (lambda x: torch.addcdiv(x, x, positive(x), value=0.5), {"activation", "div", "batch_norm", "add"}),
    "a small number added": (lambda x: x.tanh() + 1e-12, {"activation", "batch_norm"}),
    "abs": (lambda x: x.abs(), set()),
    "an image less a value": (lambda x: torch.arange(48.0).view(8, 6) - x, {"add"}),
    "each repeats the other": (lambda x: x.mean((1, 2), True) * x.mean((1, 3), True), {"slice", "avg_pool2d", "mul"}),
    "an image of a channel": (lambda x: x.mean((2, 3), True) * torch.arange(48.0).view(8, 6), {
        "global_avg_pool2d", "mul"}),
    "of the shape": (lambda x: x + torch.full_like(x, 2.0) * x.new_ones(1), set()),
    "gate of tokens": (lambda x: x.flatten(2).transpose(1, 2) * x.mean((2, 3)).unsqueeze(1).sigmoid(), {
        "global_avg_pool2d", "mul", "reshape", "permute"}),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_arithmetic(name, tmp_path):
    function, operations = FUNCTIONS[name]
    assert set(check(Call(function), tmp_path / "net.safetensors")) - {"conv2d", "activation"} == operations - {
        "activation"
    }


def last(x):
    return x.permute(0, 2, 3, 1)


WHERE_THEY_LIE = {
    "activation": lambda x: last(x).sigmoid(),
    "channels": lambda x: (last(x) * torch.arange(12.0) + 1).clamp(max=3),
    "both": lambda x: last(x) * last(x.tanh()),
    "one number an image": lambda x: last(x) * x.mean((1, 2, 3)).view(-1, 1, 1, 1),
    "a gate of channels": lambda x: last(x) * x.mean((2, 3))[:, None, None, :].sigmoid(),
    "a constant of columns and channels": lambda x: last(x) + torch.arange(72.0).view(6, 12),
    "norm": lambda x: F.layer_norm(last(x), (12,)),
    "normalize": lambda x: F.normalize(last(x), dim=-1),
    "softmax": lambda x: last(x).softmax(-1),
    "linear": lambda x: F.linear(last(x), torch.ones(12, 12), torch.arange(12.0)),
    "slice": lambda x: last(x)[..., 3:],
    "rows": lambda x: last(x)[:, 1:],
    "cat": lambda x: torch.cat([last(x), last(x.tanh())], -1),
    "cat of rows": lambda x: torch.cat([last(x), last(x.tanh())], 1),
    "pad": lambda x: F.pad(last(x), (0, 0, 1, 2, 3, 4), value=0.5),
    "mean": lambda x: last(x).mean((1, 2), keepdim=True) + last(x).mean(-1, keepdim=True),
}


@pytest.mark.parametrize("name", WHERE_THEY_LIE)
def test_nothing_is_moved(name, tmp_path):
    """Channels behind all others, as many write them, and back."""
    function = WHERE_THEY_LIE[name]
    model = Call(lambda x: function(x).permute(0, 3, 1, 2))
    assert not {"permute", "reshape"} & set(check(model, tmp_path / "net.safetensors"))


REFUSED = {
    "exponent is computed": lambda x: 2**x,
    r"exponents of \[12, 1, 1\]": lambda x: x.abs() ** CHANNELS,
    "no signs": lambda x: x.sign(),
    "differs from image to image": lambda x: x + torch.arange(2.0).view(2, 1, 1, 1),
    "give both as many axes": lambda x: x.mean((1, 2)) + x,
    "of more axes": lambda x: x.mean((2, 3)) * torch.ones(1, 2, 12),
    "rounds its quotients": lambda x: torch.div(x, 2, rounding_mode="floor"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_refused(why, tmp_path):
    with pytest.raises(ExportError, match=why) as error:
        export(Call(REFUSED[why]), torch.randn(2, 3, 2, 12), tmp_path / "net.safetensors")
    assert "test_operators.py" in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_constant_along_which_nothing_varies_ties_to_no_size(tmp_path):
    path = tmp_path / "net.safetensors"
    export(Call(lambda x: x + torch.ones_like(x) * 3), torch.randn(1, 3, 8, 6), path)
    assert [node["op"] for node in file_of(path)["nodes"]] == ["conv2d"]
