"""Layers of the air networks (`air.py`): first layer, batch norm with ReLU, pools, depthwise convolution, last layer.

`[N, C, H, W]` in, channels_last inside. Each is a plain PyTorch module with the same meaning, and where there are
native kernels (`native.py`) it runs them: they write the dtype of the activations and add in float32.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from .. import native
from ..native import Long
from ..shared import Depthwise, nhwc

EPSILON = 1e-5


def working_dtype(x: torch.Tensor) -> torch.dtype:
    """The dtype that autocast asks for, if it is on."""
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype


class FirstPass(torch.autograd.Function):
    """`relu(conv3x3(x, w) + bias)`, of which only the bias learns: `x [N, 3, H, W]` float32, `w [O, 3, 3, 3]`."""

    @staticmethod
    def forward(ctx, x, w, bias, dtype):
        n, _, h, wide = x.shape
        y = torch.empty(n, h, wide, len(bias), dtype=dtype)
        taps = w.flatten(1).t().contiguous()
        native.call("first", dtype, x, y, taps, bias, n, h, wide, len(bias), *map(Long, x.stride()))
        ctx.save_for_backward(y)
        return y.permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx, dy):
        (y,) = ctx.saved_tensors
        return None, None, _norm_relu_sums(y, torch.zeros(y.shape[3]), y, nhwc(dy))[0], None


class WhitenedConv(nn.Conv2d):
    """A 3x3 convolution whose filters are not learned (`whiten` makes them of images), a learned bias, and ReLU."""

    def __init__(self, out: int):
        super().__init__(3, out, 3, padding=1)
        self.weight.requires_grad_(False)
        nn.init.zeros_(self.bias)

    @torch.no_grad()
    def whiten(self, x: torch.Tensor) -> None:
        """Filters that make the patches of normalized images `x` white: the leading half of their principal components,
        and the same negated (Keller Jordan's airbench, 2024)."""
        patches = F.unfold(x, 3).transpose(1, 2).reshape(-1, 27).double()
        value, vector = torch.linalg.eigh(patches.T @ patches / len(patches))
        w = (vector / (value + 5e-4).sqrt()).T.flip(0)[: len(self.weight) // 2].float().view(-1, 3, 3, 3)
        self.weight.copy_(torch.cat([w, -w]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        dtype = working_dtype(x)
        if x.dtype == torch.float32 and len(self.bias) <= 32 and native.serves(x) and dtype in native.SUFFIX:
            return FirstPass.apply(x, self.weight, self.bias, dtype)
        return F.relu(super().forward(x))


def _norm_relu_sums(x, origin, y, dy):
    """`(sum of dz, sum of dz * (x - origin))` a channel, `dz = dy where y > 0`; all `[N, H, W, C]`."""
    c = x.shape[3]
    sums = torch.empty(2, c)
    native.call("norm_relu_sums", x.dtype, x, origin, y, dy, sums[0], sums[1], Long(x.numel() // c), c)
    return sums


class NormReluPass(torch.autograd.Function):
    """`relu((x - mean) / sqrt(var + eps) + bias + residual)` with the batch's statistics, and those."""

    @staticmethod
    def forward(ctx, x, bias, residual, origin, training, running_mean, running_var):
        x = nhwc(x)
        n, c = Long(x.numel() // x.shape[3]), x.shape[3]
        if training:
            sums = torch.empty(2, c)
            native.call("norm_sums", x.dtype, x, origin, sums[0], sums[1], n, c)
            away = sums[0] / n
            mean, var = origin + away, (sums[1] / n - away * away).clamp_min(0)
        else:
            mean, var = running_mean, running_var
        rstd = (var + EPSILON).rsqrt()
        residual = None if residual is None else nhwc(residual.to(x.dtype))
        y = torch.empty_like(x)
        native.call("norm_relu", x.dtype, x, residual, y, rstd, (bias - mean * rstd).contiguous(), n, c)
        ctx.save_for_backward(x, y, mean, rstd)
        ctx.training, ctx.residual = training, residual is not None
        ctx.mark_non_differentiable(mean, var)
        return y.permute(0, 3, 1, 2), mean, var

    @staticmethod
    def backward(ctx, dy, *_):
        x, y, mean, rstd = ctx.saved_tensors
        dy = nhwc(dy)
        n, c = Long(x.numel() // x.shape[3]), x.shape[3]
        total, with_x = _norm_relu_sums(x, mean, y, dy)
        # dx = rstd * (dz - total / n - (x - mean) * slope)
        slope = with_x * rstd * rstd / n if ctx.training else torch.zeros(c)
        level = total / n if ctx.training else torch.zeros(c)
        dx, dresidual = torch.empty_like(x), torch.empty_like(x) if ctx.residual else None
        parts = rstd, -rstd * slope, rstd * (mean * slope - level)
        native.call("norm_relu_back", x.dtype, x, y, dy, dx, dresidual, *parts, n, c)
        back = None if dresidual is None else dresidual.permute(0, 3, 1, 2)
        return dx.permute(0, 3, 1, 2), total, back, None, None, None, None


class NormRelu(nn.Module):
    """Batch norm without a factor, then ReLU: `relu(norm(x) + bias + residual)`.

    A factor would be of no use to filters that have gains, or scale freely. Norm and ReLU can be pulled through
    a max pool before them, since what norm multiplies by is positive. The buffers are those of `nn.BatchNorm2d`.
    """

    def __init__(self, channels: int, momentum: float = 0.1):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.register_buffer("num_batches_tracked", torch.tensor(0))
        self.momentum, self.eps = momentum, EPSILON

    def forward(self, x: torch.Tensor, residual: torch.Tensor | None = None) -> torch.Tensor:
        if self.training:
            self.num_batches_tracked += 1
        if not native.serves(x):
            y = F.batch_norm(
                x, self.running_mean, self.running_var, None, self.bias, self.training, self.momentum, self.eps
            )
            return F.relu(y if residual is None else y + residual)
        running = self.running_mean, self.running_var
        # Sums are taken about a value near the mean, so that they lose nothing in float32.
        y, mean, var = NormReluPass.apply(x, self.bias, residual, self.running_mean.clone(), self.training, *running)
        if self.training:
            n = x.numel() // x.shape[1]
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(var * (n / max(n - 1, 1)), self.momentum)
        return y


class PoolPass(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        x = nhwc(x)
        n, h, w, c = x.shape
        y = x.new_empty(n, h // 2, w // 2, c)
        native.call("pool", x.dtype, x, y, n, h, w, c)
        ctx.save_for_backward(x, y)
        return y.permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx, dy):
        x, y = ctx.saved_tensors
        dx = torch.empty_like(x)
        native.call("pool_back", x.dtype, x, y, nhwc(dy), dx, *x.shape)
        return dx.permute(0, 3, 1, 2)


class Pool(nn.MaxPool2d):
    """2x2 max pooling: `[N, C, H, W] -> [N, C, H/2, W/2]`."""

    def __init__(self):
        super().__init__(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        even = x.shape[2] % 2 == x.shape[3] % 2 == 0
        return PoolPass.apply(x) if even and native.serves(x) else super().forward(x)


class GlobalMaxPool(nn.Module):
    """`[N, C, H, W] -> [N, C, 1, 1]`; `size` is that of full images, for the exporter."""

    def __init__(self, size: int):
        super().__init__()
        self.size = size

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.amax((2, 3), keepdim=True)


class DepthwiseConv(nn.Conv2d):
    """3x3, a filter a channel, padding 1."""

    def __init__(self, channels: int):
        super().__init__(channels, channels, 3, padding=1, groups=channels, bias=False)
        nn.init.normal_(self.weight, std=27**-0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.weight.dtype == torch.float32 and native.serves(x):
            return Depthwise.apply(x.to(working_dtype(x)), self.weight.flatten(1))
        return super().forward(x)


class ScaledLinear(nn.Linear):
    """`factor * W x`, without a bias."""

    def __init__(self, channels: int, out: int, factor: float):
        super().__init__(channels, out, bias=False)
        nn.init.normal_(self.weight, std=(3 * channels) ** -0.5)
        self.factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x).to(torch.promote_types(x.dtype, torch.float32)) * self.factor
