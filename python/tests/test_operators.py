"""Every operation that `export` takes: the exported file, by the interpreter of the format, beside PyTorch."""

import json
import math

import pytest
import torch
import torch.nn.functional as F
from safetensors import safe_open
from torch import nn

from filter_summary import ExportError, FsConv2d, Interpreter, export


class Call(nn.Module):
    """A function as a model, with a learned layer before it that makes channels of an image."""

    def __init__(self, function, channels=12):
        super().__init__()
        self.first, self.function = nn.Conv2d(3, channels, 1), function

    def forward(self, x):
        return self.function(self.first(x))


def file_of(path):
    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()["graph"])


def check(model, path, size=(8, 6), channels=3, **keys):
    """Export, and compare once more, in float32 and on other numbers than `export` itself does; the operations."""
    torch.manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.5)
    model = model.eval()
    example = torch.randn(2, channels, *size)
    exported = export(model, example, path, **keys)
    x = torch.randn(3, channels, *size)
    with torch.no_grad():
        right, values = model(x) if keys.pop("own_batch", True) else None, Interpreter.open(path).values(x)
    rights = list(right.values()) if isinstance(right, dict) else [right] if isinstance(right, torch.Tensor) else right
    assert len(rights) == len(values)
    for want, (name, got) in zip(rights, values.items()):
        assert got.dim() == 4, name
        torch.testing.assert_close(got.reshape(want.shape), want, rtol=1e-4, atol=1e-4)
    return exported.operations


