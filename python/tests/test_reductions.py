"""Means, sums, maxima, adaptive pools and norms that compute statistics of each image, exported, beside PyTorch."""

import pytest
import torch
import torch.nn.functional as F
from test_operators import Call, check, file_of
from torch import nn

from filter_summary import Interpreter, export

IMAGE = {"conv2d"}
NORM = {"sub", "mul", "batch_norm", "div"}
GLOBAL = {"global_avg_pool2d"}
UNEVEN = {"slice", "avg_pool2d", "concat"}


def attention(x):
    """The spatial half of CBAM."""
    seen = torch.cat([x.mean(1, keepdim=True), x.max(1, keepdim=True)[0]], 1)
    return x * seen.sum(1, keepdim=True).sigmoid()


FUNCTIONS = {
    "adaptive": (lambda x: F.adaptive_avg_pool2d(x, (4, 3)), {"slice", "avg_pool2d"}),
    "adaptive max": (lambda x: F.adaptive_max_pool2d(x, (2, 1)), {"slice", "max_pool2d"}),
    "adaptive 1": (lambda x: F.adaptive_avg_pool2d(x, 1), GLOBAL),
    "adaptive, the same size": (lambda x: F.adaptive_avg_pool2d(x, (8, 6)), {"slice"}),
    "adaptive of one axis": (lambda x: F.adaptive_avg_pool2d(x, (None, 1)), {"slice", "avg_pool2d"}),
    "adaptive, overlapping alike": (lambda x: F.adaptive_avg_pool2d(x[:, :, :7], (3, 2)), {"slice", "avg_pool2d"}),
    "adaptive, uneven": (lambda x: F.adaptive_avg_pool2d(x, (5, 4)), UNEVEN),
    "adaptive, uneven rows": (lambda x: F.adaptive_avg_pool2d(x, (3, 6)), UNEVEN),
    "adaptive to more": (lambda x: F.adaptive_max_pool2d(x, (10, 9)), {"slice", "max_pool2d", "concat"}),
    "adaptive of lines": (lambda x: F.adaptive_avg_pool1d(x.flatten(2), 5), UNEVEN | {"reshape"}),
    "adaptive from 1": (
        lambda x: F.adaptive_avg_pool2d(x.mean((2, 3), True), 3), GLOBAL | {"upsample_nearest2d"}),
    "mean of height": (lambda x: x.mean(2), {"slice", "avg_pool2d", "reshape"}),
    "mean of width": (lambda x: x.mean(3, keepdim=True), {"slice", "avg_pool2d"}),
    "mean of channels": (lambda x: x.mean(1, keepdim=True), set()),
    "mean of channels and width": (lambda x: x.mean((1, 3)), {"slice", "avg_pool2d", "flatten"}),
    "mean of all": (lambda x: x.mean((1, 2, 3)), GLOBAL),
    "sum of channels": (lambda x: x.sum(1), {"reshape"}),
    "sum": (lambda x: x.sum((2, 3)), GLOBAL | {"slice", "batch_norm"}),
    "sum of height": (lambda x: x.sum(2), {"slice", "avg_pool2d", "batch_norm", "reshape"}),
    "amax": (lambda x: x.amax((2, 3)), {"global_max_pool2d"}),
    "amax of channels": (lambda x: x.amax(1), {"permute", "max_pool2d", "reshape"}),
    "max of width": (lambda x: x.max(-1).values, {"slice", "max_pool2d"}),
    "max of all": (lambda x: x.amax((1, 2, 3)), {"global_max_pool2d", "reshape"}),
    "amin": (lambda x: x.amin((2, 3)), {"global_max_pool2d", "batch_norm"}),
    "min of channels": (lambda x: x.min(1, keepdim=True)[0], {"permute", "max_pool2d", "batch_norm"}),
    "mean of tokens": (lambda x: x.flatten(2).transpose(1, 2).mean(1), GLOBAL),
    "mean of halves": (lambda x: x.view(len(x), 2, 6, 8, 6).mean(2), {"reshape", "avg_pool2d"}),
    "sum of halves": (lambda x: x.view(len(x), 2, 6, 8, 6).sum(1), {"reshape"}),
    "max of a factor in the middle": (
        lambda x: x.view(len(x), 3, 4, 8, 6).permute(0, 1, 3, 4, 2).amax((2, 4)), {
            "permute", "global_max_pool2d", "reshape"}),
    "attention": (attention, {"permute", "max_pool2d", "concat", "mul"}),
    "var": (lambda x: x.var((2, 3)), GLOBAL | {"slice", "sub", "mul", "batch_norm"}),
    "var of channels": (lambda x: x.var(1, correction=0, keepdim=True), {"sub", "mul"}),
    "std": (lambda x: x.std((2, 3)), GLOBAL | {"slice", "sub", "mul", "batch_norm"}),
    "std of width": (
        lambda x: x.std(3, unbiased=False), {"activation", "slice", "avg_pool2d", "sub", "mul"}),
    "var and mean": (
        lambda x: torch.cat(torch.var_mean(x, 1, keepdim=True), 1), {"sub", "mul", "concat"}),
    "norm of order 1": (lambda x: x.norm(1, dim=1, keepdim=True), {"reshape"} - {"reshape"}),
    "norm of order 2": (lambda x: torch.linalg.vector_norm(x, dim=(2, 3)), GLOBAL | {
        "slice", "mul", "batch_norm"}),
    "norm of order 3": (lambda x: torch.norm(x, 3, dim=1), {"mul", "local_response_norm", "reshape"}),
    "greatest size": (lambda x: torch.linalg.vector_norm(x, torch.inf, dim=1, keepdim=True), {"permute", "max_pool2d"}),
    "normalize": (lambda x: F.normalize(x), {"mul", "div", "activation"}),
    "normalize rows": (lambda x: F.normalize(x, dim=3), {
        "slice", "avg_pool2d", "mul", "batch_norm", "div", "activation"}),
    "cosine": (lambda x: F.cosine_similarity(x[:, :6], x[:, 6:]), {
        "slice", "mul", "div", "activation", "reshape"}),
    "cosine of a prototype": (
        lambda x: F.cosine_similarity(x, torch.arange(12.0).view(1, 12, 1, 1)), {
            "mul", "div", "activation", "batch_norm", "reshape"}),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_reductions(name, tmp_path):
    function, operations = FUNCTIONS[name]
    assert set(check(Call(function), tmp_path / "net.safetensors")) - IMAGE == operations


class Tokens(nn.Module):
    """`[N, C, H, W]` to `[N, H * W, C]`, normed."""

    def __init__(self, norm):
        super().__init__()
        self.norm = norm

    def forward(self, x):
        return self.norm(x.flatten(2).transpose(1, 2))


class Last(nn.Module):
    """Channels last, normed, and back: ConvNeXt's."""

    def __init__(self, norm):
        super().__init__()
        self.norm = norm

    def forward(self, x):
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


NORMS = {
    "layer": (nn.LayerNorm([12, 8, 6]), NORM - {"batch_norm"} | GLOBAL | {"add"}),
    "layer, without factors": (nn.LayerNorm([12, 8, 6], elementwise_affine=False), NORM - {"batch_norm"} | GLOBAL),
    "layer of rows": (nn.LayerNorm(6), NORM | {"slice", "avg_pool2d", "add"}),
    "layer of tokens": (Tokens(nn.LayerNorm(12)), NORM | {"reshape", "permute"}),
    "layer, channels last": (Last(nn.LayerNorm(12)), NORM),
    "root mean square": (Last(nn.RMSNorm(12)), {"mul", "div", "batch_norm"}),
    "group of all": (nn.GroupNorm(1, 12), NORM | GLOBAL),
    "group": (nn.GroupNorm(4, 12), NORM | GLOBAL | {"reshape", "upsample_nearest2d", "flatten"}),
    "group of one": (nn.GroupNorm(12, 12), NORM | GLOBAL),
    "instance": (nn.InstanceNorm2d(12), NORM | GLOBAL),
    "instance with factors": (nn.InstanceNorm2d(12, affine=True), NORM | GLOBAL),
    "instance with statistics": (nn.InstanceNorm2d(12, affine=True, track_running_stats=True), set()),
}


@pytest.mark.parametrize("name", NORMS)
def test_norms(name, tmp_path):
    norm, operations = NORMS[name]
    if getattr(norm, "running_mean", None) is not None:
        nn.init.normal_(norm.running_mean)
        nn.init.uniform_(norm.running_var, 0.5, 2)
    model = nn.Sequential(nn.Conv2d(3, 12, 1), norm)
    assert set(check(model, tmp_path / "net.safetensors")) - IMAGE == operations


def ties(path):
    """Whether a slice says that the file is for images of one size."""
    slices = [node for node in file_of(path)["nodes"] if node["op"] == "slice"]
    return any(end < 2147483647 for node in slices for end in node.get("end", [])[1:])


SIZED = {
    "half": lambda x: F.adaptive_avg_pool2d(x, (4, 3)),
    "same": lambda x: F.adaptive_avg_pool2d(x, (8, 6)),
    "mean of height": lambda x: x.mean(2),
    "last rows": lambda x: x[:, :, -3:],
    "halves": lambda x: x.chunk(2, 2)[1],
    "rows": lambda x: x.split(4, 2)[0],
    "layer of rows": nn.LayerNorm(6),
}


@pytest.mark.parametrize("name", SIZED)
def test_what_follows_from_a_size_is_of_that_size(name, tmp_path):
    """Else the file, run with larger images, would compute something else than the model does."""
    path = tmp_path / "net.safetensors"
    export(Call(SIZED[name]), torch.randn(1, 3, 8, 6), path)
    assert ties(path)


FREE = {
    "group": nn.GroupNorm(4, 12),
    "instance": nn.InstanceNorm2d(12),
    "attention": attention,
    "first rows cut": lambda x: x[:, :, 2:],
    "channels": lambda x: x[:, -3:],
    "mean": lambda x: x.mean((2, 3)),
}


@pytest.mark.parametrize("name", FREE)
def test_what_does_not_runs_at_any_size(name, tmp_path):
    path = tmp_path / "net.safetensors"
    model = Call(FREE[name])
    export(model, torch.randn(1, 3, 8, 6), path)
    x = torch.randn(2, 3, 12, 10)
    with torch.no_grad():
        right, (got,) = model.eval()(x), Interpreter.open(path).values(x).values()
    assert not ties(path)
    torch.testing.assert_close(got.reshape(right.shape), right, rtol=1e-4, atol=1e-4)
