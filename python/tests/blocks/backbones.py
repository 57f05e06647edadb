"""Blocks of which networks are built."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from filter_summary import FsConv2d

from .model import C, H, Model, W, conv


class Ghost(nn.Module):
    def __init__(self, into, out):
        super().__init__()
        self.out, half = out, (out + 1) // 2
        self.primary, self.cheap = conv(into, half, 1), conv(half, half, 3, groups=half)

    def forward(self, x):
        y = self.primary(x)
        return torch.cat([y, self.cheap(y)], dim=1)[:, : self.out, :, :]


class ChannelsFirst(nn.Module):
    """The layer norm of ConvNeXt for images, in pieces."""

    def __init__(self, channels, eps=1e-6):
        super().__init__()
        self.weight, self.bias, self.eps = nn.Parameter(torch.rand(channels)), nn.Parameter(torch.rand(channels)), eps

    def forward(self, x):
        u = x.mean(1, keepdim=True)
        s = (x - u).pow(2).mean(1, keepdim=True)
        x = (x - u) / torch.sqrt(s + self.eps)
        return self.weight[:, None, None] * x + self.bias[:, None, None]


class Response(nn.Module):
    """Global response normalization, channels last."""

    def __init__(self, channels):
        super().__init__()
        self.gamma, self.beta = (nn.Parameter(torch.rand(1, 1, 1, channels)) for _ in range(2))

    def forward(self, x):
        size = torch.norm(x, p=2, dim=(1, 2), keepdim=True)
        return self.gamma * (x * (size / (size.mean(dim=-1, keepdim=True) + 1e-6))) + self.beta + x


def convnext(second=False):
    def block(m, x):
        y = m.depth(x).permute(0, 2, 3, 1)
        y = m.wide(m.norm(y))
        y = m.narrow(m.grn(F.gelu(y))) if second else m.gamma * m.narrow(F.gelu(y))
        return x + y.permute(0, 3, 1, 2)

    layers = {"grn": Response(4 * C)} if second else {"gamma": torch.rand(C).requires_grad_()}
    return Model(
        block, depth=nn.Conv2d(C, C, 7, padding=3, groups=C), norm=nn.LayerNorm(C, eps=1e-6),
        wide=nn.Linear(C, 4 * C), narrow=nn.Linear(4 * C, C), **layers,
    )  # fmt: skip


def res2(m, x):
    parts, done = torch.split(x, C // 4, 1), []
    for n, part in enumerate(parts[:-1]):
        done.append(m.convs[n](part if n == 0 else done[-1] + part))
    return torch.cat([*done, parts[-1]], 1)


def shuffle(x, groups):
    b, c, h, w = x.size()
    return torch.transpose(x.view(b, groups, c // groups, h, w), 1, 2).contiguous().view(b, -1, h, w)


def shuffle_unit(m, x):
    one, other = x.chunk(2, dim=1)
    return shuffle(torch.cat((one, m.branch(other)), dim=1), 2)


def fast(m, x):
    one, other = torch.split(x, [C // 4, C - C // 4], dim=1)
    return x + m.mlp(torch.cat((m.conv(one), other), 1))


def mixer(m, x):
    y = x.flatten(2).transpose(1, 2)
    y = y + m.tokens(m.norm1(y).transpose(1, 2)).transpose(1, 2)
    y = y + m.channels(m.norm2(y))
    return y.transpose(1, 2).view(x.shape)


def option_a(m, x):
    return F.relu(m.conv(x) + F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, C // 2, C // 2), "constant", 0))


def octave(m, x):
    low = m.to_low(F.avg_pool2d(x, 2))
    high = m.high(x) + F.interpolate(m.to_high(low), scale_factor=2, mode="nearest")
    return torch.cat([high, F.interpolate(low + m.down(F.avg_pool2d(x, 2)), scale_factor=2)], 1)


def standardized(m, x):
    w = m.conv.weight
    w = (w - w.mean((1, 2, 3), keepdim=True)) / (w.std((1, 2, 3), keepdim=True) + 1e-5)
    return F.conv2d(x, w, m.conv.bias, padding=1)


def involution(m, x):
    b, c, h, w = x.shape
    kernel = m.kernel(x).view(b, 2, 9, h, w).unsqueeze(2)
    return (kernel * F.unfold(x, 3, padding=1).view(b, 2, c // 2, 9, h, w)).sum(3).view(b, c, h, w)


BACKBONES = {
    "residual": lambda: Model(lambda m, x: F.relu(m.two(m.one(x)) + x), one=conv(), two=nn.Conv2d(C, C, 3, padding=1)),
    "residual, scaled": lambda: Model(lambda m, x: torch.add(x, m.one(x), alpha=0.2), one=conv()),
    "residual of option A": lambda: Model(option_a, conv=nn.Conv2d(C, 2 * C, 3, 2, 1)),
    "ghost": lambda: Model(lambda m, x: m.two(m.one(x)), one=Ghost(C, 9), two=Ghost(9, C)),
    "repvgg": lambda: Model(
        lambda m, x: F.relu(m.three(x) + m.one(x) + m.norm(x)), three=conv()[:2], one=conv(kernel=1)[:2],
        norm=nn.BatchNorm2d(C)),
    "dense": lambda: Model(
        lambda m, x: torch.cat([x, m.one(x), m.two(torch.cat([x, m.one(x)], 1))], 1), one=conv(), two=conv(2 * C)),
    "inverted": lambda: Model(
        lambda m, x: x + m.project(F.hardswish(m.depth(F.hardswish(m.expand(x))))), expand=nn.Conv2d(C, 24, 1),
        depth=nn.Conv2d(24, 24, 5, padding=2, groups=24), project=nn.Conv2d(24, C, 1)),
    "res2net": lambda: Model(res2, convs=nn.ModuleList(conv(C // 4, C // 4) for _ in range(3))),
    "shuffle unit": lambda: Model(shuffle_unit, branch=conv(C // 2, C // 2)),
    "fasternet": lambda: Model(fast, conv=nn.Conv2d(2, 2, 3, padding=1), mlp=conv(kernel=1)),
    "poolformer": lambda: Model(
        lambda m, x: x + m.scale.unsqueeze(-1).unsqueeze(-1) * (F.avg_pool2d(m.norm(x), 3, 1, 1, False, False) - x),
        norm=nn.GroupNorm(1, C), scale=torch.rand(C).requires_grad_()),
    "convnext": lambda: convnext(),
    "convnext v2": lambda: convnext(second=True),
    "convnext stem": lambda: Model(lambda m, x: m.norm(m.conv(x)), conv=nn.Conv2d(C, 12, 4, 4), norm=ChannelsFirst(12)),
    "mixer": lambda: Model(
        mixer, norm1=nn.LayerNorm(C), norm2=nn.LayerNorm(C), tokens=nn.Sequential(
            nn.Linear(H * W, 20), nn.GELU(), nn.Linear(20, H * W)),
        channels=nn.Sequential(nn.Linear(C, 20), nn.GELU(), nn.Linear(20, C))),
    "convmixer": lambda: Model(
        lambda m, x: m.point(x + F.gelu(m.depth(x))), depth=nn.Conv2d(C, C, 9, groups=C, padding="same"),
        point=nn.Conv2d(C, C, 1)),
    "octave": lambda: Model(
        octave, to_low=conv(), to_high=nn.Conv2d(C, C, 1), high=conv(), down=nn.Conv2d(C, C, 1)),
    "weights standardized": lambda: Model(standardized, conv=nn.Conv2d(C, 6, 3)),
    "involution": lambda: Model(involution, kernel=nn.Conv2d(C, 18, 1)),
    "maxout": lambda: Model(
        lambda m, x: m.conv(x).view(x.shape[0], C, 2, H, W).max(2)[0], conv=nn.Conv2d(C, 2 * C, 1)),
    "crelu": lambda: Model(lambda m, x: F.relu(torch.cat([m.conv(x), -m.conv(x)], 1)), conv=nn.Conv2d(C, 6, 3)),
    "coordconv": lambda: Model(
        lambda m, x: m.conv(torch.cat([x, m.grid.expand(x.shape[0], -1, -1, -1)], 1)), conv=nn.Conv2d(C + 2, 4, 3),
        grid=torch.stack(torch.meshgrid(torch.linspace(-1, 1, H), torch.linspace(-1, 1, W), indexing="ij"))[None]),
    "prelu": lambda: Model(lambda m, x: m.act(m.conv(x)), conv=nn.Conv2d(C, 6, 3), act=nn.PReLU(6, 0.2)),
    "local response": lambda: nn.Sequential(nn.Conv2d(C, 6, 3), nn.ReLU(), nn.LocalResponseNorm(5)),
    "swish in pieces": lambda: Model(lambda m, x: (y := m.conv(x)) * torch.sigmoid(y), conv=nn.Conv2d(C, 6, 3)),
    "hard swish in pieces": lambda: Model(
        lambda m, x: (y := m.conv(x)) * F.hardtanh(y + 3, 0.0, 6.0) / 6.0, conv=nn.Conv2d(C, 6, 3)),
    "filter summaries": lambda: nn.Sequential(
        nn.Conv2d(C, 32, 1), nn.ReLU(), FsConv2d(32, 32, 3, padding=1, fast=True), nn.Sigmoid()),
    "log-sigmoid": lambda: nn.Sequential(nn.Conv2d(C, 6, 3), nn.LogSigmoid(), nn.Conv2d(6, 4, 1)),
    "drop": lambda: nn.Sequential(nn.Dropout2d(), nn.Conv2d(C, 4, 3), nn.Dropout(), nn.Identity()),
}  # fmt: skip
