"""Whole networks on one CPU thread: ours, dense and as Filter Summaries, beside ONNX Runtime, in one run.

    cargo build --release -p filter-summary-cli
    pip install torch torchvision onnx onnxruntime
    python peers/python/networks.py [--rounds N] [--networks squeezenet1_0 resnet18 mobilenet_v2] [--json FILE]

torchvision's networks with random weights become ONNX files, which `fsnet import` reads. First the numbers: what
`fsnet run` computes must be ONNX Runtime's output, within what arithmetic in f32 explains. Then the time of a forward
pass of one image: rounds of all in turns, the median round. It is CPU time, which other programs hardly change.
The compressed network has `fsnet compress --step 1 --gains`: filters one channel's worth of weights apart, with tap
gains; its accuracy is not looked at here.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch
import torchvision

from torch_networks import randomize

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = 0.1


def export(name: str, size: int, path: Path) -> np.ndarray:
    """The network as an ONNX file, and an image for it."""
    torch.manual_seed(0)
    model = getattr(torchvision.models, name)(weights=None).eval()
    randomize(model)
    image = torch.randn(1, 3, size, size)
    torch.onnx.export(model, (image,), str(path), dynamo=False, opset_version=17)
    return image.numpy()


class Peer:
    """ONNX Runtime's session for a file."""

    def __init__(self, path: Path, image: np.ndarray):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.feed = {self.session.get_inputs()[0].name: image}

    def run(self) -> np.ndarray:
        return self.session.run(None, self.feed)[0]

    def milliseconds(self) -> float:
        start, count = time.process_time(), 0
        while time.process_time() - start < SAMPLE:
            self.run()
            count += 1
        return (time.process_time() - start) / count * 1e3


class Ours:
    """The command line on one thread."""

    def __init__(self, program: str):
        self.program = program

    def command(self, *arguments) -> str:
        environment = os.environ | {"RAYON_NUM_THREADS": "1"}
        command = [self.program, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def milliseconds(self, networks: list[Path]) -> list[float]:
        files = [argument for path in networks for argument in ("--network", path)]
        report = json.loads(self.command("bench", *files, "--device", "cpu", "--runs", 5, "--json"))
        return [forward["cpu_milliseconds"] for forward in report["networks"]]


def measure(name: str, ours: Ours, rounds: int, folder: Path) -> dict:
    onnx, dense, compressed = (folder / f"{name}{end}" for end in (".onnx", ".safetensors", "-fs.safetensors"))
    size = 299 if name.startswith("inception") else 224
    image = export(name, size, onnx)
    ours.command("import", onnx, "--output", dense)
    ours.command("compress", dense, "--step", 1, "--gains", "--output", compressed)
    peer = Peer(onnx, image)
    np.savez(folder / "numbers.npz", input=image, expected=peer.run())
    compared = json.loads(ours.command("run", dense, folder / "numbers.npz", "--device", "cpu", "--json"))
    turn = lambda: {"onnxruntime": peer.milliseconds(), "ours": ours.milliseconds([dense, compressed])}
    found = [turn() for _ in range(rounds)]
    middle = lambda of: statistics.median(map(of, found))
    return {
        "network": name,
        "error_fraction": compared["comparison"]["error_fraction"],
        "onnxruntime_milliseconds": middle(lambda one: one["onnxruntime"]),
        "dense_milliseconds": middle(lambda one: one["ours"][0]),
        "compressed_milliseconds": middle(lambda one: one["ours"][1]),
        "rounds": found,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--networks", nargs="+", default=["squeezenet1_0", "resnet18", "mobilenet_v2"])
    add("--rounds", type=int, default=3)
    add("--json", type=Path, help="where to write all rounds")
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    add("--fsnet", default=str(target / "release/fsnet"))
    arguments = parser.parse_args()
    ours = Ours(arguments.fsnet)
    print(f"One thread, one image, CPU ms; onnxruntime {onnxruntime.__version__}\n")
    headings = ["network", "error over tolerance", "ONNX Runtime", "ours, dense", "of ONNX Runtime's"]
    headings += ["ours, s = C, gains", "dense over it"]
    print(f"| {' | '.join(headings)} |\n|{'---|' * len(headings)}")
    all_found = []
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.networks:
            found = measure(name, ours, arguments.rounds, Path(folder))
            all_found.append(found)
            peer, dense, compressed = (found[f"{of}_milliseconds"] for of in ("onnxruntime", "dense", "compressed"))
            print(
                f"| {name} | {found['error_fraction']:.3f} | {peer:.2f} | {dense:.2f} | {dense / peer:.2f} "
                f"| {compressed:.2f} | {dense / compressed:.2f} |",
                flush=True,
            )
    if arguments.json:
        arguments.json.write_text(json.dumps(all_found, indent=1) + "\n")


if __name__ == "__main__":
    main()
