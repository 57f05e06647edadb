"""Twins of a network: the same numbers as ONNX and for tfjs, without Filter Summaries.

    python twin.py --images ../../models/images ../../models/air-base-c-8bit.safetensors -o FOLDER

writes NAME.dense.onnx, NAME.dense.json and .bin (tfjs), where every layer has ordinary filters and batch norm is in
them; NAME.separable.*, where layers have one base a filter, with these as pointwise and depthwise convolutions; and
NAME.twins.json, which says what was checked. The ONNX files must give the logits of interpret.py.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "python"))
from filter_summary.interpret import Interpreter  # noqa: E402
from onnx_file import OnnxFile  # noqa: E402
from step import one_base, steps_of  # noqa: E402
from tfjs_file import TfjsFile  # noqa: E402

# Of the largest logit: f32 sums in another order.
MOST_DIFFERENCE = 1e-4


def runner(model: bytes):
    """What runs an ONNX file here, and its name: onnxruntime, or what comes with onnx itself."""
    try:
        import onnxruntime
    except ImportError:
        import onnx
        from onnx.reference import ReferenceEvaluator

        session = ReferenceEvaluator(onnx.load_from_string(model))
        return (lambda x: session.run(None, {"input": x})[0]), f"onnx.reference {onnx.__version__}"
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return (lambda x: session.run(None, {"input": x})[0]), f"onnxruntime {onnxruntime.__version__}"


def pictures(folder: Path | None, network: Interpreter) -> tuple[list[str], torch.Tensor]:
    """The inputs of the images of a folder, by their names; without one, noise."""
    shape = [network.graph["input"][key] for key in ("channels", "height", "width")]
    if folder is None:
        return [], torch.randn(4, *shape, generator=torch.Generator().manual_seed(0))
    from PIL import Image

    files = sorted(folder.glob("*.png"))
    pixels = [np.asarray(Image.open(file).convert("RGB")).transpose(2, 0, 1) for file in files]
    return [file.name for file in files], network.preprocess(torch.from_numpy(np.stack(pixels)))


def main() -> None:
    parser = argparse.ArgumentParser(description="writes a network's twins as ONNX and for tfjs")
    parser.add_argument("network", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True, help="the folder for them")
    parser.add_argument("--images", type=Path, help="a folder of PNG files: their logits are kept, too")
    args = parser.parse_args()
    network = Interpreter.open(args.network)
    nodes = network.graph["nodes"]
    shape, output = [network.graph["input"][key] for key in ("channels", "height", "width")], network.graph["output"]
    names, inputs = pictures(args.images, network)
    with torch.inference_mode():
        logits = network(inputs).numpy()
    separable = any(node["op"] == "fs_conv2d" and one_base(network, node) for node in nodes)
    args.output.mkdir(parents=True, exist_ok=True)
    about: dict = {"network": args.network.name, "images": names, "logits": logits.tolist(), "forms": {}}
    for form in ("dense", "separable") if separable else ("dense",):
        steps = steps_of(network, form == "separable")
        onnx_file, tfjs_file = OnnxFile(shape, steps, output, logits.shape[1]), TfjsFile(shape, steps, output)
        run, runtime = runner(onnx_file.bytes())
        ours = np.concatenate([run(x[None]) for x in inputs.numpy()])
        difference = float(np.abs(ours - logits).max() / np.abs(logits).max())
        if not difference < MOST_DIFFERENCE:
            sys.exit(f"{args.network}: the {form} twin's logits differ by {difference:.1e} of the largest")
        path = args.output / f"{args.network.stem}.{form}"
        for suffix, data in ((".onnx", onnx_file.bytes()), (".bin", tfjs_file.bytes())):
            path.with_name(path.name + suffix).write_bytes(data)
        path.with_name(f"{path.name}.json").write_text(tfjs_file.json())
        about["forms"][form] = {"difference": difference, "checked_with": runtime}
        print(f"{path}: {len(onnx_file.bytes())} bytes of ONNX, logits within {difference:.1e} ({runtime})")
    (args.output / f"{args.network.stem}.twins.json").write_text(json.dumps(about))


if __name__ == "__main__":
    main()
