"""Writes the small models that are broken on purpose: python3 corpus.py FOLDER."""

import sys
from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

RANDOM = np.random.default_rng(1)


def weights(name, *shape):
    return numpy_helper.from_array(RANDOM.standard_normal(shape).astype("f4"), name)


def list_of(name, *numbers):
    return numpy_helper.from_array(np.array(numbers, "i8"), name)


def write(folder, name, nodes, constants, shape, rank, opset=18):
    value = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, name, [value("x", shape)], [value("y", [None] * rank)], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    checker.check_model(model)
    (folder / f"{name}.onnx").write_bytes(model.SerializeToString())


def main(folder):
    node = helper.make_node
    write(folder, "classifier", [
        node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1], strides=[2, 2]),
        node("BatchNormalization", ["c", "g", "b", "m", "v"], ["n"]),
        node("Relu", ["n"], ["r"]),
        node("Conv", ["r", "u"], ["d"], auto_pad="SAME_UPPER", group=2),
        node("Add", ["d", "r"], ["s"]),
        node("GlobalAveragePool", ["s"], ["p"]),
        node("Flatten", ["p"], ["f"]),
        node("Gemm", ["f", "k", "o"], ["l"], transB=1),
        node("Softmax", ["l"], ["y"]),
    ], [weights("w", 4, 3, 3, 3), weights("u", 4, 2, 3, 3), weights("g", 4), weights("b", 4), weights("m", 4),
        numpy_helper.from_array(np.ones(4, "f4"), "v"), weights("k", 5, 4), weights("o", 5)], ["N", 3, 8, 8], 2)
    write(folder, "shuffles", [
        node("Reshape", ["x", "s1"], ["a"]),
        node("Transpose", ["a"], ["b"], perm=[0, 2, 1, 3, 4]),
        node("Reshape", ["b", "s2"], ["c"]),
        node("Split", ["c", "parts"], ["d", "e"], axis=1),
        node("Concat", ["e", "d"], ["f"], axis=1),
        node("Reshape", ["f", "s3"], ["g"]),
        node("Transpose", ["g"], ["h"], perm=[0, 1, 4, 2, 5, 3]),
        node("Reshape", ["h", "s4"], ["i"]),
        node("Transpose", ["i"], ["j"], perm=[0, 2, 3, 1]),
        node("Slice", ["j", "from", "to", "along", "steps"], ["y"]),
    ], [list_of("s1", 1, 2, 4, 4, 4), list_of("s2", 1, 8, 4, 4), list_of("parts", 3, 5),
        list_of("s3", 1, 2, 2, 2, 4, 4), list_of("s4", 1, 2, 8, 8), list_of("from", 1), list_of("to", 7),
        list_of("along", 1), list_of("steps", 2)],
        [1, 8, 4, 4], 4)
    write(folder, "shapes", [
        node("Shape", ["x"], ["shape"]),
        node("Slice", ["shape", "two", "four"], ["size"]),
        node("Mul", ["size", "two"], ["double"]),
        node("Slice", ["shape", "zero", "two"], ["front"]),
        node("Concat", ["front", "double"], ["sizes"], axis=0),
        node("Resize", ["x", "", "", "sizes"], ["a"], mode="linear"),
        node("ConstantOfShape", ["one"], ["three"], value=numpy_helper.from_array(np.array([3], "f4"))),
        node("Add", ["a", "three"], ["b"]),
        node("Clip", ["b", "least", "most"], ["c"]),
        node("Mul", ["c", "a"], ["d"]),
        node("Div", ["d", "most"], ["e"]),
        node("Pad", ["e", "pads"], ["f"], mode="reflect"),
        node("ReduceMean", ["f", "axes"], ["y"], keepdims=0),
    ], [list_of("zero", 0), list_of("one", 1), list_of("two", 2), list_of("four", 4), list_of("axes", 2, 3),
        list_of("pads", 0, 0, 1, 2, 0, 0, 0, 1),
        numpy_helper.from_array(np.array(0, "f4"), "least"), numpy_helper.from_array(np.array(6, "f4"), "most")],
        ["N", 2, 3, 5], 2)
    write(folder, "decoder", [
        node("ConvTranspose", ["x", "w"], ["a"], strides=[2, 2], output_padding=[1, 1], pads=[1, 1, 1, 1]),
        node("LRN", ["a"], ["b"], size=3),
        node("MaxPool", ["b"], ["c"], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
        node("LeakyRelu", ["c"], ["d"], alpha=0.1),
        node("DepthToSpace", ["d"], ["e"], blocksize=2, mode="CRD"),
        node("MatMul", ["e", "m"], ["f"]),
        node("Sigmoid", ["f"], ["g"]),
        node("Mul", ["f", "g"], ["y"]),
    ], [weights("w", 3, 4, 3, 3), weights("m", 8, 3)], [1, 3, 4, 4], 4)


if __name__ == "__main__":
    Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
    main(Path(sys.argv[1]))
