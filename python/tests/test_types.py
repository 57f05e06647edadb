"""The package's types, as its users' checkers see them; `research` is left out."""

import subprocess
import sys
from pathlib import Path

import pytest


def test_types():
    pytest.importorskip("mypy")
    folder = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-m", "mypy"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
