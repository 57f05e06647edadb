"""Attention, of channels, of pixels, and of both."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from .model import C, Model, conv, gates


def se(m, x):
    b, c, _, _ = x.size()
    return x * m.fc(m.pool(x).view(b, c)).view(b, c, 1, 1).expand_as(x)


def cbam(m, x):
    x = x * torch.sigmoid(m.mlp(F.adaptive_avg_pool2d(x, 1)) + m.mlp(F.adaptive_max_pool2d(x, 1)))
    seen = torch.cat([torch.mean(x, dim=1, keepdim=True), torch.max(x, dim=1, keepdim=True)[0]], dim=1)
    return x * torch.sigmoid(m.seven(seen))


def eca(m, x):
    y = m.conv(F.adaptive_avg_pool2d(x, 1).squeeze(-1).transpose(-1, -2)).transpose(-1, -2).unsqueeze(-1)
    return x * y.sigmoid().expand_as(x)


def coordinates(m, x):
    _, _, h, w = x.size()
    rows, columns = F.adaptive_avg_pool2d(x, (None, 1)), F.adaptive_avg_pool2d(x, (1, None)).permute(0, 1, 3, 2)
    rows, columns = torch.split(m.shared(torch.cat([rows, columns], dim=2)), [h, w], dim=2)
    return x * m.rows(rows).sigmoid() * m.columns(columns.permute(0, 1, 3, 2)).sigmoid()


def simam(m, x):
    n = x.shape[2] * x.shape[3] - 1
    squares = (x - x.mean(dim=[2, 3], keepdim=True)).pow(2)
    return x * torch.sigmoid(squares / (4 * (squares.sum(dim=[2, 3], keepdim=True) / n + 1e-4)) + 0.5)


def selective(m, x):
    branches = torch.stack([m.one(x), m.other(x)], dim=1)
    weights = m.fc(branches.sum(dim=1).mean((2, 3))).view(x.shape[0], 2, C, 1, 1).softmax(dim=1)
    return (branches * weights).sum(dim=1)


def split_attention(m, x):
    b = x.shape[0]
    parts = m.conv(x)
    split = torch.split(parts, C, dim=1)
    gate = m.fc(F.adaptive_avg_pool2d(sum(split), 1))
    gate = F.softmax(gate.view(b, 1, 2, -1).transpose(1, 2), dim=1).reshape(b, -1, 1, 1)
    return sum(a * s for a, s in zip(torch.split(gate, C, dim=1), split))


def context(m, x):
    """A global context block."""
    b, c, h, w = x.size()
    mask = m.mask(x).view(b, 1, h * w).softmax(2).unsqueeze(-1)
    seen = torch.matmul(x.view(b, c, h * w).unsqueeze(1), mask).view(b, c, 1, 1)
    return x + m.transform(seen)


def non_local(m, x):
    b, c, h, w = x.size()
    keys, queries = m.key(x).view(b, -1, h * w), m.query(x).view(b, -1, h * w).permute(0, 2, 1)
    seen = torch.softmax(torch.matmul(queries, keys), dim=-1)
    y = torch.matmul(seen, m.value(x).view(b, -1, h * w).permute(0, 2, 1))
    return x + y.permute(0, 2, 1).contiguous().view(b, c, h, w)


ATTENTION = {
    "se": lambda: Model(se, pool=nn.AdaptiveAvgPool2d(1), fc=gates()),
    "se of convolutions": lambda: Model(lambda m, x: m.fc(x.mean((2, 3), keepdim=True)) * x, fc=gates(nn.Conv2d)),
    "se of a mean": lambda: Model(lambda m, x: x * m.fc(x.mean([-2, -1]))[:, :, None, None], fc=gates()),
    "se, hard": lambda: Model(
        lambda m, x: x * (F.relu6(m.fc(F.adaptive_avg_pool2d(x, 1)) + 3.0) / 6.0), fc=nn.Conv2d(C, C, 1)),
    "cbam": lambda: Model(
        cbam, mlp=nn.Sequential(nn.Conv2d(C, 4, 1), nn.ReLU(), nn.Conv2d(4, C, 1)),
        seven=nn.Conv2d(2, 1, 7, padding=3)),
    "eca": lambda: Model(eca, conv=nn.Conv1d(1, 1, 3, padding=1, bias=False)),
    "coordinate attention": lambda: Model(
        coordinates, shared=conv(C, 4, 1), rows=nn.Conv2d(4, C, 1), columns=nn.Conv2d(4, C, 1)),
    "spatial and channel squeeze": lambda: Model(
        lambda m, x: torch.max(x * m.fc(x.mean((2, 3), True)), x * m.pixel(x).sigmoid()),
        fc=gates(nn.Conv2d), pixel=nn.Conv2d(C, 1, 1)),
    "simam": lambda: Model(simam),
    "selective kernels": lambda: Model(
        selective, one=conv(), other=conv(kernel=5), fc=nn.Sequential(nn.Linear(C, 4), nn.ReLU(), nn.Linear(4, 2 * C))),
    "split attention": lambda: Model(
        split_attention, conv=conv(C, 2 * C, groups=2),
        fc=nn.Sequential(nn.Conv2d(C, 4, 1), nn.ReLU(), nn.Conv2d(4, 2 * C, 1, groups=1))),
    "global context": lambda: Model(
        context, mask=nn.Conv2d(C, 1, 1),
        transform=nn.Sequential(nn.Conv2d(C, 4, 1), nn.LayerNorm([4, 1, 1]), nn.ReLU(), nn.Conv2d(4, C, 1))),
    "non-local": lambda: Model(
        non_local, key=nn.Conv2d(C, 4, 1), query=nn.Conv2d(C, 4, 1), value=nn.Conv2d(C, C, 1)),
    "large kernel attention": lambda: Model(
        lambda m, x: x * m.point(m.far(m.near(x))), near=nn.Conv2d(C, C, 5, padding=2, groups=C),
        far=nn.Conv2d(C, C, 7, padding=9, dilation=3, groups=C), point=nn.Conv2d(C, C, 1)),
}  # fmt: skip
