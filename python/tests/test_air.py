"""The air networks: layers against PyTorch's, training by their recipe, export."""

import math

import pytest
import torch
import torch.nn.functional as F
from test_train import folder  # noqa: F401
from torch import nn

from filter_summary import native
from filter_summary.interpret import Interpreter
from filter_summary.research import checkpoint, counts, data, recipe, teacher, train
from filter_summary.research.architectures import ArchitectureError, build
from filter_summary.research.counts import file_counts
from filter_summary.research.evaluate import count_correct
from filter_summary.research.export import export
from filter_summary.research.layers import NormRelu, Pool, WhitenedConv
from filter_summary.research.network_cases import scramble

NETWORKS = [
    ("air:8-12-12:2", "base:1"), ("air:8-12-12:3:residual", "base:1/2"), ("air:8-12-12:2", "gains:learned:tap:2"),
    ("air:8-12-12:2:separable", "dense"), ("air:8-12-12:2:residual", "gains:tap:1"), ("air:8-12-12:1", "channel:4"),
]  # fmt: skip


@pytest.fixture(params=["native", "PyTorch"])
def kernels(request, monkeypatch):
    if request.param == "PyTorch":
        monkeypatch.setattr(native, "library", lambda: None)
    elif native.library() is None:
        pytest.skip("there is no C compiler")


def close(got, want, share=1e-5):
    got, want = got.detach(), want.detach()
    torch.testing.assert_close(got, want, rtol=0, atol=share * float(want.abs().max()))


