"""The operations as our Pallas kernels where there are any, and as JAX's own elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from oneblock.backends._jax.ops import JaxNativeOps
from oneblock.backends._pallas import tuning
from oneblock.backends.api.backend import Unsupported, refuse
from oneblock.backends.kernels.pallas.flash_attention import flash_attention
from oneblock.backends.kernels.pallas.paged_attention import cached_attention
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

    def __init__(self, platform: str) -> None:
        super().__init__(platform)
        self.interpret = platform == "cpu"
        self.current = ""
        self.called: list[tuple[tuning.Call, tuple[str, ...]]] = []  # kernels, as a program is traced, with their steps

    def step(self, name: str) -> AbstractContextManager[Any]:
        self.current = name
        return super().step(name)

    def rms_norm(self, x: Array, weight: Array, eps: float) -> DeferredRmsNorm:
        return DeferredRmsNorm(x, weight, eps, self, self.current)

    def linear(self, x: Array | DeferredRmsNorm, weight: Array, bias: Array | None = None) -> Array:
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
        return _start(self, cached_attention if T == 1 else flash_attention, q, k, v, scores, steps=(self.current,))

    def route(self, logits: Array, routing: Routing) -> Array:
        refuse(routing.beyond())
        return route(
            logits, routing.k, routing.renormalised, interpret=self.interpret
        )  # of one form: there is nothing to tune


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
