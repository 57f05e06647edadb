"""Networks as people have them, exported and compared: `python -m filter_summary.research.zoo [NAME..]`.

torchvision's definitions and a U-Net, with random weights and running statistics that are not those they begin with,
at small sizes. Each is exported, which compares the interpreter of the format with PyTorch; with `--fsnet FILE` the
runtime runs it too (`--device cpu --device llvmpipe`), and compares with PyTorch within the tolerance that it derives.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ..compress import compress
from ..export import Exported, ExportError, export


class UNet(nn.Module):
    """Two steps down by max pools, two up by transposed convolutions, with what was there before beside them."""

    def __init__(self, width: int = 8):
        super().__init__()
        self.down = nn.ModuleList([self.twice(3, width), self.twice(width, 2 * width)])
        self.bottom = self.twice(2 * width, 4 * width)
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * wide, wide, 2, 2) for wide in (2 * width, width))
        self.after = nn.ModuleList([self.twice(4 * width, 2 * width), self.twice(2 * width, width)])
        self.head = nn.Conv2d(width, 5, 1)

    @staticmethod
    def twice(channels: int, width: int) -> nn.Sequential:
        one, other = nn.Conv2d(channels, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
        return nn.Sequential(one, nn.BatchNorm2d(width), nn.ReLU(True), other, nn.BatchNorm2d(width), nn.ReLU(True))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        seen = []
        for stage in self.down:
            seen.append(stage(x))
            x = nn.functional.max_pool2d(seen[-1], 2)
        x = self.bottom(x)
        for up, after, beside in zip(self.up, self.after, reversed(seen)):
            x = after(torch.cat([beside, up(x)], 1))
        return self.head(x)


class SuperResolution(nn.Module):
    """ESPCN: convolutions, then a pixel shuffle."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 16, 5, padding=2), nn.Conv2d(16, 16, 3, padding=1)
        self.last = nn.Conv2d(16, 27, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.pixel_shuffle(self.last(torch.tanh(self.second(torch.tanh(self.first(x))))), 3)


def vision(name: str, **keys) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        import torchvision

        return getattr(torchvision.models, name)(weights=None, **keys)

    return make


def deeplab() -> nn.Module:
    from torchvision.models.segmentation import deeplabv3_mobilenet_v3_large

    return deeplabv3_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=5, aux_loss=True)


def compressed(make: Callable[[], nn.Module], **keys) -> Callable[[], nn.Module]:
    return lambda: compress(make(), sweeps=1, order=False, **keys).model


NETWORKS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "resnet18": (vision("resnet18"), 64),
    "resnet18, s = C": (compressed(vision("resnet18")), 64),
    "resnet50": (vision("resnet50"), 64),
    "mobilenet_v2": (vision("mobilenet_v2"), 64),
    "mobilenet_v3_small": (vision("mobilenet_v3_small"), 64),
    "efficientnet_b0": (vision("efficientnet_b0"), 64),
    "squeezenet1_0": (vision("squeezenet1_0"), 64),
    "densenet121": (vision("densenet121"), 64),
    "regnet_y_400mf": (vision("regnet_y_400mf"), 64),
    "shufflenet_v2_x0_5": (vision("shufflenet_v2_x0_5"), 64),
    "googlenet": (vision("googlenet", aux_logits=False, transform_input=True, init_weights=False), 64),
    "convnext_tiny": (vision("convnext_tiny"), 64),
    "resnet18, group norm": (vision("resnet18", norm_layer=partial(nn.GroupNorm, 8)), 64),
    "vgg11": (vision("vgg11", num_classes=10), 64),
    "deeplabv3_mobilenet_v3_large": (deeplab, 64),
    "unet": (UNet, 48),
    "unet, one base": (compressed(UNet, placement="base:1", narrow=8), 48),
    "super-resolution": (SuperResolution, 32),
}
"""Makers by name, and the height and width that they are run with."""


