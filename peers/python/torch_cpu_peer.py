"""PyTorch on the CPU (oneDNN), the best of NCHW and channels last."""

import os

import torch

import clock

INPUTS = 3


class Peer:
    kind = "cpu"

    def __init__(self):
        self.version = f"torch {torch.__version__}"
        self.device = f"CPU ({os.cpu_count()} threads)"
        torch.set_num_threads(os.cpu_count())

    @torch.inference_mode()
    def measure(self, layer, data, weights, reference) -> dict:
        best = None
        for detail, memory in [("NCHW", torch.contiguous_format), ("channels last", torch.channels_last)]:
            kernel = torch.from_numpy(weights).contiguous(memory_format=memory)
            inputs = [torch.from_numpy(data.copy()).contiguous(memory_format=memory) for _ in range(INPUTS)]

            def convolve(image, kernel=kernel):
                return torch.nn.functional.conv2d(image, kernel, stride=layer.stride, padding=layer.padding)

            def run(repeats, inputs=inputs, convolve=convolve):
                for i in range(repeats):
                    convolve(inputs[i % INPUTS])

            output, first = clock.timed(lambda: convolve(inputs[0]))
            result = reference.check(output.numpy())
            result |= clock.measure(layer, run) | {"first_milliseconds": first, "detail": f"{detail}, f32"}
            if best is None or result["cpu_milliseconds"] < best["cpu_milliseconds"]:
                best = result
        return best
