"""The form of a program: its steps, the shapes of what each reads and gives, and from where. Nothing is computed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

import numpy as np

from oneblock.workloads._workload import Case, Spec, Workload
from oneblock.workloads.ops.definitions import OPS, Array
from oneblock.workloads.ops.numpy_ops import NumpyOps

Shape = tuple[int, ...]


@dataclass
class Step:
    """One step of a program: the weights and tables that it reads, its operations, and what it gives."""

    name: str
    operations: list[str] = field(default_factory=list)  # in their order
    weights: dict[str, Shape] = field(default_factory=dict)
    reads: list[tuple[str, Shape]] = field(default_factory=list)  # (an input or a step before, what it gives)
    settings: list[str] = field(default_factory=list)  # what its operations are told beside arrays: "window 12"
    gives: list[Shape] = field(default_factory=list)  # what later steps read of it, and the program's outputs


def form(workload: Workload, case: Case) -> list[Step]:
    """The steps of the program's one text at a case, in the order in which they begin."""
    specs = workload.specs(case)
    ops = _FormOps(specs)
    outputs = workload.program(ops, case, {name: ops.array(name, spec.shape) for name, spec in specs.items()})
    for array in outputs.values():
        ops.given(array)
    return list(ops.steps.values())


class _Form(np.ndarray):
    """An array of which only the shape is there: all its elements are one in memory, and views of it cost none."""

    ops: _FormOps
    source: str  # the array or the step that it is of

    def __array_finalize__(self, other: Any) -> None:
        if isinstance(other, _Form):
            self.ops, self.source = other.ops, other.source

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **_: Any) -> Any:
        return self.ops.does(ufunc.__name__, np.broadcast_shapes(*(np.shape(one) for one in inputs)), *inputs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if func is np.broadcast_to:
            return self.ops.array(self.source, args[1])
        if func is not np.concatenate:
            return super().__array_function__(func, types, args, kwargs)
        axis, first = kwargs["axis"], args[0][0].shape
        shape = list(first)
        shape[axis] = sum(one.shape[axis] for one in args[0])
        return self.ops.does("concat", tuple(shape), *args[0])


class _FormOps(NumpyOps):
    """The operations, each of which notes down what it reads, and answers with a shape."""

    def __init__(self, specs: dict[str, Spec]) -> None:
        super().__init__()
        self.specs = specs
        self.steps: dict[str, Step] = {}
        self.now = Step("")

    def array(self, source: str, shape: Shape) -> _Form:
        made = np.broadcast_to(np.int8(0), shape).view(_Form)
        made.ops, made.source = self, source
        return made

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        before, self.now = self.now, self.steps.setdefault(name, Step(name))
        yield
        self.now = before

    def does(self, operation: str, shape: Shape, *operands: Any) -> _Form:
        """An operation of the step that is going on: its operands are read, its answer is of that step."""
        self.now.operations.append(operation)
        for one in operands:
            if isinstance(one, _Form) and one.source != self.now.name:
                self._reads(one)
        return self.array(self.now.name, shape)

    def _reads(self, one: _Form) -> None:
        spec = self.specs.get(one.source)
        if spec is not None and not spec.is_input:
            self.now.weights[one.source] = spec.shape  # and not that of the view which is read of it
        elif (one.source, one.shape) not in self.now.reads:
            self.now.reads.append((one.source, one.shape))
            self.given(one)

    def given(self, one: _Form) -> None:
        """Noted at the step that it is of."""
        step = self.steps.get(one.source)
        if step is not None and one.shape not in step.gives:
            step.gives.append(one.shape)

    def matmul(self, a: Array, b: Array) -> Array:
        outer = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        return self.does("matmul", (*outer, a.shape[-2], b.shape[-1]), a, b)


_SHAPES: dict[str, Callable[..., Shape]] = {  # of what is not shaped as its first operand
    "linear": lambda x, weight, *_: (*x.shape[:-1], weight.shape[1]),
    "attention": lambda q, k, v, *_: (*q.shape[:-1], v.shape[-1]),
}


def _noting(name: str) -> Callable[..., _Form]:
    shape_of: Callable[..., Shape] = _SHAPES.get(name, lambda x, *_: tuple(x.shape))

    def operation(self: _FormOps, *operands: Any) -> _Form:
        for one in filter(is_dataclass, operands):
            self.now.settings += [
                f"{setting.name.replace('_', ' ')} {value:.4g}"
                for setting in fields(one)
                if (value := getattr(one, setting.name)) is not None and value != setting.default
            ]
        return self.does(name, shape_of(*operands), *operands)

    return operation


for _name in OPS:
    setattr(_FormOps, _name, _noting(_name))
