"""FsConv2d: its filters against the formula, one weight at a time, and its gradients."""

import json
import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from filter_summary import FsConv2d
from filter_summary.interpret import Interpreter, expand
from filter_summary.placement import Layout, Placement, PlacementError
from filter_summary.research.conv_cases import cases, filters, make

PLACEMENTS = [
    "dense", "tap:2", "tap:1", "tap:3/2", "tap:1/2", "tap:2:0,4,8,1,5,6,2,3,7", "tap:1:0,5,10,1,6,11,2,7,12",
    "channel:4", "channel:9/2", "channel:100", "tensor:4", "tensor:7",
]  # fmt: skip
CORNERS = [[-1, 0, 1], [0, -2, 3], [4, 1, 1], [1, 1, 1], [9, 9, 9]]
BOUNDED = [
    Layout((40,), torch.tensor([-7, 0, 33, 33, 90]), 4, 3, 3, 1, tuple(range(0, 36, 4)), "zero"),
    Layout((20,), torch.tensor([-7, 0, 33, 33, 90]), 4, 3, 3, 9, tuple(range(9)), "wrap"),
    Layout((5, 3, 4), torch.tensor(CORNERS), 4, 3, 3, 12, tuple(range(9)), "zero"),
    Layout((3, 3, 4), torch.tensor(CORNERS), 4, 3, 3, 12, tuple(range(9)), "wrap"),
]  # fmt: skip


