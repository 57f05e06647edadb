"""compress: which convolutions, the fit, and what a compressed model goes through."""

import copy
import json
import pickle

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from filter_summary import FsConv2d, Placement, PlacementError, compress
from filter_summary.fit import LEAST_GAIN, PROBE, fit
from filter_summary.report import operations

PLACEMENTS = ("tap:1", "tap:2", "gains:tap:1", "gains:tap:1/2", "base:1", "base:1/2", "channel:4", "gains:tensor:4")


def net(*layers):
    torch.manual_seed(0)
    return nn.Sequential(*layers)


def small():
    return net(
        nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32),
        nn.Conv2d(32, 32, 1), nn.Conv2d(32, 32, 3, groups=32), nn.Conv2d(32, 8, 3), nn.Conv2d(8, 32, 3),
        nn.Conv2d(32, 20, (3, 1), padding="same", padding_mode="reflect"),
    )  # fmt: skip


def test_the_rule_and_its_reasons():
    model = small()
    made, report = compress(model, example=torch.randn(2, 3, 16, 16))
    kept = {row.name: row.kept for row in report.rows}
    assert kept == {
        "0": "first layer", "2": None, "4": "1x1", "5": "grouped", "6": "fewer than 16 channels or filters",
        "7": "fewer than 16 channels or filters", "8": None,
    }  # fmt: skip
    assert [name for name, module in made.named_modules() if isinstance(module, FsConv2d)] == ["2", "8"]
    assert all(type(module) is not FsConv2d for module in model.modules())
    row = next(row for row in report.rows if row.name == "2")
    assert row.values_before == 16 * 32 * 9 and row.values_after == 31 * 16 + 9 * 16 + 32 * 9
    assert row.multiply_adds_before == 16 * 32 * 9 * 64 and row.multiply_adds_after == 40 * 16 * 256 + 32 * 9 * 64
    assert report.values == tuple(sum(p.numel() for p in one.parameters()) for one in (model, made))
    text, data = str(report), json.loads(json.dumps(report.to_dict()))
    assert "kept: grouped" in text and text.split()[:3] == ["layer", "filters", "values"]
    assert data["rows"][1]["error"] == row.error and data["values"] == list(report.values)
    assert "multiply-adds" in str(compress(model).report) and compress(model).report.multiply_adds is None


def test_where():
    def names(made):
        return [name for name, module in made.model.named_modules() if isinstance(module, FsConv2d)]

    model = small()
    assert names(compress(model, where=["6", "8"])) == ["6", "8"]
    assert names(compress(model, where="[24]", keep="4")) == ["2"]
    assert names(compress(model, where=lambda name, conv: conv.kernel_size[0] == 3 and name < "3")) == ["0", "2"]
    made = compress(model, where=lambda name, conv: {"2": "channel:4", "8": Placement.parse("tap:2")}.get(name))
    assert names(made) == ["2", "8"] and made.model[2].layout.boundary == "wrap" and made.model[8].gains is None
    assert names(compress(model, narrow=8, keep=("8",))) == ["2", "6", "7"]
    assert names(compress(nn.Conv2d(16, 32, 3), where="*")) == [""]
    with pytest.raises(ValueError, match="no convolution is called 'layer9'"):
        compress(model, where="layer9")
    with pytest.raises(PlacementError, match="^0: a step of 1/2 of 3 channels is not a whole number"):
        compress(model, "1/2", where="0")
    assert [row.kept for row in compress(small(), 9).report.rows if row.name == "2"] == [
        "its summary would be no smaller"
    ]
    for step in (0, -1, "x", None, float("nan")):
        with pytest.raises(PlacementError, match="step"):
            compress(model, step)


@pytest.mark.parametrize("text", PLACEMENTS)
def test_no_sweep_makes_the_error_larger(text):
    torch.manual_seed(1)
    weight = torch.randn(12, 8, 3, 3)
    fitted = fit(weight, Placement.parse(text).layout(12, 8, 3, 3), 30)
    assert all(after <= before + 1e-12 for before, after in zip(fitted.errors, fitted.errors[1:]))
    assert fitted.error < 1 and (len(fitted.errors) > 1) == (fitted.gains is not None)
    conv = FsConv2d(8, 12, 3, placement=fitted.layout, dtype=torch.float64)
    conv.summary.data = fitted.summary
    if fitted.gains is not None:
        conv.gains.data = fitted.gains
    assert float((conv.weight().detach() - weight).norm() / weight.double().norm()) == pytest.approx(fitted.error)
    # The last half step was that of the gains: no change of them makes it smaller.
    if fitted.gains is not None:
        error = (conv.weight() - weight).square().sum()
        (slope,) = torch.autograd.grad(error, conv.gains)
        assert slope.abs().max() < 1e-6 * error


