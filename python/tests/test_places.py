"""Values taken apart, put together, repeated and moved, exported, beside PyTorch."""

import pytest
import torch
import torch.nn.functional as F
from test_operators import Call, check, file_of
from torch import nn

from filter_summary import ExportError, Interpreter, export

JOIN = {"slice", "concat"}
TIED = {"slice", "activation", "add"}
"""What ties a file to a size where a value is repeated so often."""
SCATTERED = [5 * n % 24 for n in range(24)]


def pyramid(x):
    return F.pad(x, (0, 0, 0, 0, 0, 3))


def grid(x):
    y, across = torch.meshgrid(torch.linspace(-1, 1, 8), torch.linspace(-1, 1, 6), indexing="ij")
    return torch.stack([y, across])[None].expand(len(x), -1, -1, -1)


def halves(x):
    return x.view(len(x), 2, 6, 8, 6)


def boxes(x):
    """A head of YOLO v5: anchors, rows, columns, values."""
    y = halves(x).permute(0, 1, 3, 4, 2).sigmoid()
    places = grid(x)[0].permute(1, 2, 0)
    y = torch.cat([(y[..., :2] * 2 - 0.5 + places) * 8, (y[..., 2:4] * 2) ** 2, y[..., 4:]], -1)
    return y.reshape(len(x), -1, 6)


def selective(x):
    """Selective kernels: branches weighed by a softmax over them."""
    branches = torch.stack([x, x.tanh()], 1)
    gates = branches.sum(1).mean((2, 3)).repeat(1, 2).view(len(x), 2, 12, 1, 1).softmax(1)
    return (branches * gates).sum(1)


