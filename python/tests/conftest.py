import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
# For tensors as small as the tests', a second thread only waits.
torch.set_num_threads(1)
