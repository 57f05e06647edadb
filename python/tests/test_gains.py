"""Tap gains and one base: placements, filters, counts, gradients, export."""

import pytest
import torch

from filter_summary import FsConv2d
from filter_summary.interpret import Interpreter
from filter_summary.placement import Placement, PlacementError, Placements
from filter_summary.research import counts
from filter_summary.research.architectures import build
from filter_summary.research.export import export
from filter_summary.research.network_cases import scramble
from filter_summary.research.recipe import optimizer_for

TEXTS = [
    "base:1", "base:1/2", "base:2", "gains:tap:1", "gains:tap:2:0,4,8,1,5,6,2,3,7", "gains:channel:4",
    "gains:tensor:4", "learned:base:1/2", "gains:learned:tap:2", "gains:learned:channel:4",
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_text_round_trip(text):
    placement = Placement.parse(text)
    assert str(placement) == text and placement.gains and Placement.parse(str(placement)) == placement


@pytest.mark.parametrize("text", ["gains:dense", "gains:base:1", "gains:", "learned:gains:tap:1", "base", "base:1:0,1"])
def test_bad_texts(text):
    with pytest.raises(PlacementError):
        Placement.parse(text)


@pytest.mark.parametrize("text", TEXTS)
def test_gains_multiply_the_filters(text):
    """`W[i, c, t] = g[i, t] * (the filter without gains)`, with learned positions too."""
    torch.manual_seed(0)
    conv = FsConv2d(4, 6, 3, placement=text, bias=False)
    plain = conv.segments()
    weight = conv.weight()
    for i in range(6):
        for t in range(9):
            y, x = divmod(t, 3)
            assert torch.equal(weight[i, :, y, x], plain[i, :, y, x] * conv.gains[i, t])
    assert conv.gains.shape == (6, 9) and not torch.equal(weight, plain)


@pytest.mark.parametrize(("text", "length"), [("base:1", 4 + 5 * 4), ("base:1/2", 4 + 5 * 2), ("base:2", 4 + 5 * 8)])
def test_one_base(text, length):
    conv = FsConv2d(4, 6, 3, placement=text, bias=False)
    step = (length - 4) // 5
    assert conv.summary.shape == (length,)
    for i in range(6):
        base = conv.summary[i * step : i * step + 4]
        for y, x in torch.cartesian_prod(torch.arange(3), torch.arange(3)).tolist():
            assert torch.equal(conv.weight()[i, :, y, x], base * conv.gains[i, 3 * y + x])
    window = {"channels": 4, "height": 3, "width": 3, "channel_stride": 1, "tap_offsets": [0] * 9}
    assert conv.layout.window() == window


def test_one_base_at_a_step_of_all_channels_is_1x1_then_depthwise():
    torch.manual_seed(0)
    conv = FsConv2d(5, 7, 3, placement="base:1", bias=False, padding=1).double()
    x = torch.randn(2, 5, 6, 6, dtype=torch.float64)
    middle = torch.nn.functional.conv2d(x, conv.summary.view(7, 5, 1, 1))
    want = torch.nn.functional.conv2d(middle, conv.gains.view(7, 1, 3, 3), None, 1, 1, 1, 7)
    torch.testing.assert_close(conv(x), want, rtol=1e-12, atol=1e-12)


def test_gains_begin_at_one_or_by_variance():
    ones = FsConv2d(4, 6, 3, placement="gains:tap:1", bias=False, begin="ones")
    assert torch.equal(ones.gains, torch.ones(6, 9)) and torch.equal(ones.weight(), ones.segments())
    torch.manual_seed(0)
    conv = FsConv2d(64, 256, 3, placement="base:1", bias=False)
    assert float(conv.gains.detach().std()) == pytest.approx(27**-0.5, rel=0.05)
    assert float(conv.summary.detach().std()) == pytest.approx(192**-0.5, rel=0.05)
    with pytest.raises(ValueError, match="ones or random"):
        FsConv2d(4, 6, 3, placement="base:1", bias=False, begin="zeros")


@pytest.mark.parametrize("text", ["gains:channel:4", "gains:learned:tap:2", "base:1"])
def test_gradcheck(text):
    torch.manual_seed(0)
    conv = FsConv2d(2, 3, 3, placement=text, bias=False, padding=1).double()
    if conv.location_logit is not None:  # away from whole numbers, where the blend has a corner
        span = conv.layout.span
        conv.location_logit.data = torch.logit(torch.tensor([0.3, 1.4, 3.6], dtype=torch.float64) / span)
    x = torch.randn(1, 2, 5, 4, dtype=torch.float64, requires_grad=True)
    names = [name for name, _ in conv.named_parameters()]

    def run(x, *values):
        return torch.func.functional_call(conv, dict(zip(names, values)), x)

    assert torch.autograd.gradcheck(run, (x, *conv.parameters()))


def test_1x1_convolutions_get_no_gains():
    for text, want in (
        ("base:1", "dense"), ("base:1/2", "tap:1/2"), ("gains:tap:1/2", "tap:1/2"), ("gains:tap:2", "dense"),
        ("gains:channel:4", "channel:4"), ("learned:base:1/2", "learned:tap:1/2"),
    ):  # fmt: skip
        assert str(Placements.of(text).choose(1, 1)) == want
        assert str(Placements.of(text).choose(3, 3)) == text


@pytest.mark.parametrize(("text", "plain"), [("gains:tap:2", "tap:2"), ("gains:channel:4", "channel:4")])
def test_counts_include_gains(text, plain):
    """Nine values a filter more, in every count."""
    filters = sum(m.shape[0] for m in build("resnet8", text).modules() if isinstance(m, FsConv2d))
    for count in (lambda m: m.parameters_count(), counts.state_count, counts.quantized_state_count):
        assert count(build("resnet8", text)) == count(build("resnet8", plain)) + 9 * filters


def test_operations():
    """At 32x32, 16x16 and 8x8 pixels; the first layer and the last are dense."""

    def of(placement):
        return counts.operations(build("air:8-8-8:1", placement))

    ends = 24 * 27 * 1024 + 8 * 10
    plane = [(24, 1024), (8, 256), (8, 64)]
    assert of("dense") == (ends + sum(8 * c * 9 * p for c, p in plane), 0)
    assert of("base:1") == (ends + sum((8 * c + 72) * p for c, p in plane), 0)
    assert of("tap:1") == (ends + sum(16 * c * p for c, p in plane), sum(72 * p for _, p in plane))
    assert of("gains:tap:1") == (ends + sum((16 * c + 72) * p for c, p in plane), 0)


def test_no_decay_for_gains():
    model = build("resnet8", "gains:tap:2")
    decayed, others = optimizer_for(model, 1e-3).param_groups
    gains = {id(m.gains) for m in model.modules() if isinstance(m, FsConv2d)}
    assert gains and gains <= {id(p) for p in others["params"]} and others["weight_decay"] == 0


@pytest.mark.parametrize("text", TEXTS)
def test_export(text, tmp_path):
    """The file, with `NAME.gains` [O, T], runs to the network's outputs by the text of the format."""
    torch.manual_seed(1)
    model = build("resnet8", text)
    scramble(model)
    model.double()
    path = tmp_path / "net.safetensors"
    export(model, path)
    exported = Interpreter.open(path, torch.float64)
    gains = exported.tensors["stages.0.0.conv1.gains"]
    assert gains.shape == (16, 9)
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        want, got = model(x), exported(x)
    torch.testing.assert_close(got, want, rtol=0, atol=2e-5 * float(want.abs().max()))
