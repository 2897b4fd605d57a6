"""Arrays that a program is traced with: what NumPy, PyTorch and JAX spell alike, as operations of Relax.

Each operation is emitted at once, bound to a variable that is named after the step it belongs to: "attention_matmul".
The names of variables are what Relax carries through its passes, and so every function that they end in has its step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import EllipsisType
from typing import Any

from tvm import relax
from tvm.relax import op

Index = int | slice | EllipsisType | None


class Tracer:
    """Emits operations into the function being built, under the name of the step that is being computed."""

    def __init__(self, builder: relax.BlockBuilder) -> None:
        self.builder = builder
        self.step = "outside"

    def emit(self, expr: relax.Expr, what: str) -> TracedArray:
        return TracedArray(self.builder.emit(expr, name_hint=f"{self.step}_{what}"), self)


class TracedArray:
    """A variable of Relax with the methods that programs use; shapes are numbers, known as it is traced."""

    def __init__(self, var: relax.Expr, tracer: Tracer) -> None:
        self.var, self.tracer = var, tracer
        self.shape = tuple(int(n) for n in var.ty.shape.values)
        self.dtype = str(var.ty.dtype)
        self.swapped: tuple[TracedArray, int, int] | None = None  # what this is with which axes swapped

    def apply(self, function: Callable[..., relax.Expr], *rest: Any, **options: Any) -> TracedArray:
        """`function` of this array and more, which may be numbers."""
        args = [self._operand(value) for value in rest]
        return self.tracer.emit(function(self.var, *args, **options), function.__name__)

    def _operand(self, value: Any) -> Any:
        if isinstance(value, TracedArray):
            return value.var
        return relax.const(value, self.dtype) if isinstance(value, int | float) else value

    def _reversed(self, function: Callable[..., relax.Expr], first: float) -> TracedArray:
        return self.tracer.emit(function(self._operand(first), self.var), function.__name__)

    def __add__(self, other: Any) -> TracedArray:
        return self.apply(op.add, other)

    def __radd__(self, other: float) -> TracedArray:
        return self._reversed(op.add, other)

    def __sub__(self, other: Any) -> TracedArray:
        return self.apply(op.subtract, other)

    def __mul__(self, other: Any) -> TracedArray:
        return self.apply(op.multiply, other)

    def __rsub__(self, other: float) -> TracedArray:
        return self._reversed(op.subtract, other)

    def __rmul__(self, other: float) -> TracedArray:
        return self._reversed(op.multiply, other)

    def __truediv__(self, other: Any) -> TracedArray:
        return self.apply(op.divide, other)

    def __neg__(self) -> TracedArray:
        return self.apply(op.negative)

    def __le__(self, other: Any) -> TracedArray:
        return self.apply(op.less_equal, other)

    def __and__(self, other: Any) -> TracedArray:
        return self.apply(op.logical_and, other)

    def astype(self, dtype: str) -> TracedArray:
        return self if dtype == self.dtype else self.apply(op.astype, dtype=dtype)

    def reshape(self, *shape: int) -> TracedArray:
        return self.apply(op.reshape, shape=shape)

    def swapaxes(self, a: int, b: int) -> TracedArray:
        """Of what was swapped so before it is what that was: TVM would move it twice."""
        if self.swapped is not None and self.swapped[1:] == (a, b):
            return self.swapped[0]
        axes = list(range(len(self.shape)))
        axes[a], axes[b] = axes[b], axes[a]
        found = self.apply(op.permute_dims, axes=axes)
        found.swapped = (self, a, b)
        return found

    def mean(self, axis: int, *, keepdims: bool) -> TracedArray:
        return self.apply(op.mean, axis=axis, keepdims=keepdims)

    def sum(self, axis: int, *, keepdims: bool) -> TracedArray:
        return self.apply(op.sum, axis=axis, keepdims=keepdims)

    def __getitem__(self, index: Index | tuple[Index, ...]) -> TracedArray:
        cut, shape, axis = self, [], 0
        for part in _in_full(index, len(self.shape)):
            if part is None:
                shape.append(1)
                continue
            start, stop, step = part.indices(self.shape[axis])
            if (start, stop, step) != (0, self.shape[axis], 1):
                cut = cut.apply(op.strided_slice, axes=[axis], begin=[start], end=[stop], strides=[step])
            shape.append(len(range(start, stop, step)))
            axis += 1
        return cut if tuple(shape) == cut.shape else cut.reshape(*shape)


def _in_full(index: Index | tuple[Index, ...], rank: int) -> list[slice | None]:
    """An index with every axis named: `x[..., :2]` of three axes as `x[:, :, :2]`."""
    given = index if isinstance(index, tuple) else (index,)
    axes = sum(isinstance(part, slice) for part in given)
    if axes + sum(part is None or part is Ellipsis for part in given) < len(given):
        raise TypeError(f"a program is traced with slices, None and ..., got {index!r}")
    at = given.index(Ellipsis) if Ellipsis in given else len(given)
    left_out = [slice(None)] * (rank - axes)
    return [*given[:at], *left_out, *given[at + 1 :]]  # type: ignore[list-item]


class Namespace:
    """The functions of an array namespace that programs call."""

    float32 = "float32"

    def __init__(self, tracer: Tracer) -> None:
        self.tracer = tracer

    def arange(self, n: int) -> TracedArray:
        return self.tracer.emit(op.arange(n, dtype="int32"), "arange")

    def concat(self, arrays: Sequence[TracedArray], axis: int) -> TracedArray:
        return self.tracer.emit(op.concat([x.var for x in arrays], axis=axis), "concat")

    def broadcast_to(self, x: TracedArray, shape: tuple[int, ...]) -> TracedArray:
        return x.apply(op.broadcast_to, shape)

    def moveaxis(self, x: TracedArray, source: int, to: int) -> TracedArray:
        axes = [axis for axis in range(len(x.shape)) if axis != source % len(x.shape)]
        axes.insert(to % len(x.shape), source % len(x.shape))
        return x.apply(op.permute_dims, axes=axes)

    def where(self, condition: TracedArray, x: TracedArray, otherwise: TracedArray | float) -> TracedArray:
        return condition.apply(op.where, x, x._operand(otherwise))

    def amax(self, x: TracedArray, axis: int, *, keepdims: bool) -> TracedArray:
        return x.apply(op.max, axis=axis, keepdims=keepdims)

    def exp(self, x: TracedArray) -> TracedArray:
        return x.apply(op.exp)

    def sqrt(self, x: TracedArray) -> TracedArray:
        return x.apply(op.sqrt)

    def tanh(self, x: TracedArray) -> TracedArray:
        return x.apply(op.tanh)