def scramble(model: nn.Module) -> nn.Module:
    """Eval mode, and batch norms unlike those that do nothing."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.5)
            nn.init.normal_(module.running_mean, std=0.5)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    return model.eval()


def made(name: str) -> tuple[nn.Module, torch.Tensor]:
    """A network and an input, the same at every call."""
    make, size = NETWORKS[name]
    torch.manual_seed(0)
    return scramble(make()), torch.randn(2, 3, size, size)


def write(name: str, path: Path) -> tuple[Exported, Path]:
    """Export one; also an `.npz` with an input and PyTorch's results in float64, for `fsnet run`."""
    model, x = made(name)
    exported = export(model, x, path)
    with torch.no_grad():
        results = model.double()(x.double())
    if isinstance(results, dict):
        expected = {f"expected.{key}": value for key, value in results.items()}
    else:
        expected = {"expected": results}
    numbers = path.with_suffix(".npz")
    np.savez(numbers, input=x.numpy(), **{key: value.float().numpy() for key, value in expected.items()})
    return exported, numbers


UNDERIVED = "1e-4"
"""Of the largest value: what values may be off that have no bound, as behind twenty norms one after another."""
OVER = "weights over its limits"
ANSWER = rf"[0-9.]+( of {UNDERIVED})?|{OVER}"
"""What is no fault of a network."""


def run(fsnet: Path, device: str, model: Path, numbers: Path) -> str:
    """What `fsnet run` says of one: the largest error over its tolerance, or why it did not run. Where values have no
    derived bound the tolerance is `UNDERIVED`, and the answer says so."""
    command = [str(fsnet), "run", str(model), str(numbers), "--device", device, "--require-expected"]
    done = subprocess.run(command, capture_output=True, text=True)
    of = ""
    if "values have no bound" in done.stdout:
        of = f" of {UNDERIVED}"
        done = subprocess.run([*command, "--tolerance", UNDERIVED], capture_output=True, text=True)
    shares = [float(share) for share in re.findall(r"at worst ([0-9.e+-]+) of the tolerance", done.stdout)]
    if done.returncode == 2 or not shares:
        told = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        return OVER if "the device's max_" in told else told
    return f"{max(shares):.3f}{of}" + ("" if done.returncode == 0 else " DIFFERS")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {'; '.join(NETWORKS)} (all)")
    parser.add_argument("--fsnet", type=Path, help="the runtime's command")
    parser.add_argument("--device", action="append", help="what it runs on (default cpu); may be given again")
    parser.add_argument("--json", type=Path, help="also write the table here")
    arguments = parser.parse_args(argv)
    unknown = [name for name in arguments.names if name not in NETWORKS]
    if unknown:
        parser.error(f"no network is called {unknown[0]!r}")
    devices = (arguments.device or ["cpu"]) if arguments.fsnet else []
    if not devices:
        print("SKIPPED: the runtime (--fsnet target/release/fsnet)", file=sys.stderr)
    print(f"| network | operators | file off PyTorch | {''.join(f'{d} of its tolerance | ' for d in devices)}")
    print(f"|---|---|---|{'---|' * len(devices)}")
    rows, good = [], True
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.names or NETWORKS:
            path = Path(folder) / "net.safetensors"
            row: dict = {"network": name}
            try:
                exported, numbers = write(name, path)
                row |= {"operators": exported.operations, "difference": exported.difference}
                row |= {device: run(arguments.fsnet, device, path, numbers) for device in devices}
                good &= all(re.fullmatch(ANSWER, row[device]) is not None for device in devices)
                operators = ", ".join(f"{count} {op}" for op, count in exported.operations.items())
                cells = [name, operators, f"{exported.difference:.1e}", *(row[device] for device in devices)]
            except ImportError as error:
                cells = [name, f"SKIPPED: {error}", *[""] * (1 + len(devices))]
            except ExportError as error:
                good, cells = False, [name, str(error).replace("\n", "; "), *[""] * (1 + len(devices))]
            rows.append(row)
            print(f"| {' | '.join(cells)} |", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
