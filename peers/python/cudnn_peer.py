"""PyTorch on an NVIDIA GPU: cuDNN with `benchmark`, the best of NCHW and channels last.

Times are the GPU's own. The convolutions of a sample are one CUDA graph, so that launching them
from Python costs nothing.
"""

import torch

import clock

INPUTS = 3
# Of one graph.
CONVOLUTIONS = 12


class Peer:
    kind = "cuda"

    def __init__(self, precision: str):
        if not torch.cuda.is_available():
            raise RuntimeError("PyTorch finds no NVIDIA GPU")
        self.precision = precision
        self.version = f"torch {torch.__version__}, cuDNN {torch.backends.cudnn.version()}, CUDA {torch.version.cuda}"
        self.device = torch.cuda.get_device_name()
        torch.backends.cudnn.benchmark = True
        torch.backends.cudnn.allow_tf32 = precision == "tf32"
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"

    @torch.inference_mode()
    def measure(self, layer, data, weights, reference) -> dict:
        half = self.precision == "f16"
        kind = torch.float16 if half else torch.float32
        layouts = {}
        for detail, memory in [("NCHW", torch.contiguous_format), ("channels last", torch.channels_last)]:
            kernel = torch.from_numpy(weights).cuda().to(kind).contiguous(memory_format=memory)
            image = torch.from_numpy(data).cuda().to(kind).contiguous(memory_format=memory)
            inputs = [image.clone(memory_format=torch.preserve_format) for _ in range(INPUTS)]

            def convolve(image, kernel=kernel):
                return torch.nn.functional.conv2d(image, kernel, stride=layer.stride, padding=layer.padding)

            def whole():
                output = convolve(inputs[0])
                torch.cuda.synchronize()
                return output

            # The first run also tries cuDNN's algorithms.
            output, first = clock.timed(whole)
            result = reference.check(output.float().cpu().numpy(), half)
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for image in inputs:
                    convolve(image)
            torch.cuda.current_stream().wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                for i in range(CONVOLUTIONS):
                    convolve(inputs[i % INPUTS])
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))

            def run(repeats, graph=graph, begin=begin, end=end):
                begin.record()
                for _ in range(repeats):
                    graph.replay()
                end.record()
                torch.cuda.synchronize()

            times = clock.measure(layer, run, each=CONVOLUTIONS, seconds_of=lambda: begin.elapsed_time(end) * 1e-3)
            layouts[detail] = result | times | {"first_milliseconds": first, "detail": f"{detail}, {self.precision}"}
        best = min(layouts.values(), key=lambda result: result["milliseconds"])
        timed = ("milliseconds", "quartile_milliseconds", "runs")
        return best | {"layouts": {name: {key: result[key] for key in timed} for name, result in layouts.items()}}
