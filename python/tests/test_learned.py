"""Learned positions: the blend, its gradients against finite differences, where they begin, how they are written."""

import pytest
import torch
import torch.nn.functional as F

from filter_summary.conv import END_MARGIN, FsConv2d
from filter_summary.export.convolutions import exported_positions
from filter_summary.interpret import blend
from filter_summary.placement import Placement, PlacementError

TAP = ["learned:tap:2", "learned:tap:1", "learned:tap:3/2", "learned:tap:2:0,4,8,1,5,6,2,3,7"]
SCALAR = ["learned:channel:4", "learned:channel:9/2"]


def layer(text: str, channels: int = 4, out: int = 6, kernel: int = 3, **keys) -> FsConv2d:
    """In float64, at positions with a fraction, away from whole numbers by 0.1 at least."""
    torch.manual_seed(0)
    conv = FsConv2d(channels, out, kernel, placement=text, bias=False, **keys).double()
    span = conv.layout.span
    whole = torch.randint(0, span, (out,)).double()
    conv.location_logit.data = torch.logit((whole + 0.1 + 0.8 * torch.rand(out).double()) / span)
    return conv


@pytest.mark.parametrize("text", TAP + SCALAR + ["learned:tap:1/2"])
@pytest.mark.parametrize("kernel", [1, 3])
def test_filters_are_blends_of_two_segments(text, kernel):
    if kernel == 1 and text.count(":") == 3:
        pytest.skip("an order is for one kernel size")
    conv = layer(text, kernel=kernel)
    f, unit = conv.summary.detach(), conv.layout.unit
    for i, (filter, p) in enumerate(zip(conv.weight().detach(), conv.positions().tolist())):
        a = p - int(p)
        for c in range(4):
            for t in range(kernel * kernel):
                at = int(p) * unit + c * conv.layout.channel_stride + conv.layout.tap_offsets[t]
                assert at + unit < len(f) or conv.layout.boundary == "wrap"
                want = (1 - a) * f[at % len(f)] + a * f[(at + unit) % len(f)]
                assert filter.flatten(1)[c, t].item() == pytest.approx(want.item(), rel=1e-12, abs=1e-12), (i, c, t)


@pytest.mark.parametrize("text", TAP + SCALAR)
def test_gradient_against_finite_differences(text):
    """Central differences of a loss in every position, in float64; the loss is linear between whole numbers of `p`."""
    conv = layer(text, padding=1)
    x, dy = torch.randn(2, 4, 6, 5).double(), torch.randn(2, 6, 6, 5).double()

    def loss() -> torch.Tensor:
        return (conv(x) * dy).sum()

    loss().backward()
    step = 1e-6
    for i in range(6):
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                conv.location_logit[i] += sign * step
                values.append(float(loss()))
                conv.location_logit[i] -= sign * step
        got = float(conv.location_logit.grad[i])
        assert got == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-6)
        assert abs(got) > 1e-3


@pytest.mark.parametrize("text", ["learned:tap:1", "learned:channel:4"])
def test_gradcheck_of_summary_and_positions_together(text):
    conv = layer(text, 2, 3, padding=1)
    x = torch.randn(1, 2, 5, 4, dtype=torch.float64, requires_grad=True)

    def run(x, f, g):
        return torch.func.functional_call(conv, {"summary": f, "location_logit": g}, x)

    assert torch.autograd.gradcheck(run, (x, conv.summary, conv.location_logit))


@pytest.mark.parametrize("text", TAP + SCALAR)
def test_positions_begin_at_the_fixed_placement(text):
    learned = FsConv2d(8, 12, 3, placement=text, bias=False)
    fixed = FsConv2d(8, 12, 3, placement=text.removeprefix("learned:"), bias=False)
    assert learned.layout.numel - fixed.layout.numel in range(0, 8)
    want = fixed.layout.starts / learned.layout.unit
    got = learned.positions().detach()
    torch.testing.assert_close(got[1:-1], want[1:-1].float(), rtol=1e-4, atol=0)
    assert got[0].item() == pytest.approx(END_MARGIN, rel=1e-4)
    assert got[-1].item() == pytest.approx(min(want[-1].item(), learned.layout.span - END_MARGIN), rel=1e-4)
    learned.summary.data[: fixed.layout.numel] = fixed.summary.data
    if want[1].frac() == 0:
        torch.testing.assert_close(learned.weight()[1:-1], fixed.weight()[1:-1], rtol=0, atol=1e-3)


