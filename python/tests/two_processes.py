"""Run by `torchrun`: two processes train a compressed model, each on half of the batch (`test_distributed.py`).

Rank 0 alone has the right starts and values at first, as after loading a checkpoint there.
"""

import sys

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from filter_summary import compress


def model_of(seed):
    torch.manual_seed(seed)
    dense = nn.Sequential(nn.Conv2d(3, 32, 3), nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1), nn.Conv2d(32, 32, 3, 2))
    return compress(dense).model.double()


def batch():
    return torch.randn(8, 3, 12, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(5))


def steps(model, x, count=3):
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    for _ in range(count):
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()


def main(path):
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    model = DistributedDataParallel(model_of(rank))
    steps(model, batch()[4 * rank : 4 * rank + 4])
    torch.save(model.module.state_dict(), f"{path}.{rank}")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1])