FUNCTIONS = {
    "a list of channels": (lambda x: x[:, [2, 1, 0]], JOIN),
    "a list that is a slice": (lambda x: x[:, :, [0, 2, 4]], {"slice"}),
    "a list from the end": (lambda x: x[..., [-1, 0]], JOIN),
    "index_select": (lambda x: x.index_select(3, torch.tensor([5, 0, 1])), JOIN),
    "channels scattered": (lambda x: torch.cat([x, x.tanh()], 1)[:, SCATTERED], JOIN | {"activation"}),
    "channels backwards": (lambda x: x[:, :4].flip(1), JOIN),
    "columns backwards": (lambda x: x.flip(3), JOIN),
    "roll": (lambda x: x.roll((1, -2), (2, 3)), JOIN),
    "narrow": (lambda x: x.narrow(1, 2, 5), {"slice"}),
    "stack of channels": (lambda x: torch.stack([x, x.tanh()], 2).flatten(1, 2), {
        "activation", "concat"}),
    "stack in front": (lambda x: torch.stack([x, x.tanh()], 1).flatten(1, 2), {"activation", "concat"}),
    "unbind": (lambda x: sum(halves(x).unbind(1)), {"add", "slice"}),
    "select": (lambda x: halves(x)[:, 1], {"slice"}),
    "slice of five axes": (lambda x: halves(x)[:, :, 1:3], {"slice"}),
    "chunks of five axes": (lambda x: torch.cat(halves(x).chunk(2, 1)[::-1], 2).flatten(1, 2), JOIN),
    "five axes": (lambda x: halves(x).permute(0, 1, 3, 4, 2), {"permute"}),
    "boxes": (boxes, JOIN | {"permute", "add", "mul", "batch_norm"}),
    "selective": (selective, {
        "activation", "concat", "global_avg_pool2d", "softmax", "mul"}),
    "softmax of five axes": (lambda x: halves(x).softmax(1).flatten(1, 2), {"softmax"}),
    "linear of five axes": (
        lambda x: F.linear(halves(x).permute(0, 1, 3, 4, 2), torch.ones(5, 6)).flatten(1, 3).mT, {"permute"}),
    "expanded, then relu": (lambda x: x.mean((2, 3), True).expand(-1, -1, 8, 6).relu() + x, {
        "global_avg_pool2d", "relu", "add"}),
    "expanded, then joined": (lambda x: torch.cat([x, x.mean((2, 3), True).expand_as(x)], 1), TIED | {
        "global_avg_pool2d", "upsample_nearest2d", "concat"}),
    "expanded channels": (lambda x: x.mean(1, True).expand(-1, 5, -1, -1), set()),
    "repeat": (lambda x: x.repeat(1, 2, 1, 1), {"concat"}),
    "repeat of one": (lambda x: x.repeat(1, 1, 1, 1), set()),
    "repeat of one pixel": (lambda x: x + x.mean((2, 3), True).repeat(1, 1, 8, 6), {"global_avg_pool2d", "add"}),
    "tile": (lambda x: x.tile(1, 1, 2, 3), {"concat"}),
    "repeat_interleave": (lambda x: x.repeat_interleave(3, 2), {"upsample_nearest2d"}),
    "repeat_interleave of channels": (lambda x: x.repeat_interleave(2, 1), {"slice", "upsample_nearest2d"}),
    "coordinates": (lambda x: torch.cat([x, grid(x)], 1), TIED | {"concat"}),
    "zeros joined": (lambda x: torch.cat([x, torch.zeros_like(x[:, :3])], 1), TIED | {"concat"}),
    "pad and cut": (lambda x: F.pad(x, (1, -1, -2, 3), value=0.5), {"pad", "slice"}),
    "pad lines": (lambda x: F.pad(x.flatten(2), (2, 1), "reflect"), {"pad"}),
    "pad channels": (lambda x: F.pad(x, (1, 0, 0, 0, 3, 1), value=0.5), JOIN | {"pad", "activation"}),
    "pad features": (lambda x: F.pad(x.mean((2, 3)), (1, 2), value=1.0), JOIN | {"global_avg_pool2d", "activation"}),
    "pyramid": (pyramid, JOIN | {"activation"}),
    "circular": (lambda x: F.pad(x, (1, 2, 2, 1), "circular"), JOIN),
    "lines resized": (lambda x: F.interpolate(x.flatten(2), scale_factor=1.5), {"resize"}),
    "lines upsampled": (lambda x: F.interpolate(x.flatten(2), scale_factor=2), {"upsample_nearest2d"}),
    "linear lines": (lambda x: F.interpolate(x.flatten(2), size=20, mode="linear"), {"resize"}),
    "max_pool1d": (lambda x: F.max_pool1d(x.flatten(2), 3, 2, 1), {"max_pool2d"}),
    "adaptive_max_pool1d": (lambda x: F.adaptive_max_pool1d(x.flatten(2), 1), {"global_max_pool2d"}),
    "a pool's own divisor": (lambda x: F.avg_pool2d(x, 2, divisor_override=1), {"avg_pool2d", "batch_norm"}),
    "unfold": (lambda x: F.unfold(x, 3, padding=1, stride=2), set()),
    "patches": (lambda x: x.unfold(2, 4, 4).unfold(3, 3, 3).mean((2, 4)), {"global_avg_pool2d", "permute", "slice"}),
    "windows apart": (lambda x: x.unfold(2, 2, 3).amax(-1), JOIN | {"max_pool2d"}),
    "windows and gaps": (lambda x: x.unfold(3, 2, 3).sum(-1), {"global_avg_pool2d", "batch_norm", "slice"}),
    "windows that overlap": (lambda x: x.unfold(-1, 3, 1).amax(-1), JOIN | {"max_pool2d"}),
    "windows of channels": (lambda x: x.unfold(1, 4, 4).sum(1).sum(-1), {"avg_pool2d", "batch_norm", "slice"}),
    "one window": (lambda x: x.unfold(1, 12, 1).amax(-1), {"max_pool2d", "permute"}),
    "fold": (lambda x: F.fold(F.unfold(x, 3, 2, 2, 2), (8, 6), 3, 2, 2, 2), {"conv_transpose2d"}),
    "einsum": (lambda x: torch.einsum("nchw,oc->nohw", x, torch.ones(5, 12)), set()),
    "einsum, channels last": (
        lambda x: torch.einsum("bhwc,cd->bhwd", x.permute(0, 2, 3, 1), torch.ones(12, 5)).permute(0, 3, 1, 2), set()),
    "einsum of pixels": (
        lambda x: torch.einsum("nchw,hwk->nck", x, torch.arange(96.0).view(8, 6, 2)), {"permute"}),
    "matmul": (lambda x: (x.flatten(2).mT @ torch.arange(60.0).view(12, 5)).mT, set()),
    "matmul, constant first": (lambda x: torch.arange(60.0).view(5, 12) @ x.flatten(2), set()),
    "matmul of values": (lambda x: (x.flatten(2) @ x.tanh().flatten(2).mT).softmax(-1), {
        "activation", "mul", "softmax", "slice", "avg_pool2d", "batch_norm"}),
    "matmul of heads": (lambda x: halves(x).flatten(3).mT @ halves(x.tanh()).flatten(3), JOIN | {"activation", "mul"}),
    "einsum of values": (lambda x: torch.einsum("nchw,nchw->nhw", x, x.tanh()), {"activation", "mul"}),
    "attention": (lambda x: F.scaled_dot_product_attention(*[halves(x).flatten(3).mT] * 3), JOIN | {
        "mul", "softmax", "batch_norm", "avg_pool2d"}),
    "movedim": (lambda x: x.movedim(1, -1).movedim(-1, 1), set()),
    "unflatten": (lambda x: x.unflatten(1, (3, 4)).mean(2), {"avg_pool2d"}),
    "no change": (lambda x: x.to(torch.float32).contiguous().clone().detach().float(), set()),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_places(name, tmp_path):
    function, operations = FUNCTIONS[name]
    # Reshapes move nothing.
    assert set(check(Call(function), tmp_path / "net.safetensors")) - {"conv2d", "reshape", "flatten"} == operations


REFUSED = {
    "picks along 2 axes": lambda x: x[:, [0, 1], [2, 3]],
    "its index has 2 axes": lambda x: x[:, torch.tensor([[0, 1]])],
    "goes along the batch": lambda x: x.flip(0),
    "expands .* as many axes": lambda x: x.mean((2, 3)).expand(4, 2, 12),
    "and the batch once": lambda x: x.repeat(2, 1, 1, 1),
    "follows from numbers of the input": lambda x: x.repeat_interleave(torch.tensor([1, 2] * 6), 1),
    "nothing is left": lambda x: x[:, 3:3].sum(1),
    "it pads the batch": lambda x: F.pad(x, (0, 0, 0, 0, 0, 0, 1, 0)),
    "has dots": lambda x: torch.einsum("n...w,wk->n...k", x, torch.ones(6, 2)),
    "the batch must be first in each": lambda x: torch.einsum("nchw,mchw->nmhw", x, x),
    "has 3 operands": lambda x: torch.einsum("nchw,oc,po->nphw", x, torch.ones(5, 12), torch.ones(2, 5)),
    "beyond 33554432": lambda x: (y := F.interpolate(x, scale_factor=9).flatten(2)).mT @ y,
    "the batch must be first": lambda x: torch.einsum("nchw,cn->chw", x, torch.ones(12, 2)),
    "a vector": lambda x: x @ torch.ones(6),
    "one matrix for all": lambda x: x @ torch.ones(12, 6, 2),
    "differs from image to image": lambda x: torch.cat([x, torch.arange(96.0).view(2, 1, 8, 6)], 1),
}


@pytest.mark.parametrize("why", REFUSED)
def test_refused(why, tmp_path):
    with pytest.raises(ExportError, match=why) as error:
        export(Call(REFUSED[why]), torch.randn(2, 3, 8, 6), tmp_path / "net.safetensors")
    assert "test_operators.py" in str(error.value)
    assert not list(tmp_path.iterdir())


FREE = {
    "channels last": lambda x: F.layer_norm(x.permute(0, 2, 3, 1), (12,)).permute(0, 3, 1, 2),
    "shuffled": lambda x: x[:, [2, 1, 0]],
    "rolled channels": lambda x: x.roll(2, 1),
    "pyramid": pyramid,
    "expanded channels": lambda x: x.mean(1, True).expand(-1, 5, -1, -1).contiguous(),
    "gate": lambda x: x * x.mean((2, 3), True).sigmoid().expand_as(x),
    "normalize": lambda x: F.normalize(x),
    "std of channels": lambda x: x.std(1, keepdim=True),
    "last channels of a mean": lambda x: x.mean((2, 3))[:, -3:],
    "rest of all": lambda x: F.max_pool2d(x.transpose(1, 2), (1, 1))[:, 3:].transpose(1, 2),
    "std of pixels": lambda x: x.std((2, 3), unbiased=False),
}


@pytest.mark.parametrize("name", FREE)
def test_what_runs_at_any_size(name, tmp_path):
    path, model = tmp_path / "net.safetensors", Call(FREE[name])
    export(model, torch.randn(1, 3, 8, 6), path)
    assert not any(end < 2147483647 for node in file_of(path)["nodes"] for end in node.get("end", [])[1:])
    x = torch.randn(2, 3, 12, 10)
    with torch.no_grad():
        right, (got,) = model.eval()(x), Interpreter.open(path).values(x).values()
    torch.testing.assert_close(got.reshape(right.shape), right, rtol=1e-4, atol=1e-4)


SIZED = {
    "expanded": lambda x: torch.cat([x, x.mean((2, 3), True).expand_as(x)], 1),
    "expanded output": lambda x: x.mean((2, 3), True).expand_as(x),
    "sum": lambda x: x.sum((2, 3)),
    "variance": lambda x: x.var((2, 3)),
    "norm": lambda x: x.norm(dim=(2, 3)),
    "rolled": lambda x: x.roll(1, 2),
    "circular": lambda x: F.pad(x, (1, 1, 1, 1), "circular"),
    "last rows, channels last": lambda x: x.permute(0, 2, 3, 1)[:, -3:],
    "last rows of a product": lambda x: (x * x.mean((2, 3), True)).transpose(1, 2).contiguous()[:, -3:],
    "half of all": lambda x: x.flatten(1).chunk(2, 1)[0],
    "last rows as channels": lambda x: F.max_pool2d(x.transpose(1, 2), (1, 1))[:, -3:],
}


@pytest.mark.parametrize("name", SIZED)
def test_what_follows_from_a_size_is_of_that_size(name, tmp_path):
    path = tmp_path / "net.safetensors"
    export(Call(SIZED[name]), torch.randn(1, 3, 8, 6), path)
    assert any(end < 2147483647 for node in file_of(path)["nodes"] for end in node.get("end", [])[1:])


def test_circular_convolutions(tmp_path):
    check(nn.Conv2d(3, 4, 3, padding=(1, 2), padding_mode="circular"), tmp_path / "net.safetensors")


def test_five_axes_come_out_as_four(tmp_path):
    path = tmp_path / "net.safetensors"
    export(Call(halves), torch.randn(1, 3, 8, 6), path)
    (value,) = Interpreter.open(path).values(torch.randn(1, 3, 8, 6)).values()
    assert value.shape == (1, 2, 6, 48)