ACTIVATIONS = {
    "relu": (F.relu, "relu"),
    "relu6": (F.relu6, "relu6"),
    "leaky_relu": (lambda x: F.leaky_relu(x, 0.2), {"leaky_relu": 0.2}),
    "sigmoid": (torch.sigmoid, "sigmoid"),
    "tanh": (torch.tanh, "tanh"),
    "silu": (F.silu, "silu"),
    "swish": (lambda x: x * torch.sigmoid(x), "silu"),
    "hardsigmoid": (F.hardsigmoid, {"hard_sigmoid": [1 / 6, 0.5]}),
    "hardswish": (F.hardswish, "hard_swish"),
    "hardswish by hand": (lambda x: x * F.relu6(x + 3) / 6, "hard_swish"),
    "hardswish, gate first": (lambda x: (F.relu6(x + 3) / 6) * x, "hard_swish"),
    "gelu": (F.gelu, "gelu"),
    "gelu tanh": (lambda x: F.gelu(x, approximate="tanh"), "gelu_tanh"),
    "gelu by hand": (lambda x: x * 0.5 * (1.0 + torch.erf(x / math.sqrt(2.0))), "gelu"),
    "gelu by hand, gate first": (lambda x: (1 + torch.erf(x * 0.70710678)) / 2 * x, "gelu"),
    "softsign": (F.softsign, "softsign"),
    "softsign by hand": (lambda x: x / (1 + x.abs()), "softsign"),
    "threshold": (lambda x: F.threshold(x, 0.1, 0.1), {"clip": [0.1, 3.4028234663852886e38]}),
    "elu": (lambda x: F.elu(x, 0.5), {"elu": 0.5}),
    "celu": (lambda x: F.celu(x, 2.0), {"celu": 2.0}),
    "selu": (F.selu, "selu"),
    "softplus": (F.softplus, "softplus"),
    "mish": (F.mish, "mish"),
    "exp": (torch.exp, "exp"),
    "mish by hand": (lambda x: x * torch.tanh(F.softplus(x)), "mish"),
    "hardtanh": (F.hardtanh, {"clip": [-1.0, 1.0]}),
    "clamp": (lambda x: x.clamp(-0.5, 0.25), {"clip": [-0.5, 0.25]}),
    "clamp_min": (lambda x: x.clamp_min(0), "relu"),
    "clamp above": (lambda x: x.clamp(max=0.5), {"clip": [-3.4028234663852886e38, 0.5]}),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_go_into_the_node_before(name, tmp_path):
    function, word = ACTIVATIONS[name]
    assert check(Call(function), tmp_path / "a.safetensors") == {"conv2d": 1}
    (node,) = file_of(tmp_path / "a.safetensors")["nodes"]
    assert node["activation"] == word
    # A node of its own where somebody else reads what is before it.
    operations = check(Call(lambda x: torch.cat([function(x), x], 1)), tmp_path / "b.safetensors")
    assert operations["conv2d"] == 1 and operations["activation" if word != "relu" else "relu"] == 1


def lrn(size):
    return lambda x: F.local_response_norm(x, size, 0.5, 0.75, 2.0)


def shuffle_by_hand(x):
    n, c, h, w = x.shape
    return x.view(n, 3, c // 3, h, w).transpose(1, 2).contiguous().view(n, c, h, w)


def pixels_by_hand(x):
    n, c, h, w = x.shape
    return x.view(n, c // 4, 2, 2, h, w).permute(0, 1, 4, 2, 5, 3).reshape(n, c // 4, 2 * h, 2 * w)


def space_by_hand(x):
    n, c, h, w = x.shape
    return x.view(n, c, h // 2, 2, w // 2, 2).permute(0, 1, 3, 5, 2, 4).reshape(n, 4 * c, h // 2, w // 2)


OPERATIONS = {
    "mul gate": (lambda x: x * torch.sigmoid(x.mean((2, 3), keepdim=True)), {"mul", "global_avg_pool2d", "activation"}),
    "softplus, scaled": (lambda x: F.softplus(x, 2.0, 30.0) + F.logsigmoid(x), {"add", "batch_norm"}),
    "root": (lambda x: x.relu().sqrt(), {"activation"}),
    "sub, div": (lambda x: (x - x.tanh()) / (x.sigmoid() + 1), {"sub", "div", "activation", "batch_norm"}),
    "rsub": (lambda x: 1 - x, set()),
    "scalars": (lambda x: (2 * x + 1) / 4 - 3, set()),
    "reciprocal": (lambda x: 1 / (x.sigmoid() + 1), {"div", "activation", "batch_norm"}),
    "a constant divided": (
        lambda x: torch.arange(12.0).view(12, 1, 1) / (x.sigmoid() + 1), {"div", "activation", "batch_norm"}),
    "an image divided": (
        lambda x: torch.arange(48.0).view(8, 6) / (x.sigmoid() + 1),
        {"div", "mul", "activation", "batch_norm"}),
    "square": (lambda x: x**2 + x, {"mul", "add"}),
    "neg": (lambda x: -x, set()),
    "max_pool": (lambda x: F.max_pool2d(x, 3, 2, 1), {"max_pool2d"}),
    "max_pool ceil": (lambda x: F.max_pool2d(x, (3, 2), (2, 3), (1, 0), ceil_mode=True), {"max_pool2d"}),
    "avg_pool": (lambda x: F.avg_pool2d(x, 3, 2, 1), {"avg_pool2d"}),
    "avg_pool ceil": (lambda x: F.avg_pool2d(x, 3, 2, 1, True, False), {"avg_pool2d"}),
    "avg_pool ceil padded": (lambda x: F.avg_pool2d(x, (2, 3), (3, 2), (1, 1), True, True), {"avg_pool2d"}),
    "nearest": (lambda x: F.interpolate(x, scale_factor=2.0), {"upsample_nearest2d"}),
    "nearest sizes": (lambda x: F.interpolate(x, size=(5, 13)), {"resize"}),
    "nearest exact": (lambda x: F.interpolate(x, size=(5, 13), mode="nearest-exact"), {"resize"}),
    "bilinear": (lambda x: F.interpolate(x, size=(13, 5), mode="bilinear"), {"resize"}),
    "bilinear scale": (lambda x: F.interpolate(x, scale_factor=(1.7, 0.6), mode="bilinear"), {"resize"}),
    "bilinear corners": (lambda x: F.interpolate(x, size=(13, 1), mode="bilinear", align_corners=True), {"resize"}),
    "pad": (lambda x: F.pad(x, (1, 2, 3, 0), value=0.5), {"pad"}),
    "pad reflect": (lambda x: F.pad(x, (1, 2, 3, 0), "reflect"), {"pad"}),
    "pad replicate": (lambda x: F.pad(x, (1, 2, 3, 0), "replicate"), {"pad"}),
    "pad negative": (lambda x: F.pad(x, (-1, -2, 0, -1)), {"slice"}),
    "shortcut A": (lambda x: F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 3)), {"shortcut_a"}),
    "slice": (lambda x: x[:, 2:9:3, 1:, :-2], {"slice"}),
    "select": (lambda x: x[:, 3].unsqueeze(1), {"slice"}),
    "narrow": (lambda x: x.narrow(2, 1, 4), {"slice"}),
    "chunk": (lambda x: x.chunk(2, 1)[0] * x.chunk(2, 1)[1].sigmoid(), {"slice", "activation", "mul"}),
    "split": (lambda x: torch.cat(x.split([2, 7, 3], 1)[::-1], 1), {"slice", "concat"}),
    "unbind": (lambda x: torch.stack(x.unbind(3)[1:3], 3), {"slice", "concat"}),
    "cat of heights": (lambda x: torch.cat([x, x.relu()], 2), {"concat", "relu"}),
    "pixel_shuffle": (lambda x: F.pixel_shuffle(x, 2), {"depth_to_space"}),
    "pixel_unshuffle": (lambda x: F.pixel_unshuffle(x, 2), {"space_to_depth"}),
    "channel_shuffle": (lambda x: F.channel_shuffle(x, 4), {"channel_shuffle"}),
    "channel shuffle by hand": (shuffle_by_hand, {"channel_shuffle"}),
    "pixel shuffle by hand": (pixels_by_hand, {"depth_to_space"}),
    "space to depth by hand": (space_by_hand, {"space_to_depth"}),
    "permute": (lambda x: x.permute(0, 2, 3, 1), {"permute"}),
    "head": (lambda x: x.permute(0, 2, 3, 1).reshape(len(x), -1, 4), {"permute", "reshape"}),
    "there and back": (lambda x: x.permute(0, 2, 3, 1).tanh().permute(0, 3, 1, 2), set()),
    "five axes": (lambda x: x.view(len(x), 2, 6, 8, 6).permute(0, 3, 2, 1, 4).reshape(len(x), 8, 12, 6),
                  {"permute", "reshape"}),
    "softmax": (lambda x: x.softmax(1), {"softmax"}),
    "softmax of widths": (lambda x: x.softmax(-1), {"softmax"}),
    "log_softmax": (lambda x: x.flatten(1).log_softmax(1), {"flatten", "log_softmax"}),
    "lrn": (lrn(5), {"local_response_norm"}),
    "lrn of an even size": (lrn(4), {"mul", "conv2d", "local_response_norm", "div"}),
    "lrn of a square root": (lambda x: F.local_response_norm(x, 2, 0.5, 0.5), {"mul", "conv2d", "div"}),
    "rrelu": (lambda x: F.rrelu(x, 0.1, 0.4), set()),
    "expm1": (torch.expm1, {"batch_norm"}),
    "distance": (lambda x: F.pairwise_distance(x.mean((2, 3)), x.amax((2, 3)), keepdim=True), {
        "global_avg_pool2d", "global_max_pool2d", "sub", "batch_norm", "mul", "conv2d"}),
    "distance of rows": (lambda x: F.pairwise_distance(x, torch.arange(6.0), 1.0), {
        "batch_norm", "sub", "slice", "avg_pool2d"}),
    "avg_pool divided": (lambda x: F.avg_pool2d(x, 3, 2, 1, divisor_override=5), {"pad", "avg_pool2d", "batch_norm"}),
    "avg_pool divided, ceil": (
        lambda x: F.avg_pool2d(x, (2, 3), (3, 2), (1, 0), True, divisor_override=2), {
            "pad", "avg_pool2d", "batch_norm"}),
    "wide flip": (lambda x: F.interpolate(x, scale_factor=3.0).flip(3), {"upsample_nearest2d", "permute", "conv2d"}),
    "rows picked": (lambda x: F.interpolate(x, scale_factor=6.0)[:, :, [23 * n % 48 for n in range(48)]], {
        "upsample_nearest2d", "permute", "conv2d"}),
    "weights of images": (lambda x: torch.bmm(torch.arange(24.0).view(1, 2, 12).repeat(len(x), 1, 1), x.flatten(2)), {
        "conv2d", "reshape"}),
    "dropout": (lambda x: F.dropout(F.dropout2d(x, 0.5, False), 0.5, False), set()),
    "gelu of half the factor": (lambda x: x * (1 + torch.erf(x / 2**0.5)), {"batch_norm"}),
    "gelu of a sum": (lambda x: (2 * x + 1) * (1 + torch.erf((2 * x + 1) / 2**0.5)) * 0.5, set()),
    "expand_as": (lambda x: x * x.mean((2, 3), True).expand_as(x), {"global_avg_pool2d", "mul"}),
    "swish of squeeze": (lambda x: x.mean((2, 3))[:, :, None, None] + x, {"global_avg_pool2d", "add"}),
    "constants of pixels": (
        lambda x: x * torch.arange(48.0).view(8, 6) - torch.arange(72.0).view(12, 1, 6), {"mul", "sub"}),
}  # fmt: skip


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations(name, tmp_path):
    function, operations = OPERATIONS[name]
    found = check(Call(function), tmp_path / "net.safetensors")
    assert set(found) - {"conv2d"} == operations - {"conv2d"}
    assert found["conv2d"] == 1 + ("conv2d" in operations)


LAYERS = {
    "conv": nn.Conv2d(4, 6, (3, 2), (1, 2), (2, 1), (2, 1), 2),
    "same": nn.Conv2d(4, 6, (4, 3), padding="same", dilation=(1, 2)),
    "reflect": nn.Conv2d(4, 6, 3, padding=(1, 2), padding_mode="reflect"),
    "replicate": nn.Conv2d(4, 6, 3, padding=2, padding_mode="replicate"),
    "transposed": nn.ConvTranspose2d(4, 6, (3, 2), (2, 3), (1, 0), (1, 2), 2, True, (1, 2)),
    "transposed and norm": nn.Sequential(nn.ConvTranspose2d(4, 6, 2, 2, bias=False), nn.BatchNorm2d(6), nn.ReLU()),
    "norm alone": nn.Sequential(nn.Tanh(), nn.BatchNorm2d(4), nn.SiLU()),
    "norm without factors": nn.Sequential(nn.Conv2d(4, 6, 1), nn.BatchNorm2d(6, affine=False)),
    "pool, then norm": nn.Sequential(nn.Conv2d(4, 6, 1), nn.MaxPool2d(2), nn.BatchNorm2d(6), nn.ReLU()),
    "prelu": nn.Sequential(nn.Conv2d(4, 6, 1), nn.PReLU(6), nn.PReLU()),
    "linear": nn.Sequential(nn.Flatten(), nn.Linear(4 * 48, 7), nn.BatchNorm1d(7), nn.ReLU(), nn.Linear(7, 3)),
    "linear over channels": nn.Sequential(nn.Flatten(2), nn.Linear(48, 5), nn.ReLU(), nn.Linear(5, 3)),
    "lrn": nn.LocalResponseNorm(3),
    "glu": nn.GLU(1),
    "softmin": nn.Softmin(1),
    "softmax2d": nn.Softmax2d(),
    "channel shuffle": nn.ChannelShuffle(2),
    "zero padding": nn.ZeroPad2d((1, 2, -1, 3)),
    "constant padding": nn.ConstantPad2d(1, 0.5),
    "unflattened": nn.Sequential(nn.Flatten(), nn.Unflatten(1, (4, 6, 8))),
    "tanhshrink": nn.Tanhshrink(),
    "zeros around": nn.Sequential(nn.ZeroPad2d((1, 2, 0, 1)), nn.Conv2d(4, 6, 3, bias=False)),
    "parametrized": nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 6, 3)),
}
for _placement in ("tap:2", "gains:tap:1", "base:1", "channel:4", "tensor:4", "gains:learned:tap:2"):
    LAYERS[f"fs {_placement}"] = nn.Sequential(
        FsConv2d(4, 6, 3, padding="same", placement=_placement, bias=False), nn.BatchNorm2d(6), nn.ReLU()
    )
