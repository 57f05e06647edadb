"""The table and the picture of what was trained."""

import json
from pathlib import Path

import pytest

from filter_summary.research import plot

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "training" / "results"


def write(folder: Path, kind: str, widths: str, seed: int, correct: int, **more) -> None:
    result = {"kind": kind, "seed": seed, "stored": 61_403, "multiply_adds": 7_000_000, "additions": 500_000,
              "correct": correct, "of": 10_000, "validated": False} | more  # fmt: skip
    (folder / f"{kind}-{widths}-seed{seed}.json").write_text(json.dumps(result))


def test_rows_have_their_seeds_and_times(tmp_path):
    write(tmp_path, "dense", "11-44-44", 0, 8000)
    write(tmp_path, "dense", "11-44-44", 1, 8100)
    write(tmp_path, "dense", "16-64-64", 0, 8500, stored=127_168)
    write(tmp_path, "base-c", "32-128-128", 0, 8700, validated=True)
    times = [{"network": "dense-11-44-44-seed0.safetensors", "ms": 0.125}]
    (tmp_path / "time-cpu.json").write_text(json.dumps(times))
    small, wide = plot.rows(tmp_path)
    assert (small.correct, small.accuracy, small.operations) == ((8000, 8100), 80.5, 7.5)
    assert (small.times, wide.times) == ((0.125, None), (None, None))
    line = "| dense, narrower | 11-44-44 | 61,403 | 7.50 | 0.12 |  | 8,000, 8,100 |"
    assert plot.table([small]).splitlines()[-1] == line


def test_nothing_to_draw_is_an_error(tmp_path, capsys):
    with pytest.raises(SystemExit):
        plot.main([str(tmp_path)])
    assert "there is no result" in capsys.readouterr().err


def test_every_kind_has_a_name():
    assert {run.kind for run in plot.RUNS} == set(plot.KINDS)


def test_the_readme_has_the_table():
    assert plot.table(plot.rows(RESULTS)) in (ROOT / "README.md").read_text()


def test_the_picture_has_a_panel_a_cost(tmp_path):
    pytest.importorskip("matplotlib")
    for width, stored, correct in [("11-44-44", 61_403, 8000), ("16-64-64", 127_168, 8500)]:
        write(tmp_path, "dense", width, 0, correct, stored=stored)
    plot.main([str(tmp_path)])
    svg = (tmp_path / "accuracy.svg").read_text()
    assert svg.startswith("<?xml") and svg.count('id="axes_') >= 4
