"""Accuracy against cost, of the networks that compare.py trained: a table, and a picture.

    python -m filter_summary.research.plot results

reads the JSON files that `compare` wrote there, and `time-DEVICE.json`, which `latency --json` wrote of the exported
networks. Prints a table in Markdown and writes `accuracy.svg` beside them. Networks of two seeds are drawn as a point
each, and their mean. Needs matplotlib.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

from ..files import write_beside
from .compare import RUNS

KINDS = {
    "dense": ("dense, narrower", "#6b7280", "o"),
    "separable": ("depthwise separable", "#d97706", "s"),
    "fs-c": ("plain, s = C", "#93b4f5", "^"),
    "fs-2c": ("plain, s = 2C", "#3b6fd8", "^"),
    "authors-r4": ("the authors' placement", "#8b5cf6", "v"),
    "gains-c": ("gains, s = C", "#0d9488", "D"),
    "base-c": ("one base, s = C", "#15803d", "P"),
    "base-half-c": ("one base, s = C/2", "#65a30d", "X"),
}
"""What a kind is called, its colour and its mark."""
TIMES = {"time-cpu": "CPU executor, ms", "time-llvmpipe": "llvmpipe, ms"}


@dataclass(frozen=True)
class Row:
    """The networks of one kind and width, which differ in their seed."""

    kind: str
    widths: str
    stored: int
    operations: float
    correct: tuple[int, ...]
    of: int
    times: tuple[float | None, ...]

    @property
    def accuracy(self) -> float:
        return 100 * sum(self.correct) / len(self.correct) / self.of

    @property
    def name(self) -> str:
        return KINDS[self.kind][0]


def rows(folder: Path) -> list[Row]:
    """What has been trained, the smallest first."""
    results = {}
    for run in RUNS:
        for path in sorted(folder.glob(f"{run.kind}-{run.widths}-seed*.json")):
            result = json.loads(path.read_text())
            if not result["validated"]:
                results.setdefault((run.kind, run.widths), {})[result["seed"]] = result
    times = []
    for name in TIMES:
        path = folder / f"{name}.json"
        measured = json.loads(path.read_text()) if path.exists() else []
        times.append({row["network"].removesuffix(".safetensors"): row["ms"] for row in measured})
    found = []
    for (kind, widths), seeds in results.items():
        first = seeds[min(seeds)]
        of_devices = tuple(measured.get(f"{kind}-{widths}-seed0") for measured in times)
        correct = tuple(seeds[seed]["correct"] for seed in sorted(seeds))
        # An addition costs the units of a multiply-add.
        operations = (first["multiply_adds"] + first["additions"]) / 1e6
        found.append(Row(kind, widths, first["stored"], operations, correct, first["of"], of_devices))
    return sorted(found, key=lambda row: row.stored)


def table(found: list[Row]) -> str:
    """The rows in Markdown."""
    lines = [
        "| filters | widths | stored values | multiply-adds + additions, M | CPU, ms | llvmpipe, ms "
        "| correct of 10,000 |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in found:
        times = ["" if time is None else f"{time:.2f}" for time in row.times]
        correct = ", ".join(f"{count:,}" for count in row.correct)
        cells = [row.name, row.widths, f"{row.stored:,}", f"{row.operations:.2f}", *times, correct]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def draw(found: list[Row], path: Path) -> None:
    """One panel a cost, accuracy upwards, costs in powers of two."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams |= {"svg.hashsalt": "filter-summary", "font.size": 9, "font.family": "DejaVu Sans"}
    from matplotlib import pyplot
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    costs = [
        ("stored values, thousands", lambda row: row.stored / 1e3),
        ("multiply-adds and additions an image, millions", lambda row: row.operations),
        *((f"{title} an image", lambda row, at=at: row.times[at]) for at, title in enumerate(TIMES.values())),
    ]
    figure, panels = pyplot.subplots(2, 2, figsize=(9.6, 7.2), sharey=True, layout="constrained")
    for panel, (title, cost) in zip(panels.flat, costs):
        drawn = set()
        for row in found:
            if (x := cost(row)) is None:
                continue
            name, colour, mark = KINDS[row.kind]
            label = name if name not in drawn else None
            drawn.add(name)
            if len(row.correct) > 1:
                each = [100 * count / row.of for count in row.correct]
                panel.plot([x] * len(each), each, color=colour, linewidth=1, marker="_", markersize=5, zorder=2)
            mean = {"marker": mark, "markersize": 8, "linestyle": "", "label": label, "zorder": 3}
            panel.plot([x], [row.accuracy], color=colour, **mean)
        dense = sorted((cost(row), row.accuracy) for row in found if row.kind == "dense" and cost(row) is not None)
        panel.plot(*zip(*dense), color=KINDS["dense"][1], linewidth=1, linestyle=":", zorder=1)
        panel.set_xscale("log", base=2)
        panel.xaxis.set_major_locator(LogLocator(base=2))
        panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        panel.xaxis.set_minor_formatter(NullFormatter())
        panel.set_xlabel(title)
        panel.grid(color="#e5e7eb", linewidth=0.6)
        panel.set_axisbelow(True)
        for side in ("top", "right"):
            panel.spines[side].set_visible(False)
    for panel in panels[:, 0]:
        panel.set_ylabel("correct test images, %")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    write_beside(path, lambda to: figure.savefig(to, format="svg", metadata={"Date": None}))
    pyplot.close(figure)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="folder of the JSON files")
    arguments = parser.parse_args(argv)
    found = rows(arguments.results)
    if not found:
        parser.error(f"{arguments.results}: there is no result of compare.py without --validate")
    print(table(found))
    draw(found, arguments.results / "accuracy.svg")


if __name__ == "__main__":
    main()
