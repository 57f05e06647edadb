"""Nodes made fewer: what frameworks compute one by one, the format has in one node.

Each pass keeps the values of all outputs. A node is taken into another only where nobody else reads what is between.
"""

from __future__ import annotations

import math

import torch

from .errors import not_in_the_format
from .graph import Graph, Node
from .lazy import OPEN

CONVOLUTIONS = ("conv2d", "fs_conv2d")
SCALED = (*CONVOLUTIONS, "conv_transpose2d", "linear", "batch_norm")
"""Operations that a factor and a bias a channel go into."""
ACTIVE = (*SCALED, "add", "sub", "mul", "div")
"""Operations with an activation."""
SIXTH = 1 / 6


def fuse(graph: Graph) -> None:
    """All passes."""
    for one in (
        products_with_gates,
        softsigns,
        gelus,
        commute_pools,
        scales,
        identities,
        paddings,
        residuals,
        activations,
        slices,
        shortcuts,
        chains,
        flattens,
    ):
        one(graph)
        graph.prune()
    graph.sort()
    left = [node.keys["why"] for node in graph.nodes.values() if node.op == "erf"]
    if left:
        raise not_in_the_format(len(left), left)
    for node in graph.nodes.values():
        if node.op == "activation" and node.keys["activation"] == "relu":
            node.op = "relu"
            del node.keys["activation"]


def source(graph: Graph, node: Node, *ops: str) -> Node | None:
    """The node whose value `node` reads, if it is one of `ops`, has no activation yet, and no other reader."""
    before = graph.nodes.get(node.inputs[0])
    if before is None or before.op not in ops or before.keys.get("activation", "none") != "none":
        return None
    return before if len(graph.readers()[before.name]) == 1 else None


def products_with_gates(graph: Graph) -> None:
    """`x * sigmoid(x)` is `silu`, `x * tanh(softplus(x))` is `mish`, `x * hard_sigmoid(x)` is `hard_swish`;
    `relu6(x + 3) / 6` is the latter's gate."""
    words = {"sigmoid": "silu", "hard_sigmoid": "hard_swish"}
    for node in list(graph.nodes.values()):
        if node.op == "batch_norm" and _is(node, SIXTH, 0.0):
            before = source_active(graph, node, "relu6")
            shifted = before and graph.nodes.get(before.inputs[0])
            if shifted is not None and shifted.op == "batch_norm" and _is(shifted, 1.0, 3.0):
                node.op, node.inputs = "activation", list(shifted.inputs)
                node.keys, node.parts = {"activation": {"hard_sigmoid": [SIXTH, 0.5]}}, {}
    for node in list(graph.nodes.values()):
        if node.op == "mul" and len(node.inputs) == 2:
            for x, other in (node.inputs, node.inputs[::-1]):
                gate = graph.nodes.get(other)
                if gate is None or gate.op != "activation":
                    continue
                soft = source_active(graph, gate, "softplus") if gate.keys["activation"] == "tanh" else None
                if soft is not None and soft.inputs == [x]:
                    node.op, node.inputs, node.keys = "activation", [x], {"activation": "mish"}
                    break
                if gate.inputs != [x]:
                    continue
                word = gate.keys["activation"]
                kind = word if isinstance(word, str) else next(iter(word))
                if kind in words and word in ("sigmoid", {"hard_sigmoid": [SIXTH, 0.5]}):
                    node.op, node.inputs, node.keys = "activation", [x], {"activation": words[kind]}
                    break
    # `x * relu6(x + 3) / 6`, with the quotient last.
    for node in list(graph.nodes.values()):
        product = source(graph, node, "mul") if node.op == "batch_norm" and _is(node, SIXTH, 0.0) else None
        for x, other in (product.inputs, product.inputs[::-1]) if product and len(product.inputs) == 2 else ():
            gate = graph.nodes.get(other)
            shifted = graph.nodes.get(gate.inputs[0]) if gate and gate.keys.get("activation") == "relu6" else None
            if shifted is not None and shifted.op == "batch_norm" and _is(shifted, 1.0, 3.0) and shifted.inputs == [x]:
                node.op, node.inputs, node.keys, node.parts = "activation", [x], {"activation": "hard_swish"}, {}
                break


def source_active(graph: Graph, node: Node, word: str) -> Node | None:
    before = graph.nodes.get(node.inputs[0])
    found = before is not None and before.op == "activation" and before.keys["activation"] == word
    return before if found else None


def _is(node: Node, scale: float, bias: float) -> bool:
    close = [
        torch.allclose(node.parts[part], torch.tensor(v).double(), rtol=1e-6)
        for part, v in (("scale", scale), ("bias", bias))
    ]
    return all(close)


def softsigns(graph: Graph) -> None:
    """`x / (abs(x) + 1)`."""
    for node in list(graph.nodes.values()):
        if node.op != "div" or len(node.inputs) != 2:
            continue
        x, below = node.inputs
        size, scale, bias = through_lines(graph, below)
        before = graph.nodes.get(size)
        if before is None or before.op != "activation" or before.keys["activation"] != {"leaky_relu": -1.0}:
            continue
        if before.inputs == [x] and (scale, bias) == (1, 1):
            node.op, node.inputs, node.keys = "activation", [x], {"activation": "softsign"}


