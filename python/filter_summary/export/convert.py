"""Turns the operations of a traced model, in order, into nodes."""

from __future__ import annotations

import operator
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import torch
from torch import fx, nn

from .errors import ExportError, Refused, module_of, source_of
from .graph import Graph, Node
from .lazy import Dims, Lazy, as_dims, format_dims, moves
from .trace import Traced

Handler = Callable[["Converter", fx.Node, SimpleNamespace], Any]
HANDLERS: dict[str, Handler] = {}
"""What converts an operation, by its ATen name."""

REFUSED = object()
"""The value of an operation that was refused: whoever reads it is not looked at."""


def handles(*names: str) -> Callable[[Handler], Handler]:
    """Register a function for ATen operations."""

    def register(handler: Handler) -> Handler:
        for name in names:
            HANDLERS[name] = handler
        return handler

    return register


class Converter:
    """`values` has for every step a `Lazy`, a constant tensor, a list of these, or `REFUSED`."""

    def __init__(self, model: nn.Module, traced: Traced, example: torch.Tensor):
        self.modules = dict(model.named_modules(remove_duplicate=False))
        self.batch = example.shape[0]
        self.graph = Graph(format_dims(tuple(example.shape[1:])))
        self.values: dict[fx.Node, Any] = {}
        self.results: list[Any] = []
        faults: dict[str, list[str]] = {}
        for step in traced.graph.nodes:
            if step.op == "placeholder":
                self.placeholder(step, traced, example)
            elif step.op == "output":
                self.results = [value for value in step.args[0] if value is not None]
            elif step.op == "call_function":
                try:
                    self.values[step] = self.convert(step)
                except Refused as fault:
                    self.values[step] = self.stand_in(step)
                    why = f"{operation_of(step)}: {fault} ({source_of(step)})"
                    faults.setdefault(why, []).append(module_of(step)[0] or "the model")
            else:
                raise ExportError(f"{step.name}: a {step.op} of {step.target} is in the traced graph")
        if faults:
            count = sum(map(len, faults.values()))
            what = f"{count} operation{'s are' if count > 1 else ' is'} not in the network format"
            lines = [f"{', '.join(at[:3])}{', ..' if len(at) > 3 else ''}: {why}" for why, at in faults.items()]
            raise ExportError("\n".join([f"{what}:", *lines]))

    def placeholder(self, step: fx.Node, traced: Traced, example: torch.Tensor) -> None:
        if step.name in traced.constants:
            self.values[step] = traced.constants[step.name]
        else:
            self.values[step] = Lazy.of("input", self.graph.dims, example.dim() - 1)

    def convert(self, step: fx.Node) -> Any:
        if step.target is operator.getitem:
            source, index = cast(tuple[fx.Node, int], step.args)
            if self.values[source] is REFUSED or not step.users:
                return REFUSED
            if index >= len(self.values[source]):
                raise Refused("places are whole numbers, which the format lacks: take them in your program")
            return self.values[source][index]
        name = operation_of(step)
        read = [self.values.get(one) for one in step.all_input_nodes]
        if any(value is REFUSED for value in read):
            return REFUSED
        if read and all(isinstance(value, torch.Tensor) for value in read) or (not read and "val" in step.meta):
            return self.constant(step)
        if name not in HANDLERS:
            raise Refused("the format has no such operation")
        given = bound(step)
        self.check_axes(name, given)
        return HANDLERS[name](self, step, given)

    def check_axes(self, name: str, given: SimpleNamespace) -> None:
        """Operations on images take one without a batch, too; then the first axis is no batch."""
        x = next((x for x in (given.self_, getattr(given, "input", None), getattr(given, "x", None)) if x), None)
        if name.endswith("2d") and isinstance(x, fx.Node) and len(x.meta["val"].shape) == 3:
            raise Refused("its input has 3 axes: give the batch too, [N, C, H, W]")

    def stand_in(self, step: fx.Node) -> Any:
        """A value for those who read what was refused, so that all such operations are found at once."""

        def of(value: Any) -> Any:
            if isinstance(value, (tuple, list)):
                return [of(part) for part in value]
            if not isinstance(value, torch.Tensor) or not value.dim() or value.shape[0] != self.batch:
                return REFUSED
            shape = tuple(int(size) for size in value.shape[1:])
            node = self.graph.add("refused", "refused", [], (product(shape), 1, 1))
            return Lazy.of(node.name, node.dims, 1).viewed(shape)

        return of(step.meta.get("val"))

    def constant(self, step: fx.Node) -> Any:
        """The value of an operation on constants alone."""
        args, kwargs = fx.node.map_arg((step.args, step.kwargs), lambda one: self.values[one])
        return cast(Callable, step.target)(*args, **kwargs)

    def is_constant(self, value: Any) -> bool:
        return isinstance(value, fx.Node) and isinstance(self.values[value], torch.Tensor)

    def tensor(self, value: Any, what: str) -> torch.Tensor:
        """A constant that an operation needs."""
        if not self.is_constant(value):
            raise Refused(f"its {what} is computed from the input")
        return self.values[value].double()

    def optional(self, value: Any, what: str) -> torch.Tensor | None:
        """A constant that an operation may have."""
        return None if value is None else self.tensor(value, what)

    def lazy(self, value: Any) -> Lazy:
        found = self.values[value] if isinstance(value, fx.Node) else None
        if not isinstance(found, Lazy):
            raise Refused("an operand is a constant")
        return found

    def whole(self, step: fx.Node) -> Lazy:
        """A value that is not expanded."""
        lazy = self.lazy(step)
        if lazy.shape != self.shape(step):
            raise Refused(
                f"it reads {step.name}, which is expanded from {list(lazy.shape)}: the format has no such node"
            )
        return lazy

    def shape(self, step: fx.Node) -> tuple[int, ...]:
        """The shape of a step's value as the model sees it, without the batch."""
        return tuple(int(size) for size in step.meta["val"].shape[1:])

    def real(self, step: fx.Node, spread: bool = False) -> tuple[str, Dims]:
        """The node that has a step's value, made if need be, and its dimensions. With `spread` they may have 1 where
        the model has repeated values."""
        lazy = self.lazy(step) if spread else self.whole(step)
        name, dims = self.settle(step, lazy), format_dims(lazy.shape)
        self.values[step] = Lazy.of(name, dims, len(lazy.shape))
        return name, dims

    def settle(self, step: fx.Node, lazy: Lazy) -> str:
        """The node of a value with its axes as `[C, H, W]`."""
        shape = lazy.shape
        if len(shape) > 3:
            raise Refused(f"it reads values of {len(shape) + 1} axes; the format has 4")
        dims = format_dims(shape)
        name = lazy.base
        if not lazy.plain:
            return self.move(step, lazy, dims)
        if dims != lazy.dims:
            op = "flatten" if dims[1:] == (1, 1) else "reshape"
            keys = {} if op == "flatten" else {"shape": list(dims)}
            name = self.graph.add(self.name(step, op), op, [name], dims, keys).name
        return name

    def move(self, step: fx.Node, lazy: Lazy, dims: Dims) -> str:
        """Nodes that move blocks of values."""
        sizes, order = lazy.movement()
        known = rearrangement(lazy, dims, sizes, order)
        if known is not None:
            op, keys = known
            return self.graph.add(self.name(step, op), op, [lazy.base], dims, keys).name
        name, now = lazy.base, lazy.dims
        for blocks, turn in moves(order):
            want = format_dims(tuple(product(sizes[n] for n in block) for block in blocks))
            if want != now:
                name = self.graph.add(self.name(step, "reshape"), "reshape", [name], want, {"shape": list(want)}).name
            turn = (*turn, *range(len(turn), 3))
            now = as_dims(want[n] for n in turn)
            name = self.graph.add(self.name(step, "permute"), "permute", [name], now, {"order": list(turn)}).name
        if now != dims:
            name = self.graph.add(self.name(step, "reshape"), "reshape", [name], dims, {"shape": list(dims)}).name
        return name

    def name(self, step: fx.Node, what: str | None = None) -> str:
        """What the node of a step is called: as its module, where that is one operation."""
        path, kind = module_of(step)
        if what is None and path and kind.startswith(("torch.nn.modules.", "filter_summary.")):
            return path
        return f"{path}.{what or step.name}" if path else what or step.name

    def emit(self, step: fx.Node, op: str, /, *inputs: str, dims: Dims | None = None, **keys) -> Node:
        """A new node for a step, with the dimensions of the step's value."""
        parts = {key: keys.pop(key) for key in list(keys) if isinstance(keys[key], torch.Tensor) or keys[key] is None}
        dims = format_dims(self.shape(step)) if dims is None else dims
        return self.graph.add(self.name(step), op, list(inputs), dims, keys, **parts)

    def made(self, step: fx.Node, node: Node | str) -> Lazy:
        """The value of a step whose node this is."""
        name = node if isinstance(node, str) else node.name
        return Lazy.of(name, self.graph.dims_of(name), len(step.meta["val"].shape) - 1)


