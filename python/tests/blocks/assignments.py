"""What models write in place."""

from __future__ import annotations

import torch
from torch import nn

from .model import C, H, Model, W, conv


def boxes(m, x):
    """The head of YOLO v5, as it was first written."""
    y = m.conv(x).view(x.shape[0], 3, 7, H, W).permute(0, 1, 3, 4, 2).contiguous().sigmoid()
    y[..., 0:2] = (y[..., 0:2] * 2.0 - 0.5 + m.grid) * 8.0
    y[..., 2:4] = (y[..., 2:4] * 2) ** 2 * m.anchors
    return y.view(x.shape[0], -1, 7)


def inverse_wavelet(m, x):
    b, c, h, w = x.shape
    one, two, three, four = m.conv(x).div(2).chunk(4, 1)
    y = torch.zeros([b, c // 4, h * 2, w * 2])
    y[:, :, 0::2, 0::2] = one - two - three + four
    y[:, :, 1::2, 0::2] = one - two + three - four
    y[:, :, 0::2, 1::2] = one + two - three - four
    y[:, :, 1::2, 1::2] = one + two + three + four
    return y


def shifted(m, x):
    """A shift of channels by a pixel to each side."""
    y = torch.zeros_like(x)
    y[:, 0:2, :, :-1] = x[:, 0:2, :, 1:]
    y[:, 2:4, :, 1:] = x[:, 2:4, :, :-1]
    y[:, 4:6, :-1] = x[:, 4:6, 1:]
    y[:, 6:] = x[:, 6:]
    return m.conv(y)


def partial(m, x):
    """A convolution of a quarter of the channels (FasterNet)."""
    x = x.clone()
    x[:, :2, :, :] = m.conv(x[:, :2, :, :])
    return x


def frame(m, x):
    y = m.conv(x)
    y[:, :, 0] = 0
    y[:, :, -1] = 0
    y[..., 0].zero_()
    y[..., -1].fill_(1.0)
    return y


def some(m, x):
    y = m.conv(x).clone()
    y[:, [0, 3, 5]] = x[:, :3]
    y[:, 1:3] += 1
    y[:, 6:].mul_(x[:, 6:].sigmoid())
    y[:, 7] = 0
    return y


def halves(m, x):
    y = torch.empty_like(x)
    y[:, ::2] = m.one(x)
    y[:, 1::2] = m.two(x)
    return y


ASSIGNMENTS = {
    "yolo, in place": lambda: Model(
        boxes, conv=nn.Conv2d(C, 21, 1), anchors=torch.rand(1, 3, 1, 1, 2),
        grid=torch.stack(torch.meshgrid(torch.arange(W), torch.arange(H), indexing="xy"), 2)[None, None].float()),
    "inverse wavelet": lambda: Model(inverse_wavelet, conv=conv()),
    "shift": lambda: Model(shifted, conv=conv()),
    "partial convolution": lambda: Model(partial, conv=nn.Conv2d(2, 2, 3, padding=1, bias=False)),
    "frame": lambda: Model(frame, conv=conv()),
    "some channels": lambda: Model(some, conv=conv()),
    "channels of two": lambda: Model(halves, one=nn.Conv2d(C, 4, 1), two=nn.Conv2d(C, 4, 3, padding=1)),
    "masked": lambda: Model(
        lambda m, x: torch.where(m.mask, m.conv(x), x).masked_fill(m.corner, 0.5),
        conv=conv(), mask=torch.arange(C * H * W).view(1, C, H, W) % 3 == 0,
        corner=torch.arange(H * W).view(H, W) < 30),
}  # fmt: skip
