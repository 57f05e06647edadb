"""CIFAR-10 from its original binary files, the whole set in memory, augmented a batch at a time.

A record is 1 label byte and 3,072 bytes: R, G and B planes of 32 x 32 (https://www.cs.toronto.edu/~kriz/cifar.html).
Files may be compressed with xz (`.xz`), and a compressed file may be cut in pieces (`NAME.000`, `NAME.001`, ..).
"""

from __future__ import annotations

import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

RECORD = 1 + 3 * 32 * 32
LABELS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
TRAIN_FILES = tuple(f"data_batch_{n}.bin" for n in range(1, 6))
TEST_FILES = ("test_batch.bin",)
VALIDATION = 5000
"""How many of the last training images are held out where decisions are made."""


class DataError(Exception):
    """A data file that is missing, cut short or not CIFAR-10."""


@dataclass
class Images:
    """`pixels` uint8 `[N, 3, 32, 32]` and `labels` int64 `[N]`."""

    pixels: torch.Tensor
    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, part: slice) -> Images:
        return Images(self.pixels[part], self.labels[part])

    def to(self, device: torch.device) -> Images:
        return Images(self.pixels.to(device), self.labels.to(device))


def read_bytes(folder: Path, name: str) -> bytes:
    """One file of the set: plain, `.xz`, or the pieces of either."""
    for path in (folder / name, folder / f"{name}.xz"):
        pieces = [path] if path.exists() else sorted(folder.glob(f"{path.name}.[0-9][0-9][0-9]"))
        if pieces:
            data = b"".join(piece.read_bytes() for piece in pieces)
            try:
                return lzma.decompress(data) if path.suffix == ".xz" else data
            except lzma.LZMAError as error:
                raise DataError(f"{path}: {error}") from error
    raise DataError(f"{folder / name}: neither this file nor {name}.xz is there")


def load(folder: Path, names: tuple[str, ...]) -> Images:
    """The records of the files, in file order."""
    parts = []
    for name in names:
        raw = read_bytes(folder, name)
        if not raw or len(raw) % RECORD:
            raise DataError(f"{folder / name}: {len(raw)} bytes are not a number of records of {RECORD}")
        parts.append(np.frombuffer(raw, np.uint8).reshape(-1, RECORD))
    records = torch.from_numpy(np.concatenate(parts))
    labels = records[:, 0].long()
    if int(labels.max()) >= len(LABELS):
        raise DataError(f"{folder}: label {int(labels.max())} is not a class")
    return Images(records[:, 1:].reshape(-1, 3, 32, 32).contiguous(), labels)


def normalize(pixels: torch.Tensor) -> torch.Tensor:
    """uint8 `[N, 3, H, W]` to float32: `(pixel / 255 - mean) / std` per channel."""
    scale = torch.tensor([1 / (255 * s) for s in STD], device=pixels.device).view(1, 3, 1, 1)
    shift = torch.tensor([m / s for m, s in zip(MEAN, STD)], device=pixels.device).view(1, 3, 1, 1)
    return pixels.float() * scale - shift


def augment(pixels: torch.Tensor, pad: int, rng: torch.Generator) -> torch.Tensor:
    """Random horizontal flips, and random crops of the zero-padded images: uint8 `[N, 3, H, W]` to the same shape.

    The padding is black (zero bytes), and every image gets its own crop, by one gather.
    """
    n, c, h, w = pixels.shape
    padded = torch.nn.functional.pad(pixels, (pad, pad, pad, pad))
    dy, dx, flip = (torch.randint(high, (n, 1), generator=rng) for high in (2 * pad + 1, 2 * pad + 1, 2))
    rows = torch.arange(h) + dy
    columns = torch.where(flip.bool(), torch.arange(w - 1, -1, -1), torch.arange(w)) + dx
    flat = (rows[:, :, None] * (w + 2 * pad) + columns[:, None, :]).view(n, 1, h * w).to(pixels.device)
    return padded.flatten(2).gather(2, flat.expand(n, c, h * w)).view(n, c, h, w)


def translate(pixels: torch.Tensor, mirrored: torch.Tensor, most: int, rng: torch.Generator) -> torch.Tensor:
    """Translations of up to `most` pixels over a reflected border, and the flips asked for: uint8 `[N, 3, H, W]` to the
    same shape; `mirrored` is bool `[N]`."""
    n, c, h, w = pixels.shape
    dy, dx = (torch.randint(-most, most + 1, (n, 1), generator=rng) for _ in range(2))
    columns = torch.where(mirrored[:, None], torch.arange(w - 1, -1, -1), torch.arange(w))
    rows, columns = torch.arange(h) + dy, columns + dx
    rows, columns = ((last - (last - at.abs()).abs()) for last, at in ((h - 1, rows), (w - 1, columns)))
    flat = (rows[:, :, None] * w + columns[:, None, :]).view(n, 1, h * w).to(pixels.device)
    return pixels.flatten(2).gather(2, flat.expand(n, c, h * w)).view(n, c, h, w)


def resize(x: torch.Tensor, size: int) -> torch.Tensor:
    """Normalized images `[N, 3, H, W]` as `[N, 3, size, size]`: smoothed, so that smaller ones do not alias."""
    if x.shape[-2:] == (size, size):
        return x
    if x.shape[-2:] == (2 * size, 2 * size):
        return torch.nn.functional.avg_pool2d(x, 2)
    return torch.nn.functional.interpolate(x, (size, size), mode="bilinear", antialias=True)


def batches(
    images: Images, size: int, rng: torch.Generator, pad: int = 4
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """One epoch of shuffled, augmented, normalized batches of exactly `size`; the rest is left out."""
    order = torch.randperm(len(images), generator=rng).to(images.pixels.device)
    for chosen in order[: len(order) // size * size].split(size):
        yield normalize(augment(images.pixels[chosen], pad, rng)), images.labels[chosen]