def gelus(graph: Graph) -> None:
    """`x * (1 + erf(x / sqrt(2)))`, with factors anywhere, is a factor of a GELU."""
    for node in list(graph.nodes.values()):
        if node.op != "mul" or len(node.inputs) != 2:
            continue
        for one, other in (node.inputs, node.inputs[::-1]):
            curve, times, plus = through_lines(graph, other)
            erf = graph.nodes.get(curve)
            if erf is None or erf.op != "erf" or not times or not math.isclose(times, plus, rel_tol=1e-6):
                continue
            x, inner, shift = through_lines(graph, erf.inputs[0])
            beside, factor, more = through_lines(graph, one)
            # What GELU is of, `u = sqrt(2) * (inner * x + shift)`, and the factor of `u` beside it.
            inner, shift = inner * math.sqrt(2), shift * math.sqrt(2)
            factor = factor / inner if inner else 0.0
            if beside != x or not factor or not math.isclose(more, factor * shift, rel_tol=1e-6, abs_tol=1e-12):
                continue
            dims = graph.dims_of(x)
            if shift or not math.isclose(inner, 1, rel_tol=1e-6):
                x = with_lines(graph.add(f"{node.name}.of", "batch_norm", [x], dims), inner, shift)
            x = graph.add(f"{node.name}.gelu", "activation", [x], dims, {"activation": "gelu"}).name
            node.op, node.inputs, node.keys = "batch_norm", [x], {}
            with_lines(node, 2 * factor * times, 0.0)
            break
    graph.sort()


def with_lines(node: Node, scale: float, bias: float) -> str:
    """Give a batch norm a factor and a bias, of all channels."""
    one = torch.ones(node.dims[0], dtype=torch.float64)
    node.parts = {"scale": one * scale, "bias": one * bias}
    return node.name


def through_lines(graph: Graph, name: str) -> tuple[str, float, float]:
    """`(before, scale, bias)` of a value that is `scale * before + bias`, of the same numbers for all channels."""
    scale, bias = 1.0, 0.0
    while (node := graph.nodes.get(name)) is not None and node.op == "batch_norm":
        own = [node.parts[part].double() for part in ("scale", "bias")]
        if "activation" in node.keys or any(bool((part != part[0]).any()) for part in own):
            break
        name, bias, scale = node.inputs[0], bias + scale * float(own[1][0]), scale * float(own[0][0])
    return name, scale, bias


def commute_pools(graph: Graph) -> None:
    """What never decreases goes before the max pool that it follows, where a convolution takes it: batch norms whose
    factors are all positive, and activations. (Padding never wins a window, so that it makes no difference.)"""
    for node in list(graph.nodes.values()):
        if not increases(node):
            continue
        pool = source(graph, node, "max_pool2d", "global_max_pool2d")
        if pool is None or source(graph, pool, *SCALED) is None:
            continue
        graph.replace(node.name, pool.name)
        graph.nodes[node.name] = node
        node.inputs, node.dims = list(pool.inputs), graph.dims_of(pool.inputs[0])
        pool.inputs = [node.name]
    graph.sort()


def increases(node: Node) -> bool:
    """Whether larger values never become smaller ones."""
    if node.op == "batch_norm":
        return bool((node.parts["scale"] > 0).all())
    if node.op != "activation":
        return False
    word = node.keys["activation"]
    if isinstance(word, dict):
        ((word, numbers),) = word.items()
        return word in ("clip", "celu") or (numbers[0] if word == "hard_sigmoid" else numbers) >= 0
    return word in ("relu", "relu6", "sigmoid", "tanh", "selu", "softplus", "softsign", "sqrt")


def scales(graph: Graph) -> None:
    """Factors and biases a channel into the node before: into dense weights, and `scale` where weights are shared."""
    for node in list(graph.nodes.values()):
        if node.op != "batch_norm":
            continue
        before = source(graph, node, *SCALED)
        if before is None or "residual" in before.keys or before.dims != node.dims:
            continue
        scale, bias = node.parts["scale"].double(), node.parts["bias"].double()
        if before.op in ("conv2d", "linear"):
            weight = before.parts["weight"]
            before.parts["weight"] = weight.double() * scale.view(-1, *(1,) * (weight.dim() - 1))
        elif not bool((scale == 1).all()) or "scale" in before.parts:
            before.parts["scale"] = before.parts.get("scale", torch.ones_like(scale)).double() * scale
        old = before.parts.get("bias")
        if old is not None:
            bias = bias + old.double() * scale
        if old is not None or bool(bias.any()):
            before.parts["bias"] = bias
        if node.keys.get("activation", "none") != "none":
            before.keys["activation"] = node.keys["activation"]
        graph.replace(node.name, before.name)


