"""The seven operations of a block, and the axis legend that every shape in oneblock is written in.

Axes: `B` batch, `T` query positions, `S` key positions, `C` model width, `N` query heads, `K` key/value heads,
`D` head width, `F` feed-forward width. In prefill S = T; in decode T = 1 and the query is the last of S positions.

An operation takes arrays of the cell's dtype and gives an array of that dtype. Where models in practice compute in
float32 inside an operation (norms, softmax, rotation, activations), the plain definition does too, and rounds once at
the end. Everything here is written with what NumPy, PyTorch and JAX spell alike; what they spell differently is one of
the five small methods at the top of `Ops`.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any

Array = Any  # an array of whichever framework a program runs over

OPS = ("linear", "rms_norm", "layer_norm", "rope", "attention", "swiglu", "gelu")
STEPS = ("norm1", "qkv", "rope", "attention", "proj", "norm2", "mlp")


class Ops:
    """The plain definitions, over an array namespace; a backend may replace any of the seven, and nothing else."""

    def __init__(self, xp: Any) -> None:
        self.xp = xp

    # ---------------------------------------------------------------- what the namespaces do not share

    def step(self, name: str) -> AbstractContextManager[Any]:
        """Name the part of the block being computed, in whatever the toolchain carries through lowering."""
        return nullcontext()

    def wide(self, x: Array) -> Array:
        """x (...) -> (...) in the precision that reductions are taken in: float32."""
        return x.astype(self.xp.float32)

    def narrow(self, x: Array, like: Array) -> Array:
        """x (...) -> (...), rounded to the dtype of `like`."""
        return x.astype(like.dtype)

    def arange(self, n: int, like: Array) -> Array:
        """0, 1, ... N-1 as integers (N,), N = n, on the device of `like`."""
        return self.xp.arange(n)

    def matmul(self, a: Array, b: Array) -> Array:
        """a (..., M, I), b (..., I, O) -> (..., M, O): accumulated in float32 and rounded once."""
        return a @ b

    # ---------------------------------------------------------------- the seven

    def linear(self, x: Array, weight: Array, bias: Array | None = None) -> Array:
        """x (..., I), weight (I, O), bias (O,) -> (..., O)."""
        y = self.matmul(x, weight)
        return y if bias is None else y + bias

    def rms_norm(self, x: Array, weight: Array, eps: float) -> Array:
        """x (..., C), weight (C,) -> (..., C): x / sqrt(mean(x^2) + eps) * weight (Zhang & Sennrich 2019)."""
        w = self.wide(x)
        scale = (w * w).mean(-1, keepdims=True) + eps
        return self.narrow(w / self.xp.sqrt(scale) * self.wide(weight), x)

    def layer_norm(self, x: Array, weight: Array, bias: Array, eps: float) -> Array:
        """x (..., C), weight and bias (C,) -> (..., C), with the biased variance (Ba et al. 2016)."""
        w = self.wide(x)
        w = w - w.mean(-1, keepdims=True)
        scale = (w * w).mean(-1, keepdims=True) + eps
        return self.narrow(w / self.xp.sqrt(scale) * self.wide(weight) + self.wide(bias), x)

    def rope(self, x: Array, cos: Array, sin: Array) -> Array:
        """x (B, T, heads, D), cos and sin (T, D/2) -> (B, T, heads, D).

        The first half of D is paired with the second, as in Hugging Face's Llama (Su et al. 2021 pair neighbours).
        """
        w, half = self.wide(x), x.shape[-1] // 2
        c, s = self.wide(cos)[:, None, :], self.wide(sin)[:, None, :]  # (T, 1, D/2)
        first, second = w[..., :half], w[..., half:]
        return self.narrow(self.xp.concat([first * c - second * s, second * c + first * s], axis=-1), x)

    def attention(self, q: Array, k: Array, v: Array) -> Array:
        """Causal, grouped. q (B, T, N, D), k and v (B, S, K, D) -> (B, T, N, D).

        Query t stands at position t + S - T and sees the keys up to its own position. Query head n reads key/value
        head n // (N / K). Scores are scaled by 1 / sqrt(D).
        """
        (B, T, N, D), (_, S, K, _) = q.shape, k.shape
        G = N // K
        q = self.xp.moveaxis(q.reshape(B, T, K, G, D), 1, 3).reshape(B, K, G * T, D)  # a group's rows share their keys
        k, v = k.swapaxes(1, 2), v.swapaxes(1, 2)  # (B, K, S, D)
        scores = self.wide(self.matmul(q, k.swapaxes(2, 3))) / math.sqrt(D)  # (B, K, G*T, S)
        if T > 1:
            scores = self.xp.where(self.visible(T, S, q), scores.reshape(B, K, G, T, S), -math.inf)
        scores = scores.reshape(B, K, G * T, S)
        weights = self.xp.exp(scores - self.xp.amax(scores, -1, keepdims=True))
        weights = self.narrow(weights / weights.sum(-1, keepdims=True), q)
        out = self.matmul(weights, v)  # (B, K, G*T, D)
        return self.xp.moveaxis(out.reshape(B, K, G, T, D), 3, 1).reshape(B, T, N, D)

    def swiglu(self, gate: Array, up: Array) -> Array:
        """gate and up (..., F) -> (..., F): gate * sigmoid(gate) * up (Shazeer 2020)."""
        g = self.wide(gate)
        return self.narrow(g / (1.0 + self.xp.exp(-g)) * self.wide(up), gate)

    def gelu(self, x: Array) -> Array:
        """x (..., F) -> (..., F), the tanh form that GPT-2 uses (Hendrycks & Gimpel 2016)."""
        w = self.wide(x)
        inner = math.sqrt(2.0 / math.pi) * (w + 0.044715 * w * w * w)
        return self.narrow(0.5 * w * (1.0 + self.xp.tanh(inner)), x)

    # ---------------------------------------------------------------- shared by definitions of attention

    def visible(self, T: int, S: int, like: Array) -> Array:
        """The causal mask (T, S): True where query t, at position t + S - T, may see key s."""
        return self.arange(S, like)[None, :] <= self.arange(T, like)[:, None] + (S - T)
