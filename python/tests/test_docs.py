"""The commands of docs/your-network.md, on a few images of noise."""

import lzma
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from test_train import folder  # noqa: F401

ROOT = Path(__file__).parents[2]
SMALL = ["--batch", "16", "--widths", "4", "16", "16", "--epochs", "1"]


def fsnet() -> str | None:
    """The command line, where somebody has built it."""
    built = [ROOT / "target" / kind / "fsnet" for kind in ("release", "debug")]
    there = [str(path) for path in built if path.exists()]
    return os.environ.get("FSNET") or next(iter(there), None) or shutil.which("fsnet")


def commands() -> list[list[str]]:
    text = (ROOT / "docs" / "your-network.md").read_text()
    first = re.search(r"```sh\n(.*?)```", text, re.DOTALL)
    return [shlex.split(line) for line in first[1].splitlines()]


def test_your_network(folder, tmp_path):  # noqa: F811
    packed = (folder / "test_batch.bin.xz").read_bytes()
    (folder / "test_batch.bin").write_bytes(lzma.decompress(packed))  # as fsnet reads it
    places = {"DATA": str(folder), "WORK": str(tmp_path)}
    ran = []
    for command in commands():
        program, *arguments = [re.sub(r"\b(DATA|WORK)\b", lambda m: places[m[0]], word) for word in command]
        if program == "pip":
            continue  # this test runs in what it installs
        if program == "fsnet":
            if fsnet() is None:
                pytest.skip("fsnet is not built: cargo build -p filter-summary-cli; the Python commands passed")
            whole = [fsnet(), *arguments]
            whole += ["--device", "cpu"] if arguments[0] == "eval" else []
        else:
            whole = [sys.executable, *arguments, *SMALL]
        # What is tested is this folder's, whether or not some of it is installed.
        path = os.pathsep.join(filter(None, [str(ROOT / "python"), os.environ.get("PYTHONPATH")]))
        environment = os.environ | {"PYTHONPATH": path}
        done = subprocess.run(whole, cwd=ROOT, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, f"{' '.join(whole)}: {done.stderr}"
        ran.append(f"{program} {arguments[0]}")
    assert ran.count("fsnet eval") == 3 and "fsnet quantize" in ran, ran
