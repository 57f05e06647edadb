"""A layer, its numbers, and its result in float64. The same as `peers/burn/src/layer.rs`."""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Layer:
    """A request: a dense, square convolution, and how long to measure it."""

    layer: str
    batch: int
    channels: int
    filters: int
    size: int
    kernel: int
    stride: int
    padding: int
    runs: int
    seconds: float

    @property
    def terms(self) -> int:
        """K, the products of one output."""
        return self.channels * self.kernel**2

    @property
    def output_size(self) -> int:
        return (self.size + 2 * self.padding - self.kernel) // self.stride + 1

    def data(self):
        """Input [N, C, H, W] and weights [O, C, KH, KW]: multiples of 1/64 whose products sum up exactly in f32."""
        largest = min(max(int(math.sqrt((1 << 24) / self.terms)), 1), 63)
        shape = (self.batch, self.channels, self.size, self.size)
        count = math.prod(shape)
        values = numbers(count + self.filters * self.terms, largest)
        weights = values[count:].reshape(self.filters, self.channels, self.kernel, self.kernel)
        return values[:count].reshape(shape), weights


def numbers(count: int, largest: int) -> np.ndarray:
    """SplitMix64 with seed 1."""
    with np.errstate(over="ignore"):
        bits = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(1)
        bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    bits ^= bits >> np.uint64(31)
    values = ((bits >> np.uint64(8)) % np.uint64(largest) + np.uint64(1)).astype(np.float32) / np.float32(64)
    return np.where(bits & np.uint64(1), -values, values)


class Reference:
    """The convolution in float64, tap by tap."""

    def __init__(self, layer: Layer, data: np.ndarray, weights: np.ndarray):
        self.terms = layer.terms
        self.output = convolve(layer, data, weights)
        # Of |w||x|, the largest: what rounding errors are measured in.
        self.magnitude = float(convolve(layer, np.abs(data), np.abs(weights)).max())
        self.sum = float(self.output.sum())

    def check(self, got: np.ndarray, half: bool = False) -> dict:
        """Raises when the numbers differ by more than f32 sums in any order explain (f16 outputs: and one rounding)."""
        if got.shape != self.output.shape:
            raise ValueError(f"shape {got.shape} instead of {self.output.shape}")
        error = float(np.abs(got - self.output).max())
        tolerance = 2**-24 * (8 + 8 * math.sqrt(self.terms)) * self.magnitude
        largest = float(np.abs(self.output).max())
        if half:
            tolerance += 2**-11 * largest
        # Written so that NaN fails.
        if not error <= tolerance:
            raise ValueError(f"wrong numbers: error {error:.3e}, tolerance {tolerance:.3e}")
        return {"largest_error": error / largest, "tolerance": tolerance / largest, "reference_sum": self.sum}


def convolve(layer: Layer, data: np.ndarray, weights: np.ndarray) -> np.ndarray:
    out, pad, stride = layer.output_size, layer.padding, layer.stride
    padded = np.pad(data.astype(np.float64), ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    result = np.zeros((layer.batch, layer.filters, out * out))
    for y in range(layer.kernel):
        for x in range(layer.kernel):
            window = padded[:, :, y : y + stride * out : stride, x : x + stride * out : stride][:, :, :out, :out]
            result += weights[:, :, y, x].astype(np.float64) @ window.reshape(layer.batch, layer.channels, out * out)
    return result.reshape(layer.batch, layer.filters, out, out)
