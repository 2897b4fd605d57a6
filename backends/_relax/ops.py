"""The block's operations over Relax, and a program of them traced into a module."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import prod
from typing import Any

from tvm import IRModule, relax
from tvm.relax import op

from oneblock.backends._relax.arrays import Namespace, TracedArray, Tracer
from oneblock.backends.api.backend import refuse
from oneblock.compilers.tvm import in_place
from oneblock.workloads._workload import Arrays, Case, Workload
from oneblock.workloads.ops.definitions import Array, Ops, Scores, uneven


class RelaxOps(Ops):
    """The plain definitions over Relax; a step is in the names of its variables."""

    def __init__(self, tracer: Tracer) -> None:
        super().__init__(Namespace(tracer))
        self.tracer = tracer

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        outer, self.tracer.step = self.tracer.step, name
        yield
        self.tracer.step = outer

    def erf(self, x: Array) -> Array:
        return x.apply(op.erf)

    def take(self, x: Array, index: Array) -> Array:
        return x.apply(op.take, index, axis=0, mode="clip")  # its "fast" reads what is not there

    def write(self, cache: Array, new: Array, position: Array | None = None) -> Array:
        """By a call that TVM calls pure, and that is safe as nothing else reads the cache as it was."""
        function = in_place.write(cache.shape, cache.dtype, None if position is None else position.dtype)
        called = self.tracer.builder.add_func(function, "write")
        given = relax.Tuple([one.var for one in (cache, new, position) if one is not None])
        return self.tracer.emit(op.call_tir_inplace(called, given, [0], cache.var.ty), "write")

    def matmul(self, a: Array, b: Array) -> Array:
        """Of a small a and a large b that is turned, as keys are, the small one is turned: TVM moves what is."""
        if (
            b.swapped is not None
            and b.swapped[1:] == (len(b.shape) - 2, len(b.shape) - 1)
            and prod(a.shape) < prod(b.shape)
        ):
            turned = b.swapped[0].apply(op.matmul, a.swapaxes(*b.swapped[1:]), out_dtype="float32")
            return self.narrow(turned.swapaxes(*b.swapped[1:]), a)
        return self.narrow(a.apply(op.matmul, b, out_dtype="float32"), a)


class RelaxNativeOps(RelaxOps):
    """Relax's own operators, each lowered as one function, where it has them."""

    def rms_norm(self, x: Array, weight: Array, eps: float) -> Array:
        return self.narrow(self.wide(x).apply(op.nn.rms_norm, self.wide(weight), axes=-1, epsilon=eps), x)

    def layer_norm(self, x: Array, weight: Array, bias: Array, eps: float) -> Array:
        w = self.wide(x)  # Relax takes a variance of float16 with its rounding, and none of bfloat16
        return self.narrow(w.apply(op.nn.layer_norm, self.wide(weight), self.wide(bias), axes=-1, epsilon=eps), x)

    def attention(self, q: Array, k: Array, v: Array, scores: Scores) -> Array:
        refuse(scores.beyond() or uneven(k, v))
        group = q.shape[2] // k.shape[2]
        if group > 1:  # it has no groups
            k, v = (x.apply(op.repeat, repeats=group, axis=2) for x in (k, v))
        mask = "BottomRight" if q.shape[1] > 1 else None
        return q.apply(op.nn.attention, k, v, causal_mask=mask, scale=scores.scale)

    def swiglu(self, gate: Array, up: Array) -> Array:
        return gate.apply(op.nn.silu) * up

    def geglu(self, gate: Array, up: Array) -> Array:
        return gate.apply(op.nn.gelu_tanh) * up

    def gelu(self, x: Array) -> Array:
        return x.apply(op.nn.gelu_tanh)

    def gelu_erf(self, x: Array) -> Array:
        return x.apply(op.nn.gelu)


def trace(workload: Workload, case: Case, arrays: Arrays, native: bool) -> tuple[IRModule, list[str]]:
    """(a module whose "main" takes the arrays in their order, the names of what it returns)."""
    builder = relax.BlockBuilder()
    tracer = Tracer(builder)
    ops = RelaxNativeOps(tracer) if native else RelaxOps(tracer)
    params = {name: relax.Var(name, relax.TensorType(a.shape, str(a.dtype))) for name, a in arrays.items()}
    with builder.function("main", list(params.values())):
        with builder.dataflow():
            traced: Mapping[str, Any] = {name: TracedArray(var, tracer) for name, var in params.items()}
            out = workload.program(ops, case, traced)
            result = builder.emit_output(relax.Tuple([array.var for array in out.values()]))
        builder.emit_func_output(result)
    return builder.get(), list(out)
