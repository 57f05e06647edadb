"""Nodes and tensors of the file while they are made."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import torch

from .lazy import Dims, as_dims


@dataclass(eq=False)
class Node:
    """One node: `inputs` are names, `keys` what else the format has, `parts` its tensors, `dims` `[C, H, W]` of its
    value."""

    name: str
    op: str
    inputs: list[str]
    dims: Dims
    keys: dict = field(default_factory=dict)
    parts: dict[str, torch.Tensor] = field(default_factory=dict)

    @property
    def reads(self) -> list[str]:
        return [*self.inputs, *([self.keys["residual"]] if "residual" in self.keys else [])]


LISTED = ("add", "sub", "mul", "div", "concat")
"""Operations whose node has `inputs`, the others have `input`."""


class Graph:
    """The nodes by name, in an order that can be run."""

    def __init__(self, dims: Dims):
        self.dims = dims
        self.nodes: dict[str, Node] = {}
        self.outputs: list[str] = []
        # What `nothing` and `fixed` found, while nodes are added.
        self.zero: str | None = None
        # Whether parts of an image were computed as images of their own: how many there were is then compared, too.
        self.folded = False
        self.fixed: dict[str, tuple[bool, bool, bool]] = {}

    def dims_of(self, name: str) -> Dims:
        return self.dims if name == "input" else self.nodes[name].dims

    def free(self, name: str) -> str:
        """`name`, with a number where it is taken."""
        name = re.sub(r"[^\w.-]", "_", name) or "node"
        names = (name if n == 1 else f"{name}.{n}" for n in range(1, 1 << 30))
        return next(one for one in names if one != "input" and one not in self.nodes)

    def add(self, name: str, op: str, inputs: list[str], dims: Dims, keys: dict | None = None, **parts) -> Node:
        """A new node."""
        given = {part: value for part, value in parts.items() if value is not None}
        node = Node(self.free(name), op, list(inputs), as_dims(dims), dict(keys or {}), given)
        self.nodes[node.name] = node
        return node

    def readers(self) -> dict[str, list[Node]]:
        """Who reads each value; an output has a reader that is no node."""
        found: dict[str, list] = {name: [] for name in ("input", *self.nodes)}
        for node in self.nodes.values():
            for name in node.reads:
                found[name].append(node)
        for name in self.outputs:
            found[name].append(None)
        return found

    def replace(self, old: str, new: str) -> None:
        """Let everybody who reads `old` read `new`, and drop `old`."""
        for node in self.nodes.values():
            node.inputs = [new if name == old else name for name in node.inputs]
            if node.keys.get("residual") == old:
                node.keys["residual"] = new
        self.outputs = [new if name == old else name for name in self.outputs]
        del self.nodes[old]

    def rename(self, old: str, new: str) -> None:
        """Give a node another name."""
        node = self.nodes[old]
        self.nodes = {new if name == old else name: one for name, one in self.nodes.items()}
        node.name = new
        for one in self.nodes.values():
            one.inputs = [new if name == old else name for name in one.inputs]
            if one.keys.get("residual") == old:
                one.keys["residual"] = new
        self.outputs = [new if name == old else name for name in self.outputs]

    def prune(self) -> None:
        """Drop what no output depends on."""
        needed, queue = set(), list(self.outputs)
        while queue:
            name = queue.pop()
            if name not in needed and name != "input":
                needed.add(name)
                queue += self.nodes[name].reads
        self.nodes = {name: node for name, node in self.nodes.items() if name in needed}

    def sort(self) -> None:
        """Bring the nodes into an order that can be run: a residual may have come later than who reads it."""
        done: dict[str, Node] = {}
        for begin in self.nodes:
            queue = [begin]
            while queue:
                name = queue[-1]
                missing = [read for read in self.nodes[name].reads if read != "input" and read not in done]
                if name not in done and missing:
                    queue += missing
                    continue
                done[queue.pop()] = self.nodes[name]
        self.nodes = done

    def described(self) -> list[dict]:
        """The nodes as the file has them."""
        listed = []
        for node in self.nodes.values():
            one: dict = {"name": node.name, "op": node.op}
            one |= {"inputs": node.inputs} if node.op in LISTED else {"input": node.inputs[0]}
            listed.append(one | node.keys)
        return listed

    def stored(self) -> dict[str, torch.Tensor]:
        """The tensors as the file has them: F32, or as they are where they are whole numbers."""
        tensors = {}
        for node in self.nodes.values():
            for part, value in node.parts.items():
                value = value.detach().cpu()
                value = value.float() if value.is_floating_point() else value
                tensors[f"{node.name}.{part}"] = value.clone(memory_format=torch.contiguous_format)
        return tensors
