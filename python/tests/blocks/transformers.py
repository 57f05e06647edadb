"""Transformers, whose heads or tokens are in front of the batch on the way."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from .model import C, H, Model, W

HEADS, N = 2, H * W // 16
"""Heads of attention, and patches of 4x4 pixels of an image."""


def tokens(function, first=True, **layers):
    """Patches of an image one after another, `[B, N, C]` or `[N, B, C]`, a function of them, and their mean."""

    def of_image(m, x):
        x = m.patches(x).flatten(2).transpose(1, 2)
        x = function(m, x if first else x.transpose(0, 1))
        return m.head(x.mean(1 if first else 0))

    return Model(of_image, patches=nn.Conv2d(C, C, 4, 4), head=nn.Linear(C, 5), **layers)


def heads(m, x):
    """Attention as in ViT: query, key and value in front of the batch, taken apart by `unbind`."""
    b, n, c = x.shape
    q, k, v = m.qkv(m.norm(x)).reshape(b, n, 3, HEADS, c // HEADS).permute(2, 0, 3, 1, 4).unbind(0)
    seen = (q * (c // HEADS) ** -0.5 @ k.transpose(-2, -1)).softmax(-1)
    return x + m.out((seen @ v).transpose(1, 2).reshape(b, n, c))


def heads_by_number(m, x):
    """The same, taken apart by numbers."""
    b, n, c = x.shape
    qkv = m.qkv(m.norm(x)).view(b, n, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
    q, k, v = qkv[0], qkv[1], qkv[2]
    seen = torch.softmax(torch.matmul(q, k.permute(0, 1, 3, 2)) * (c // HEADS) ** -0.5, dim=-1)
    return x + m.out(torch.matmul(seen, v).permute(0, 2, 1, 3).reshape(b, n, c))


def tokens_first(m, x):
    """Layers of `[N, B, C]`, and of `[N * B, C]`."""
    n, b, c = x.shape
    x = x + m.out(m.qkv(m.norm(x))[..., :c].softmax(0) * m.scale)
    return m.out(x.reshape(n * b, c)).relu().view(n, b, c)


def of_windows(m, x):
    """Attention within windows of 4x6 pixels, of two heads (Swin)."""
    b, c, h, w = x.shape
    x = x.permute(0, 2, 3, 1).view(b, h // 4, 4, w // 6, 6, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, 24, c)
    x = heads(m, x).view(b, h // 4, w // 6, 4, 6, c).permute(0, 1, 3, 2, 4, 5).reshape(b, h, w, c)
    return x.permute(0, 3, 1, 2)


def layers():
    return {"norm": nn.LayerNorm(C), "qkv": nn.Linear(C, 3 * C), "out": nn.Linear(C, C)}


def multihead(first):
    return tokens(
        lambda m, x: x + m.attention(x, x, x, need_weights=False)[0], first,
        attention=nn.MultiheadAttention(C, HEADS, batch_first=first))  # fmt: skip


def encoder(first):
    layer = nn.TransformerEncoderLayer(C, HEADS, 2 * C, batch_first=first, norm_first=first)
    return tokens(lambda m, x: m.encoder(x), first, encoder=layer)


def torchvision(name, *args, **keys):
    """One of torchvision's models, of three channels made of all, and its last layer as if it were trained."""
    models = pytest.importorskip("torchvision").models
    net = getattr(models, name)(*args, **keys, num_classes=5)
    nn.init.normal_(getattr(net, "head", None).weight if hasattr(net, "head") else net.heads.head.weight)
    return Model(lambda m, x: m.net(m.first(x[..., :W, :W])), first=nn.Conv2d(C, 3, 1), net=net)


TRANSFORMERS = {
    "heads before the batch": lambda: tokens(heads, **layers()),
    "heads by number": lambda: tokens(heads_by_number, **layers()),
    "tokens before the batch": lambda: tokens(tokens_first, False, **layers(), scale=torch.rand(N, 1, C)),
    "heads of windows": lambda: Model(of_windows, **layers()),
    "multihead attention": lambda: multihead(True),
    "multihead attention, tokens first": lambda: multihead(False),
    "encoder layer": lambda: encoder(True),
    "encoder layer, tokens first": lambda: encoder(False),
    "vit": lambda: torchvision("VisionTransformer", W, 4, 2, 2, 16, 32),
    "swin": lambda: torchvision("SwinTransformer", [2, 2], 8, [2, 2], [2, 2], [3, 3]),
}  # fmt: skip