def naive(layout: Layout, summary: torch.Tensor) -> torch.Tensor:
    """The filters by the formula, with no tensor arithmetic."""
    f = summary.flatten().tolist()
    weight = torch.zeros(len(layout.starts), layout.channels, layout.kh, layout.kw)
    for i in range(len(layout.starts)):
        for c in range(layout.channels):
            for t in range(layout.kh * layout.kw):
                if len(layout.shape) == 3:
                    d, fh, fw = layout.shape
                    c0, y0, x0 = layout.starts[i].tolist()
                    at = (c0 + c, y0 + t // layout.kw, x0 + t % layout.kw)
                    if layout.boundary == "wrap":
                        at = (at[0] % d, at[1] % fh, at[2] % fw)
                    elif not (0 <= at[0] < d and 0 <= at[1] < fh and 0 <= at[2] < fw):
                        continue
                    place = (at[0] * fh + at[1]) * fw + at[2]
                else:
                    place = int(layout.starts[i]) + c * layout.channel_stride + layout.tap_offsets[t]
                    if layout.boundary == "wrap":
                        place %= len(f)
                    elif layout.boundary == "zero" and not 0 <= place < len(f):
                        continue
                weight[i, c, t // layout.kw, t % layout.kw] = f[place]
    return weight


@pytest.mark.parametrize("layout", PLACEMENTS + BOUNDED, ids=str)
def test_filters_follow_the_formula(layout):
    out, channels = 5, 4
    conv = FsConv2d(channels, out, 3, placement=layout, bias=False)
    assert torch.equal(conv.weight(), naive(conv.layout, conv.summary))
    window = conv.layout.window()
    expanded = expand(conv.summary.detach().numpy(), conv.layout.starts.numpy(), window, conv.layout.boundary)
    assert torch.equal(conv.weight(), torch.from_numpy(expanded))


@pytest.mark.parametrize("kernel", [(1, 1), (1, 3), (2, 4), (5, 5)])
@pytest.mark.parametrize("placement", ["dense", "tap:2", "channel:4", "tensor:2"])
def test_other_kernel_sizes(kernel, placement):
    conv = FsConv2d(6, 9, kernel, placement=placement, bias=False)
    assert torch.equal(conv.weight(), naive(conv.layout, conv.summary))
    layout = conv.layout
    expanded = expand(conv.summary.detach().numpy(), layout.starts.numpy(), layout.window(), layout.boundary)
    assert torch.equal(conv.weight(), torch.from_numpy(expanded))


@pytest.mark.parametrize("layout", ["tap:2", "tap:1/2", "channel:4", "tensor:4", BOUNDED[0], BOUNDED[1]], ids=str)
def test_gradient_is_the_sum_over_the_uses(layout):
    conv = FsConv2d(4, 5, 3, placement=layout, bias=False, stride=2, padding=1)
    x = torch.randn(2, 4, 7, 6)
    weight = conv.weight().detach().requires_grad_()
    y = conv(x)
    plain = F.conv2d(x, weight, None, 2, 1)
    assert torch.equal(y, plain)
    dy = torch.randn_like(y)
    y.backward(dy)
    plain.backward(dy)
    want = [0.0] * conv.layout.numel
    for place, value in zip(conv.layout.index().flatten().tolist(), weight.grad.flatten().tolist()):
        if place >= 0:
            want[place] += value
    torch.testing.assert_close(conv.summary.grad.flatten(), torch.tensor(want), rtol=1e-5, atol=1e-5)


def test_gradcheck():
    conv = FsConv2d(2, 3, 3, placement="tap:1/2", bias=False, padding=1, dilation=2, groups=1).double()
    x = torch.randn(1, 2, 6, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, f: torch.func.functional_call(conv, {"summary": f}, x), (x, conv.summary))


@pytest.mark.parametrize("ratio", [2, 4, 8])
def test_authors_rule(ratio):
    """`L = int(O*K/r)`, starts `trunc(i * L / (O-1))`, in floating point as the published code has it."""
    layout = Placement.parse(f"channel:{ratio}").layout(64, 32, 3, 3)
    assert layout.shape == (int(64 * 32 * 9 / ratio),)
    assert layout.starts.tolist() == [int(i * layout.shape[0] / 63) for i in range(64)]


@pytest.mark.parametrize(
    ("placement", "length"), [("tap:2", 2 * 63 * 32 + 9 * 32), ("tap:1", 63 * 32 + 9 * 32), ("dense", 64 * 9 * 32)]
)
def test_lengths(placement, length):
    assert Placement.parse(placement).layout(64, 32, 3, 3).shape == (length,)


@pytest.mark.parametrize("placement", ["tap:2", "tap:1", "channel:4", "tensor:4"])
def test_init_has_the_deviation_of_a_dense_layer(placement):
    torch.manual_seed(0)
    conv = FsConv2d(64, 64, 3, placement=placement, bias=False)
    assert conv.weight().std().item() == pytest.approx(math.sqrt(2 / (9 * 64)), rel=0.05)


@pytest.mark.parametrize(
    "text",
    ["", "tap", "dense:2", "row:2", "tap:0", "tap:x", "tap:1/0", "tap:2:0,0,1", "channel:4:1", "tap:2:-1,0"],
)
def test_bad_placements(text):
    with pytest.raises(PlacementError):
        Placement.parse(text)


def test_placements_that_do_not_fit():
    with pytest.raises(PlacementError, match="not a whole number"):
        FsConv2d(3, 8, 3, placement="tap:1/2", bias=False)
    with pytest.raises(PlacementError, match="9 places, the kernel 1x1"):
        FsConv2d(3, 8, 1, placement="tap:2:0,4,8,1,5,6,2,3,7", bias=False)
    with pytest.raises(PlacementError, match="leaves nothing"):
        FsConv2d(3, 8, 1, placement="channel:100", bias=False)
    with pytest.raises(PlacementError, match="outside"):
        FsConv2d(4, 1, 3, placement=Layout((35,), torch.tensor([0]), 4, 3, 3, 1, tuple(range(0, 36, 4)), "none"))
    with pytest.raises(ValueError, match="groups"):
        FsConv2d(4, 6, 3, placement="tap:1", bias=False, groups=3)


@pytest.mark.parametrize("text", PLACEMENTS)
def test_text_round_trip(text):
    assert Placement.parse(str(Placement.parse(text))) == Placement.parse(text)


def interpreted(tensors, metadata):
    """What the interpreter of networks, which was written from the format alone, makes of a layer's sums and bias."""
    numbers = {key: [int(n) for n in metadata[key].split(",")] for key in ("stride", "padding", "dilation")}
    node = {"name": "conv", "op": "fs_conv2d", "window": json.loads(metadata["window"])} | numbers
    node |= {"groups": int(metadata["groups"]), "base_activation": metadata["base_activation"]}
    named = {f"conv.{name}": tensor for name, tensor in tensors.items()} | {"conv.summary": metadata["summary"]}
    return Interpreter({"nodes": [node]}, named).convolve(node, tensors["input"])


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_conv_cases_agree_with_the_formula(case):
    layout = case.make_layout()
    tensors, metadata = make(case)
    keys = {"window", "boundary", "stride", "padding", "dilation", "groups", "activation"}
    summary, starts = tensors["summary"], tensors["starts"]
    if case.quantized:
        keys |= {"scale", "zero"}
        assert summary.dtype == torch.uint8 and (int(summary.min()), int(summary.max())) == (0, 255)
        summary = summary.float() * float(metadata["scale"]) + float(metadata["zero"])
    if starts.dtype == torch.int64:
        assert torch.equal(filters(case, layout, summary), naive(layout, summary))
    else:
        keys.add("start_unit")
        low, unit = starts.floor(), int(metadata["start_unit"])
        a = (starts - low).view(-1, 1, 1, 1)
        first = naive(replace(layout, starts=low.long() * unit), summary)
        second = naive(replace(layout, starts=(low.long() + (starts > low)) * unit), summary)
        assert torch.equal(filters(case, layout, summary, starts), (1 - a) * first + a * second)
        assert bool((a > 0).any()) and bool((a == 0).any())
    weight = filters(case, layout, summary, None if starts.dtype == torch.int64 else starts)
    if layout.gains:
        weight = weight * tensors["gains"].view(case.out, 1, *case.kernel)
    if case.stage is not None:
        keys.add("base_activation")
        y = interpreted(tensors, metadata | {"summary": summary})
    else:
        top, left, bottom, right = case.padding
        x = F.pad(tensors["input"], (left, right, top, bottom))
        y = F.conv2d(x, weight, tensors.get("bias"), case.stride, 0, case.dilation, case.groups)
    y = y + tensors.get("residual", 0)
    torch.testing.assert_close(y.relu() if case.relu else y, tensors["expected"], rtol=1e-4, atol=1e-4)
    assert set(metadata) == keys
    assert bool(tensors["expected"].abs().max() > 0)


def test_case_names_are_unique():
    names = [case.name for case in cases()]
    assert len(set(names)) == len(names)
