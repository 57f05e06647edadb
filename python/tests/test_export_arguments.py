"""What `export` is given, and what models return: taken, or refused by name; never a traceback of somebody else's."""

import json
import sys

import pytest
import torch
import torch.nn.functional as F
from safetensors import safe_open
from torch import nn

from filter_summary import ExportError, FsConv2d, Interpreter, export


class Call(nn.Module):
    """A function of the input and a layer's value as a model."""

    def __init__(self, function, first=None):
        super().__init__()
        self.first, self.function = first or nn.Conv2d(3, 4, 3, padding=1), function
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        return self.function(self, self.first(x))


def graph_in(path):
    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()["graph"])


def compare(model, path, x):
    with torch.no_grad():
        want = model.eval()(x)
        (got,) = Interpreter.open(path).values(x[(...,) + (None,) * (4 - x.dim())]).values()
    torch.testing.assert_close(got.reshape(want.shape), want, rtol=1e-4, atol=1e-4)


SLICES = {
    "chunk": (
        lambda m, x: x.chunk(2, 1)[1] * x.chunk(2, 1)[0],
        {"start": [2, 0, 0], "end": [4, 2147483647, 2147483647]},
        {"end": [2, 2147483647, 2147483647]},
    ),
    "every second": (lambda m, x: x[:, :, ::2, 1::2], {"start": [0, 0, 1], "step": [1, 2, 2]}),
    "one channel": (lambda m, x: x[:, :1], {"end": [1, 2147483647, 2147483647]}),
    "rows": (lambda m, x: x[:, :, 1:], {"start": [0, 1, 0]}),
    "cut": (lambda m, x: F.pad(x, (-1, 0, -2, 0)), {"start": [0, 2, 1]}),
}


@pytest.mark.parametrize("name", SLICES)
def test_slices_at_other_sizes(name, tmp_path):
    function, *keys = SLICES[name]
    model, path = Call(function), tmp_path / "net.safetensors"
    export(model, torch.randn(1, 3, 8, 6), path)
    found = [{k: v for k, v in node.items() if k in ("start", "end", "step")} for node in graph_in(path)["nodes"]]
    assert [one for one in found if one] == keys
    compare(model, path, torch.randn(2, 3, 11, 9))


def test_the_end_of_a_slice_to_one_pixel_is_kept(tmp_path):
    model = Call(lambda m, x: x[:, :1, :1, :1])
    export(model, torch.randn(1, 3, 8, 6), tmp_path / "net.safetensors")
    assert graph_in(tmp_path / "net.safetensors")["nodes"][-1]["op"] == "slice"
    compare(model, tmp_path / "net.safetensors", torch.randn(2, 3, 8, 6))


THREE_AXES = {
    "conv1d": (nn.Sequential(nn.Conv1d(5, 6, 3, padding=1), nn.ReLU(), nn.Conv1d(6, 2, 1)), (5, 7)),
    "avg_pool1d": (nn.Sequential(nn.Conv1d(5, 6, 1), nn.AvgPool1d(3, 2, 1)), (5, 7)),
    "avg_pool1d by itself": (nn.Sequential(nn.Conv1d(5, 6, 1), nn.AvgPool1d(2, ceil_mode=True)), (5, 7)),
    "avg_pool1d uncounted": (nn.Sequential(nn.Conv1d(5, 6, 1), nn.AvgPool1d(3, 2, 1, False, False)), (5, 7)),
    "transposed": (nn.Sequential(nn.ConvTranspose1d(6, 4, 3, 2, 1, 1, 2, True, 2), nn.ReLU()), (6, 7)),
    "glu": (nn.Sequential(nn.Conv1d(5, 6, 1), nn.GLU(1)), (5, 7)),
    "glu of the last axis": (nn.Sequential(nn.Linear(7, 6), nn.GLU()), (5, 7)),
    "linear": (nn.Sequential(nn.Linear(7, 6), nn.ReLU(), nn.Linear(6, 2)), (5, 7)),
}


@pytest.mark.parametrize("name", THREE_AXES)
@pytest.mark.parametrize("batch", [1, 3])
def test_examples_of_three_axes(name, batch, tmp_path):
    model, shape = THREE_AXES[name]
    exported = export(model, torch.randn(batch, *shape), tmp_path / "net.safetensors")
    assert exported.difference <= 1e-5
    compare(model, exported.path, torch.randn(2, *shape))


