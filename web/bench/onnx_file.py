"""Steps as an ONNX file, as an exporter would write them: NCHW, f32, one image."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from step import Step

OPSET = 17
# What every runtime of this opset reads, also those older than the onnx package.
IR_VERSION = 8


class OnnxFile:
    def __init__(self, input_shape: list[int], steps: list[Step], output: str, outputs: int):
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.channels = {"input": input_shape[0]}
        for step in steps:
            getattr(self, step.op)(step)
        name = f"{output}.flat"
        self.node("Flatten", [output], name, axis=1)
        graph = helper.make_graph(
            self.nodes,
            "twin",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, *input_shape])],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, outputs])],
            self.weights,
        )
        opsets = [helper.make_opsetid("", OPSET)]
        self.model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="twin.py")
        onnx.checker.check_model(self.model, full_check=True)

    def bytes(self) -> bytes:
        return self.model.SerializeToString()

    def node(self, op: str, inputs: list[str], output: str, activation: str = "none", **attributes) -> None:
        inner = output if activation == "none" else f"{output}.before"
        self.nodes.append(helper.make_node(op, inputs, [inner], name=inner, **attributes))
        if activation == "relu":
            self.nodes.append(helper.make_node("Relu", [inner], [output], name=output))
        elif activation == "relu6":
            limits = [self.weight(f"{output}.{n}", np.array(n, "f4")) for n in (0, 6)]
            self.nodes.append(helper.make_node("Clip", [inner, *limits], [output], name=output))

    def weight(self, name: str, values: np.ndarray) -> str:
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def tensors(self, step: Step) -> list[str]:
        self.channels[step.name] = len(step.tensors["weight"])
        return [self.weight(f"{step.name}.{part}", values.astype("f4")) for part, values in step.tensors.items()]

    def same(self, step: Step) -> None:
        self.channels[step.name] = self.channels[step.inputs[0]]

    def conv(self, step: Step) -> None:
        numbers = step.numbers
        attributes = {
            "kernel_shape": step.tensors["weight"].shape[2:],
            "strides": numbers["stride"],
            "pads": numbers["padding"],
            "dilations": numbers["dilation"],
            "group": numbers["groups"],
        }
        self.node("Conv", [*step.inputs, *self.tensors(step)], step.name, step.activation, **attributes)

    def linear(self, step: Step) -> None:
        flat = f"{step.name}.flat_input"
        self.node("Flatten", step.inputs, flat, axis=1)
        self.node("Gemm", [flat, *self.tensors(step)], step.name, step.activation, transB=1)

    def add(self, step: Step) -> None:
        self.same(step)
        self.node("Add", step.inputs, step.name, step.activation)

    def relu(self, step: Step) -> None:
        self.same(step)
        self.node("Relu", step.inputs, step.name)

    def mean(self, step: Step) -> None:
        self.same(step)
        self.node("GlobalAveragePool", step.inputs, step.name)

    def max_pool(self, step: Step) -> None:
        self.same(step)
        numbers = step.numbers
        self.node("MaxPool", step.inputs, step.name, kernel_shape=numbers["kernel"], strides=numbers["stride"])

    def shortcut(self, step: Step) -> None:
        channels = step.numbers["channels"]
        more = channels - self.channels[step.inputs[0]]
        self.channels[step.name] = channels
        far = np.iinfo(np.int64).max
        slices = {"starts": [0, 0], "ends": [far, far], "axes": [2, 3], "steps": step.numbers["stride"]}
        names = [self.weight(f"{step.name}.{part}", np.array(values)) for part, values in slices.items()]
        self.node("Slice", [*step.inputs, *names], f"{step.name}.pixels")
        pads = np.array([0, more // 2, 0, 0, 0, more - more // 2, 0, 0])
        self.node("Pad", [f"{step.name}.pixels", self.weight(f"{step.name}.pads", pads)], step.name)
