"""The fast form equals the materialized convolution, with its gradients, within the rounding of its sums.

A sum of n products in floating point is off by `n * u` of the sum of their absolute values at most, u being the unit
roundoff. The sums of absolute values are those of the materialized convolution, and its gradients, of absolute values:
PyTorch computes them, in float64.
"""

import pytest
import torch
import torch.nn.functional as F

from filter_summary import FsConv2d, Placement, native
from filter_summary.shared import Depthwise, Plan

PLACEMENTS = [
    "base:1", "base:1/2", "base:2", "tap:1", "tap:1/2", "tap:2", "gains:tap:1", "gains:tap:1/2", "gains:tap:2",
    "gains:tap:2:0,5,10,1,6,11,2,7,12", "tap:3/2",
]  # fmt: skip
UNIT = {torch.float64: 2.0**-53, torch.float32: 2.0**-24, torch.bfloat16: 2.0**-8}
QUICK = ("-O1", *native.FLAGS[1:])
"""Compiles faster."""
# Channels and filters: part of a register, some registers and a part, whole ones.
SHAPES = [(4, 6, 5, 3), (24, 40, 7, 6), (32, 64, 4, 9), (2, 1, 3, 2)]


def results(conv: FsConv2d, x, dy, weight):
    """`Y`, and the gradients of input, summary and gains."""
    x = x.clone().requires_grad_()
    parameters = [p for p in (conv.summary, conv.gains) if p is not None]
    y = conv(x) if weight is None else F.conv2d(x, weight(), None, 1, conv.padding)
    return [y.detach(), *torch.autograd.grad(y, [x, *parameters], dy.to(y.dtype))]