@pytest.mark.parametrize("layer", [nn.Conv2d(3, 4, 3), FsConv2d(3, 4, 3), nn.Conv2d(1, 4, 3)])
def test_an_image_without_a_batch_is_refused(layer, tmp_path):
    with pytest.raises(ExportError, match=r"\[N, C, H, W\]|cannot run 2 images"):
        export(layer, torch.randn(layer.in_channels, 8, 8), tmp_path / "net.safetensors")


def test_the_examples_own_batch_is_compared(tmp_path):
    """A model that computes something else for one image."""
    model = Call(lambda m, x: x + 1 if len(x) == 1 else x)
    with pytest.raises(ExportError, match="off the model"):
        export(model, torch.randn(1, 3, 8, 8), tmp_path / "net.safetensors")


def test_a_file_that_gives_nan_is_not_written(tmp_path, monkeypatch):
    from filter_summary import operations

    monkeypatch.setitem(operations.OPERATIONS, "softmax", lambda node, tensor, x: x * torch.nan)
    with pytest.raises(ExportError, match="off the model by nan"):
        export(Call(lambda m, x: x.softmax(1)), torch.randn(1, 3, 8, 6), tmp_path / "net.safetensors")
    assert not list(tmp_path.iterdir())


def inf_pad(x, kernel):
    return F.max_pool2d(F.pad(x, (0, 1, 1, 1), value=-torch.inf), kernel, 2)


def test_infinite_numbers(tmp_path):
    path, x = tmp_path / "net.safetensors", torch.randn(1, 3, 8, 6)
    export(Call(lambda m, x: x.clamp(-torch.inf, 1)), x, path)
    assert graph_in(path)["nodes"][0]["activation"] == {"clip": [-3.4028234663852886e38, 1.0]}
    export(Call(lambda m, x: inf_pad(x, 3)), x, path)
    assert [(node["op"], node.get("padding")) for node in graph_in(path)["nodes"]][1:] == [("max_pool2d", [1, 0, 1, 1])]
    path.unlink()
    with pytest.raises(ExportError, match="not finite"):
        export(Call(lambda m, x: inf_pad(x, 1)), x, path)
    with pytest.raises(ExportError, match="NaN"):
        export(Call(lambda m, x: x.clamp(torch.nan, 1)), x, path)
    assert not path.exists()


def written(m, x):
    m.calls.add_(1)
    return x


class IntoInput(nn.Module):
    def forward(self, x):
        return x.add_(1)


REFUSED = {
    "output 1 does not depend on the input": Call(lambda m, x: (x, m.first.weight)),
    "the output 'b' does not depend": Call(lambda m, x: {"a": x, "b": torch.ones(2, 3)}),
    "max_pool2d_with_indices: places are whole numbers": Call(lambda m, x: F.max_pool2d(x, 2, return_indices=True)),
    "writes its buffer 'calls'": Call(written),
    "writes into its input": IntoInput(),
    "cannot run 2 images": Call(lambda m, x: x.view(1, 4, 64)),
    "returns no tensor": Call(lambda m, x: None),
    "returns a int": Call(lambda m, x: (x, 3)),
    "randn_like: it draws random numbers: two runs of the model differ": Call(lambda m, x: x + torch.randn_like(x)),
    "gru: it remembers what came before": nn.Sequential(nn.Conv2d(3, 4, 1), nn.Flatten(2), nn.GRU(64, 4)),
    "exponential: it draws random numbers": Call(lambda m, x: F.gumbel_softmax(x, dim=1)),
}


@pytest.mark.parametrize("why", REFUSED)
def test_models_refused(why, tmp_path):
    with pytest.raises(ExportError, match=why):
        export(REFUSED[why], torch.randn(1, 3, 8, 8), tmp_path / "net.safetensors")
    assert not list(tmp_path.iterdir())


def test_a_branch_on_values_is_refused_in_one_line(tmp_path, capfd):
    with pytest.raises(ExportError, match="cannot trace the model: .*data-dependent") as error:
        export(Call(lambda m, x: x if x.sum() > 0 else -x), torch.randn(1, 3, 8, 8), tmp_path / "net.safetensors")
    assert len(str(error.value).splitlines()) == 1
    assert capfd.readouterr() == ("", "")