@pytest.mark.parametrize("with_residual", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_norm_relu(kernels, training, with_residual):
    """As batch norm with a factor of 1, an addition and ReLU; far from zero, where sums of squares would cancel."""
    torch.manual_seed(0)
    x = (torch.randn(4, 37, 5, 3) + 50).requires_grad_()
    residual = torch.randn(4, 37, 5, 3, requires_grad=True) if with_residual else None
    ours, theirs = NormRelu(37), nn.BatchNorm2d(37)
    nn.init.normal_(ours.bias)
    theirs.bias.data.copy_(ours.bias.data)
    for norm in (ours, theirs):
        norm.running_mean.fill_(49.5)
        norm.train(training)
    dy = torch.randn(4, 37, 5, 3)
    want = theirs(x)
    want = F.relu(want if residual is None else want + residual)
    got = ours(x) if residual is None else ours(x, residual)
    close(got, want, 1e-4)
    inputs = [x] if residual is None else [x, residual]
    back = torch.autograd.grad(got, [*inputs, ours.bias], dy)
    right = torch.autograd.grad(want, [*inputs, theirs.bias], dy)
    for one, other in zip(back, right):
        close(one, other, 1e-4)
    close(ours.running_mean, theirs.running_mean)
    close(ours.running_var, theirs.running_var, 1e-4)
    assert ours.num_batches_tracked == theirs.num_batches_tracked


def test_pool(kernels):
    x = torch.randint(-9, 9, (3, 40, 6, 4)).float().requires_grad_()
    dy = torch.randn(3, 40, 3, 2)
    got, want = Pool()(x), F.max_pool2d(x, 2)
    assert torch.equal(got, want)
    (back,) = torch.autograd.grad(got, x, dy)
    # Of equal values the first gets the gradient, as with PyTorch.
    assert torch.equal(back, torch.autograd.grad(want, x, dy)[0])
    assert Pool()(torch.randn(1, 2, 5, 5)).shape == (1, 2, 2, 2)


def test_first_layer(kernels):
    torch.manual_seed(0)
    layer = WhitenedConv(24)
    layer.whiten(torch.randn(20, 3, 12, 12))
    nn.init.normal_(layer.bias)
    dy = torch.randn(2, 24, 7, 5)
    for x in (torch.randn(2, 3, 7, 5), torch.randn(2, 3, 7, 5).contiguous(memory_format=torch.channels_last)):
        got, want = layer(x), F.relu(F.conv2d(x, layer.weight, layer.bias, 1, 1))
        close(got, want)
        back, right = (torch.autograd.grad(y, layer.bias, dy)[0] for y in (got, want))
        close(back, right)


def test_whitened_patches_are_white():
    torch.manual_seed(0)
    layer, x = WhitenedConv(54), torch.randn(50, 3, 10, 10).cumsum(3) / 4
    layer.whiten(x)
    assert torch.equal(layer.weight[:27], -layer.weight[27:]) and not layer.weight.requires_grad
    y = F.conv2d(x, layer.weight[:27]).transpose(0, 1).flatten(1)
    close(y @ y.T / y.shape[1], torch.eye(27), 0.1)  # but for the 5e-4 that is added to each variance


def test_counts():
    """The candidate for the authors' 221,935: with batch norm's buffers, even with a factor that it does not have."""
    model = build("air:48-192-192:3:residual", "base:1")
    norms = [m for m in model.modules() if isinstance(m, NormRelu)]
    channels = sum(len(m.bias) for m in norms)
    assert (model.parameters_count(), counts.state_count(model)) == (214_848, 217_449)
    assert counts.state_count(model) == 214_848 + 2 * channels + len(norms)
    assert counts.state_count(model) + channels < 221_935


@pytest.mark.parametrize("arch", ["air:8-12-12", "air:8-12:2", "air:8-12-12:0", "air:0-1-1:1", "air:1-1-1:1:wide"])
def test_bad_names(arch):
    with pytest.raises(ArchitectureError):
        build(arch, "base:1")


@pytest.mark.parametrize(("arch", "placement"), NETWORKS)
def test_export(arch, placement, tmp_path):
    torch.manual_seed(1)
    model = build(arch, placement)
    scramble(model)
    model.double()
    path = tmp_path / "net.safetensors"
    export(model, path)
    exported = Interpreter.open(path, torch.float64)
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        want, got = model(x), exported(x)
    close(got, want, 2e-5)
    assert {"add", "relu", "batch_norm"}.isdisjoint(node["op"] for node in exported.graph["nodes"])
    stored = {name: t for name, t in exported.tensors.items() if f"{name.removesuffix('.weight')}.summary" not in
              exported.tensors}  # fmt: skip
    norms = sum(len(m.bias) for m in model.modules() if isinstance(m, NormRelu))
    depthwise_or_dense = sum(
        len(exported.tensors[f"{node['name']}.bias"]) for node in exported.graph["nodes"]
        if node["op"] == "conv2d" and f"{node['name']}.bias" in exported.tensors and node["name"] != "first"
    )  # fmt: skip
    # Scales of norms are stored, but where they are folded into dense weights.
    assert file_counts(stored)[0] == model.parameters_count() + norms - depthwise_or_dense


def test_translate():
    pixels = torch.randint(256, (40, 3, 8, 8), dtype=torch.uint8)
    mirrored = torch.arange(40) % 2 == 1
    got = data.translate(pixels, mirrored, 2, torch.Generator().manual_seed(0))
    seen = set()
    for image, source, flip in zip(got, pixels, mirrored):
        padded = F.pad((source.flip(2) if flip else source)[None].float(), (2, 2, 2, 2), "reflect")[0].to(torch.uint8)
        found = [
            (dy, dx) for dy in range(5) for dx in range(5) if torch.equal(image, padded[:, dy : dy + 8, dx : dx + 8])
        ]
        assert found
        seen.update(found)
    assert len(seen) > 15


def test_triangle():
    assert recipe.triangle(0) == pytest.approx(0.2) and recipe.triangle(0.23) == 1
    assert recipe.triangle(1.0) == pytest.approx(0.07)


def command(folder, *more):  # noqa: F811
    files = ["--data", str(folder), "--checkpoint", str(folder / "c.pt"), "--arch", "air:8-8-8:2:residual"]
    return [*files, "--placement", "base:1", "--sizes", "16:2,32:1", "--batch", "16", "--device", "cpu", *more]


def options(folder, *more):  # noqa: F811
    return train.parse_arguments(command(folder, *more))


def test_every_image_is_mirrored_in_every_other_epoch(folder):  # noqa: F811
    images = data.load(folder, data.TRAIN_FILES)
    arguments = options(folder, "--translate", "0", "--batch", "160")
    air = recipe.Air(arguments.model, arguments)
    plain = {x.numpy().tobytes(): n for n, x in enumerate(data.normalize(images.pixels))}
    flipped = {x.numpy().tobytes(): n for n, x in enumerate(data.normalize(images.pixels.flip(3)))}
    seen = []
    for epoch in range(3):
        ((x, labels, target),) = air.batches(images, epoch)
        assert target is None
        keys = [row.contiguous().numpy().tobytes() for row in x]
        seen.append({plain.get(key, flipped.get(key)): key in flipped for key in keys})
        assert all(labels[j] == images.labels[plain.get(key, flipped.get(key))] for j, key in enumerate(keys))
    assert len(seen[0]) == 160 and 40 < sum(seen[0].values()) < 120
    assert all(seen[0][n] == seen[2][n] != seen[1][n] for n in seen[0])


def test_lookahead_and_groups(folder):  # noqa: F811
    arguments = options(folder, "--gain-decay", "0")
    model = arguments.model
    air = recipe.Air(model, arguments)
    others, biases, gains = air.optimizer.param_groups
    assert sum(len(group["params"]) for group in air.optimizer.param_groups) == len(air.learned)
    assert gains["weight_decay"] == 0 and len(gains["params"]) == 6 and len(biases["params"]) == 7
    # Decay a step is the same for all: the learning rate times it.
    assert biases["weight_decay"] * biases["lr_scale"] == pytest.approx(others["weight_decay"])
    first = [p.detach().clone() for p in air.learned]
    with torch.no_grad():
        for p in air.learned:
            p += 1
    air.stepped(19, 100)
    assert all(torch.equal(p, q + 1) for p, q in zip(air.learned, first))
    air.stepped(20, 100)
    kept = 0.95**20 * 0.2**3
    for p, q in zip(air.learned, first):
        torch.testing.assert_close(p, q + (1 - kept), rtol=0, atol=1e-6)
    slow = [p.detach().clone() for p in air.learned]
    with torch.no_grad():
        for p in air.learned:
            p += 1
    air.stepped(100, 100)
    assert all(torch.equal(p, q) for p, q in zip(air.learned, slow))


def test_training_goes_on_exactly_and_is_exported(folder, monkeypatch):  # noqa: F811
    train.main(command(folder))
    whole = checkpoint.read(folder / "c.pt")
    assert whole["history"][-1][1] < whole["history"][0][1] and whole["epoch"] == 3
    model, _ = checkpoint.load_model(folder / "c.pt")
    images = data.load(folder, data.TEST_FILES)
    export(model, folder / "net.safetensors")
    exported = Interpreter.open(folder / "net.safetensors")
    assert (
        count_correct(model, images) == whole["correct"] == count_correct(exported, images, prepare=exported.preprocess)
    )
    (folder / "c.pt").unlink()
    save = checkpoint.save

    def interrupt(path, state):
        save(path, state)
        if state["epoch"] == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train.main(command(folder))
    train.main(command(folder))
    again = checkpoint.read(folder / "c.pt")
    assert [row[1] for row in again["history"]] == [row[1] for row in whole["history"]]
    for name, tensor in whole["model"].items():
        assert torch.equal(tensor, again["model"][name]), name


def test_validation_does_not_read_test_images(folder, monkeypatch):  # noqa: F811
    monkeypatch.setattr(data, "VALIDATION", 40)
    (folder / "test_batch.bin.xz").unlink()
    train.main(command(folder, "--validate"))
    state = checkpoint.read(folder / "c.pt")
    assert state["validated"] and state["correct"] <= 40


def test_a_teacher(folder, capsys):  # noqa: F811
    """Its logits, plain and mirrored, are learned as probabilities."""
    train.main(command(folder))
    (folder / "c.pt").rename(folder / "first.pt")
    teacher.main(["--data", str(folder), "--no-bf16", "--batch", "50", str(folder / "first.pt"), str(folder / "t.pt")])
    logits = torch.load(folder / "t.pt", weights_only=True)
    images = data.load(folder, data.TRAIN_FILES)
    model, _ = checkpoint.load_model(folder / "first.pt")
    with torch.no_grad():
        for part, pixels in zip(logits, (images.pixels, images.pixels.flip(3))):
            close(part, model(data.normalize(pixels)), 1e-4)
    arguments = options(folder, "--teacher", str(folder / "t.pt"), "--temperature", "2", "--translate", "0")
    air = recipe.Air(arguments.model, arguments)
    x, _, target = next(air.batches(images, 0))
    with torch.no_grad():
        close(target, (model(x) / 2).softmax(1), 1e-4)
    entropy = -(target * target.log()).sum(1).mean()
    assert float(recipe.loss_of(target.log(), None, target, 0.2)) == pytest.approx(float(entropy), rel=1e-5)
    assert not math.isclose(float(entropy), 0)
    train.main(command(folder, "--teacher", str(folder / "t.pt")))
    assert checkpoint.read(folder / "c.pt")["recipe"]["teacher"] == "t.pt"
    with pytest.raises(SystemExit):
        train.main(command(folder, "--recipe", "cycle", "--teacher", str(folder / "t.pt")))
    assert "needs --recipe air" in capsys.readouterr().err
