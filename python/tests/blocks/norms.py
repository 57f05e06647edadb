"""Norms and statistics."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from .backbones import ChannelsFirst
from .model import C, H, Model, W

NORMS = {
    "layer norm in pieces": lambda: nn.Sequential(nn.Conv2d(C, C, 1), ChannelsFirst(C)),
    "group norm": lambda: nn.Sequential(nn.Conv2d(C, C, 3), nn.GroupNorm(4, C), nn.SiLU()),
    "instance norm": lambda: nn.Sequential(nn.Conv2d(C, C, 3), nn.InstanceNorm2d(C, affine=True), nn.ReLU()),
    "layer norm of images": lambda: nn.Sequential(nn.Conv2d(C, C, 3, padding=1), nn.LayerNorm([C, H, W])),
    "pixel norm": lambda: Model(lambda m, x: x * torch.rsqrt(torch.mean(x**2, dim=1, keepdim=True) + 1e-8)),
    "l2 norm": lambda: Model(lambda m, x: F.normalize(x, p=2, dim=1) * m.scale.view(1, -1, 1, 1),
                             scale=torch.rand(C).requires_grad_()),
    "l1 norm": lambda: Model(lambda m, x: F.normalize(m.conv(x), p=1, dim=1), conv=nn.Conv2d(C, 6, 1)),
    "cosine head": lambda: Model(
        lambda m, x: F.linear(F.normalize(x.mean((2, 3))), F.normalize(m.weight)) * 16.0,
        weight=torch.rand(5, C).requires_grad_()),
    "statistics pooled": lambda: Model(lambda m, x: m.fc(torch.cat([x.mean((2, 3)), x.std((2, 3))], 1)),
                                       fc=nn.Linear(2 * C, 5)),
    "style": lambda: Model(
        lambda m, x: (x - x.mean((2, 3), True)) / (x.var((2, 3), keepdim=True) + 1e-5).sqrt() * m.fc(
            x.mean((2, 3)))[:, :C, None, None] + m.fc(x.mean((2, 3)))[:, C:, None, None], fc=nn.Linear(C, 2 * C)),
    "generalized mean": lambda: Model(
        lambda m, x: F.avg_pool2d(x.clamp(min=1e-6).pow(3.0), (H, W)).pow(1.0 / 3.0).flatten(1)),
    "frozen norm": lambda: Model(
        lambda m, x: x * (m.w.reshape(1, -1, 1, 1) * (m.v.reshape(1, -1, 1, 1) + 1e-5).rsqrt())
        + m.b.reshape(1, -1, 1, 1), w=torch.rand(C), v=torch.rand(C), b=torch.rand(C)),
    "local response, even": lambda: nn.Sequential(nn.Conv2d(C, C, 3), nn.ReLU(), nn.LocalResponseNorm(2, alpha=0.1)),
    "distance": lambda: Model(
        lambda m, x: F.pairwise_distance(m.fc(x.mean((2, 3))), m.fc(x.amax((2, 3))), keepdim=True), fc=nn.Linear(C, 5)),
    "filter response": lambda: Model(
        lambda m, x: torch.max(x * torch.rsqrt(x.pow(2).mean((2, 3), keepdim=True) + 1e-6), m.t),
        t=torch.rand(1, C, 1, 1).requires_grad_()),
}  # fmt: skip
