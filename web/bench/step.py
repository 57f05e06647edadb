"""The plain operations that a network consists of once its Filter Summaries are ordinary filters."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from filter_summary.interpret import FormatError, Interpreter, offsets

NOTHING = [0, 0, 0, 0]


@dataclass
class Step:
    """One operation. `add` has two inputs, the others one; every one may have an activation."""

    op: str
    name: str
    inputs: list[str]
    activation: str = "none"
    numbers: dict = field(default_factory=dict)
    tensors: dict[str, np.ndarray] = field(default_factory=dict)


def steps_of(network: Interpreter, separable: bool) -> list[Step]:
    """The steps in an order that can be run.

    `separable` writes layers whose filters have one base each as what they also are, a pointwise convolution before a
    depthwise one: fewer operations and bytes than ordinary filters, in any framework.
    """
    nodes = {node["name"]: node for node in network.graph["nodes"]}
    steps: list[Step] = []
    done = {"input"}

    def visit(name: str) -> None:
        if name in done:
            return
        node = nodes[name]
        for source in [*node.get("inputs", [node.get("input")]), node.get("residual")]:
            if source is not None:
                visit(source)
        done.add(name)
        steps.extend(lowered(network, node, separable))

    visit(network.graph["output"])
    return steps


def lowered(network: Interpreter, node: dict, separable: bool) -> list[Step]:
    op, name, activation = node["op"], node["name"], node.get("activation", "none")
    inputs = node.get("inputs", [node.get("input")])
    if op in ("fs_conv2d", "conv2d"):
        steps = convolutions(network, node, separable)
        if (residual := node.get("residual")) is not None:
            steps[-1].name = f"{name}.sums"
            steps.append(Step("add", name, [steps[-1].name, residual]))
        steps[-1].activation = activation
        return steps
    if op == "linear":
        weight, bias = network.get(node, "weight").numpy(), network.get(node, "bias")
        bias = np.zeros(len(weight), weight.dtype) if bias is None else bias.numpy()
        return [Step("linear", name, inputs, activation, tensors={"weight": weight, "bias": bias})]
    if op == "max_pool2d" and not node.get("ceil_mode", False) and node.get("padding", NOTHING) == NOTHING:
        numbers = {"kernel": node["kernel"], "stride": node.get("stride", node["kernel"])}
        return [Step("max_pool", name, inputs, numbers=numbers)]
    if op == "shortcut_a":
        return [Step("shortcut", name, inputs, numbers={"stride": node["stride"], "channels": node["out_channels"]})]
    if op in ("global_avg_pool2d", "add", "relu"):
        word = {"global_avg_pool2d": "mean", "add": "add", "relu": "relu"}[op]
        return [Step(word, name, inputs, activation)]
    raise FormatError(f"{name}: twins have no {op} like this")


def convolutions(network: Interpreter, node: dict, separable: bool) -> list[Step]:
    """One convolution, or a pointwise one and what adds up its products."""
    name, source = node["name"], node["input"]
    scale, bias = (None if (t := network.get(node, part)) is None else t.numpy() for part in ("scale", "bias"))
    spatial = {
        "stride": node.get("stride", [1, 1]),
        "padding": node.get("padding", NOTHING),
        "dilation": node.get("dilation", [1, 1]),
        "groups": node.get("groups", 1),
    }
    fs = node["op"] == "fs_conv2d"
    if fs and (network.has_base_stage(node) or (separable and one_base(network, node))):
        products, sums = staged(network, node)
        inner = {"stride": [1, 1], "padding": NOTHING, "dilation": [1, 1], "groups": spatial["groups"]}
        spatial["groups"] = len(products["weight"]) if sums.shape[1] == 1 else 1
        first = Step("conv", f"{name}.products", [source], node.get("base_activation", "none"), inner, products)
        return [first, convolution(name, first.name, spatial, sums, scale, bias)]
    return [convolution(name, source, spatial, network.get(node, "weight").numpy(), scale, bias)]


def convolution(name: str, source: str, spatial: dict, weight: np.ndarray, scale, bias) -> Step:
    """With batch norm's factor in the filters, as every framework's exporter folds it."""
    if scale is not None:
        weight = weight * scale.reshape(-1, 1, 1, 1)
    bias = np.zeros(len(weight), weight.dtype) if bias is None else bias
    return Step("conv", name, [source], numbers=spatial, tensors={"weight": weight, "bias": bias})


def one_base(network: Interpreter, node: dict) -> bool:
    plain = node.get("boundary", "none") == "none" and network.get(node, "starts").ndim == 1
    whole = not network.get(node, "starts").is_floating_point()
    return plain and whole and network.get(node, "summary").ndim == 1 and len(set(offsets(node["window"]))) == 1


def staged(network: Interpreter, node: dict) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The pointwise convolution of a layer's bases, and the filters over its products: depthwise where every filter
    has a base of its own, else ordinary ones that are mostly zeros."""
    window, groups = node["window"], node.get("groups", 1)
    summary, starts = network.get(node, "summary").numpy(), network.get(node, "starts").tolist()
    channel_stride = window.get("channel_stride", window.get("strides", [0])[0])
    own = len(starts) // groups
    reads = [[(i // own, start + o) for o in offsets(window)] for i, start in enumerate(starts)]
    # Ascending within a group, group after group: the order of base_scale and base_bias.
    bases = sorted({base for of_filter in reads for base in of_filter})
    rows = [at + np.arange(window["channels"]) * channel_stride for _, at in bases]
    weight = np.stack([summary[row] for row in rows])[:, :, None, None]
    scale, bias = (network.get(node, f"base_{part}") for part in ("scale", "bias"))
    if scale is not None:
        weight = weight * scale.numpy().reshape(-1, 1, 1, 1)
    bias = np.zeros(len(bases), weight.dtype) if bias is None else bias.numpy()
    gains = network.get(node, "gains")
    gains = np.ones((len(starts), len(offsets(window))), weight.dtype) if gains is None else gains.numpy()
    if all(len(set(of_filter)) == 1 for of_filter in reads):
        # A base that several filters read is computed for each: that keeps the second convolution depthwise.
        mine = [bases.index(of_filter[0]) for of_filter in reads]
        sums = gains.reshape(len(starts), 1, window["height"], window["width"])
        return {"weight": weight[mine], "bias": bias[mine]}, sums
    sums = np.zeros((len(starts), len(bases), window["height"], window["width"]), weight.dtype)
    for (i, t), gain in np.ndenumerate(gains):
        sums[i, bases.index(reads[i][t]), t // window["width"], t % window["width"]] = gain
    if groups > 1 and len(bases) % groups:
        raise FormatError(f"{node['name']}: its groups have unequal numbers of bases")
    return {"weight": weight, "bias": bias}, sums