@pytest.mark.parametrize("text", PLACEMENTS)
@pytest.mark.parametrize("shuffled", [False, True])
def test_filters_that_a_summary_holds_are_found(text, shuffled):
    """With gains from a beginning near by; without them at once, and in any order of the filters."""
    torch.manual_seed(2)
    layout = Placement.parse(text).layout(10, 6, 3, 3)
    conv = FsConv2d(6, 10, 3, placement=layout, begin="ones", dtype=torch.float64)
    if conv.gains is not None:
        conv.gains.data += 0.1 * torch.randn_like(conv.gains)
    weight = conv.weight().detach()
    fitted = fit(weight[torch.randperm(10)] if shuffled else weight, layout, 400)
    if not shuffled:
        assert fitted.error < (2e-2 if layout.gains else 1e-12)
    elif len(layout.starts.shape) == 1 and layout.boundary == "none" and text != "gains:tap:1/2":
        assert fitted.error < 0.4


def test_order_never_harms():
    torch.manual_seed(3)
    for text in ("tap:1", "tap:2", "gains:tap:1"):
        weight, layout = torch.randn(16, 8, 3, 3), Placement.parse(text).layout(16, 8, 3, 3)
        assert fit(weight, layout, PROBE).error <= fit(weight, layout, PROBE, order=False).error + LEAST_GAIN


def test_a_model_of_no_filters():
    made = compress(nn.Sequential(nn.Conv2d(16, 16, 3)), where="0")
    zero = nn.Conv2d(16, 16, 3)
    nn.init.zeros_(zero.weight)
    made = compress(nn.Sequential(zero), where="0")
    assert made.report.rows[0].error == 0 and torch.isfinite(made.model(torch.randn(1, 16, 5, 5))).all()


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.other = nn.Conv2d(16, 16, 3, padding=1), nn.Conv2d(16, 16, 3, padding=2, dilation=2)
        self.again, self.other.weight = self.one, self.one.weight

    def forward(self, x):
        return self.again(F.relu(self.one(x))) + self.other(x)


def test_what_is_tied_stays_tied():
    made, report = compress(Tied(), where="*", example=torch.randn(1, 16, 8, 8))
    assert made.one is made.again and made.other.summary is made.one.summary and made.other.gains is made.one.gains
    assert made.other.bias is not made.one.bias and made.other.pads == (2, 2, 2, 2)
    assert [row.name for row in report.rows] == ["one", "other"]
    before, after = (row.multiply_adds_before for row in report.rows)
    assert before == 2 * after
    assert torch.equal(made.other.starts, made.one.starts)


def test_what_a_layer_keeps():
    conv = nn.Conv2d(32, 32, (3, 2), (2, 1), "valid", (1, 2), 2, True, dtype=torch.float64)
    conv.weight.requires_grad_(False)
    model = nn.Sequential(conv).eval()
    made = compress(model, where="0").model
    new, x = made[0], torch.randn(2, 32, 9, 8, dtype=torch.float64)
    assert not new.training and not new.summary.requires_grad and not new.gains.requires_grad and new.bias.requires_grad
    assert new.summary.dtype == torch.float64 and torch.equal(new.bias, conv.bias)
    torch.testing.assert_close(made(x), F.conv2d(x, new.weight(), conv.bias, (2, 1), 0, (1, 2), 2))
    assert compress(model, where="0", inplace=True).model is model and isinstance(model[0], FsConv2d)


def test_state_dicts_carry_the_order():
    """A model compressed alike, but of other weights, takes over starts and values."""
    one, other = compress(small()).model, compress(small().apply(reset)).model
    one[2].place(one[2].starts.flip(0))
    assert not torch.equal(one[2].starts, other[2].starts)
    other.load_state_dict(one.state_dict())
    x = torch.randn(2, 3, 16, 16)
    one.eval(), other.eval()
    assert torch.equal(one(x), other(x)) and torch.equal(other[2].layout.starts, one[2].starts)
    state = one.state_dict()
    state["2.starts"] = state["2.starts"] + 1000
    with pytest.raises(PlacementError, match="outside a summary"):
        other.load_state_dict(state)


def reset(module):
    if isinstance(module, nn.Conv2d):
        torch.manual_seed(int(module.weight.numel()))
        module.reset_parameters()


def trained_step(model, x):
    model.train()
    loss = model(x).square().mean()
    loss.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters()}


def test_copies():
    model = compress(small()).model
    x = torch.randn(2, 3, 16, 16)
    want = trained_step(model, x)
    model.zero_grad()
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        got = trained_step(other, x)
        assert all(torch.equal(got[name], want[name]) for name in want)
        assert other[2].summary is not model[2].summary


def test_channels_last_and_autocast():
    model = compress(small()).model
    x = torch.randn(2, 3, 16, 16)
    want = trained_step(model, x)
    model.zero_grad()
    last = model.to(memory_format=torch.channels_last)
    got = trained_step(last, x.contiguous(memory_format=torch.channels_last))
    for name in want:
        torch.testing.assert_close(got[name], want[name], rtol=1e-4, atol=1e-5)
    for fast in (False, True):
        model.zero_grad()
        model[2].fast = model[8].fast = fast
        with torch.autocast("cpu", torch.bfloat16):
            y = model(x)
            assert y.dtype == torch.bfloat16
        y.float().square().mean().backward()
        assert all(torch.isfinite(p.grad).all() and p.grad.dtype == torch.float32 for p in model.parameters())