EXAMPLES = {
    "the example is 2 inputs": (torch.randn(1, 3, 8, 8),) * 2,
    "the example is a str": "image",
    "8, 8] float64: ": torch.randn(1, 3, 8, 8).double(),
    "torch.int64; the format has floating": torch.ones(1, 3, 8, 8).long(),
    "has no values": torch.randn(0, 3, 8, 8),
}


@pytest.mark.parametrize("why", EXAMPLES)
def test_examples_refused(why, tmp_path):
    with pytest.raises(ExportError, match=why):
        export(Call(lambda m, x: x), EXAMPLES[why], tmp_path / "net.safetensors")


def test_models_and_places_refused(tmp_path, monkeypatch):
    """Before anything is computed: an hour's work would be lost."""
    model, x = Call(lambda m, x: x), torch.randn(1, 3, 8, 8)
    monkeypatch.setattr(sys.modules["filter_summary.export"], "graph_of", None)
    with pytest.raises(ExportError, match="^the model is a str; it must be an nn.Module$"):
        export("model.pt", x, tmp_path / "net.safetensors")
    with pytest.raises(ExportError, match=f"^path .*: there is no folder {tmp_path / 'a' / 'b'}; make it first$"):
        export(model, x, tmp_path / "a" / "b" / "net.safetensors")
    with pytest.raises(ExportError, match=f"^path {tmp_path} is a folder"):
        export(model, x, tmp_path)
    with pytest.raises(ExportError, match="^path is a int"):
        export(model, x, 3)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"outputs": []}, "one name or more"), ({"outputs": [3]}, "one name or more"),
        ({"outputs": "a"}, "has no output 'a'"), ({"metadata": {"graph": "{}"}}, "may not have 'graph'"),
        ({"metadata": {"format_version": "3"}}, "may not have 'format_version'"),
        ({"metadata": {"format": "x"}}, "may not have 'format'"),
        ({"preprocess": {"order": "gbr"}}, "rgb or bgr"), ({"preprocess": {"mean": [0.5]}}, "1 numbers for 3 channels"),
        ({"labels": "abcd"}, "labels are 'abcd'"), ({"labels": 4}, "labels are 4; they must be a list"),
        ({"preprocess": {"std": [1, 0, 1]}}, "not 0"), ({"preprocess": {"std": 1}}, "std is no number"),
        ({"preprocess": {"scale": "x"}}, "scale is no number"), ({"preprocess": {"mean": [0, 0, torch.inf]}}, "finite"),
    ],
)  # fmt: skip
def test_arguments_refused(keys, why, tmp_path):
    model = Call(lambda m, x: {"logits": x.mean((2, 3))})
    with pytest.raises(ExportError, match=why):
        export(model, torch.randn(1, 3, 8, 8), tmp_path / "net.safetensors", **keys)
    assert not list(tmp_path.iterdir())


def test_arguments_taken(tmp_path):
    path, x = tmp_path / "net.safetensors", torch.randn(1, 3, 8, 8)
    export(Call(lambda m, x: {"logits": x.mean((2, 3)), "aux": x}), (x,), path, outputs="logits")
    assert graph_in(path)["output"] == "logits"
    export(Call(lambda m, x: (x, None)), x, path, preprocess={"mean": torch.zeros(3), "std": (1, 2, 3), "scale": 1})
    assert graph_in(path)["input"]["preprocess"] == {"mean": [0.0] * 3, "std": [1.0, 2.0, 3.0], "scale": 1.0}
    nested = Call(lambda m, x: {"a": x, "b": {"c": x.relu(), "d": [x.tanh(), x.sigmoid()]}, "e": None})
    assert export(nested, x, path).outputs == ("a", "b.c", "b.d.0", "b.d.1")
    assert export(nested, x, path, outputs=["b.c"]).outputs == ("b.c",)


ALPHA = {
    "added": lambda m, x: torch.add(torch.tensor(3.0), x, alpha=2),
    "a constant added": lambda m, x: torch.add(x, torch.tensor(3.0), alpha=2),
    "subtracted": lambda m, x: torch.sub(torch.tensor(3.0), x, alpha=2),
    "an image": lambda m, x: torch.add(torch.ones(8, 6), x, alpha=2),
}


@pytest.mark.parametrize("name", ALPHA)
def test_alpha(name, tmp_path):
    model = Call(ALPHA[name])
    export(model, torch.randn(1, 3, 8, 6), tmp_path / "net.safetensors")
    compare(model, tmp_path / "net.safetensors", torch.randn(2, 3, 8, 6))
