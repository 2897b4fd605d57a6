"""The operations in PyTorch: the plain text's, and PyTorch's own fused ones."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
import torch.fx.traceback
import torch.nn.functional as F

from oneblock.backends.api.backend import refuse
from oneblock.workloads.ops.definitions import Array, Ops, Scores

_BY_HEAD = 4  # axes of an array that has one of heads
_FEW = 8  # rows of a product that a library takes longer to begin than to make


class TorchOps(Ops):
    """The plain definitions over torch."""

    loops_over_one_row = False  # whether a product of one row wants its weight as (O, I)

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

    def write(self, cache: Array, new: Array, position: Array | None = None) -> Array:
        if position is None:
            cache[..., -1:, :] = new
        else:
            by_slot = cache.movedim(-2, 1)  # (B, S, ..., D), a view
            by_slot[self.arange(cache.shape[0], cache), position] = new.movedim(-2, 1)[:, 0]
        return cache


class ValueOps(TorchOps):
    """The plain definitions for who takes a program down as values: an array that is written is another one."""

    def write(self, cache: Array, new: Array, position: Array | None = None) -> Array:
        slots = cache.ndim - 2  # counted from the front: torchax takes -2 for no dimension, and writes to every slot
        if position is None:
            return torch.slice_scatter(cache, new, dim=slots, start=cache.shape[slots] - 1)
        own = position.reshape(-1, *(1 for _ in new.shape[1:])).expand(new.shape)
        return torch.scatter(cache, slots, own.to(torch.int64), new)


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


class InductorNativeOps(TorchNativeOps):
    """The same, but for one row on a CPU, whose product is a loop that Inductor compiles with what stands around it.

    The loop reads weights that lie as (O, I) as fast as memory allows. oneDNN's product of one row reads two thirds as
    fast in float32 and in bfloat16, and PyTorch's own, which takes 16 bits where oneDNN does not, slower still.
    """

    loops_over_one_row = True

    def linear(self, x: Array, weight: Array, bias: Array | None = None) -> Array:
        if isinstance(weight, Packed) or not _is_one_row(x):
            return super().linear(x, weight, bias)
        y = (self.wide(weight.t()) * self.wide(x.reshape(-1))).sum(-1).reshape(*x.shape[:-1], weight.shape[1])
        return self.narrow(y if bias is None else y + self.wide(bias), x)

    def matmul(self, a: Array, b: Array) -> Array:
        """As defined; of the few rows that a group of heads has in a decode by slots a loop, instead of a library."""
        if a.device.type != "cpu" or a.ndim != _BY_HEAD or a.shape[-2] > _FEW:
            return super().matmul(a, b)
        rows, columns = self.wide(a), self.wide(b)
        if b.stride(-1) == 1:  # along what lies side by side
            y = (rows[..., None] * columns[..., None, :, :]).sum(-2)
        else:
            y = (rows[..., None, :] * columns.swapaxes(-1, -2)[..., None, :, :]).sum(-1)
        return self.narrow(y, a)

    def head(self, x: Array, weight: Array) -> Array:
        """As defined, without a copy of the weight in float32; two halves of it in one loop, which reads faster."""
        if not _is_one_row(x):
            return super().head(x, weight)
        row = self.wide(x)
        return torch.cat([(self.wide(half) * row).sum(-1) for half in weight.chunk(2)])[None]


class Packed(NamedTuple):
    """A projection's weight (I, O) in oneDNN's own layout; `width` is O, which the layout hides."""

    tensor: torch.Tensor
    width: int


def _is_one_row(x: torch.Tensor) -> bool:
    """On a CPU."""
    return bool(x.device.type == "cpu" and x.numel() == x.shape[-1])


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
