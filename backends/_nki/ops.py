"""The operations as calls of our kernels, over arrays of NumPy or of PyTorch alike.

Only who runs a kernel differs: `run(kernel, *arguments)` gives its answer. The kernels are imported with this file, and
with them `nki`, whichever that is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from oneblock.backends.api.backend import Unsupported, refuse
from oneblock.backends.api.own_kernels import OURS, OwnKernels
from oneblock.backends.kernels.nki.activations import geglu, gelu, gelu_erf, swiglu
from oneblock.backends.kernels.nki.decode_attention import decode_attention
from oneblock.backends.kernels.nki.flash_attention import flash_attention
from oneblock.backends.kernels.nki.layer_norm import layer_norm
from oneblock.backends.kernels.nki.linear import linear, linear_bias
from oneblock.backends.kernels.nki.rms_norm import rms_norm
from oneblock.backends.kernels.nki.rope import rope
from oneblock.backends.kernels.nki.route import route
from oneblock.workloads.ops.definitions import Array, Routing, Scores, uneven

_WIDEST_HEAD = 128  # D lies on the partitions


class Kernels:
    """All but experts; mixed with an array namespace's operations, which do what lies between them."""

    run: Callable[..., Any]
    own: OwnKernels = OURS  # what stands for them

    def _call(self, operation: str, ours: Any, *args: Any) -> Any:
        return self.own.call(operation, ours, *args, by=self.run)

    def linear(self, x: Array, weight: Array, bias: Array | None = None) -> Array:
        """x (..., I), weight (I, O), bias (O,) -> (..., O), by rows."""
        rows = x.reshape(-1, x.shape[-1])
        more = () if bias is None else (bias,)
        y = self._call("linear", linear_bias if more else linear, rows, weight, *more)
        return y.reshape(*x.shape[:-1], weight.shape[1])

    def rms_norm(self, x: Array, weight: Array, eps: float) -> Array:
        """x (..., C), weight (C,) -> (..., C)."""
        return self._call("rms_norm", rms_norm, x.reshape(-1, x.shape[-1]), weight, eps).reshape(x.shape)

    def layer_norm(self, x: Array, weight: Array, bias: Array, eps: float) -> Array:
        """x (..., C), weight and bias (C,) -> (..., C)."""
        return self._call("layer_norm", layer_norm, x.reshape(-1, x.shape[-1]), weight, bias, eps).reshape(x.shape)

    def rope(self, x: Array, cos: Array, sin: Array) -> Array:
        """x (B, T, N, D), cos and sin (T, D/2) -> (B, T, N, D)."""
        return self._call("rope", rope, x, cos, sin)

    def attention(self, q: Array, k: Array, v: Array, scores: Scores) -> Array:
        """q (B, T, N, D), k and v (B, S, K, D) -> (B, T, N, D); a lone query by a kernel of its own."""
        refuse(uneven(k, v))
        if q.shape[-1] > _WIDEST_HEAD:
            raise Unsupported(f"a head of width {q.shape[-1]}: our kernels lay it on {_WIDEST_HEAD} partitions")
        cap = scores.soft_cap or 0.0
        if q.shape[1] == 1:
            as_they_lie = k.swapaxes(1, 2), v.swapaxes(1, 2)
            return self._call("attention", decode_attention, q, *as_they_lie, scores.scale, cap)
        return self._call("attention", flash_attention, q, k, v, scores.scale, scores.window or 0, cap)

    def swiglu(self, gate: Array, up: Array) -> Array:
        """gate and up (..., F) -> (..., F)."""
        width = gate.shape[-1]
        return self._call("swiglu", swiglu, gate.reshape(-1, width), up.reshape(-1, width)).reshape(gate.shape)

    def geglu(self, gate: Array, up: Array) -> Array:
        """gate and up (..., F) -> (..., F)."""
        width = gate.shape[-1]
        return self._call("geglu", geglu, gate.reshape(-1, width), up.reshape(-1, width)).reshape(gate.shape)

    def gelu_erf(self, x: Array) -> Array:
        """x (..., F) -> (..., F)."""
        return self._call("gelu_erf", gelu_erf, x.reshape(-1, x.shape[-1])).reshape(x.shape)

    def gelu(self, x: Array) -> Array:
        """x (..., F) -> (..., F)."""
        return self._call("gelu", gelu, x.reshape(-1, x.shape[-1])).reshape(x.shape)

    def route(self, logits: Array, routing: Routing) -> Array:
        """logits (M, E) -> (M, E)."""
        refuse(routing.beyond())
        return self._call("route", route, logits, routing.k, int(routing.renormalised))
