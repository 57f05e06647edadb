"""Networks as ONNX models, imported by fsnet and compared with ONNX Runtime on the CPU and on adapters: a table.

    cargo build --release -p filter-summary-cli
    pip install torch torchvision onnx onnxruntime onnxscript
    python3 peers/python/onnx_networks.py [--device cpu --device llvmpipe] [--json FILE] [NAME ...]
    python3 peers/python/onnx_networks.py --files MODEL.onnx ... [--input 1x3x224x224] [--end VALUE]

Three kinds, of which --kind takes some: `torch`, networks of torchvision with random weights, by both exporters of
PyTorch (torch_networks.py); `public`, files with trained weights, fetched from where they are published
(public_files.py); `light`, networks of ImageNet of the package onnx, whose weights are constants, beside the outputs
that it has of them, and with random weights (light_networks.py).

"Of the tolerance" is the largest difference over what f32 may be off there, as `fsnet run` derives it: right up to 1.
"Of the largest" is the largest difference over the largest value of the same output. What cannot be had is SKIPPED, and
said so. Exit status 1 where a network is refused or differs.
"""

import argparse
import json
import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from importlib import metadata
from pathlib import Path

import light_networks
import public_files
from imported import Refused, compare

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("torch", "public", "light")


OVER = "weights over its limits"
"""What the table says of a device that binds less at once than one layer's weights are."""


class Missing(Exception):
    """Why a model cannot be had."""


@dataclass
class Model:
    """A row of the table: what it is called, how it is had, and how it is compared."""

    name: str
    source: str
    kind: str
    make: object
    """Of a folder, the model's path. Raises Missing."""
    keys: dict = field(default_factory=dict)


def exported(name: str, exporter: str, folder: Path) -> Path:
    try:
        import torch_networks

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch_networks.export(name, folder / "model.onnx", exporter)
    except ImportError as error:
        raise Missing(f"{error}: pip install torch torchvision onnxscript") from error
    return folder / "model.onnx"


def fetched(file: public_files.PublicFile, cache: Path, folder: Path) -> Path:
    try:
        return file.fetch(cache)
    except OSError as error:
        raise Missing(str(error)) from error


def torch_models() -> Iterator[Model]:
    try:
        import torch_networks
    except ImportError as error:
        print(f"SKIPPED: torchvision's networks: {error}: pip install torch torchvision", file=sys.stderr)
        return
    for name in torch_networks.NETWORKS:
        for exporter in torch_networks.EXPORTERS:
            if why := torch_networks.NOT_EXPORTED.get((name, exporter)):
                print(f"SKIPPED: {name}, {exporter}: {why}", file=sys.stderr)
                continue
            yield Model(name, f"torchvision, {exporter}", "torch", partial(exported, name, exporter))


def public_models(cache: Path) -> Iterator[Model]:
    for file in public_files.FILES:
        keys = {"sizes": file.sizes, "span": file.span}
        source = f"{file.source}, {file.task}"
        yield Model(file.name, source, "public", partial(fetched, file, cache), keys)


def light_models() -> Iterator[Model]:
    """Each as its package has it, and with other weights."""
    source = f"PyPI onnx {metadata.version('onnx')}"
    if not light_networks.paths():
        print(f"SKIPPED: light networks: {source} has none in {light_networks.FOLDER}", file=sys.stderr)
    for path in light_networks.paths():
        keys = {"image": light_networks.image_of(path), "expected": light_networks.expected_of(path)}
        yield Model(path.stem, f"{source}, its own outputs", "light", lambda _, path=path: path, keys)
        yield Model(path.stem, f"{source}, random weights", "light", partial(weighted, path))


def weighted(path: Path, folder: Path) -> Path:
    return light_networks.with_weights(path, folder / "model.onnx")


def row_of(model: Model, fsnet: Path, devices: list[str]) -> dict:
    row = {"network": model.name, "source": model.source}
    with tempfile.TemporaryDirectory() as folder:
        try:
            path = model.make(Path(folder))
            return row | compare(path, Path(folder), fsnet, devices, **model.keys)
        except Missing as error:
            print(f"SKIPPED: {model.name}: {error}", file=sys.stderr)
            return row | {"skipped": str(error)}
        except Refused as error:
            return row | {"refused": str(error).splitlines()}


