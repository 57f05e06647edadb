"""Accuracy against cost: networks that differ in one thing, how their 3x3 filters are made, trained alike.

    python -m filter_summary.research.compare --data DATA --work RUNS --results results

trains what is missing of `RUNS`, one after the other: for each a checkpoint and an exported network in the folder
`--work`, and a JSON file in `--results`. Interrupt it whenever you like: the same command goes on. Two processes may
share the work, each run is taken by one (`NAME.lock`, which dies with its process). The test images are counted once
a network, at its end; nothing is chosen by them. Other options are train.py's: `--sizes 16:4 --validate` is a screen of
a few minutes, which reads no test images.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from . import checkpoint, result, train
from .export import export

SIZES = "16:6,24:3,32:3"


@dataclass(frozen=True)
class Run:
    """One network: `widths` of an air network of two convolutions a block."""

    kind: str
    widths: str
    placement: str
    seed: int = 0
    separable: bool = False

    @property
    def arch(self) -> str:
        return f"air:{self.widths}:2" + (":separable" if self.separable else "")

    def name(self, arguments: argparse.Namespace) -> str:
        sizes, screen = arguments.sizes, "-validated" if "--validate" in arguments.more else ""
        schedule = "" if sizes == SIZES else "-" + sizes.replace(":", "x").replace(",", "-")
        return f"{self.kind}-{self.widths}-seed{self.seed}{schedule}{screen}"


WIDTHS = "32-128-128"
NEIGHBOURS = [
    Run("dense", "11-44-44", "dense"),
    Run("separable", WIDTHS, "dense", separable=True),
    Run("fs-c", WIDTHS, "tap:1"),
    Run("gains-c", WIDTHS, "gains:tap:1"),
    Run("base-c", WIDTHS, "base:1"),
]
"""All of about 62,000 parameters; they get two seeds."""
RUNS = [
    *NEIGHBOURS,
    Run("base-half-c", WIDTHS, "base:1/2"),
    Run("fs-2c", WIDTHS, "tap:2"),
    Run("dense", "16-64-64", "dense"),
    *(Run(r.kind, r.widths, r.placement, 1, r.separable) for r in NEIGHBOURS),
    Run("dense", "22-88-88", "dense"),
    Run("authors-r4", WIDTHS, "channel:4"),
]


def train_one(run: Run, arguments: argparse.Namespace) -> dict:
    """Trains (or goes on), exports, and says what came out."""
    name = run.name(arguments)
    path = arguments.work / f"{name}.pt"
    common = ["--data", str(arguments.data), "--checkpoint", str(path), "--log-every", "1000000"]
    network = ["--arch", run.arch, "--placement", run.placement, "--sizes", arguments.sizes, "--seed", str(run.seed)]
    train.main([*common, *network, *arguments.more])
    model, state = checkpoint.load_model(path)
    export(model, path.with_suffix(".safetensors"), {"recipe": json.dumps(state["recipe"])})
    return {"name": name, "kind": run.kind, "seed": run.seed} | result.result_of(model, state)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder of the CIFAR-10 binary files")
    add("--work", type=Path, required=True, help="folder for checkpoints and exported networks")
    add("--results", type=Path, required=True, help="folder for the JSON files")
    add("--sizes", default=SIZES, help="image sizes of the epochs, as in train.py (default %(default)s)")
    add("--only", nargs="+", help="kinds, such as dense base-c")
    add("--list", action="store_true", help="say what there is to do, and what is done")
    arguments, arguments.more = parser.parse_known_args(argv)
    for folder in (arguments.work, arguments.results):
        folder.mkdir(parents=True, exist_ok=True)
    for run in RUNS:
        if arguments.only and run.kind not in arguments.only:
            continue
        name = run.name(arguments)
        written = arguments.results / f"{name}.json"
        if arguments.list:
            print(f"{name}: {run.arch} {run.placement}{' (done)' if written.exists() else ''}")
            continue
        with (arguments.work / f"{name}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            if not written.exists():
                print(f"== {name}", flush=True)
                result.write(written, train_one(run, arguments))
    if not arguments.list:
        print("nothing is left to do here", file=sys.stderr)


if __name__ == "__main__":
    main()
