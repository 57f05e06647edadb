"""CPU time of an image in exported networks, run by the runtime: `fsnet eval` on many images less a few, over the rest.

    python -m filter_summary.research.latency --fsnet target/release/fsnet --cifar10 test_batch.bin \
        a.safetensors b.safetensors

The networks take turns, and the least of `--rounds` counts: what else the machine does can only add to it. One thread
(`RAYON_NUM_THREADS`, `LP_NUM_THREADS`), user and system time of the process. Loading, planning and compiling are the
same for few images and for many, and fall out.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
from pathlib import Path


class LatencyError(RuntimeError):
    """A run of `fsnet` that failed."""


def cpu_seconds(command: list[str]) -> float:
    """User and system seconds that a command takes, on one thread."""
    one = {"RAYON_NUM_THREADS": "1", "LP_NUM_THREADS": "1"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run = subprocess.run(command, capture_output=True, text=True, env=os.environ | one, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if run.returncode != 0:
        raise LatencyError(f"{' '.join(command)}: {run.stderr.strip()}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def milliseconds(arguments: argparse.Namespace, network: Path) -> float:
    """Milliseconds of CPU an image, once."""
    few, many = arguments.images
    common = [str(arguments.fsnet), "eval", "--device", arguments.device, "--model", str(network)]
    seconds = [
        cpu_seconds([*common, "--cifar10", str(arguments.cifar10), "--limit", str(count)]) for count in (few, many)
    ]
    return (seconds[1] - seconds[0]) / (many - few) * 1e3


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("networks", type=Path, nargs="+", help="exported networks; ratios are against the first")
    add("--fsnet", type=Path, required=True, help="the runtime's program, as cargo build --release makes it")
    add("--cifar10", type=Path, required=True, help="a batch of CIFAR-10's binary version")
    add("--device", default="cpu", help="as fsnet takes it (default %(default)s)")
    add("--images", type=int, nargs=2, default=(32, 1056), metavar=("FEW", "MANY"), help="default 32 1056")
    add("--rounds", type=int, default=5, help="default %(default)s")
    add("--json", type=Path, help="also write the results here")
    arguments = parser.parse_args(argv)
    few, many = arguments.images
    if not 0 < few < many or arguments.rounds < 1:
        parser.error(f"--images {few} {many}, --rounds {arguments.rounds}: there must be more than few, and a round")
    times: dict[Path, list[float]] = {network: [] for network in arguments.networks}
    for _ in range(arguments.rounds):
        for network, of_network in times.items():
            of_network.append(milliseconds(arguments, network))
    first = min(times[arguments.networks[0]])
    rows = [
        {"network": network.name, "device": arguments.device, "ms": min(t), "ratio": min(t) / first, "all": t}
        for network, t in times.items()
    ]
    print("| network | CPU ms an image | against the first |\n|---|---|---|")
    for row in rows:
        print(f"| {row['network']} | {row['ms']:.3f} | {row['ratio']:.2f} |")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
