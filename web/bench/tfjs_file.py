"""Steps as what tfjs_model.js builds: a JSON of them, and their tensors one after another in one binary; NHWC."""

from __future__ import annotations

import json

import numpy as np
from step import Step


class TfjsFile:
    def __init__(self, input_shape: list[int], steps: list[Step], output: str):
        self.parts: list[bytes] = []
        self.written = 0
        channels, height, width = input_shape
        layers = [self.layer(step) for step in steps]
        self.description = {"input": [height, width, channels], "output": output, "layers": layers}

    def json(self) -> str:
        return json.dumps(self.description, indent=1)

    def bytes(self) -> bytes:
        return b"".join(self.parts)

    def layer(self, step: Step) -> dict:
        layer = {"op": step.op, "name": step.name, "inputs": step.inputs, "activation": step.activation}
        layer |= step.numbers
        if step.op == "conv":
            layer |= self.filters(step)
        elif step.op == "linear":
            layer |= {"weight": self.tensor(step.tensors["weight"].T), "bias": self.tensor(step.tensors["bias"])}
        return layer

    def filters(self, step: Step) -> dict:
        """TensorFlow has groups of one channel, in a kernel of its own; in its convolutions browsers have no groups."""
        weight, groups = step.tensors["weight"], step.numbers["groups"]
        if groups > 1 and groups != len(weight):
            raise ValueError(f"{step.name}: tfjs has no grouped convolutions")
        op = "conv" if groups == 1 else "depthwise"
        # HWIO, and depthwise the channel before the multiplier, which is 1.
        order = (2, 3, 1, 0) if groups == 1 else (2, 3, 0, 1)
        return {"op": op, "weight": self.tensor(weight.transpose(order)), "bias": self.tensor(step.tensors["bias"])}

    def tensor(self, values: np.ndarray) -> dict:
        data = np.ascontiguousarray(values, "<f4").tobytes()
        at, self.written = self.written, self.written + len(data)
        self.parts.append(data)
        return {"shape": list(values.shape), "offset": at}
