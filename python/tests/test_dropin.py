"""FsConv2d in the place of nn.Conv2d: the same arguments, values and gradients; and 8 bits."""

import inspect

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from filter_summary import FsConv2d, quantize_aware
from filter_summary.quantize import dequantize, fake_quantize, quantize

PLACEMENTS = ("tap:1", "gains:tap:1", "base:1", "gains:channel:4", "tensor:4", "gains:learned:tap:1")
ARGUMENTS = [
    {},
    {"stride": 2},
    {"stride": (1, 3), "padding": (2, 1)},
    {"padding": "valid"},
    {"padding": "same"},
    {"padding": "same", "dilation": (2, 1), "kernel_size": (2, 3)},
    {"padding": 1, "dilation": 2},
    {"groups": 2, "padding": 1},
    {"groups": 4, "stride": 2, "kernel_size": (1, 3)},
    {"bias": False, "padding": 1},
    {"kernel_size": 1},
    {"kernel_size": (3, 5), "padding": (1, 2)},
    *({"padding": (1, 2), "padding_mode": mode} for mode in ("reflect", "replicate", "circular")),
    {"padding": "same", "padding_mode": "reflect", "kernel_size": (4, 3)},
    {"padding": 1, "device": "cpu", "dtype": torch.float32},
]


def test_the_arguments_are_those_of_conv2d():
    ours, theirs = (list(inspect.signature(kind.__init__).parameters.values()) for kind in (FsConv2d, nn.Conv2d))
    for mine, plain in zip(ours, theirs):
        assert (mine.name, mine.default, mine.kind) == (plain.name, plain.default, plain.kind)
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in ours[len(theirs) :])


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("arguments", ARGUMENTS, ids=str)
def test_values_and_gradients(placement, arguments):
    torch.manual_seed(0)
    keys = {"in_channels": 4, "out_channels": 8, "kernel_size": 3, "dtype": torch.float64, **arguments}
    ours, plain = FsConv2d(**keys, placement=placement), nn.Conv2d(**keys)
    for name in (
        "in_channels",
        "out_channels",
        "kernel_size",
        "stride",
        "padding",
        "dilation",
        "groups",
        "padding_mode",
    ):
        assert getattr(ours, name) == getattr(plain, name), name
    plain.weight.data = ours.weight().detach()
    x = torch.randn(2, 4, 9, 8, dtype=keys["dtype"], requires_grad=True)
    if ours.bias is not None:
        nn.init.normal_(ours.bias)
        plain.bias.data = ours.bias.detach().clone()
    y, right = ours(x), plain(x)
    tolerance = {"rtol": 1e-10, "atol": 1e-12} if keys["dtype"] == torch.float64 else {"rtol": 1e-4, "atol": 1e-5}
    torch.testing.assert_close(y, right, **tolerance)
    assert ours(x[0]).shape == plain(x[0]).shape
    dy = torch.randn_like(y)
    (dx, *gradients) = torch.autograd.grad(y, [x, *ours.parameters()], dy, retain_graph=True)
    right_dx, dw = torch.autograd.grad(right, [x, plain.weight], dy)
    torch.testing.assert_close(dx, right_dx, **tolerance)
    # The gradient of what filters are made of is that of the filters, through the formula that makes them.
    made_of = [p for name, p in ours.named_parameters() if name != "bias"]
    wanted = torch.autograd.grad(ours.weight(), made_of, dw)
    for got, want in zip([g for (name, _), g in zip(ours.named_parameters(), gradients) if name != "bias"], wanted):
        torch.testing.assert_close(got, want, **tolerance)
    if ours.bias is not None:
        torch.testing.assert_close(gradients[[n for n, _ in ours.named_parameters()].index("bias")], dy.sum((0, 2, 3)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"padding": "full"}, "'full' is not one of"), ({"padding": "same", "stride": 2}, "stride of 1"),
        ({"padding_mode": "mirror"}, "'mirror' is not one of zeros"), ({"groups": 3}, "3 groups do not divide"),
        ({"groups": 0}, "0 groups"), ({"bits": 4}, "bits may be None or 8"), ({"placement": "rows"}, "'rows'"),
    ],
)  # fmt: skip
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        FsConv2d(4, 8, 3, **arguments)


def test_the_fast_form_is_taken_where_it_pays(monkeypatch):
    from filter_summary import native

    x = torch.randn(1, 32, 6, 6)
    monkeypatch.setattr(native, "serves", lambda _: True)
    assert FsConv2d(32, 32, 3, padding=1).runs_fast(x) and not FsConv2d(32, 32, 3, padding=1, fast=False).runs_fast(x)
    assert not FsConv2d(8, 32, 3, padding=1).runs_fast(x[:, :8]) and not FsConv2d(32, 32, 3).runs_fast(x)
    monkeypatch.setattr(native, "serves", lambda _: False)
    assert not FsConv2d(32, 32, 3, padding=1).runs_fast(x) and FsConv2d(32, 32, 3, padding=1, fast=True).runs_fast(x)


def test_tracers_see_what_is_computed():
    """Kernels are no operations: PyTorch's older exporter took what they were about to write for a constant."""
    layer = FsConv2d(32, 32, 3, padding=1, fast=True).eval()
    x, other = torch.randn(2, 1, 32, 6, 6)
    traced = torch.jit.trace(layer, x)
    kinds = {node.kind() for node in traced.inlined_graph.nodes()}
    assert "aten::_convolution" in kinds and "prim::PythonOp" not in kinds, kinds
    torch.testing.assert_close(traced(other), layer(other))


def test_levels_are_exact_on_every_device():
    """The scale has 16 bits, so that a level times it is a float32: `q * scale` in float64 is the same."""
    torch.manual_seed(0)
    for values in (torch.randn(500), torch.rand(7) * 1e-30, torch.tensor([-1.0, 2.0]), torch.randn(9) * 1e30):
        q, scale, zero = quantize(values)
        assert torch.equal(q.float() * scale, (q.double() * scale).float()) and q.min() == 0 and q.max() >= 254
        assert float((q.double() * scale - q.float().double() * scale).abs().max()) == 0
        assert float((dequantize(q, scale, zero).double() - values).abs().max()) <= 0.501 * scale
        assert torch.equal(fake_quantize(values), dequantize(q, scale, zero))


def test_training_for_8_bits():
    """Layers compute with the levels, gradients go to the values."""
    torch.manual_seed(0)
    model = quantize_aware(nn.Sequential(FsConv2d(3, 8, 3, placement="tap:1"), nn.ReLU()))
    conv = model[0]
    q, scale, zero = quantize(conv.summary)
    conv.gains = None
    x = torch.randn(2, 3, 6, 6)
    plain = FsConv2d(3, 8, 3, placement="tap:1")
    plain.summary.data, plain.bias = dequantize(q, scale, zero), conv.bias
    assert torch.equal(conv(x), plain(x)) and not torch.equal(conv.summary, plain.summary)
    assert "bits=8" in repr(conv)
    (got,), (want,) = (torch.autograd.grad(one(x).square().sum(), [one.summary]) for one in (conv, plain))
    torch.testing.assert_close(got, want)
    optimizer = torch.optim.SGD(model.parameters(), 1e-2)
    target, losses = F.conv2d(x, torch.randn(8, 3, 3, 3)).relu(), []
    for _ in range(30):
        loss = (model(x) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    assert quantize_aware(model, None)[0].bits is None
    with pytest.raises(ValueError, match="bits"):
        quantize_aware(model, 4)