def product(numbers) -> int:
    total = 1
    for number in numbers:
        total *= number
    return total


def rearrangement(lazy: Lazy, dims: Dims, sizes: tuple, order: tuple) -> tuple[str, dict] | None:
    """The one node that moves blocks so, where there is one: `(op, keys)`."""
    c, h, w = lazy.dims
    if order == (1, 0) or order == (1, 0, 2):
        if dims == lazy.dims and sizes[0] * sizes[1] == c:
            return "channel_shuffle", {"groups": sizes[0]}
    for block in range(2, c + 1):
        rest = c // block**2
        if rest * block**2 == c and dims == (rest, h * block, w * block):
            parts = {
                "crd": ((rest, block, block, h, w), (0, 3, 1, 4, 2)),
                "dcr": ((block, block, rest, h, w), (2, 3, 0, 4, 1)),
            }
            found = [one for one, form in parts.items() if same_movement(form, sizes, order)]
            return ("depth_to_space", {"block": block, "order": found[0]}) if found else None
    for block in range(2, min(h, w) + 1):
        y, x = h // block, w // block
        if (y * block, x * block) == (h, w) and dims == (c * block**2, y, x):
            parts = {
                "crd": ((c, y, block, x, block), (0, 2, 4, 1, 3)),
                "dcr": ((c, y, block, x, block), (2, 4, 0, 1, 3)),
            }
            found = [one for one, form in parts.items() if same_movement(form, sizes, order)]
            return ("space_to_depth", {"block": block, "order": found[0]}) if found else None
    if len(sizes) <= 3 and format_dims(sizes) == lazy.dims:
        turn = (*order, *range(len(order), 3))
        if tuple(lazy.dims[n] for n in turn) == dims:
            return "permute", {"order": list(turn)}
    # Axes of one element may stand between those that move.
    for turn in ((0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)):
        if tuple(lazy.dims[n] for n in turn) == dims and same_movement((lazy.dims, turn), sizes, order):
            return "permute", {"order": list(turn)}
    return None


def same_movement(form: tuple, sizes: tuple, order: tuple) -> bool:
    """Whether factors in an order are the same movement as blocks in theirs."""
    factors, turn = form
    lazy = Lazy("", (1, 1, 1), dict(enumerate(factors)), tuple(range(len(factors))), tuple((n,) for n in turn))
    return lazy.movement() == (sizes, order)


def operation_of(step: fx.Node) -> str:
    """The ATen name of an operation, without its overload: `conv2d`, `filter_summary.conv2d`."""
    if step.target is operator.getitem:
        return operation_of(cast(fx.Node, step.args[0]))
    schema = getattr(step.target, "_schema", None)
    name = str(step.target) if schema is None else schema.name.replace("::", ".")
    return name.removeprefix("aten.")


def bound(step: fx.Node) -> SimpleNamespace:
    """The arguments of an operation by name, with defaults."""
    values = dict(step.kwargs)
    for n, argument in enumerate(cast(Any, step.target)._schema.arguments):
        if n < len(step.args):
            values[argument.name] = step.args[n]
        elif argument.name not in values:
            values[argument.name] = argument.default_value
    values["self_"] = values.pop("self", None)
    return SimpleNamespace(**values)
