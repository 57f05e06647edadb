"""Turns the operations of a traced model, in order, into nodes."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import torch
from torch import fx, nn

from .arrange import arrange
from .errors import ExportError, Refused, module_of, not_in_the_format, source_of
from .folds import FIRST, Folds
from .graph import Graph, Node
from .layout import best
from .lazy import Dims, Lazy, format_dims
from .spread import repeated, written_constant
from .trace import Traced, sizes_that_follow

Value = Lazy | torch.Tensor
"""What operations of single numbers take: a value, or a constant."""
Handler = Callable[["Converter", fx.Node, SimpleNamespace], Any]
HANDLERS: dict[str, Handler] = {}
"""What converts an operation, by its ATen name."""

EMPTY = ("empty", "empty_like", "new_empty", "empty_permuted", "empty_strided")
# Whose dropout, off by now, PyTorch counts as random.
RECURRENT = ("lstm", "gru", "rnn_tanh", "rnn_relu", "lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell")

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
        self.model, self.traced, self.example = model, traced, example
        self.following: list[bool] | None = None
        self.modules = dict(model.named_modules(remove_duplicate=False))
        self.batch = example.shape[0]
        self.graph = Graph(format_dims(tuple(example.shape[1:])))
        self.values: dict[fx.Node, Any] = {}
        self.arranged: dict[tuple, str] = {}
        # What was assigned to parts of values (`assignments.Written`).
        self.written: dict[fx.Node, Any] = {}
        self.folds = Folds(self.batch)
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
                    # Whoever reads random numbers is random for that reason alone.
                    self.values[step] = REFUSED if is_random(step) else self.stand_in(step)
                    why = f"{operation_of(step)}: {fault} ({source_of(step)})"
                    faults.setdefault(why, []).append(module_of(step)[0] or "the model")
            else:
                raise ExportError(f"{step.name}: a {step.op} of {step.target} is in the traced graph")
        if faults:
            lines = [f"{', '.join(at[:3])}{', ..' if len(at) > 3 else ''}: {why}" for why, at in faults.items()]
            raise not_in_the_format(sum(map(len, faults.values())), lines)

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
            self.folds.like(step, source)
            return self.values[source][index]
        name = operation_of(step)
        read = [self.values.get(one) for one in step.all_input_nodes]
        if any(value is REFUSED for value in read):
            return REFUSED
        if name not in HANDLERS and name not in RECURRENT and is_random(step):
            raise Refused("it draws random numbers: two runs of the model differ")
        if read and all(isinstance(value, torch.Tensor) for value in read) or (not read and "val" in step.meta):
            if name in EMPTY:
                # Whatever is there, the model writes over it.
                return torch.zeros(step.meta["val"].shape, dtype=torch.float64)
            try:
                return self.constant(step)
            except Exception as fault:
                raise Refused(f"it cannot be computed of constants: {first_line(fault)}") from fault
        if name in RECURRENT:
            raise Refused("it remembers what came before: only convolutional networks are exported")
        if name not in HANDLERS:
            raise Refused("the format has no such operation")
        if any(not isinstance(size, int) for value in parts_of(step.meta.get("val")) for size in value.shape):
            raise Refused("its size follows from numbers of the input")
        given = bound(step)
        self.check_axes(name, given)
        try:
            self.folds.begin(self, name, step, given)
            return self.folds.end(self, step, HANDLERS[name](self, step, given))
        except (Refused, ExportError):
            self.folds.give_up(step)
            raise
        except Exception as fault:
            self.folds.give_up(step)
            # Whatever it is, the operation is named.
            raise Refused(f"a fault of the exporter, {type(fault).__name__}: {first_line(fault)}") from fault

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
            if not isinstance(value, torch.Tensor) or not all(isinstance(size, int) for size in value.shape):
                return REFUSED
            if not value.dim() or value.shape[0] != self.batch:
                return REFUSED
            shape = tuple(value.shape[1:])
            node = self.graph.add("refused", "refused", [], (math.prod(shape), 1, 1))
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
        return self.folds.constant(self.values[value].double())

    def optional(self, value: Any, what: str) -> torch.Tensor | None:
        """A constant that an operation may have."""
        return None if value is None else self.tensor(value, what)

    def value(self, operand: Any) -> Value:
        """An operand of an operation of single numbers: a value, a constant, or a number."""
        if not isinstance(operand, fx.Node):
            return torch.tensor(float(operand), dtype=torch.float64)
        found = self.values[operand]
        return found.double() if isinstance(found, torch.Tensor) else self.lazy(operand)

    def lazy(self, value: Any) -> Lazy:
        """A value, with one element where the model repeats it: sums and products repeat by themselves."""
        found = self.values[value] if isinstance(value, fx.Node) else None
        if isinstance(found, torch.Tensor):
            alone = found if self.folds.place == FIRST else self.folds.beside(found)[None]
            return written_constant(self.graph, self.name(value), alone)
        if not isinstance(found, Lazy):
            raise Refused("an operand is no tensor")
        return found

    def whole(self, step: fx.Node) -> Lazy:
        """A value with all that the model repeats of it."""
        if self.folds.merged > 1:
            return self.folds.together(lambda: self.whole(step))
        if self.folds.place != FIRST and self.is_constant(step):
            return self.lazy(step)
        lazy, shape = self.lazy(step), self.shape(step)
        if lazy.shape != shape:
            layout = best([lazy], shape, others=[shape]) if len(shape) == len(lazy.shape) else None
            if layout is None:
                raise Refused(f"it reads {step.name}, {list(lazy.shape)} expanded to {list(shape)}: in too many axes")
            name = self.settle(step, lazy.permuted(layout.order), layout.dims(lazy.shape))
            name = repeated(self.graph, self.name(step), name, cast(Dims, layout.dims(shape)))
            lazy = layout.back(name, self.graph.dims_of(name), shape)
        self.values[step] = lazy
        return lazy

    def shape(self, step: fx.Node) -> tuple[int, ...]:
        """The shape of a step's value as the model sees it, without the batch."""
        return self.folds.shape(step, tuple(int(size) for size in step.meta["val"].shape))

    def real(self, step: fx.Node) -> tuple[str, Dims]:
        """The node that has a step's value in order, as `[C, H, W]`, made if need be, and its dimensions."""
        lazy = self.whole(step)
        name, dims = self.settle(step, lazy), format_dims(lazy.shape)
        if self.folds.merged == 1:
            self.values[step] = Lazy.shaped(name, dims, lazy.shape)
        return name, dims

    def axis(self, step: fx.Node, dim: int) -> int:
        """An axis as PyTorch counts it, counted behind the batch."""
        axis = dim % len(step.meta["val"].shape)
        if axis == self.folds.axis(step):
            raise Refused("it goes along the batch: images are computed one by one")
        return axis - 1 + self.folds.more(step)

    def along(self, step: fx.Node, axis: int) -> tuple[Lazy, int]:
        """A step's value, of which one axis is one of its node's `[C, H, W]` from beginning to end, and which."""
        return self.placed(step, self.whole(step), axis)

    def placed(self, step: fx.Node, lazy: Lazy, axis: int) -> tuple[Lazy, int]:
        """The same of any value."""
        found = lazy.covers()[axis]
        if found is not None and len(found) == 1:
            return lazy, found[0]
        if found == () and 1 in lazy.dims:
            return lazy, lazy.dims.index(1)
        shape = lazy.shape
        if len(shape) <= 3:
            return Lazy.shaped(self.settle(step, lazy), format_dims(shape), shape), axis
        dims = (math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :]))
        return Lazy.shaped(self.settle(step, lazy, dims), dims, shape), 1

    def channels(self, step: fx.Node, axis: int) -> Lazy:
        """A step's value, of which one axis is the channels of its node."""
        lazy = self.whole(step)
        found, shape = lazy.covers()[axis], lazy.shape
        if found == (0,) or (found == () and lazy.dims[0] == 1):
            return lazy
        order = (axis, *(other for other in range(len(shape)) if other != axis))
        turned = lazy.permuted(order)
        size, *rest = turned.shape
        dims = format_dims(turned.shape) if len(rest) < 3 else (size, math.prod(rest), 1)
        made = Lazy.shaped(self.settle(step, turned, dims), dims, turned.shape)
        return made.permuted(tuple(order.index(n) for n in range(len(shape))))

    def settle(self, step: fx.Node, lazy: Lazy, dims: Dims | None = None) -> str:
        """The node of a value with its axes as `[C, H, W]`, or with its values in order as `dims`."""
        if dims is None and len(lazy.shape) > 3:
            raise Refused(f"it reads values of {len(lazy.shape) + 1} axes; the format has 4")
        dims = format_dims(lazy.shape) if dims is None else dims
        if lazy.plain and dims == lazy.dims:
            return lazy.base
        key = (lazy.base, lazy.runs(), dims)
        if key not in self.arranged:
            self.arranged[key] = arrange(self.graph, lambda what: self.name(step, what), lazy, dims)
        return self.arranged[key]

    def viewed(self, step: fx.Node, lazy: Lazy, shape: tuple[int, ...]) -> Lazy:
        """As many values with other axes. Where an axis is cut elsewhere than where it was joined, what is moved is
        written down first."""
        found = lazy.viewed(shape)
        if found is not None:
            return found
        dims = format_dims(lazy.shape) if len(lazy.shape) <= 3 else (math.prod(lazy.shape), 1, 1)
        return Lazy.shaped(self.settle(step, lazy, dims), dims, shape)

    def follows(self, step: fx.Node) -> bool | None:
        """Whether the size of an `upsample` follows from that of the image; None where nobody knows."""
        if self.following is None:
            self.following = sizes_that_follow(self.model, self.example, "upsample")
        steps = [one for one in self.traced.graph.nodes if "upsample" in str(one.target)]
        return self.following[steps.index(step)] if len(steps) == len(self.following) else None

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


def first_line(fault: Exception) -> str:
    return (str(fault).strip().splitlines() or ["unknown"])[0]


def parts_of(value: Any) -> list[torch.Tensor]:
    """The tensors that a step makes."""
    parts = value if isinstance(value, (tuple, list)) else [value]
    return [part for part in parts if isinstance(part, torch.Tensor)]


def is_random(step: fx.Node) -> bool:
    """Whether an operation's value follows from PyTorch's generator."""
    return torch.Tag.nondeterministic_seeded in getattr(step.target, "tags", ())


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