def identities(graph: Graph) -> None:
    """Factors of 1 that others have cancelled; a bias, however small, may be all that keeps a divisor from 0."""
    for node in list(graph.nodes.values()):
        if node.op != "batch_norm" or "activation" in node.keys or bool(node.parts["bias"].any()):
            continue
        if bool(((node.parts["scale"].double() - 1).abs() <= 2.0**-24).all()):
            if node.name not in graph.outputs or node.inputs[0] not in ("input", *graph.outputs):
                graph.replace(node.name, node.inputs[0])


def paddings(graph: Graph) -> None:
    """Zeros around an image into the convolution that reads it; what never wins into the max pool."""
    for node in list(graph.nodes.values()):
        pad = source(graph, node, "pad") if node.op in CONVOLUTIONS else None
        if pad is not None and pad.keys.get("mode", "constant") == "constant" and not pad.keys.get("value"):
            own = node.keys.get("padding", [0] * 4)
            node.keys["padding"] = [a + b for a, b in zip(own, pad.keys["padding"])]
            node.inputs = list(pad.inputs)
        pad = source(graph, node, "pad") if node.op == "max_pool2d" else None
        if pad is not None and pad.keys.get("value") == -math.inf:
            own = [a + b for a, b in zip(node.keys.get("padding", [0] * 4), pad.keys["padding"])]
            if all(2 * amount <= kernel for amount, kernel in zip(own, node.keys["kernel"] * 2)):
                node.keys["padding"], node.inputs = own, list(pad.inputs)


def residuals(graph: Graph) -> None:
    """A sum into the convolution that one of its terms comes from, the first if it may be either."""
    for node in list(graph.nodes.values()):
        if node.op != "add" or len(node.inputs) != 2 or node.inputs[0] == node.inputs[1]:
            continue
        readers = graph.readers()
        for one, other in (node.inputs, node.inputs[::-1]):
            before = graph.nodes.get(one)
            if before is None or before.op not in CONVOLUTIONS or len(readers[one]) != 1 or "residual" in before.keys:
                continue
            if before.keys.get("activation", "none") == "none" and before.dims == node.dims == graph.dims_of(other):
                before.keys["residual"] = other
                graph.replace(node.name, one)
                break
    graph.sort()


def activations(graph: Graph) -> None:
    """An activation into the node before it."""
    for node in list(graph.nodes.values()):
        before = source(graph, node, *ACTIVE) if node.op == "activation" else None
        if before is not None:
            before.keys["activation"] = node.keys["activation"]
            graph.replace(node.name, before.name)


CUTS = {"start": 0, "end": OPEN, "step": 1}
"""Keys of a slice, and what they are of an axis that is not cut."""


def slices(graph: Graph) -> None:
    """A slice of a slice along other axes is one."""
    for node in list(graph.nodes.values()):
        before = source(graph, node, "slice") if node.op == "slice" else None
        if before is None:
            continue
        mine, theirs = ({key: one.keys.get(key, [of] * 3) for key, of in CUTS.items()} for one in (node, before))
        cut = [[any(keys[key][n] != of for key, of in CUTS.items()) for n in range(3)] for keys in (mine, theirs)]
        if any(map(all, zip(*cut))):
            continue
        node.inputs = list(before.inputs)
        node.keys = {}
        for key, of in CUTS.items():
            values = [mine[key][n] if cut[0][n] else theirs[key][n] for n in range(3)]
            node.keys |= {key: values} if values != [of] * 3 else {}
        graph.prune()


def shortcuts(graph: Graph) -> None:
    """Every n-th pixel, and then zero channels, are one shortcut of option A."""
    for node in list(graph.nodes.values()):
        before = source(graph, node, "slice") if node.op == "shortcut_a" else None
        while before is not None:
            c, y, x = before.keys.get("step", [1, 1, 1])
            size = list(graph.dims_of(before.inputs[0]))
            if (
                c != 1
                or any(before.keys.get("start", [0] * 3))
                or any(end < of for end, of in zip(before.keys.get("end", size), size))
            ):
                break
            node.keys["stride"] = [node.keys["stride"][0] * y, node.keys["stride"][1] * x]
            node.inputs = list(before.inputs)
            graph.prune()
            before = source(graph, node, "slice")


def chains(graph: Graph) -> None:
    """A concatenation that begins with all of another reads that one: so a dense block is one tensor that grows."""
    known: list[Node] = []
    for node in list(graph.nodes.values()):
        if node.op != "concat" or node.keys.get("axis", "channels") != "channels":
            continue
        flat = list(node.inputs)
        for other, whole in sorted(((o, o.keys["flat"]) for o in known), key=lambda pair: -len(pair[1])):
            if len(whole) < len(flat) and flat[: len(whole)] == whole:
                node.inputs = [other.name, *flat[len(whole) :]]
                break
        node.keys["flat"] = flat
        known.append(node)
    for node in known:
        del node.keys["flat"]


def flattens(graph: Graph) -> None:
    """A linear layer flattens by itself."""
    for node in list(graph.nodes.values()):
        before = graph.nodes.get(node.inputs[0])
        while node.op == "linear" and before is not None and before.op in ("flatten", "reshape"):
            node.inputs = list(before.inputs)
            before = graph.nodes.get(node.inputs[0])
