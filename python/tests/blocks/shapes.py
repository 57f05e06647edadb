"""Necks, heads, and what brings values elsewhere."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from .backbones import shuffle
from .model import C, H, Model, W, conv


def fpn(m, x):
    high = m.one(x)
    low = m.two(high)
    low = m.side(low)
    return m.out(m.lateral(high) + F.interpolate(low, size=high.shape[-2:], mode="nearest")), low


def pan(m, x):
    low = m.down(x)
    up = m.cat1(torch.cat([F.interpolate(low, scale_factor=2.0, mode="nearest"), x], 1))
    return up, m.cat2(torch.cat([m.down2(up), low], 1))


def bifpn(m, x):
    w = F.relu(m.w)
    w = w / (torch.sum(w, dim=0) + 1e-4)
    return m.conv(w[0] * x + w[1] * F.interpolate(F.max_pool2d(x, 2), scale_factor=2))


def yolo(m, x):
    b = x.shape[0]
    y = m.conv(x).view(b, 3, 7, H, W).permute(0, 1, 3, 4, 2).contiguous().sigmoid()
    xy = (y[..., 0:2] * 2.0 - 0.5 + m.grid) * 8.0
    wh = (y[..., 2:4] * 2) ** 2 * m.anchors
    return torch.cat((xy, wh, y[..., 4:]), -1).view(b, -1, 7)


def distances(m, x):
    """The box head of YOLO v8."""
    b = x.shape[0]
    box, classes = m.conv(x).view(b, 4 * 4 + 3, -1).split((16, 3), 1)
    box = m.sums(box.view(b, 4, 4, H * W).transpose(2, 1).softmax(1)).view(b, 4, H * W)
    top, bottom = box.chunk(2, 1)
    top, bottom = m.points - top, m.points + bottom
    return torch.cat((torch.cat(((top + bottom) / 2, bottom - top), 1) * 8, classes.sigmoid()), 1)


def sppf(m, x):
    y = [m.one(x)]
    y.extend(F.max_pool2d(y[-1], 5, 1, 2) for _ in range(3))
    return m.two(torch.cat(y, 1))


def focus(m, x):
    parts = [x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]]
    return m.conv(torch.cat(parts, 1))


def unet(m, x):
    one = m.one(x)
    up = m.up(m.two(F.max_pool2d(one, 2)))
    more = [one.size(n) - up.size(n) for n in (2, 3)]
    up = F.pad(up, [more[1] // 2, more[1] - more[1] // 2, more[0] // 2, more[0] - more[0] // 2])
    return m.out(torch.cat([one, up], dim=1))


def aspp(m, x):
    pooled = F.interpolate(m.pool(x), size=x.shape[-2:], mode="bilinear", align_corners=False)
    return m.out(torch.cat([m.one(x), m.six(x), pooled], dim=1))


def pyramid(m, x):
    pooled = [
        F.interpolate(layer(F.adaptive_avg_pool2d(x, n)), (H, W), mode="bilinear", align_corners=True)
        for n, layer in zip((1, 2, 4), m.layers)
    ]
    return torch.cat([x, *pooled], 1)


def blur(m, x):
    return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), m.kernel.expand(C, 1, 3, 3), stride=2, groups=C)


def wavelet(m, x):
    a, b, c, d = x[:, :, 0::2, 0::2], x[:, :, 1::2, 0::2], x[:, :, 0::2, 1::2], x[:, :, 1::2, 1::2]
    return torch.cat([a + b + c + d, -a - b + c + d, -a + b - c + d, a - b - c + d], 1) / 2


def laplace(m, x):
    small = F.avg_pool2d(x, 2)
    return x - F.interpolate(small, scale_factor=2, mode="bilinear", align_corners=False), small


def soft_argmax(m, x):
    b, c, h, w = x.shape
    heat = F.softmax(x.view(b, c, -1), dim=2).view(b, c, h, w)
    across = (heat.sum(2) * m.columns).sum(-1, keepdim=True)
    down = (heat.sum(3) * m.rows).sum(-1, keepdim=True)
    return torch.cat([across, down], -1)


def anchors(m, x):
    box = m.box(x).permute(0, 2, 3, 1).contiguous().view(x.size(0), -1, 4)
    return box, m.score(x).permute(0, 2, 3, 1).contiguous().view(x.size(0), -1, 3).softmax(-1)


SHAPES = {
    "fpn": lambda: Model(fpn, one=conv(), two=conv(C, 16, stride=2), side=nn.Conv2d(16, C, 1),
                         lateral=nn.Conv2d(C, C, 1), out=nn.Conv2d(C, C, 3, padding=1)),
    "pan": lambda: Model(pan, down=conv(stride=2), cat1=conv(2 * C), down2=conv(stride=2), cat2=conv(2 * C)),
    "bifpn": lambda: Model(bifpn, w=torch.tensor([0.7, 0.4]).requires_grad_(), conv=conv()),
    "yolo": lambda: Model(
        yolo, conv=nn.Conv2d(C, 21, 1), anchors=torch.rand(1, 3, 1, 1, 2),
        grid=torch.stack(torch.meshgrid(torch.arange(W), torch.arange(H), indexing="xy"), 2)[None, None].float()),
    "yolo, logits": lambda: Model(
        lambda m, x: m.conv(x).view(x.shape[0], 3, 7, H, W).permute(0, 1, 3, 4, 2).reshape(x.shape[0], -1, 7),
        conv=nn.Conv2d(C, 21, 1)),
    "yolo v8": lambda: Model(
        distances, conv=nn.Conv2d(C, 19, 1), points=torch.rand(1, 2, H * W), sums=nn.Conv2d(4, 1, 1, bias=False)),
    "anchors": lambda: Model(anchors, box=nn.Conv2d(C, 12, 1), score=nn.Conv2d(C, 9, 1)),
    "spp": lambda: Model(
        lambda m, x: m.conv(torch.cat([x] + [F.max_pool2d(x, k, 1, k // 2) for k in (5, 9, 13)], 1)),
        conv=conv(4 * C, C, 1)),
    "sppf": lambda: Model(sppf, one=conv(C, 4, 1), two=conv(16, C, 1)),
    "focus": lambda: Model(focus, conv=conv(4 * C, C)),
    "pixel shuffle": lambda: nn.Sequential(nn.Conv2d(C, 12, 3, padding=1), nn.PixelShuffle(2), nn.Tanh()),
    "pixel unshuffle": lambda: nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4 * C, 6, 3)),
    "channel shuffle": lambda: Model(lambda m, x: m.conv(shuffle(x, 4)), conv=nn.Conv2d(C, C, 3, groups=4)),
    "channel shuffle layer": lambda: nn.Sequential(nn.Conv2d(C, C, 1, groups=2), nn.ChannelShuffle(2)),
    "unet": lambda: Model(
        unet, one=conv(), two=conv(C, 16), up=nn.ConvTranspose2d(16, C, 2, 2), out=nn.Conv2d(2 * C, 2, 1)),
    "aspp": lambda: Model(
        aspp, one=conv(kernel=1), six=conv(dilation=6, padding=6),
        pool=nn.Sequential(nn.AdaptiveAvgPool2d(1), conv(kernel=1)), out=conv(3 * C, C, 1)),
    "pyramid pooling": lambda: Model(pyramid, layers=nn.ModuleList(conv(C, 4, 1) for _ in range(3))),
    "blur pool": lambda: Model(blur, kernel=torch.tensor([1.0, 2, 1])[:, None] * torch.tensor([1.0, 2, 1]) / 16),
    "wavelet": lambda: Model(wavelet),
    "laplace": lambda: Model(laplace),
    "soft argmax": lambda: Model(soft_argmax, columns=torch.arange(W).float(), rows=torch.arange(H).float()),
    "super-resolution": lambda: Model(
        lambda m, x: F.interpolate(x, scale_factor=2, mode="bilinear") + m.up(m.conv(x)), conv=conv(C, 4 * C),
        up=nn.PixelShuffle(2)),
    "nearest to a size": lambda: Model(lambda m, x: F.interpolate(x, size=(9, 21))),
    "nearest by a scale": lambda: Model(lambda m, x: F.interpolate(x, scale_factor=(3, 2))),
    "bilinear to a size": lambda: Model(lambda m, x: F.interpolate(x, size=(9, 21), mode="bilinear")),
    "bilinear with corners": lambda: nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)),
    "bilinear smaller": lambda: Model(lambda m, x: F.interpolate(x, scale_factor=0.5, mode="bilinear")),
    "reflected": lambda: nn.Sequential(nn.ReflectionPad2d(2), nn.Conv2d(C, 4, 5)),
    "replicated": lambda: nn.Conv2d(C, 4, 3, padding=1, padding_mode="replicate"),
    "circular": lambda: nn.Conv2d(C, 4, 3, padding=1, padding_mode="circular"),
    "cropped": lambda: Model(lambda m, x: m.conv(F.pad(x, (-1, 2, 0, -3), value=1.0)), conv=nn.Conv2d(C, 4, 3)),
    "center crop": lambda: Model(lambda m, x: m.conv(x) + x[:, :, 1:-1, 1:-1], conv=nn.Conv2d(C, C, 3)),
    "classifier": lambda: nn.Sequential(conv(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(C, 5), nn.Softmax(1)),
    "classifier, log": lambda: nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(C * 48, 5), nn.LogSoftmax(1)),
    "vgg": lambda: nn.Sequential(conv(), nn.AdaptiveAvgPool2d((7, 5)), nn.Flatten(), nn.Linear(C * 35, 5)),
    "lines": lambda: Model(
        lambda m, x: m.two(F.max_pool1d(F.relu(m.one(x.mean(2))), 2)), one=nn.Conv1d(C, 6, 3, padding=1),
        two=nn.Conv1d(6, 4, 3, stride=2)),
    "bgr": lambda: Model(lambda m, x: m.conv(x[:, [2, 1, 0]]), conv=nn.Conv2d(3, 4, 3)),
    "flipped": lambda: Model(lambda m, x: m.conv(F.interpolate(x, scale_factor=2.0).flip(3)), conv=nn.Conv2d(C, 4, 3)),
    "columns turned": lambda: Model(lambda m, x: m.conv(x.roll(2, 3)), conv=nn.Conv2d(C, 4, 3)),
    "1x1 by einsum": lambda: Model(
        lambda m, x: torch.einsum("nchw,oc->nohw", x, m.weight), weight=torch.rand(5, C).requires_grad_()),
}  # fmt: skip
