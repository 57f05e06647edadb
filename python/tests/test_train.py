"""Data and training, on a tiny made-up set."""

import lzma

import pytest
import torch

from filter_summary.interpret import Interpreter
from filter_summary.research import checkpoint, data, recipe, train
from filter_summary.research.evaluate import count_correct
from filter_summary.research.export import export


@pytest.fixture
def folder(tmp_path):
    """Five training files and a test file of 32 images whose colour tells the class, in every storage form."""
    rng = torch.Generator().manual_seed(0)
    for n, name in enumerate(data.TRAIN_FILES + data.TEST_FILES):
        labels = torch.randint(10, (32, 1), generator=rng)
        noise = torch.randint(60, (32, 3072), generator=rng)
        raw = torch.cat([labels, noise + 19 * labels], 1).to(torch.uint8).numpy().tobytes()
        if n == 0:
            (tmp_path / name).write_bytes(raw)
        elif n == 1:
            packed = lzma.compress(raw)
            (tmp_path / f"{name}.xz.000").write_bytes(packed[:1000])
            (tmp_path / f"{name}.xz.001").write_bytes(packed[1000:])
        else:
            (tmp_path / f"{name}.xz").write_bytes(lzma.compress(raw))
    return tmp_path


def command(folder, *more):
    files = ["--data", str(folder), "--checkpoint", str(folder / "c.pt")]
    return [*files, "--arch", "resnet8", "--batch", "32", "--device", "cpu", *more]


def test_load(folder):
    images = data.load(folder, data.TRAIN_FILES)
    assert images.pixels.shape == (160, 3, 32, 32) and images.pixels.dtype == torch.uint8
    assert images.labels.shape == (160,)


def test_bad_data(folder):
    with pytest.raises(data.DataError, match="nor missing.bin.xz"):
        data.load(folder, ("missing.bin",))
    (folder / "short.bin").write_bytes(bytes(data.RECORD + 1))
    with pytest.raises(data.DataError, match="3074 bytes"):
        data.load(folder, ("short.bin",))
    (folder / "broken.bin.xz").write_bytes(b"no xz")
    with pytest.raises(data.DataError, match="broken"):
        data.load(folder, ("broken.bin",))
    (folder / "label.bin").write_bytes(bytes([10]) + bytes(3072))
    with pytest.raises(data.DataError, match="label 10"):
        data.load(folder, ("label.bin",))


def test_normalize():
    pixels = torch.full((1, 3, 1, 1), 255, dtype=torch.uint8)
    want = [(1 - m) / s for m, s in zip(data.MEAN, data.STD)]
    assert data.normalize(pixels).flatten().tolist() == pytest.approx(want, rel=1e-6)


def test_augmented_images_are_shifted_and_flipped_originals():
    pixels = torch.randint(1, 256, (40, 3, 8, 8), dtype=torch.uint8)
    got = data.augment(pixels, 2, torch.Generator().manual_seed(0))
    seen = set()
    for image, source in zip(got, pixels):
        padded = torch.nn.functional.pad(source, (2, 2, 2, 2))
        found = [
            (dy, dx, flip)
            for dy in range(5)
            for dx in range(5)
            for flip in (False, True)
            if torch.equal(image, (padded.flip(2) if flip else padded)[:, dy : dy + 8, dx : dx + 8])
        ]
        assert found
        seen.update(found)
    assert len(seen) > 20


def test_one_cycle():
    assert recipe.one_cycle(0.2) == 1
    assert recipe.one_cycle(0.1) == pytest.approx(0.5)
    assert recipe.one_cycle(1.0) == 0


def test_sizes():
    sizes = train.Sizes("16:2,24:1")
    assert [sizes.at(epoch) for epoch in range(5)] == [16, 16, 24, 32, 32]
    assert train.Sizes("").at(0) == 32
    for wrong in ("16", "16:x", "7:1", "33:1", "16:0"):
        with pytest.raises(ValueError):
            train.Sizes(wrong)


def test_small_images_are_averages_of_full_ones():
    x = torch.randn(2, 3, 32, 32)
    assert data.resize(x, 32) is x
    flat = data.resize(torch.full((1, 3, 32, 32), 2.5), 12)
    assert flat.shape == (1, 3, 12, 12) and torch.allclose(flat, torch.tensor(2.5))
    assert data.resize(x, 16).mean() == pytest.approx(x.mean().item(), abs=0.02)


def test_epochs_see_the_sizes_asked_for(folder, monkeypatch):
    seen = []
    forward = train.Network.__call__

    def watch(model, x):
        seen.append(x.shape[-1])
        return forward(model, x)

    monkeypatch.setattr(train.Network, "__call__", watch)
    train.main(command(folder, "--epochs", "2", "--sizes", "16:1", "--no-bf16"))
    assert seen == [16] * 5 + [32] * 5 + [32]  # the last of them evaluates


def test_weight_decay_spares_batch_norm():
    model = train.build("resnet8", "tap:2")
    decayed, others = recipe.optimizer_for(model, 1e-3).param_groups
    assert sum(p.numel() for p in others["params"]) == 2 * (16 * 3 + 32 * 2 + 64 * 2) + 10
    assert sum(p.numel() for g in (decayed, others) for p in g["params"]) == model.parameters_count()


