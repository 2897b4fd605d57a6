"""The operations in PyTorch: the plain text's, and PyTorch's own fused ones."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
import torch.fx.traceback
import torch.nn.functional as F

from oneblock.backends.api.backend import refuse
from oneblock.workloads.ops.definitions import Array, Ops, Scores


class TorchOps(Ops):
    """The plain definitions over torch."""

    def __init__(self) -> None:
        super().__init__(torch)

    def wide(self, x: Array) -> Array:
        return x.to(torch.float32)

    def narrow(self, x: Array, like: Array) -> Array:
        return x.to(like.dtype)

    def step(self, name: str) -> AbstractContextManager[Any]:
        return torch.fx.traceback.annotate({"step": name}) if torch.compiler.is_compiling() else nullcontext()

    def arange(self, n: int, like: Array) -> Array:
        return torch.arange(n, device=like.device)


class TorchNativeOps(TorchOps):
    """PyTorch's own fused operations, where it has them.

    On the CPU a projection is oneDNN's, over weights that `put` has reordered for it, as Inductor does when it freezes
    a model: `x @ w` sends one bfloat16 row through a kernel that reads a third as fast as memory allows.
    """

    def linear(self, x: Array, weight: Array, bias: Array | None = None) -> Array:
        if not isinstance(weight, Packed):
            return F.linear(x, weight.t(), bias)
        return torch.ops.oneblock.linear(x, weight.tensor, bias, weight.width)

    def rms_norm(self, x: Array, weight: Array, eps: float) -> Array:
        return F.rms_norm(x, weight.shape, weight, eps)

    def layer_norm(self, x: Array, weight: Array, bias: Array, eps: float) -> Array:
        return F.layer_norm(x, weight.shape, weight, bias, eps)

    def attention(self, q: Array, k: Array, v: Array, scores: Scores) -> Array:
        refuse(scores.beyond("window"))
        (B, T, N, D), (_, S, K, Dv) = q.shape, v.shape
        if T == 1 and N != K:  # no mask: a group's heads are the rows of one small product, and keys are read once
            rows, keys, values = q.reshape(B, K, N // K, D), k.transpose(1, 2), v.transpose(1, 2)
            return F.scaled_dot_product_attention(rows, keys, values, scale=scores.scale).reshape(B, 1, N, Dv)
        causal, grouped = 1 < T == S and scores.window is None, N != K
        mask = None if T == 1 or causal else self.visible(T, S, q, scores.window)
        q, k, v = (x.transpose(1, 2) for x in (q, k, v))  # (B, heads, positions, D)
        out = F.scaled_dot_product_attention(q, k, v, mask, is_causal=causal, scale=scores.scale, enable_gqa=grouped)
        return out.transpose(1, 2)

    def swiglu(self, gate: Array, up: Array) -> Array:
        return F.silu(gate) * up

    def geglu(self, gate: Array, up: Array) -> Array:
        return F.gelu(gate, approximate="tanh") * up

    def gelu(self, x: Array) -> Array:
        return F.gelu(x, approximate="tanh")

    def gelu_erf(self, x: Array) -> Array:
        return F.gelu(x)


class Packed(NamedTuple):
    """A projection's weight (I, O) in oneDNN's own layout; `width` is O, which the layout hides."""

    tensor: torch.Tensor
    width: int


_LIBRARY = torch.library.Library("oneblock", "DEF")


_LIBRARY.define("linear(Tensor x, Tensor packed, Tensor? bias, int width) -> Tensor")


def _linear(x: torch.Tensor, packed: torch.Tensor, bias: torch.Tensor | None, width: int) -> torch.Tensor:
    return torch.ops.mkldnn._linear_pointwise(x, packed, bias, "none", [], "")


for _key in ("CPU", "MkldnnCPU"):
    _LIBRARY.impl("linear", _linear, _key)


# An operation of our own, because Inductor does not lower oneDNN's when it meets it in a program.
torch.library.register_fake(
    "oneblock::linear", lambda x, packed, bias, width: x.new_empty((*x.shape[:-1], width)), lib=_LIBRARY
)
