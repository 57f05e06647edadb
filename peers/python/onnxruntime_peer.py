"""ONNX Runtime's CPU provider: input and output bound, threads that wait do not spin."""

import os

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import clock

INPUTS = 3


class Peer:
    kind = "cpu"

    def __init__(self):
        self.version = f"onnxruntime {onnxruntime.__version__}"
        self.device = f"CPU ({os.cpu_count()} threads)"

    def measure(self, layer, data, weights, reference) -> dict:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = os.cpu_count()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        session = onnxruntime.InferenceSession(
            model(layer, weights).SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        shape = (layer.batch, layer.filters, layer.output_size, layer.output_size)
        bindings, outputs = [], []
        for _ in range(INPUTS):
            binding = session.io_binding()
            binding.bind_ortvalue_input("x", onnxruntime.OrtValue.ortvalue_from_numpy(data.copy()))
            output = onnxruntime.OrtValue.ortvalue_from_numpy(np.full(shape, np.nan, dtype=np.float32))
            binding.bind_ortvalue_output("y", output)
            bindings.append(binding)
            outputs.append(output)
        _, first = clock.timed(lambda: session.run_with_iobinding(bindings[0]))
        result = reference.check(outputs[0].numpy())

        def run(repeats):
            for i in range(repeats):
                session.run_with_iobinding(bindings[i % INPUTS])

        return {**result, **clock.measure(layer, run), "first_milliseconds": first, "detail": "NCHW, f32"}


def model(layer, weights):
    pad, kernel, stride = layer.padding, layer.kernel, layer.stride
    node = helper.make_node(
        "Conv", ["x", "w"], ["y"], kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4
    )
    output = [layer.batch, layer.filters, layer.output_size, layer.output_size]
    graph = helper.make_graph(
        [node],
        "layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [layer.batch, layer.channels, layer.size, layer.size])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, output)],
        [numpy_helper.from_array(np.ascontiguousarray(weights), "w")],
    )
    # Versions that every runtime of the last years reads.
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
