"""Networks of ImageNet in the package onnx, `onnx/backend/test/data/light`, whose weights are constants.

As they are they have outputs of their own there, but constant weights see little of an image; with random weights in
place of them the graphs are those of trained networks, as Caffe2 and others wrote them.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

FOLDER = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"


def paths() -> list[Path]:
    return sorted(FOLDER.glob("light_*.onnx"))


def image_of(path: Path) -> np.ndarray:
    """The input that the package's tests have."""
    graph = onnx.load(str(path)).graph
    constants = {constant.name for constant in graph.initializer}
    (feed,) = (value for value in graph.input if value.name not in constants)
    sizes = [size.dim_value or 1 for size in feed.type.tensor_type.shape.dim]
    return (np.arange(np.prod(sizes)).reshape(sizes) / np.prod(sizes)).astype("f4")


def expected_of(path: Path) -> list[np.ndarray]:
    """The outputs that the package has of it."""
    files = [path.with_name(f"{path.stem}_output_{at}.pb") for at in range(len(onnx.load(str(path)).graph.output))]
    return [numpy_helper.to_array(onnx.TensorProto.FromString(file.read_bytes())) for file in files]


def with_weights(path: Path, to: Path) -> Path:
    """Writes the network with random weights, which keep the size of values through the layers."""
    model, generator = onnx.load(str(path)), np.random.default_rng(5)
    graph = model.graph
    shapes = {constant.name: numpy_helper.to_array(constant) for constant in graph.initializer}
    readers = {name: (node, at) for node in graph.node for at, name in enumerate(node.input)}
    rest = []
    for node in graph.node:
        if node.op_type != "ConstantOfShape" or node.input[0] not in shapes:
            rest.append(node)
            continue
        reader, at = readers[node.output[0]]
        sizes = tuple(shapes[node.input[0]])
        values = weights(reader.op_type, at, sizes, generator)
        graph.initializer.append(numpy_helper.from_array(values.astype("f4"), node.output[0]))
    del graph.node[:]
    graph.node.extend(rest)
    onnx.save(model, str(to))
    return to


def weights(operator: str, at: int, sizes: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    """For the input number `at` of an operator."""
    if operator == "BatchNormalization":
        low, high = {1: (0.7, 1.3), 4: (0.5, 1.5)}.get(at, (-0.2, 0.2))
        return generator.uniform(low, high, sizes)
    if len(sizes) < 2:
        return generator.uniform(-0.2, 0.2, sizes)
    # Small ones at the end: of great values softmax makes ones and zeros, in which no difference is seen.
    gain = 1e-3 if operator == "Gemm" else 1
    return generator.standard_normal(sizes) * np.sqrt(gain / np.prod(sizes[1:]))
