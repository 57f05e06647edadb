"""Write the first test image of each class as a PNG file named after the class."""

from __future__ import annotations

import argparse
import struct
import zlib
from pathlib import Path

import torch

from ..files import write_beside
from .data import LABELS, TEST_FILES, load


def png(pixels: torch.Tensor) -> bytes:
    """An 8-bit RGB PNG of uint8 `[3, H, W]`: no filters, one IDAT chunk."""
    _, height, width = pixels.shape
    rows = pixels.permute(1, 2, 0).contiguous().view(height, 3 * width)
    raw = b"".join(b"\0" + bytes(row.tolist()) for row in rows)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b"")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, help="directory for the files")
    parser.add_argument("--data", type=Path, required=True, help="folder of the CIFAR-10 binary files")
    arguments = parser.parse_args()
    images = load(arguments.data, TEST_FILES)
    for label, name in enumerate(LABELS):
        first = int((images.labels == label).nonzero()[0])
        path = arguments.output / f"{name}.png"
        write_beside(path, lambda to: to.write_bytes(png(images.pixels[first])))
        print(f"{path}: test image {first}, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
