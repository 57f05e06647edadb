"""ncnn, on Vulkan or on the CPU, in f32.

ncnn has no batch dimension: a batch is as many runs. Its Python interface copies input and output, which no engine
would do between layers; so a run computes four equal convolutions of one input, and copies back one pixel of each.
"""

import os

import ncnn
import numpy as np

import clock

PARALLEL = 4


class Peer:
    def __init__(self, vulkan: bool):
        self.vulkan = vulkan
        self.version = f"ncnn {ncnn.__version__}"
        self.kind = "gpu" if vulkan else "cpu"
        self.device = f"CPU ({os.cpu_count()} threads)"
        if vulkan:
            if ncnn.get_gpu_count() < 1:
                raise RuntimeError("ncnn finds no Vulkan adapter")
            self.device = ncnn.get_gpu_info(ncnn.get_default_gpu_index()).device_name()

    def measure(self, layer, data, weights, reference) -> dict:
        single = self.net(layer, weights, parallel=1, crop=False)
        # The first run compiles its shaders.
        whole, first = clock.timed(lambda: np.stack([self.run(single, tensor(image)) for image in data]))
        result = reference.check(whole)
        del single

        net = self.net(layer, weights, PARALLEL, crop=True)
        calls = max(1, layer.batch // PARALLEL)
        images = [tensor(data[call % layer.batch]) for call in range(max(calls, 3))]

        def run(repeats):
            for call in range(repeats * calls):
                self.run(net, images[call % len(images)])

        times = clock.measure(layer, run, each=calls * PARALLEL / layer.batch)
        return {**result, **times, "first_milliseconds": first, "detail": f"{PARALLEL} a run, f32"}

    def net(self, layer, weights, parallel: int, crop: bool):
        convolution = (
            f"0={layer.filters} 1={layer.kernel} 11={layer.kernel} 3={layer.stride} 4={layer.padding} "
            f"5=0 6={weights.size}"
        )
        branches = " ".join(f"in{i}" for i in range(parallel))
        lines = ["Input input 0 1 in", f"Split split 1 {parallel} in {branches}"]
        lines += [f"Convolution conv{i} 1 1 in{i} out{i} {convolution}" for i in range(parallel)]
        blobs = 1 + 2 * parallel
        if crop:
            # The first pixel of four channels: enough for the convolution to be computed.
            lines += [f"Crop crop{i} 1 1 out{i} pixel{i} 0=0 1=0 2=0 3=1 4=1 5=4" for i in range(parallel)]
            pixels = " ".join(f"pixel{i}" for i in range(parallel))
            lines.append(f"Concat concat {parallel} 1 {pixels} result 0=0")
            blobs += parallel + 1
        # A weight of f32 begins with a flag of four zero bytes.
        model = (bytes(4) + weights.tobytes()) * parallel
        net = ncnn.Net()
        options = net.opt
        options.use_vulkan_compute = self.vulkan
        options.num_threads = os.cpu_count()
        options.openmp_blocktime = 0
        for lossy in dir(options):
            if lossy.startswith(("use_fp16", "use_bf16", "use_int8")):
                setattr(options, lossy, False)
        net.load_param_mem("\n".join(["7767517", f"{len(lines)} {blobs}", *lines, ""]))
        load_model(net, model)
        return net

    def run(self, net, image):
        extractor = net.create_extractor()
        extractor.input("in", image)
        names = net.output_names()
        status, result = extractor.extract(names[-1])
        if status != 0:
            raise RuntimeError(f"ncnn's extract returned {status}")
        return np.array(result)


def tensor(image):
    """A copy with ncnn's alignment of channels, which the Vulkan upload expects where H * W is no multiple of four."""
    return ncnn.Mat(np.ascontiguousarray(image)).clone()


def load_model(net, model: bytes):
    """From a file: the binding's loading from memory keeps no reference to the bytes."""
    import tempfile

    with tempfile.NamedTemporaryFile(suffix=".bin") as file:
        file.write(model)
        file.flush()
        if net.load_model(file.name) != 0:
            raise RuntimeError("ncnn refuses the weights")