def layer(placement: str, c: int, o: int, kernel: int = 3) -> FsConv2d:
    conv = FsConv2d(c, o, kernel, placement=placement, bias=False, padding=kernel // 2).double()
    with torch.no_grad():  # numbers that float32 and bfloat16 hold, so that only sums are rounded
        for p in conv.parameters():
            p.copy_(torch.randn_like(p).bfloat16())
    return conv


def compare(conv: FsConv2d, size: tuple[int, int], dtype: torch.dtype) -> None:
    c, o, n = conv.shape[1], conv.shape[0], 3
    x, dy = torch.randn(n, c, *size).bfloat16().double(), torch.randn(n, o, *size).bfloat16().double()
    want = results(conv, x, dy, conv.weight)
    saved = {name: p.detach().clone() for name, p in conv.named_parameters()}
    with torch.no_grad():
        for p in conv.parameters():
            p.abs_()
    most = results(conv, x.abs(), dy.abs(), conv.weight)
    with torch.no_grad():
        for name, p in conv.named_parameters():
            p.copy_(saved[name])
    conv.to(torch.float64 if dtype == torch.float64 else torch.float32)
    assert conv.plan is not None
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        got = results(conv, x.to(dtype).contiguous(memory_format=torch.channels_last), dy.to(dtype), None)
    taps, bases, pixels = conv.shape[2] * conv.shape[3], conv.plan.terms.bases, n * size[0] * size[1]
    terms = [c + taps, taps + bases, taps + pixels + bases, c + pixels]
    for value, right, bound, count in zip(got, want, most, terms):
        # Both forms round; a product with a gain and a result in dtype are one rounding more each.
        factor = (count + 4) * UNIT[dtype if dtype == torch.float64 else torch.float32] * 2
        if dtype == torch.bfloat16:  # P, dP and the results are rounded to bfloat16
            factor += 3 * UNIT[torch.bfloat16]
        assert bool(((value.double() - right).abs() <= factor * bound).all())
        assert float(right.abs().max()) > 0.1


@pytest.mark.parametrize("dtype", UNIT, ids=str)
@pytest.mark.parametrize("placement", PLACEMENTS)
def test_fast_form_equals_the_materialized_convolution(placement, dtype):
    torch.manual_seed(0)
    for c, o, *size in SHAPES:
        compare(layer(placement, c, o), tuple(size), dtype)


@pytest.mark.parametrize("placement", ["gains:tap:1", "base:1/2"])
def test_other_kernels(placement):
    torch.manual_seed(1)
    for dtype in UNIT:
        compare(layer(placement, 6, 10, kernel=5), (6, 4), dtype)


@pytest.mark.parametrize("placement", ["base:1", "gains:tap:1", "tap:1/2"])
def test_without_native_kernels(placement, monkeypatch):
    monkeypatch.setattr(native, "library", lambda: None)
    torch.manual_seed(2)
    for dtype in UNIT:
        compare(layer(placement, 8, 12), (5, 4), dtype)


@pytest.mark.skipif(native.library() is None, reason="there is no C compiler")
def test_portable_kernels(tmp_path, monkeypatch):
    """Those for machines without AVX-512, whatever this one has."""
    import ctypes

    other = ctypes.CDLL(str(native.build((*QUICK, "-DPORTABLE"), tmp_path)))
    monkeypatch.setattr(native, "library", lambda: other)
    torch.manual_seed(3)
    for placement in ("base:1", "gains:tap:1", "tap:1/2"):
        for dtype in (torch.float32, torch.bfloat16):
            for c, o, *size in SHAPES:
                compare(layer(placement, c, o), tuple(size), dtype)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_depthwise(dtype):
    torch.manual_seed(4)
    for c in (3, 32, 40):
        x = torch.randn(2, c, 5, 6, dtype=dtype, requires_grad=True)
        w = torch.randn(c, 9, dtype=dtype, requires_grad=True)
        dy = torch.randn_like(x)
        y, right = Depthwise.apply(x, w), F.conv2d(x, w.view(c, 1, 3, 3), None, 1, 1, 1, c)
        got = [y, *torch.autograd.grad(y, [x, w], dy)]
        for value, want in zip(got, [right, *torch.autograd.grad(right, [x, w], dy)]):
            torch.testing.assert_close(value, want, rtol=0, atol=100 * 40 * UNIT[dtype])


def test_what_has_no_fast_form():
    def plan(text, stride=1, padding=1, dilation=1, groups=1, kernel=3):
        layout = Placement.parse(text).layout(8, 4, kernel, kernel)
        return Plan.of(layout, (stride, stride), (padding, padding), (dilation, dilation), groups)

    assert plan("base:1") is not None and plan("tap:2") is not None
    for text in ("channel:4", "gains:channel:4", "tensor:4", "learned:base:1", "dense"):
        assert plan(text) is None
    assert plan("base:1", stride=2) is plan("base:1", padding=0) is plan("base:1", dilation=2, padding=2) is None
    assert plan("base:1", groups=2) is plan("tap:1/2", kernel=1, padding=0) is None


def test_bases_are_as_many_as_there_must_be():
    for text, bases in (("base:1", 40), ("base:1/2", 40), ("tap:1", 48), ("tap:2", 87), ("tap:1/2", 56)):
        conv = FsConv2d(24, 40, 3, placement=text, bias=False, padding=1)
        assert conv.plan.terms.bases == bases, text


@pytest.mark.parametrize("text", ["tap:1", "gains:tap:1", "base:1"])
def test_filters_in_another_order_keep_the_fast_form(text):
    conv = FsConv2d(4, 6, 3, padding=1, bias=False, placement=text, fast=True).double()
    conv.place(conv.layout.starts[torch.tensor([3, 0, 5, 1, 4, 2])])
    assert conv.plan is not None
    x = torch.randn(2, 4, 5, 7, dtype=torch.float64, requires_grad=True)
    wanted = [x, *conv.parameters()]
    y, right = conv(x), F.conv2d(x, conv.weight(), None, 1, 1)
    dy = torch.randn_like(y)
    torch.testing.assert_close(y, right)
    for got, want in zip(torch.autograd.grad(y, wanted, dy), torch.autograd.grad(right, wanted, dy)):
        torch.testing.assert_close(got, want)


def test_starts_that_are_no_progression_are_materialized():
    conv = FsConv2d(4, 3, 3, padding=1, placement="tap:1")
    conv.place(torch.tensor([0, 8, 4]))
    assert conv.plan is not None
    conv.place(torch.tensor([0, 7, 8]))
    assert conv.plan is None


def test_kernels_are_built_once_and_whole(tmp_path, monkeypatch):
    if native.library() is None:
        pytest.skip("there is no C compiler")
    path = native.build(QUICK, tmp_path)
    before = path.stat().st_mtime_ns
    assert native.build(QUICK, tmp_path) == path and path.stat().st_mtime_ns == before
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    monkeypatch.setenv("FSNET_CC", "no-such-compiler")
    with pytest.raises(OSError, match="no-such-compiler"):
        native.build(QUICK, tmp_path)


def test_no_compiler_is_a_notice(monkeypatch, capsys):
    monkeypatch.setenv("FSNET_CC", "no-such-compiler")
    assert native.library.__wrapped__() is None
    assert "no native kernels" in capsys.readouterr().err


@pytest.mark.parametrize("fast", [None, True])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64, torch.float32])
@pytest.mark.parametrize("placement", ["gains:tap:1", "base:1", "tap:1"])
def test_layers_of_every_dtype(placement, dtype, fast):
    """The kernels read gains in float32: those of other dtypes are converted, not reinterpreted."""
    torch.manual_seed(0)
    conv = FsConv2d(32, 32, 3, padding=1, placement=placement, fast=fast).to(dtype)
    x, dy = torch.randn(2, 32, 5, 6).to(dtype), torch.randn(2, 32, 5, 6).to(dtype)
    got = results(conv, x, dy, None)
    assert {value.dtype for value in got} == {dtype}
    exact = FsConv2d(32, 32, 3, padding=1, placement=placement, fast=False).double()
    exact.load_state_dict(conv.state_dict())
    # Rounded are the products, the sums of each pass and the result: within 16 roundings of the largest value.
    for value, right in zip(got, results(exact, x.double(), dy.double(), None)):
        assert float((value.double() - right).abs().max()) <= 16 * torch.finfo(dtype).eps * float(right.abs().max())


def test_the_input_has_the_dtype_of_the_parameters():
    x = torch.randn(1, 32, 4, 4)
    for fast in (True, False):
        conv = FsConv2d(32, 32, 3, padding=1, fast=fast)
        with pytest.raises(RuntimeError, match="should be the same"):
            conv(x.bfloat16())
        with pytest.raises(RuntimeError, match="same"):
            conv.double()(x)
    conv = FsConv2d(32, 32, 3, padding=1, fast=True)
    conv.gains.data = conv.gains.data.double()
    with pytest.raises(RuntimeError, match="gains torch.float64"):
        conv(x)
