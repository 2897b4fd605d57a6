"""The operations as our Pallas kernels where there are any, and as JAX's own elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from oneblock.backends._jax.ops import JaxNativeOps
from oneblock.backends._pallas import tuning
from oneblock.backends.api.backend import Unsupported, refuse
from oneblock.backends.api.own_kernels import OURS, OwnKernels
from oneblock.backends.kernels.pallas.flash_attention import flash_attention
from oneblock.backends.kernels.pallas.paged_attention import cached_attention, paged_attention
from oneblock.backends.kernels.pallas.rms_matmul import rms_matmul
from oneblock.backends.kernels.pallas.route import route
from oneblock.workloads.ops.definitions import Array, Routing, Scores, uneven


@dataclass(frozen=True)
class DeferredRmsNorm:
    """A deferred RMSNorm, fused into the prologue of each projection that reads it."""

    x: Array  # (..., C)
    weight: Array  # (C,)
    eps: float
    ops: PallasOps
    step: str  # in which it was asked for

    def reshape(self, *shape: int) -> Array:
        """Its answer (..., C) in another shape (...)."""
        return array(self.ops, self).reshape(*shape)

    def __radd__(self, residual: Array) -> Array:
        return residual + array(self.ops, self)


class PallasOps(JaxNativeOps):
    """Attention, RMSNorm with the projections after it, and routing as kernels of ours; the others as native."""

    def __init__(self, platform: str, own: OwnKernels = OURS) -> None:
        super().__init__(platform)
        self.own = own  # what stands for them
        self.interpret = platform == "cpu"
        self.current = ""
        self.called: list[tuple[tuning.Call, tuple[str, ...]]] = []  # kernels, as a program is traced, with their steps

    def step(self, name: str) -> AbstractContextManager[Any]:
        self.current = name
        return super().step(name)

    def rms_norm(self, x: Array, weight: Array, eps: float) -> Array | DeferredRmsNorm:
        if "rms_norm" in self.own:
            return _own(self, "rms_norm", x.reshape(-1, x.shape[-1]), weight, eps).reshape(x.shape)
        return DeferredRmsNorm(x, weight, eps, self, self.current)

    def linear(self, x: Array | DeferredRmsNorm, weight: Array, bias: Array | None = None) -> Array:
        if "linear" in self.own:
            x = array(self, x)
            more = () if bias is None else (bias,)
            return _own(self, "linear", x.reshape(-1, x.shape[-1]), weight, *more).reshape(*x.shape[:-1], -1)
        if not isinstance(x, DeferredRmsNorm) or bias is not None:
            return super().linear(array(self, x), weight, bias)
        *outer, C = x.x.shape
        y = _start(self, rms_matmul, x.x.reshape(-1, C), x.weight, weight, x.eps, steps=(x.step, self.current))
        return y.reshape(*outer, weight.shape[0])

    def attention(self, q: Array, k: Array, v: Array, scores: Scores) -> Array:
        refuse(uneven(k, v))
        T, S = q.shape[1], k.shape[1]
        if T not in (1, S):
            raise Unsupported(f"attention of {T} queries to {S} keys: our kernels take one query, or as many as keys")
        if T == 1:  # as the caches lie, of which the text gave a view
            k, v = k.swapaxes(1, 2), v.swapaxes(1, 2)
        if "attention" in self.own:
            return _own(self, "attention", q, k, v, scores)
        if T == 1:
            return _start(self, cached_attention, q, k, v, scores, steps=(self.current,))
        return _start(self, flash_attention, q, k, v, scores, steps=(self.current,))

    def attention_paged(self, q: Array, k: Array, v: Array, pages: Array, position: Array, scores: Scores) -> Array:
        """A page's size is the cache's, and a sequence is as long as its query's position says: nothing to tune."""
        page, pool = k.shape[1], (1, -1, *k.shape[2:])
        answer = paged_attention(
            q[:, 0], k.reshape(pool), v.reshape(pool), pages, position + 1,
            page=page, scores=scores, interpret=self.interpret,
        )  # fmt: skip
        return answer[:, None]

    def route(self, logits: Array, routing: Routing) -> Array:
        refuse(routing.beyond())
        args = (logits, routing.k, routing.renormalised)  # of one form: there is nothing to tune
        return self.own.call("route", route, *args, interpret=self.interpret)

    def swiglu(self, gate: Array, up: Array) -> Array:
        return _by_rows(self, "swiglu", gate, up) if "swiglu" in self.own else super().swiglu(gate, up)

    def geglu(self, gate: Array, up: Array) -> Array:
        return _by_rows(self, "geglu", gate, up) if "geglu" in self.own else super().geglu(gate, up)

    def gelu(self, x: Array) -> Array:
        return _by_rows(self, "gelu", x) if "gelu" in self.own else super().gelu(x)

    def gelu_erf(self, x: Array) -> Array:
        return _by_rows(self, "gelu_erf", x) if "gelu_erf" in self.own else super().gelu_erf(x)


def _own(ops: PallasOps, operation: str, *args: Any) -> Array:
    return ops.own.call(operation, None, *args, interpret=ops.interpret)


def _by_rows(ops: PallasOps, operation: str, *args: Array) -> Array:
    return _own(ops, operation, *(x.reshape(-1, x.shape[-1]) for x in args)).reshape(args[0].shape)


def _start(ops: PallasOps, kernel: Callable[..., Array], *args: Any, steps: tuple[str, ...]) -> Array:
    """Call a kernel of ours, which does these steps' work, and note it down."""
    ops.called.append((tuning.call(kernel, args), steps))
    return kernel(*args, interpret=ops.interpret)


def array(ops: PallasOps, x: Array | DeferredRmsNorm) -> Array:
    """x (..., C) as an array, its norm taken where no projection follows, such as the answer of the workload `norm`."""
    if not isinstance(x, DeferredRmsNorm):
        return x
    with ops.step(x.step):
        return JaxNativeOps.rms_norm(ops, x.x, x.weight, x.eps)