def cells(row: dict, devices: list[str]) -> list[str]:
    """A row as the table has it."""
    begin, end = [row["network"], row["source"]], [""] * 2 * len(devices)
    for state in ("skipped", "refused"):
        if state in row:
            text = row[state] if isinstance(row[state], str) else "<br>".join(row[state][:8])
            return [*begin, f"{state.upper()}: {text}", "", *end]
    operators = ", ".join(f"{count} {name}" for name, count in row["operators"].items())
    if row["ends"]:
        operators += f"; ends in {', '.join(row['ends'])}"
    results = []
    for device in devices:
        result = row["devices"][device]
        if "refused" in result:
            results += [OVER if is_over(result) else f"REFUSED: {result['refused']}", ""]
            continue
        verdict = "" if result["within"] else " BEYOND"
        unbounded = f", {result['unbounded']} values without a bound" if result["unbounded"] else ""
        results += [f"{result['error_fraction']:.1e}{verdict}{unbounded}", f"{result['off']:.1e}"]
    return [*begin, operators, f"{row['nodes']}, {row['outputs']}", *results]


def is_over(result: dict) -> bool:
    return "max_storage_buffer_binding_size" in result["refused"]


def arguments_of(argv: list[str] | None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="networks (all)")
    parser.add_argument("--kind", action="append", choices=KINDS, help="(all)")
    parser.add_argument("--fsnet", type=Path, default=ROOT / "target" / "release" / "fsnet")
    parser.add_argument("--device", action="append", help="where fsnet runs (cpu); may be given again")
    parser.add_argument("--cache", type=Path, default=public_files.CACHE, help="where public files are kept")
    parser.add_argument("--json", type=Path, help="also write the rows here")
    parser.add_argument("--files", nargs="+", type=Path, default=[], help="models of yours, instead of all these")
    parser.add_argument("--input", default="", help="with --files: sizes, 1x3x224x224")
    parser.add_argument("--end", action="append", default=[], help="with --files: where networks end")
    return parser.parse_args(argv)


def chosen(arguments) -> list[Model]:
    if arguments.files:
        sizes = tuple(int(size) for size in arguments.input.split("x") if size)
        keys = {"sizes": sizes, "ends": tuple(arguments.end)}
        return [Model(path.stem, path.name, "file", lambda _, path=path: path, keys) for path in arguments.files]
    makers = {"torch": torch_models, "public": partial(public_models, arguments.cache), "light": light_models}
    kinds = arguments.kind or KINDS
    models = [model for kind in KINDS if kind in kinds for model in makers[kind]()]
    unknown = set(arguments.names) - {model.name for model in models}
    if unknown:
        sys.exit(f"onnx_networks.py: no network is called {', '.join(sorted(unknown))}")
    return [model for model in models if not arguments.names or model.name in arguments.names]


def main(argv: list[str] | None = None) -> int:
    arguments = arguments_of(argv)
    devices = arguments.device or ["cpu"]
    titles = [title for device in devices for title in (f"{device}, of the tolerance", "of the largest")]
    titles = ["network", "from", "operators", "nodes, outputs", *titles]
    print(f"| {' | '.join(titles)} |\n|{'---|' * len(titles)}", flush=True)
    rows = []
    for model in chosen(arguments):
        rows.append(row_of(model, arguments.fsnet, devices))
        print(f"| {' | '.join(cells(rows[-1], devices))} |", flush=True)
        if arguments.json:
            arguments.json.write_text(json.dumps(rows, indent=1) + "\n")
    skipped = sum("skipped" in row for row in rows)
    results = [result for row in rows for result in row.get("devices", {}).values()]
    refused = sum("refused" in row for row in rows)
    refused += sum("refused" in result and not is_over(result) for result in results)
    beyond = sum(not result.get("within", True) for result in results)
    over = sum("refused" in result and is_over(result) for result in results)
    counts = f"{len(rows)} networks: {refused} refused, {beyond} results beyond the tolerance, {skipped} SKIPPED"
    counts += f", {over} results over a device's limits" if over else ""
    print(counts, file=sys.stderr)
    return 1 if refused or beyond else 0


if __name__ == "__main__":
    sys.exit(main())
