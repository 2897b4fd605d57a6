"""The operations as calls of our Triton kernels, whoever runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from oneblock.backends._torch.ops import TorchOps
from oneblock.backends._triton.runners import DeviceRunner, InterpreterRunner, LaunchTracer
from oneblock.backends.api.backend import refuse
from oneblock.backends.api.own_kernels import OURS, OwnKernels
from oneblock.backends.kernels.triton.decode_attention import decode_attention, paged_attention
from oneblock.backends.kernels.triton.flash_attention import flash_attention
from oneblock.backends.kernels.triton.geglu import geglu
from oneblock.backends.kernels.triton.gelu import gelu
from oneblock.backends.kernels.triton.gelu_erf import gelu_erf
from oneblock.backends.kernels.triton.layer_norm import layer_norm
from oneblock.backends.kernels.triton.linear import linear
from oneblock.backends.kernels.triton.rms_norm import rms_norm
from oneblock.backends.kernels.triton.rope import rope
from oneblock.backends.kernels.triton.route import route
from oneblock.backends.kernels.triton.swiglu import swiglu
from oneblock.workloads.ops.definitions import Array, Routing, Scores


@dataclass(frozen=True)
class DeferredLinear:
    """A deferred linear: GELU and a residual addition that follow are fused into its kernel, as its epilogue."""

    ops: TritonOps
    x: Array  # (..., I)
    weight: Array  # (I, O)
    bias: Array | None
    step: str | None  # in which it was asked for
    activation: str | None = None

    def array(self, residual: Array | None = None) -> Array:
        """Its answer (..., O), with a residual of the same shape added."""
        with self.ops.step(self.step):
            return linear(self.ops.runner, self.x, self.weight, self.bias, residual, self.activation)

    def reshape(self, *shape: int) -> Array:
        """Its answer (..., C) in another shape (...)."""
        return self.array().reshape(*shape)

    def __radd__(self, residual: Array) -> Array:
        return self.array(residual)


def array(x: Array | DeferredLinear) -> Array:
    """x (..., C) as an array: a deferred projection is carried out."""
    return x.array() if isinstance(x, DeferredLinear) else x


class TritonOps(TorchOps):
    """All operations as kernels of ours, but experts."""

    def __init__(self, runner: InterpreterRunner | LaunchTracer | DeviceRunner, own: OwnKernels = OURS) -> None:
        super().__init__()
        self.runner, self.own = runner, own  # who runs kernels, and what stands for them

    @contextmanager
    def step(self, name: str | None) -> Iterator[None]:
        if not isinstance(self.runner, LaunchTracer):
            yield
            return
        before, self.runner.step = self.runner.step, name
        yield
        self.runner.step = before

    def linear(self, x: Array | DeferredLinear, weight: Array, bias: Array | None = None) -> Array | DeferredLinear:
        if "linear" in self.own:  # which has no epilogue of ours
            return _call(self, "linear", linear, array(x), weight, *(() if bias is None else (bias,)))
        step = self.runner.step if isinstance(self.runner, LaunchTracer) else None
        return DeferredLinear(self, array(x), weight, bias, step)

    def rms_norm(self, x: Array | DeferredLinear, weight: Array, eps: float) -> Array:
        return _call(self, "rms_norm", rms_norm, array(x), weight, eps)

    def layer_norm(self, x: Array | DeferredLinear, weight: Array, bias: Array, eps: float) -> Array:
        return _call(self, "layer_norm", layer_norm, array(x), weight, bias, eps)

    def rope(self, x: Array, cos: Array, sin: Array) -> Array:
        return _call(self, "rope", rope, x, cos, sin)

    def attention(self, q: Array, k: Array, v: Array, scores: Scores) -> Array:
        kernel = decode_attention if q.shape[1] == 1 else flash_attention
        return _call(self, "attention", kernel, q, k, v, scores)

    def attention_paged(self, q: Array, k: Array, v: Array, pages: Array, position: Array, scores: Scores) -> Array:
        return paged_attention(self.runner, q, k, v, pages, position, scores)

    def swiglu(self, gate: Array | DeferredLinear, up: Array | DeferredLinear) -> Array:
        return _call(self, "swiglu", swiglu, array(gate), array(up))

    def geglu(self, gate: Array | DeferredLinear, up: Array | DeferredLinear) -> Array:
        return _call(self, "geglu", geglu, array(gate), array(up))

    def gelu_erf(self, x: Array | DeferredLinear) -> Array:
        return _call(self, "gelu_erf", gelu_erf, array(x))

    def gelu(self, x: Array | DeferredLinear) -> Array | DeferredLinear:
        if isinstance(x, DeferredLinear) and "gelu" not in self.own:
            return replace(x, activation="gelu")
        return _call(self, "gelu", gelu, array(x))

    def route(self, logits: Array, routing: Routing) -> Array:
        refuse(routing.beyond())
        return _call(self, "route", route, logits, routing.k, routing.renormalised)


def _call(ops: TritonOps, operation: str, ours: Callable[..., Any], *args: Any) -> Array:
    return ops.own.call(operation, ours, ops.runner, *args)
