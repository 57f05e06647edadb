"""Loss curves side by side: a table of relative differences a step from the first file's, and a picture (SVG).

    python compare.py [NAME=]FIRST.json [NAME=]OTHER.json .. [--svg FILE]
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

RANGES = ((1, 1), (2, 5), (6, 10), (11, 20), (21, 50), (51, 100), (101, 200), (201, 300), (301, 500), (501, 1000))
COLORS = ("#000000", "#d1495b", "#00798c", "#edae49", "#66a182")
WIDTH, HEIGHT, LEFT, RIGHT, GAP = 720, 220, 70, 20, 46


def read(argument: str) -> tuple[str, list[float]]:
    name, _, path = argument.rpartition("=")
    report = json.loads(Path(path).read_text())
    return name or report["settings"]["device"], [step["loss"] for step in report["steps"]]


def differences(want: list[float], got: list[float]) -> list[float]:
    return [abs(got - want) / abs(want) for want, got in zip(want, got)]


def table(curves: list[tuple[str, list[float]]]) -> str:
    (first, want), *others = curves
    head = ["steps", f"loss at the last of them, {first}", *(f"largest difference, {name}" for name, _ in others)]
    rows = [head, ["---"] * len(head)]
    for start, end in RANGES:
        if start > len(want):
            break
        end = min(end, len(want))
        part = slice(start - 1, end)
        found = [differences(want[part], losses[part]) for _, losses in others]
        # Some curves may be shorter.
        largest = [f"{max(values):.1e}" if len(values) == end - start + 1 else "" for values in found]
        rows.append([f"{start}" if start == end else f"{start} to {end}", f"{want[end - 1]:.6f}", *largest])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def polyline(points: list[tuple[float, float]], color: str, dash: str) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline fill="none" stroke="{color}" stroke-width="1.2" stroke-dasharray="{dash}" points="{path}"/>'


def text(x: float, y: float, words: str, anchor: str = "start", color: str = "#333") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{color}">{words}</text>'


def panel(
    top: float, title: str, ticks: list[tuple[str, float]], lines: list[tuple[list[float], str, str]]
) -> list[str]:
    """A frame with a curve a line; ticks and values are parts of the height."""
    steps = max(len(values) for values, _, _ in lines)
    inner = WIDTH - LEFT - RIGHT

    def at(index: int, part: float) -> tuple[float, float]:
        return LEFT + inner * index / max(steps - 1, 1), top + HEIGHT * (1 - min(max(part, 0), 1))

    parts = [text(LEFT, top - 8, title)]
    for label, part in ticks:
        y = at(0, part)[1]
        parts.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(text(LEFT - 6, y + 4, label, "end"))
    for values, color, dash in lines:
        parts.append(polyline([at(index, value) for index, value in enumerate(values)], color, dash))
    parts += [text(LEFT, top + HEIGHT + 16, "1"), text(WIDTH - RIGHT, top + HEIGHT + 16, f"step {steps}", "end")]
    return parts


def picture(curves: list[tuple[str, list[float]]]) -> str:
    (_, want), *others = curves
    top = math.ceil(max(max(losses) for _, losses in curves) * 2) / 2
    ticks = [(f"{value / 2:.1f}", value / 2 / top) for value in range(int(top * 2) + 1)]
    dashes = ["none", "5 4", "2 4", "8 3 2 3", "1 2"]
    lines = [([loss / top for loss in losses], COLORS[i], dashes[i]) for i, (_, losses) in enumerate(curves)]
    parts = panel(GAP, "loss of a step", ticks, lines)

    def part(value: float) -> float:
        """Powers of ten from 1e-8 to 1."""
        return (math.log10(max(value, 1e-8)) + 8) / 8

    powers = [(f"1e{power}", (power + 8) / 8) for power in range(-8, 1, 2)]
    lines = [
        ([part(value) for value in differences(want, losses)], COLORS[i + 1], "none")
        for i, (_, losses) in enumerate(others)
    ]
    below = GAP + HEIGHT + 60
    parts += panel(below, f"relative difference from {curves[0][0]}", powers, lines)
    x = LEFT
    for index, (name, _) in enumerate(curves):
        parts.append(text(x, 18, f"&#8212; {name}", color=COLORS[index]))
        x += 24 + 7 * len(name)
    height = below + HEIGHT + 30
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    background = f'<rect width="{WIDTH}" height="{height}" fill="white"/>'
    open_tag = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">'
    return "\n".join([open_tag, background, *parts, "</svg>", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("curves", nargs="+", help="written by --json or pytorch.py, NAME= before it where wanted")
    parser.add_argument("--svg", type=Path)
    arguments = parser.parse_args()
    curves = [read(argument) for argument in arguments.curves]
    print(table(curves))
    if arguments.svg:
        arguments.svg.write_text(picture(curves))


if __name__ == "__main__":
    main()
