"""Attention in groups of channels, which are folded into the batch and back."""

from __future__ import annotations

import torch
from torch import nn

from .model import C, Model, conv

G = 2
"""Groups."""


def shuffle(m, x):
    """Shuffle attention (SA-Net)."""
    b, c, h, w = x.shape
    x = x.reshape(b * G, -1, h, w)
    one, other = x.chunk(2, dim=1)
    one = one * (m.cweight * m.pool(one) + m.cbias).sigmoid()
    other = other * (m.sweight * m.norm(other) + m.sbias).sigmoid()
    y = torch.cat([one, other], dim=1).reshape(b, -1, h, w)
    return y.reshape(b, 2, -1, h, w).permute(0, 2, 1, 3, 4).reshape(b, -1, h, w)


def multi_scale(m, x):
    """Efficient multi-scale attention (EMA)."""
    b, c, h, w = x.size()
    groups = x.reshape(b * G, -1, h, w)
    rows, columns = m.rows(groups), m.columns(groups).permute(0, 1, 3, 2)
    rows, columns = torch.split(m.conv1x1(torch.cat([rows, columns], dim=2)), [h, w], dim=2)
    one = m.norm(groups * rows.sigmoid() * columns.permute(0, 1, 3, 2).sigmoid())
    two = m.conv3x3(groups)
    of_one = m.softmax(m.pool(one).reshape(b * G, -1, 1).permute(0, 2, 1))
    of_two = m.softmax(m.pool(two).reshape(b * G, -1, 1).permute(0, 2, 1))
    seen = torch.matmul(of_one, two.reshape(b * G, c // G, -1)) + torch.matmul(of_two, one.reshape(b * G, c // G, -1))
    return (groups * seen.reshape(b * G, 1, h, w).sigmoid()).reshape(b, c, h, w)


def spatial_groups(m, x):
    """Spatial group-wise enhancement (SGE)."""
    b, c, h, w = x.shape
    x = x.view(b * G, -1, h, w)
    t = (x * m.pool(x)).sum(dim=1, keepdim=True).view(b * G, -1)
    t = t - t.mean(dim=1, keepdim=True)
    t = t / (t.std(dim=1, keepdim=True) + 1e-5)
    t = (t.view(b, G, h, w) * m.weight + m.bias).view(b * G, 1, h, w)
    return (x * t.sigmoid()).view(b, c, h, w)


def windows(m, x):
    """Attention within windows of 8x6 pixels, of one head (Swin)."""
    b, c, h, w = x.shape
    x = x.permute(0, 2, 3, 1).view(b, h // 8, 8, w // 6, 6, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, 48, c)
    q, k, v = m.qkv(m.norm(x)).chunk(3, -1)
    x = x + m.out((q @ k.transpose(-2, -1) * c**-0.5 + m.bias).softmax(-1) @ v)
    return x.view(b, h // 8, w // 6, 8, 6, c).permute(0, 1, 3, 2, 4, 5).reshape(b, h, w, c).permute(0, 3, 1, 2)


def weight(channels, value=None):
    return (torch.rand(1, channels, 1, 1) if value is None else torch.full((1, channels, 1, 1), value)).requires_grad_()


FOLDS = {
    "shuffle attention": lambda: Model(
        shuffle, pool=nn.AdaptiveAvgPool2d(1), norm=nn.GroupNorm(C // 4, C // 4), cweight=weight(C // 4),
        cbias=weight(C // 4, 1.0), sweight=weight(C // 4), sbias=weight(C // 4, 0.5)),
    "shuffle attention behind a layer": lambda: nn.Sequential(conv(), FOLDS["shuffle attention"](), nn.Conv2d(C, 4, 1)),
    "multi-scale attention": lambda: Model(
        multi_scale, rows=nn.AdaptiveAvgPool2d((None, 1)), columns=nn.AdaptiveAvgPool2d((1, None)),
        pool=nn.AdaptiveAvgPool2d((1, 1)), softmax=nn.Softmax(-1), norm=nn.GroupNorm(C // G, C // G),
        conv1x1=nn.Conv2d(C // G, C // G, 1), conv3x3=nn.Conv2d(C // G, C // G, 3, padding=1)),
    "spatial groups": lambda: Model(
        spatial_groups, pool=nn.AdaptiveAvgPool2d(1), weight=weight(G), bias=weight(G, 1.0)),
    "windows": lambda: Model(
        windows, norm=nn.LayerNorm(C), qkv=nn.Linear(C, 3 * C), out=nn.Linear(C, C), bias=torch.rand(48, 48)),
}  # fmt: skip
