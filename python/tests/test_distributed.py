"""Two processes (gloo) train a compressed model as one does."""

import os
import subprocess
import sys
from pathlib import Path

import torch
import two_processes


def test_two_processes_are_one(tmp_path):
    script = Path(two_processes.__file__)
    environment = {**os.environ, "PYTHONPATH": str(script.parents[1]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    done = subprocess.run([*command, str(tmp_path / "state")], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    alone = two_processes.model_of(0)
    two_processes.steps(alone, two_processes.batch())
    for rank in range(2):
        state = torch.load(tmp_path / f"state.{rank}", weights_only=True)
        for name, value in alone.state_dict().items():
            assert torch.allclose(state[name], value, rtol=1e-9, atol=1e-12), name