def test_compiled():
    torch._dynamo.reset()
    model = net(nn.Conv2d(3, 32, 3), nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1), nn.Conv2d(32, 32, 3, 2))
    model = compress(model).model
    x = torch.randn(2, 3, 10, 10)
    want = trained_step(model, x)
    model.zero_grad()
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    loss = compiled(x).square().mean()
    loss.backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, want[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "keys", [{}, {"fast": True}, {"bits": 8}, {"placement": "gains:learned:tap:1"}, {"placement": "channel:2"}], ids=str
)
def test_other_tracers(keys):
    """`torch.export` and `torch.compile` without ours: filters are materialized, or the fast form is traced."""
    torch._dynamo.reset()
    model, x = nn.Sequential(FsConv2d(16, 16, 3, padding=1, **keys)).eval(), torch.randn(2, 16, 6, 6)
    want = model(x)
    for got in (torch.export.export(model, (x,)).module(), torch.compile(model, backend="aot_eager", fullgraph=True)):
        torch.testing.assert_close(got(x), want, rtol=1e-4, atol=1e-5)


def test_meta_and_moves():
    with torch.device("meta"):
        made = FsConv2d(16, 32, 3, placement="gains:tap:1")
    assert made.summary.is_meta and made.starts.is_meta
    real = FsConv2d(16, 32, 3, placement="gains:tap:1")
    real.place(real.starts.flip(0))
    made = made.to_empty(device="cpu")
    assert torch.equal(made.starts, made.layout.starts)
    made.load_state_dict(real.state_dict())
    x = torch.randn(1, 16, 5, 5)
    assert torch.equal(made(x), real(x))
    assert real.double()(x.double()).dtype == torch.float64 and real.starts.dtype == torch.int64
    with pytest.raises(ValueError, match="meta"):
        compress(nn.Sequential(nn.Conv2d(16, 16, 3, device="meta")), where="0")


def test_operations_are_those_of_the_cheaper_form():
    dense, one = nn.Conv2d(16, 24, 3), FsConv2d(16, 24, 3, placement="base:1")
    sizes = [((6, 7), (4, 5))]
    assert operations(dense, sizes) == 16 * 24 * 9 * 20
    assert operations(one, sizes) == 24 * 16 * 42 + 24 * 9 * 20
    assert operations(FsConv2d(16, 24, 3, placement="tensor:4"), sizes) == operations(dense, sizes)
    assert operations(FsConv2d(16, 24, 3, groups=2, placement="base:1"), sizes) == 24 * 8 * 42 + 24 * 9 * 20
    assert operations(one, [((60, 60), (4, 5))]) == operations(dense, sizes)


def test_layers_with_hooks_are_kept():
    model = small()
    handle = model[2].register_forward_hook(lambda module, x, y: y + 1)
    model[8].register_full_backward_hook(lambda module, dx, dy: None)
    made, report = compress(model)
    kept = {row.name: row.kept for row in report.rows}
    assert kept["2"] == kept["8"] == "has hooks" and compress(model, where="2").report.rows[1].kept == "has hooks"
    handle.remove()
    assert compress(model, example=torch.randn(1, 3, 16, 16)).report.rows[1].kept is None


def test_frozen_layers_stay_frozen():
    model = small()
    model[2].weight.requires_grad_(False)
    made, _ = compress(model, placement="gains:learned:tap:2")
    assert not any(p.requires_grad for name, p in made[2].named_parameters() if name != "bias")
    assert made[2].location_logit is not None and made[8].location_logit.requires_grad


def test_wrong_arguments_are_named():
    model = small()
    for keys in ({"where": 3}, {"where": [3]}, {"keep": None}, {"keep": [4]}, {"placement": 2}):
        with pytest.raises(TypeError, match=next(iter(keys))):
            compress(model, **keys)
    for step in (1e300, 10**9, float("inf")):
        with pytest.raises(PlacementError, match="step"):
            compress(model, step)
    with pytest.raises(PlacementError, match="^2: .* values of a summary for 4608 weights"):
        compress(model, 60000, where="2")
    with pytest.raises(PlacementError, match="^2: .* values of a summary"):
        compress(model, placement="tap:1000000000", where="2")
    model[8].weight.data[0, 0] = torch.nan
    with pytest.raises(ValueError, match="^8: its weights are not finite"):
        compress(model)


def test_models_and_examples_refused():
    model, x = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)), torch.randn(1, 2, 8, 8)
    with pytest.raises(TypeError, match="^the model is a int; it must be an nn.Module$"):
        compress(3)
    with pytest.raises(TypeError, match="^the example is a ndarray; it is a tensor"):
        compress(model, example=x.numpy())
    with pytest.raises(ValueError, match=r"^the model cannot run the example, \[1, 2, 8, 8\]: .*channels") as error:
        compress(model, example=x)
    assert len(str(error.value).splitlines()) == 1
