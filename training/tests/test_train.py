"""Data and training, on a tiny made-up set."""

import lzma

import pytest
import torch

from fsnet_train import checkpoint, data, train


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
    fixed = ["--data", str(folder), "--checkpoint", str(folder / "c.pt"), "--depth", "8", "--batch", "32", "--device", "cpu"]
    return [*fixed, *more]


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
    assert train.one_cycle(0.2) == 1
    assert train.one_cycle(0.1) == pytest.approx(0.5)
    assert train.one_cycle(1.0) == 0


def test_weight_decay_spares_batch_norm():
    model = train.ResNet(train.Placement.parse("tap:2"), 8)
    decayed, others = train.optimizer_for(model, 1e-3).param_groups
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