@pytest.mark.parametrize("text", ["learned:tap:2", "learned:channel:4"])
def test_saturated_positions_stay_inside(text):
    """A sigmoid of exactly 0 or 1 means the first and the last segment."""
    conv = FsConv2d(4, 5, 3, placement=text, bias=False)
    conv.location_logit.data = torch.tensor([-200.0, 200.0, -80.0, 80.0, 0.0])
    assert conv.positions()[:2].tolist() == [0, conv.layout.span]
    index = conv.layout.index(torch.tensor([0, conv.layout.span, 0, 0, 0]) * conv.layout.unit)
    weight = conv.weight().detach()
    assert torch.equal(weight[:2], conv.summary.detach()[index[:2]])
    assert bool(torch.isfinite(weight).all())
    starts = exported_positions(conv.positions()).numpy()
    written = blend(conv.summary.detach().numpy(), starts, conv.layout.unit, conv.layout.window(), conv.layout.boundary)
    torch.testing.assert_close(torch.from_numpy(written), weight, rtol=1e-5, atol=1e-6)


def test_a_single_filter_has_room_to_move():
    for text in ("learned:tap:2", "learned:channel:1"):
        conv = FsConv2d(4, 1, 3, placement=text, bias=False)
        assert conv.layout.span >= 1 and bool(torch.isfinite(conv.weight()).all())


def test_positions_need_a_summary_of_one_axis():
    for text in ("learned:tensor:4", "learned:dense", "learned:", "learned:learned:tap:2", "learned"):
        with pytest.raises(PlacementError):
            Placement.parse(text)
    assert str(Placement.parse("learned:tap:2:0,4,8,1,5,6,2,3,7")) == "learned:tap:2:0,4,8,1,5,6,2,3,7"


def test_exported_positions_keep_their_floors():
    just_below = torch.tensor([5 - 1e-12, 1e-40, 1000 - 1e-9, 3.0, 7.25, 0.0, 1 - 1e-9], dtype=torch.float64)
    written = exported_positions(just_below)
    assert written.dtype == torch.float32
    assert torch.equal(written.floor().double(), just_below.floor())
    assert float((written.double() - just_below).abs().max()) < 1e-4
    assert written[3:6].tolist() == [3.0, 7.25, 0.0]


@pytest.mark.parametrize("text", TAP + SCALAR)
def test_exported_positions_make_the_same_filters(text):
    conv = layer(text)
    starts = exported_positions(conv.positions()).double().numpy()
    weight = blend(conv.summary.detach().numpy(), starts, conv.layout.unit, conv.layout.window(), conv.layout.boundary)
    torch.testing.assert_close(torch.from_numpy(weight), conv.weight().detach(), rtol=0, atol=1e-4)


def test_the_optimum_is_found():
    """A layer whose filters are those of another one at positions half a unit away learns to lie there."""
    torch.manual_seed(0)
    target = layer("learned:tap:1", 8, 10).float()
    conv = FsConv2d(8, 10, 3, placement="learned:tap:1", bias=False)
    conv.summary.data = target.summary.data
    near = (target.positions().detach() + 0.5).clamp(0.3, conv.layout.span - 0.3)
    conv.location_logit.data = torch.logit(near / conv.layout.span)
    optimizer = torch.optim.Adam([conv.location_logit], lr=0.01)
    first = None
    for _ in range(300):
        loss = F.mse_loss(conv.weight(), target.weight().detach())
        first = first or loss.item()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1 * first