def test_training_learns_and_goes_on_exactly_where_it_stopped(folder, capsys):
    train.main(command(folder, "--epochs", "3", "--lr", "0.05"))
    whole = checkpoint.read(folder / "c.pt")
    assert whole["history"][-1][1] < whole["history"][0][1]
    (folder / "c.pt").unlink()
    short = train.train_epoch
    calls = []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return short(*arguments)

    train.train_epoch = interrupted
    try:
        with pytest.raises(KeyboardInterrupt):
            train.main(command(folder, "--epochs", "3", "--lr", "0.05"))
    finally:
        train.train_epoch = short
    train.main(command(folder, "--epochs", "3", "--lr", "0.05"))
    again = checkpoint.read(folder / "c.pt")
    assert again["epoch"] == 3 and again["correct"] == whole["correct"]
    for name, tensor in whole["model"].items():
        assert torch.equal(tensor, again["model"][name]), name


def test_another_placement_does_not_go_on_from_a_checkpoint(folder):
    train.main(command(folder, "--epochs", "1"))
    with pytest.raises(SystemExit, match="tap:2"):
        train.main(command(folder, "--epochs", "2", "--placement", "tap:1"))


def test_a_second_cycle_begins_from_the_first(folder):
    train.main(command(folder, "--epochs", "2"))
    (folder / "c.pt").rename(folder / "first.pt")
    train.main(command(folder, "--epochs", "1", "--init", str(folder / "first.pt")))
    state = checkpoint.read(folder / "c.pt")
    assert (state["epoch"], state["before"]) == (1, 2)


def test_a_checkpoint_of_the_first_version_loads(tmp_path):
    """It says `depth` instead of `arch`, and nothing of other placements than the kernels'."""
    model = train.build("resnet8", "tap:2")
    torch.save({"model": model.state_dict(), "placement": "tap:2", "depth": 8, "epoch": 1}, tmp_path / "old.pt")
    again, _ = checkpoint.load_model(tmp_path / "old.pt")
    assert again.arch == "resnet8" and str(again.placements) == "tap:2"
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), again.state_dict().values()))


def test_positions_have_their_own_learning_rate_and_no_decay():
    model = train.build("resnet8", "learned:tap:2")
    decayed, others, *locations = recipe.optimizer_for(model, 1e-3, 0.5).param_groups
    assert all(group["weight_decay"] == 0 for group in locations) and "lr_scale" not in others
    assert [group["params"][0].numel() for group in locations] == [16, 16, 32, 32, 64, 64]
    assert locations[-1]["lr_scale"] == 0.5 / (2 * 63 / 4) ** 2
    count = sum(p.numel() for group in (decayed, others, *locations) for p in group["params"])
    assert count == model.parameters_count()


def test_learned_positions_move_and_are_kept(folder):
    train.main(command(folder, "--placement", "learned:tap:2", "--first", "channel:4", "--epochs", "2"))
    state = checkpoint.read(folder / "c.pt")
    assert (state["arch"], state["placement"]) == ("resnet8", "learned:tap:2")
    assert (state["pointwise"], state["first"]) == (None, "channel:4")
    model, _ = checkpoint.load_model(folder / "c.pt")
    conv = model.stages[2][0].conv2
    begin = train.build("resnet8", "learned:tap:2").stages[2][0].conv2
    assert not torch.equal(conv.location_logit, begin.location_logit)
    assert bool((conv.positions() > 0).all() and (conv.positions() < conv.layout.span).all())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--arch", "resnet21"], "is none of"), (["--placement", "tap:0"], "not positive"),
        (["--first", "row:1"], "not one of"),
        (["--arch", "squeezenet1.0"], "trains on CIFAR-10"),
        (["--placement", "learned:tensor:4"], "tap or base or channel only"),
    ],
)  # fmt: skip
def test_bad_arguments(arguments, message, capsys):
    with pytest.raises(SystemExit):
        train.main(["--data", "none", "--checkpoint", "none", *arguments])
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arch", "placements"),
    [
        ("densenet10-4", ["--placement", "channel:4", "--first", "channel:4"]),
        ("preresnet11", ["--placement", "learned:tap:1", "--pointwise", "learned:channel:4"]),
        ("resnet8-b", ["--placement", "tensor:4", "--location-lr", "0"]),
    ],
)
def test_other_networks_are_trained_evaluated_and_exported(folder, arch, placements):
    train.main(command(folder, *placements, "--epochs", "1", "--arch", arch))
    model, state = checkpoint.load_model(folder / "c.pt")
    assert (model.arch, state["arch"]) == (arch, arch)
    images = data.load(folder, data.TEST_FILES)
    assert count_correct(model, images) == state["correct"]
    export(model, folder / "net.safetensors", {"epochs": "1"})
    exported = Interpreter.open(folder / "net.safetensors")
    assert count_correct(exported, images, prepare=exported.preprocess) == state["correct"]