LAYERS["fs grouped"] = FsConv2d(4, 6, (3, 2), (2, 1), (0, 1), (1, 2), 2, placement="tap:1")
LAYERS["fs reflect"] = FsConv2d(4, 6, 3, padding=(1, 2), padding_mode="reflect", placement="tap:1")
LAYERS["fs in 8 bits"] = FsConv2d(4, 6, 3, padding=1, placement="tap:1", bits=8)


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name, tmp_path):
    model = LAYERS[name]
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)
    operations = check(model, tmp_path / "net.safetensors", channels=4)
    if "norm" in name and name not in ("norm alone", "pool, then norm"):
        assert "batch_norm" not in operations
    if name.startswith("fs") and name != "fs reflect":
        assert operations == {"fs_conv2d": 1}
    if name == "fs in 8 bits":
        with safe_open(tmp_path / "net.safetensors", "pt") as file:
            assert {file.get_tensor(n).dtype for n in file.keys() if n.endswith("summary")} == {torch.uint8}


class Several(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.conv, self.kind = nn.Conv2d(3, 4, 3), kind

    def forward(self, x):
        y = self.conv(x)
        return {"dict": {"out": y, "aux": y.relu()}, "tuple": (y, y.mean((2, 3)), y), "list": [x, y]}[self.kind]


def test_several_outputs(tmp_path):
    path = tmp_path / "net.safetensors"
    check(Several("dict"), path)
    assert file_of(path)["outputs"] == ["out", "aux"]
    check(Several("tuple"), path, outputs=("map", "mean", "again"))
    assert file_of(path)["outputs"] == ["map", "mean", "again"]
    check(Several("list"), path)
    assert len(file_of(path)["outputs"]) == 2
    export(Several("dict"), torch.randn(1, 3, 8, 8), path, outputs=["aux"])
    assert file_of(path)["output"] == "aux" and file_of(path)["nodes"][0]["activation"] == "relu"
    with pytest.raises(ExportError, match="no output 'other'; it has out, aux"):
        export(Several("dict"), torch.randn(1, 3, 8, 8), path, outputs=["other"])
    with pytest.raises(ExportError, match="2 names for 3 outputs"):
        export(Several("tuple"), torch.randn(1, 3, 8, 8), path, outputs=["a", "b"])


class Wrong(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.Threshold(0.1, 2.0)

    def forward(self, x):
        return torch.sin(self.norm(self.conv(x))).relu() + torch.sin(x.mean((2, 3), True).prod(1, True))


def test_all_that_cannot_be_exported_is_named(tmp_path):
    path = tmp_path / "net.safetensors"
    with pytest.raises(ExportError) as error:
        export(Wrong(), torch.randn(1, 3, 8, 8), path)
    first, *lines = str(error.value).splitlines()
    assert first == "4 operations are not in the network format:"
    assert [line.split(":")[1].strip() for line in lines] == ["threshold", "sin", "prod"]
    assert all("test_operators.py" in line for line in lines) and "return torch.sin" in lines[1]
    assert not path.exists()


REFUSED = {
    r"the first axis of \[4, 288\] is not the 2 images": lambda x: x.reshape(4, -1),
    "over the images of a batch": lambda x: x.mean(),
    "some images of a batch": lambda x: x[:1] + x,
    r"the first axis of \[12, 2, 8, 6\] is not the 2 images": lambda x: x.transpose(0, 1),
    "take argmax in your program": lambda x: x.argmax(1),
    "take topk in your program": lambda x: x.mean((2, 3)).topk(3)[0],
    "places are whole numbers": lambda x: x.max(1),
    "no dilated pools": lambda x: F.max_pool2d(x, 2, dilation=2),
    "values of 5 axes": lambda x: F.pixel_shuffle(x.view(-1, 3, 4, 8, 6), 2),
    "it moves 1200 rows or columns one by one": lambda x: F.interpolate(x, scale_factor=(1, 200)).flip(3),
    "rrelu: it draws random numbers": lambda x: F.rrelu(x, training=True),
    "no such operation": lambda x: x.cumsum(1),
    "le: the format has no such": F.hardshrink,
    "a jump, which the format lacks": lambda x: F.threshold(x, 0.1, 2.0),
    "erf: the format has it in GELU alone": torch.erf,
    "1 operation is not in the network format:\n.* erf: ": lambda x: (x + 1) * (1 + torch.erf(x / 2**0.5)),
    "give it as many axes": lambda x: x.mean((2, 3)).expand(12, 2, 12),
}


def test_what_reads_random_numbers_is_not_named_too(tmp_path):
    with pytest.raises(ExportError) as error:
        export(Call(lambda x: F.gumbel_softmax(x, dim=1)), torch.randn(2, 3, 8, 6), tmp_path / "net.safetensors")
    first, line = str(error.value).splitlines()
    assert first == "1 operation is not in the network format:" and "exponential: it draws random numbers" in line


@pytest.mark.parametrize("why", REFUSED)
def test_refused(why, tmp_path):
    with pytest.raises(ExportError, match=why):
        export(Call(REFUSED[why]), torch.randn(2, 3, 8, 6), tmp_path / "net.safetensors")
    assert not list(tmp_path.iterdir())


def test_bad_arguments(tmp_path):
    path, x, model = tmp_path / "net.safetensors", torch.randn(1, 3, 8, 6), Call(lambda x: x.mean((2, 3)))
    with pytest.raises(ExportError, match="3 labels for 12 values"):
        export(model, x, path, labels=["a", "b", "c"])
    with pytest.raises(ExportError, match="not 'size'"):
        export(model, x, path, preprocess={"size": 3})
    with pytest.raises(ExportError, match="1 axes"):
        export(model, torch.randn(3), path)
    model.first.weight.data[0, 0] = torch.nan
    with pytest.raises(ExportError, match="first.weight holds a value that is not finite"):
        export(model, x, path)
    assert not path.exists()


def test_a_wrong_file_is_not_written(tmp_path, monkeypatch):
    """The comparison stands between a fault of the exporter and the file."""
    from filter_summary import operations

    monkeypatch.setitem(operations.OPERATIONS, "softmax", lambda node, tensor, x: x.softmax(2))
    with pytest.raises(ExportError, match="softmax is off the model by .* more than 1e-05"):
        export(Call(lambda x: x.softmax(1)), torch.randn(1, 3, 8, 6), tmp_path / "net.safetensors")
    assert not list(tmp_path.iterdir())


def test_the_model_is_as_it_was(tmp_path):
    model = nn.Sequential(FsConv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout()).train()
    model[1].eval()
    exported = export(model, torch.randn(1, 3, 8, 8), tmp_path / "net.safetensors", metadata={"epochs": "3"})
    assert [m.training for m in model] == [True, False, True] and model[0].leaf is None
    assert exported.bytes == exported.path.stat().st_size and "1 fs_conv2d" in str(exported)
    with safe_open(exported.path, "pt") as file:
        assert file.metadata()["epochs"] == "3" and file.metadata()["format_version"] == "2"
