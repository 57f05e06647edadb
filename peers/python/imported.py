"""One ONNX model, imported and run by fsnet, and compared with ONNX Runtime at all of its outputs."""

import json
import subprocess
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

SEED = 3


class Refused(Exception):
    """What fsnet said, in lines."""


def with_ends(model: Path, ends: tuple[str, ...]) -> onnx.ModelProto:
    """The model, with these of its values as outputs, or as it is."""
    proto = onnx.load(str(model))
    if ends:
        del proto.graph.output[:]
        for end in ends:
            proto.graph.output.add().name = end
    return proto


def session_of(model: Path, ends: tuple[str, ...] = ()) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    source = with_ends(model, ends).SerializeToString() if ends else str(model)
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


LETTERS = {
    "H": "#...##...##...#######...##...##...#",
    "E": "######....#....####.#....#....#####",
    "L": "#....#....#....#....#....#....#####",
    "O": ".###.#...##...##...##...##...#.###.",
    "T": "#####..#....#....#....#....#....#..",
}
"""Of 7 rows and 5 columns."""


def pictures(sizes: tuple[int, ...], low: float, high: float) -> np.ndarray:
    """Dark lines of letters on a bright ground that fades, with noise: something to be found. The same at every call.

    `sizes` are `[N, C, H, W]`, or `[N, H, W, C]` where there are four channels at most in the end.
    """
    generator = np.random.default_rng(SEED)
    last = sizes[1] > 4 >= sizes[3]
    count, channels, height, width = (sizes[0], sizes[3], *sizes[1:3]) if last else sizes
    ground = np.linspace(0.7, 1.0, width) * np.linspace(1.0, 0.8, height)[:, None]
    images = np.tile(ground, (count, channels, 1, 1))
    scale = max(1, min(height, width) // 32)
    pen = np.ones((scale, scale))
    for image in images:
        for y in range(2 * scale, height - 7 * scale, 12 * scale):
            for x in range(2 * scale, width - 5 * scale, 6 * scale):
                letter = generator.choice([*LETTERS.values(), "." * 35])
                ink = np.kron(np.array([mark == "#" for mark in letter], "f8").reshape(7, 5), pen)
                image[:, y : y + 7 * scale, x : x + 5 * scale] *= 1 - 0.9 * ink
    images = 0.95 * images + 0.05 * generator.random(images.shape)
    images = (images * (high - low) + low).astype("f4")
    return np.ascontiguousarray(images.transpose(0, 2, 3, 1)) if last else images


def four(array: np.ndarray) -> np.ndarray:
    """With the axes that `fsnet run` wants behind."""
    return array.reshape(array.shape + (1,) * (4 - array.ndim))


def asked(command: list) -> dict:
    """What a command of fsnet prints; it may find a difference."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise Refused(done.stderr.strip() or f"exit status {done.returncode}")
    return json.loads(done.stdout)


def off(outputs: Path, expected: dict[str, np.ndarray]) -> float:
    """The largest difference, of the largest value of the same output."""
    with np.load(outputs) as got:
        arrays = {name.removeprefix("output").removeprefix("."): got[name] for name in got.files}
    shares = []
    for name, want in expected.items():
        one = (arrays[name] if len(expected) > 1 else arrays[""]).astype("f8").reshape(want.shape)
        highest = np.abs(want).max()
        shares.append(float(np.abs(one - want).max() / (highest if highest > 0 else 1)))
    return max(shares)


def compare(
    model: Path, folder: Path, fsnet: Path, devices: list[str], *, sizes: tuple[int, ...] = (),
    ends: tuple[str, ...] = (), span: tuple[float, float] = (0.0, 1.0), image: np.ndarray | None = None,
    expected: list[np.ndarray] | None = None,
) -> dict:
    """Import `model` into `folder`, run it on every device, compare.

    `sizes` are its input's, where it leaves them open; `expected` its outputs, where ONNX Runtime is not to be asked.
    `span` is from the darkest pixel to the brightest. Raises Refused where fsnet does not take it.
    """
    command = [fsnet, "import", model, "-o", folder / "network.safetensors", "--json"]
    command += ["--input", "x".join(map(str, sizes))] if sizes else []
    command += [part for end in ends for part in ("--end", end)]
    report = asked(command)
    session = session_of(model, ends)
    (feed,) = session.get_inputs()
    if image is None:
        image = pictures(sizes or tuple(feed.shape), *span)
    if expected is None:
        expected = session.run(None, {feed.name: image})
    wants = dict(zip([output.name for output in session.get_outputs()], expected))
    if [output["name"] for output in report["outputs"]] != list(wants):
        raise Refused(f"it names its outputs {report['outputs']}, the model {list(wants)}")
    if report["channels_last"]:
        image = np.ascontiguousarray(image.transpose(0, 3, 1, 2))
    keys = {name: "expected" if len(wants) == 1 else f"expected.{name}" for name in wants}
    arrays = {keys[name]: four(want) for name, want in wants.items()}
    np.savez(folder / "values.npz", input=four(image), **arrays)
    row = {
        "operators": report["operators"], "nodes": report["nodes"], "fused": report["fused"],
        "outputs": len(wants), "sizes": list(image.shape), "ends": list(ends), "devices": {},
    }
    for device in devices:
        outputs = folder / "outputs.npz"
        command = [fsnet, "run", folder / "network.safetensors", folder / "values.npz", "--device", device, "--json"]
        try:
            ran = asked([*command, "-o", outputs, "--require-expected"])
        except Refused as error:
            row["devices"][device] = {"refused": str(error)}
            continue
        keep = ("largest_error", "error_fraction", "within", "unbounded", "output")
        row["devices"][device] = {key: ran["comparison"][key] for key in keep}
        row["devices"][device] |= {"off": off(outputs, wants), "name": ran["device"], "seconds": ran["seconds"]}
    return row
