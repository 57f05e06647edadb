"""A training step of two 3x3 layers on the CPU: ours, with shared products, beside PyTorch's, with dense filters.

    cargo build --release --example cpu_training
    python peers/python/training_step.py [--threads N] [--sizes 16 32] [--batches 8 32] [--step 1]

Forwards, ReLU, backwards to the input and to the weights, and a step of gradient descent. First the numbers: those of
both are compared with float64's, PyTorch's filters being the summary's expanded ones, and their gradient added up where
filters overlap. Then the time: rounds of both in turns, the median round of each. Of a round it is CPU time, that of
all threads, which other programs hardly change, and in brackets the median step on the wall. PyTorch's is the better of
NCHW and channels last.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

# Threads that spin while they wait would slow the other program's.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("KMP_BLOCKTIME", "0")

import numpy as np
import torch
import torch.nn.functional as F

ROOT = Path(__file__).resolve().parents[2]
CHANNELS = [64, 256, 256]
RATE = 1e-9


def numbers(count: int, seed: int) -> np.ndarray:
    """As in `examples/cpu_training.rs`."""
    at = np.arange(count, dtype=np.uint64)
    at = (at * np.uint64(2_654_435_761) + np.uint64(seed * 40_503)) % np.uint64(1 << 32)
    at = at * np.uint64(2_246_822_519) % np.uint64(1 << 32)
    return (at >> np.uint64(8)).astype(np.float32) / np.float32(1 << 24) - np.float32(0.5)


class Layer:
    """The values of a summary, and where each weight `[O, C, 3, 3]` lies in it."""

    def __init__(self, channels: int, filters: int, step: int, seed: int):
        start = torch.arange(filters)[:, None, None] * step * channels
        place = start + torch.arange(channels)[None, :, None] + torch.arange(9)[None, None, :] * channels
        self.place = place.reshape(filters, channels, 3, 3)
        scale = np.float32(4.0) / np.sqrt(np.float32(channels * 9))
        self.values = torch.from_numpy(numbers(int(place.max()) + 1, seed) * scale)

    def filters(self, dtype: torch.dtype, memory: torch.memory_format) -> torch.Tensor:
        filters = self.values.to(dtype)[self.place].contiguous(memory_format=memory)
        return filters.requires_grad_()

    def of_summary(self, gradient: torch.Tensor) -> torch.Tensor:
        """The gradient of the values from that of the filters."""
        zeros = torch.zeros(len(self.values), dtype=gradient.dtype)
        return zeros.index_add(0, self.place.reshape(-1), gradient.reshape(-1))


def backward(image: torch.Tensor, weights: list[torch.Tensor]) -> torch.Tensor:
    """The gradients of half the sum of squares of the output, which is returned."""
    for tensor in [image, *weights]:
        tensor.grad = None
    y = image
    for weight in weights:
        y = F.relu(F.conv2d(y, weight, padding=1), inplace=True)
    torch.autograd.backward(y, y.detach())
    return y.detach()


def gradients(layers, data: np.ndarray, dtype, memory=torch.contiguous_format) -> dict[str, np.ndarray]:
    image = torch.from_numpy(data).to(dtype).contiguous(memory_format=memory).requires_grad_()
    weights = [layer.filters(dtype, memory) for layer in layers]
    output = backward(image, weights)
    found = {"output": output, "input": image.grad}
    found |= {name: layer.of_summary(weight.grad) for name, layer, weight in zip(("first", "second"), layers, weights)}
    return {name: tensor.numpy().reshape(-1) for name, tensor in found.items()}


def step_milliseconds(layers, data: np.ndarray, memory, steps: int) -> tuple[float, float]:
    """CPU time of a step, the mean, and its time on the wall, the median."""
    image = torch.from_numpy(data).contiguous(memory_format=memory).requires_grad_()
    weights = [layer.filters(torch.float32, memory) for layer in layers]
    times, cpu = [], 0.0
    for number in range(steps + 2):
        if number == 2:
            cpu = time.process_time()
        start = time.perf_counter()
        backward(image, weights)
        with torch.no_grad():
            for weight in weights:
                weight.sub_(weight.grad, alpha=RATE)
        times.append((time.perf_counter() - start) * 1e3)
    return (time.process_time() - cpu) / steps * 1e3, statistics.median(times[2:])


def error(got: dict[str, np.ndarray], want: dict[str, np.ndarray]) -> float:
    """The largest relative error, in the norm, of any of them."""
    return max(float(np.linalg.norm(got[name] - want[name]) / np.linalg.norm(want[name])) for name in want)


def row(arguments, size: int, batch: int) -> str:
    layers = [Layer(c, o, arguments.step, seed) for c, o, seed in zip(CHANNELS, CHANNELS[1:], (1, 2))]
    data = numbers(batch * CHANNELS[0] * size * size, 3).reshape(batch, CHANNELS[0], size, size)
    command = [arguments.program, *map(str, (arguments.threads, size, batch, arguments.steps, arguments.step))]

    def ours(**environment) -> tuple[float, float]:
        run = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | environment)
        wall, cpu = map(float, run.stdout.split())
        return cpu, wall

    want = gradients(layers, data, torch.float64)
    with tempfile.TemporaryDirectory() as folder:
        ours(OUT=folder)
        got = {name: np.fromfile(Path(folder) / name, dtype="<f4") for name in want}
    errors = error(got, want), error(gradients(layers, data, torch.float32), want)
    equal = "equal" if max(errors) < 1e-5 else "DIFFERENT"
    layouts = {"NCHW": torch.contiguous_format, "channels last": torch.channels_last}
    rounds: list[dict[str, tuple[float, float]]] = []
    for _ in range(arguments.rounds):
        times = {name: step_milliseconds(layers, data, memory, arguments.steps) for name, memory in layouts.items()}
        rounds.append(times | {"ours": ours()})
    medians = {name: [statistics.median(times[name][i] for times in rounds) for i in (0, 1)] for name in rounds[0]}
    best = min(layouts, key=medians.__getitem__)
    (cpu, wall), (their_cpu, their_wall) = medians["ours"], medians[best]
    ratios = [times[best][0] / times["ours"][0] for times in rounds]
    return (
        f"| {equal}: {errors[0]:.1e}, PyTorch's {errors[1]:.1e} | {size}x{size} | {batch} | {cpu:.1f} ({wall:.1f}) "
        f"| {their_cpu:.1f} ({their_wall:.1f}), {best} "
        f"| {their_cpu / cpu:.2f} ({min(ratios):.2f} to {max(ratios):.2f}) | {their_wall / wall:.2f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--threads", type=int, default=os.cpu_count())
    add("--sizes", type=int, nargs="+", default=[16, 32])
    add("--batches", type=int, nargs="+", default=[8, 32])
    add("--step", type=int, default=1, help="how far filters are apart, in channels")
    add("--steps", type=int, default=9, help="training steps of a round")
    add("--rounds", type=int, default=5)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    add("--program", default=str(target / "release/examples/cpu_training"))
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    net = "-".join(map(str, CHANNELS))
    print(f"{net}, 3x3, s = {arguments.step}C, {arguments.threads} threads, PyTorch {torch.__version__}\n")
    print("| errors against float64 | pixels | batch | ours, ms | PyTorch, dense, ms | ratio (rounds) | on the wall |")
    print("|---|---|---|---|---|---|---|")
    for size in arguments.sizes:
        for batch in arguments.batches:
            print(row(arguments, size, batch), flush=True)


if __name__ == "__main__":
    main()
