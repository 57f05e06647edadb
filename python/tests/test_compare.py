"""The comparison: what it trains, and that it goes on."""

import argparse
import json

from test_train import folder  # noqa: F401

from filter_summary.research import compare
from filter_summary.research.architectures import build


def test_networks_of_the_comparison():
    options = argparse.Namespace(sizes=compare.SIZES, more=[])
    names = [run.name(options) for run in compare.RUNS]
    assert len(set(names)) == len(names)
    for run in compare.NEIGHBOURS:
        assert 60_000 < build(run.arch, run.placement).parameters_count() < 68_000, run


def test_runs_are_written_once_and_exported(folder, capsys):  # noqa: F811
    arguments = ["--data", str(folder), "--work", str(folder / "work"), "--results", str(folder / "results")]
    arguments += ["--sizes", "16:1", "--only", "base-half-c"]
    compare.main([*arguments, "--batch", "32"])
    (path,) = (folder / "results").iterdir()
    result = json.loads(path.read_text())
    assert result["placement"] == "base:1/2" and 0 <= result["correct"] <= 32
    assert len(result["history"]) == 1 and result["learned"] == 35_468
    # The file has the scale of batch norm, too, for each of 2 * (32 + 128 + 128) filters.
    assert result["stored"] == 35_468 + 576
    assert (folder / "work" / f"{path.stem}.safetensors").exists()
    before = path.stat().st_mtime_ns
    capsys.readouterr()
    compare.main([*arguments, "--batch", "32"])
    assert path.stat().st_mtime_ns == before and "==" not in capsys.readouterr().out
    compare.main([*arguments, "--list"])
    assert "(done)" in capsys.readouterr().out
