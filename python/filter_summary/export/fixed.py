"""Which sizes of a node are the same for images of every size that the file takes."""

from __future__ import annotations

from collections.abc import Callable

from .graph import Graph, Node
from .lazy import AXES, OPEN

Known = tuple[bool, bool, bool]
"""Of channels, height and width."""
ALL: Known = (True, True, True)


def fixed(graph: Graph, name: str) -> Known:
    """Of a node's `[C, H, W]`, which follow from the file alone, not from the image: the input's channels are one."""
    queue = [name]
    while queue:
        node = graph.nodes.get(queue[-1])
        missing = [read for read in node.inputs if read not in graph.fixed] if node else []
        if missing:
            queue += missing
            continue
        graph.fixed[queue.pop()] = of_node(graph, node) if node else (True, False, False)
    return graph.fixed[name]


def of_node(graph: Graph, node: Node) -> Known:
    found = [graph.fixed[read] for read in node.inputs]
    if node.op in ("linear", "reshape") or "size" in node.keys and node.op == "resize" or not found:
        return ALL
    first = found[0]
    if node.op == "permute":
        order = node.keys["order"]
        return first[order[0]], first[order[1]], first[order[2]]
    if node.op == "flatten":
        return all(first), True, True
    if node.op in ("global_avg_pool2d", "global_max_pool2d"):
        return first[0], True, True
    if node.op in ("conv2d", "fs_conv2d", "conv_transpose2d", "batch_norm", "prelu"):
        return True, first[1], first[2]
    if node.op == "slice":
        ends = node.keys.get("end", [OPEN] * 3)
        return first[0], first[1] or ends[1] < OPEN, first[2] or ends[2] < OPEN
    if node.op == "concat":
        along = AXES.index(node.keys.get("axis", "channels"))
        return by_axis(lambda axis: (all if axis == along else any)(one[axis] for one in found))
    # Of two values each may repeat its own: what is known of those that do not is known of both.
    shapes = [graph.dims_of(read) for read in node.inputs]
    pixels = node.parts.get("constant")
    return by_axis(
        lambda axis: (
            any(one[axis] for one, dims in zip(found, shapes) if dims[axis] == max(d[axis] for d in shapes))
            or (pixels is not None and pixels.shape[axis] > 1)
        )
    )


def by_axis(known: Callable[[int], bool]) -> Known:
    return known(0), known(1), known(2)
