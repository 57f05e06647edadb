"""Networks of torchvision as ONNX models, imported and compared with ONNX Runtime: a table.

    python3 onnx_networks.py [--fsnet target/release/fsnet] [--device cpu] [--dynamo] [NAME ...]
    python3 onnx_networks.py --files MODEL.onnx ...

Weights are random, running statistics of batch norms too: what is compared is arithmetic. Needs torch, torchvision,
onnx, onnxruntime, and onnxscript for --dynamo. Exit status 1 where a network is refused or differs.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
import torch
import torchvision.models as models
from torch import nn


class UNet(nn.Module):
    """Two levels, one upsampled by a transposed convolution, one bilinearly."""

    def __init__(self):
        super().__init__()
        block = lambda i, o: nn.Sequential(nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU())
        self.down1, self.down2, self.middle = block(3, 16), block(16, 32), block(32, 64)
        self.up2, self.merge2 = nn.ConvTranspose2d(64, 32, 2, stride=2), block(64, 32)
        self.up1, self.merge1 = nn.Upsample(scale_factor=2, mode="bilinear"), block(48, 16)
        self.head = nn.Conv2d(16, 2, 1)

    def forward(self, x):
        a = self.down1(x)
        b = self.down2(nn.functional.max_pool2d(a, 2))
        c = self.middle(nn.functional.max_pool2d(b, 2))
        b = self.merge2(torch.cat([self.up2(c), b], 1))
        return self.head(self.merge1(torch.cat([self.up1(b), a], 1)))


class SuperResolution(nn.Module):
    """ESPCN by 3: a pixel shuffle at the end."""

    def __init__(self):
        super().__init__()
        convs = [nn.Conv2d(1, 32, 5, padding=2), nn.Tanh(), nn.Conv2d(32, 16, 3, padding=1), nn.GELU()]
        self.body = nn.Sequential(*convs, nn.Conv2d(16, 9, 3, padding=1), nn.PixelShuffle(3))

    def forward(self, x):
        return self.body(x)


class Segmentation(nn.Module):
    """A head as DeepLab's: dilated branches and pooled features, resized and joined."""

    def __init__(self):
        super().__init__()
        self.net = models.segmentation.deeplabv3_mobilenet_v3_large(weights=None, weights_backbone=None)

    def forward(self, x):
        return self.net(x)["out"]


# Name: what makes it, and its input.
NETWORKS = {
    "resnet18": (models.resnet18, (3, 96, 96)),
    "resnet50": (models.resnet50, (3, 64, 64)),
    "mobilenet_v2": (models.mobilenet_v2, (3, 96, 96)),
    "mobilenet_v3_small": (models.mobilenet_v3_small, (3, 96, 96)),
    "mobilenet_v3_large": (models.mobilenet_v3_large, (3, 64, 64)),
    "efficientnet_b0": (models.efficientnet_b0, (3, 64, 64)),
    "squeezenet1_0": (models.squeezenet1_0, (3, 96, 96)),
    "densenet121": (models.densenet121, (3, 64, 64)),
    "regnet_y_400mf": (models.regnet_y_400mf, (3, 64, 64)),
    "shufflenet_v2_x1_0": (models.shufflenet_v2_x1_0, (3, 64, 64)),
    "googlenet": (lambda: models.googlenet(aux_logits=False, init_weights=False), (3, 96, 96)),
    "inception_v3": (lambda: models.inception_v3(aux_logits=False, init_weights=False), (3, 128, 128)),
    "mnasnet0_5": (models.mnasnet0_5, (3, 64, 64)),
    "alexnet": (models.alexnet, (3, 224, 224)),
    "deeplabv3": (Segmentation, (3, 64, 64)),
    "unet": (UNet, (3, 48, 64)),
    "espcn": (SuperResolution, (1, 24, 20)),
}


def randomize(model):
    """Gives batch norms statistics and scales as training does."""
    generator = torch.Generator().manual_seed(7)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor, low, high in (
                (module.running_mean, -0.2, 0.2), (module.running_var, 0.5, 1.5),
                (module.weight.data, 0.7, 1.3), (module.bias.data, -0.2, 0.2),
            ):
                tensor.copy_(torch.rand(tensor.shape, generator=generator) * (high - low) + low)


def export(name, path, dynamo):
    torch.manual_seed(1)
    make, shape = NETWORKS[name]
    model = make().eval()
    randomize(model)
    x = torch.rand(1, *shape)
    torch.onnx.export(model, (x,), str(path), dynamo=dynamo, verbose=False)


def compare(model, folder, fsnet, device):
    """What fsnet says of a model."""
    session = onnxruntime.InferenceSession(str(model))
    (feed,) = session.get_inputs()
    sizes = [size if isinstance(size, int) and size > 0 else 1 for size in feed.shape]
    x = np.random.default_rng(3).random(sizes, dtype="f4")
    expected = session.run(None, {feed.name: x})[0]
    network, values = folder / "network.safetensors", folder / "values.npz"
    command = [fsnet, "import", model, "-o", network, "--json"]
    imported = subprocess.run(command, capture_output=True, text=True)
    if imported.returncode:
        return {"refused": imported.stderr.strip().splitlines()}
    report = json.loads(imported.stdout)
    if report["channels_last"]:
        x = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    if x.ndim < 4:
        x = x.reshape(x.shape + (1,) * (4 - x.ndim))
    if expected.ndim < 4:
        expected = expected.reshape(expected.shape + (1,) * (4 - expected.ndim))
    np.savez(values, input=x, expected=expected)
    run = subprocess.run([fsnet, "run", network, values, "--device", device, "--json"], capture_output=True, text=True)
    if run.returncode not in (0, 1):
        return {"refused": run.stderr.strip().splitlines()}
    return {"imported": report, **json.loads(run.stdout)["comparison"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=[])
    parser.add_argument("--fsnet", default="fsnet")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dynamo", action="store_true", help="the exporter of torch.export, not that of TorchScript")
    parser.add_argument("--files", nargs="*", default=[], help="models there are, instead of torchvision's")
    args = parser.parse_args()
    print("| network | nodes | operators | network's nodes | largest error | of the tolerance |")
    print("|---|---|---|---|---|---|")
    failed = 0
    names = args.files or args.names or NETWORKS
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            model = Path(name)
            if not args.files:
                model = Path(folder) / "model.onnx"
                export(name, model, args.dynamo)
            result = compare(model, Path(folder), args.fsnet, args.device)
        label = Path(name).stem
        if "refused" in result:
            failed += 1
            print(f"| {label} | REFUSED | " + "<br>".join(result["refused"][:8]) + " | | | |", flush=True)
            continue
        imported = result["imported"]
        operators = ", ".join(f"{name} {count}" for name, count in imported["operators"].items())
        failed += not result["within"]
        fraction = f"{result['error_fraction']:.3f}" + ("" if result["within"] else " BEYOND")
        nodes = sum(imported["operators"].values())
        print(f"| {label} | {nodes} | {operators} | {imported['nodes']} | {result['largest_error']:.1e} | {fraction} |",
              flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
