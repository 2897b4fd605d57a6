"""The eleven operations of a block, and the axis legend that every shape in oneblock is written in.

Axes: `B` batch, `T` query positions, `S` key positions, `C` model width, `N` query heads, `K` key/value heads,
`D` head width, `F` feed-forward width; of latent attention `L` latent width and `Dv` width of a head's values, which
elsewhere is D. In prefill S = T; in decode T = 1 and the query is the last of S positions.

An operation takes arrays of the cell's dtype and gives an array of that dtype. Where models in practice compute in
float32 inside an operation (norms, softmax, rotation, activations), the plain definition does too, and rounds once at
the end. Everything here is written with what NumPy, PyTorch and JAX spell alike, and with `namespace`'s small methods.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from oneblock.workloads.ops.namespace import Array as Array
from oneblock.workloads.ops.namespace import ArrayNamespace

OPS = (
    "linear",
    "rms_norm",
    "layer_norm",
    "rope",
    "attention",
    "swiglu",
    "geglu",
    "gelu",
    "gelu_erf",
    "route",
    "experts",
)
_OF_ATTENTION = ("latent", "qkv", "qk_norm", "rope", "attention", "proj")
STEPS = ("norm1", *_OF_ATTENTION, "post_norm1", "norm2", "router", "mlp", "post_norm2")


@dataclass(frozen=True, slots=True)
class Scores:
    """How attention scores are taken, beside being causal."""

    scale: float  #: of the products of q and k
    window: int | None = None  #: each query sees so many keys, its own the last; None: all before it
    soft_cap: float | None = None  #: scores become soft_cap * tanh(score / soft_cap), as in Gemma 2

    def beyond(self, *kept: str) -> str | None:
        """What an implementation that has only these, of `window` and `soft_cap`, lacks, in words; None for nothing."""
        given = {"window": self.window, "soft_cap": self.soft_cap}
        lacking = [f"{name}={value}" for name, value in given.items() if name not in kept and value is not None]
        return f"attention with {' and '.join(lacking)}" if lacking else None


@dataclass(frozen=True, slots=True)
class Routing:
    """How a router chooses among E experts."""

    k: int  #: experts that a token takes
    renormalised: bool = True  #: their weights sum to 1, before they are scaled
    scale: float = 1.0  #: of the weights
    groups: int = 1  #: of E / groups experts each, one after another
    groups_taken: int = 1  #: a token's experts are of so many groups, those of which the best expert is best

    def beyond(self) -> str | None:
        """What an implementation that knows `k` and `renormalised` alone lacks, in words; None for nothing."""
        lacking = [f"scale={self.scale}"] * (self.scale != 1.0) + [f"groups={self.groups}"] * (self.groups > 1)
        return f"routing with {' and '.join(lacking)}" if lacking else None


def uneven(k: Array, v: Array) -> str | None:
    """What an implementation that takes k and v (B, S, K, D) alone says of v (B, S, K, Dv); None where Dv is D."""
    (*_, D), (*_, Dv) = k.shape, v.shape
    return None if Dv == D else f"attention with values of width {Dv} beside keys of width {D}"


class Ops(ArrayNamespace):
    """The plain definitions; a backend may replace any of the eleven, and what its framework spells its own way."""

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
        """x (B, T, heads, R), cos and sin (T, R/2) -> (B, T, heads, R); R is D, or a part of it.

        The first half of R is paired with the second, as in Hugging Face's Llama (Su et al. 2021 pair neighbours).
        """
        w, half = self.wide(x), x.shape[-1] // 2
        c, s = self.wide(cos)[:, None, :], self.wide(sin)[:, None, :]  # (T, 1, R/2)
        first, second = w[..., :half], w[..., half:]
        return self.narrow(self.xp.concat([first * c - second * s, second * c + first * s], axis=-1), x)

    def attention(self, q: Array, k: Array, v: Array, scores: Scores) -> Array:
        """Causal, grouped. q (B, T, N, D), k (B, S, K, D), v (B, S, K, Dv) -> (B, T, N, Dv).

        Query t stands at position t + S - T and sees the keys up to its own position, of a window the last so many.
        Query head n reads key/value head n // (N / K). Where T = 1 every key is seen: the text drops those before the
        window.
        """
        return self.attention_over(q, k, v, scores)

    def attention_over(self, q: Array, k: Array, v: Array, scores: Scores, seen: Array | None = None) -> Array:
        """As `attention`; where it is given, `seen` says which keys a query sees: truths that broadcast to
        (B, K, N / K, T, S).

        No ops set replaces it: what a framework has of its own is for queries that stand at the end of their keys.
        """
        (B, T, N, D), (_, S, K, Dv) = q.shape, v.shape
        G = N // K
        q = self.xp.moveaxis(q.reshape(B, T, K, G, D), 1, 3).reshape(B, K, G * T, D)  # a group's rows share their keys
        k, v = k.swapaxes(1, 2), v.swapaxes(1, 2)  # (B, K, S, D or Dv)
        # A division: schedules that were searched for are of this text.
        s = self.wide(self.matmul(q, k.swapaxes(2, 3))) / (1.0 / scores.scale)  # (B, K, G*T, S)
        if scores.soft_cap is not None:
            s = self.xp.tanh(s / scores.soft_cap) * scores.soft_cap
        if seen is None and T > 1:
            seen = self.visible(T, S, q, scores.window)
        if seen is not None:
            s = self.xp.where(seen, s.reshape(B, K, G, T, S), -math.inf)
        s = s.reshape(B, K, G * T, S)
        weights = self.xp.exp(s - self.xp.amax(s, -1, keepdims=True))
        weights = self.narrow(weights / weights.sum(-1, keepdims=True), q)
        out = self.matmul(weights, v)  # (B, K, G*T, Dv)
        return self.xp.moveaxis(out.reshape(B, K, G, T, Dv), 3, 1).reshape(B, T, N, Dv)

    def attention_paged(self, q: Array, k: Array, v: Array, pages: Array, position: Array, scores: Scores) -> Array:
        """As `attention` of one query of each sequence, its keys and values in pages of a pool that all share.

        q (B, 1, N, D), k and v (P, page, K, D), pages (B, S / page), position (B,) -> (B, 1, N, D): key s of sequence b
        is row s % page of page pages[b, s // page] (Kwon et al. 2023), and seen up to the query's position.
        """
        (B, _, _, D), (_, page, K, _) = q.shape, k.shape
        S = pages.shape[1] * page
        k, v = (self.take(x, pages).reshape(B, S, K, D) for x in (k, v))
        return self.attention_over(q, k, v, scores, self.visible_at(position, S, scores.window))

    def swiglu(self, gate: Array, up: Array) -> Array:
        """gate and up (..., F) -> (..., F): gate * sigmoid(gate) * up (Shazeer 2020)."""
        g = self.wide(gate)
        return self.narrow(g / (1.0 + self.xp.exp(-g)) * self.wide(up), gate)

    def geglu(self, gate: Array, up: Array) -> Array:
        """gate and up (..., F) -> (..., F): gelu(gate) * up, in the tanh form as Gemma has it (Shazeer 2020)."""
        return self.narrow(self._gelu(self.wide(gate)) * self.wide(up), gate)

    def gelu(self, x: Array) -> Array:
        """x (..., F) -> (..., F), the tanh form that GPT-2 uses (Hendrycks & Gimpel 2016)."""
        return self.narrow(self._gelu(self.wide(x)), x)

    def gelu_erf(self, x: Array) -> Array:
        """x (..., F) -> (..., F), x times the normal distribution's integral up to x (Hendrycks & Gimpel 2016)."""
        w = self.wide(x)
        return self.narrow(0.5 * w * (1.0 + self.erf(w * math.sqrt(0.5))), x)

    def route(self, logits: Array, routing: Routing) -> Array:
        """logits (M, E) -> (M, E): the softmax of each row where it is among the k largest, and zero elsewhere.

        Of equal ones the first count as larger. Renormalised: divided by their sum (Jiang et al. 2024, Mixtral). Of
        groups: the k largest of those groups alone whose largest are largest (DeepSeek-AI 2024, DeepSeek-V2, 2.2.2).
        """
        w = self.wide(logits)
        p = self.xp.exp(w - self.xp.amax(w, -1, keepdims=True))
        p = p / p.sum(-1, keepdims=True)
        if routing.groups_taken < routing.groups:
            (M, E), G = p.shape, routing.groups
            p = p.reshape(M, G, E // G)
            taken = self._largest(self.xp.amax(p, -1, keepdims=False), routing.groups_taken, logits)
            p = (p * self.wide(taken)[:, :, None]).reshape(M, E)
        p = self.xp.where(self._largest(p, routing.k, logits), p, 0.0)
        if routing.renormalised:
            p = p / p.sum(-1, keepdims=True)
        return self.narrow(p if routing.scale == 1.0 else p * routing.scale, logits)

    def _largest(self, p: Array, k: int, like: Array) -> Array:
        """p (M, E) -> (M, E): True for the k largest of each row."""
        number = self.arange(p.shape[-1], like)
        mine, others = p[:, :, None], p[:, None, :]  # (M, E, 1) and (M, 1, E)
        before = self.wide(number[None, :] + 1 <= number[:, None])[None, :, :]  # (1, E, E): others stand before mine
        larger, as_large = 1.0 - self.wide(others <= mine), self.wide(mine <= others)
        rank = (before * as_large + (1.0 - before) * larger).sum(-1, keepdims=False)  # (M, E): how many go before it
        return rank <= k - 0.5

    def experts(self, x: Array, weights: Array, gate: Array, up: Array, down: Array) -> Array:
        """x (M, C), weights (M, E), gate and up (E, C, F), down (E, F, C) -> (M, C): the weighted sum of all experts.

        Here each expert answers each row, and most weights are zero; what computes the others alone is a backend's own.
        """
        hidden = self.swiglu(self.matmul(x[None, :, :], gate), self.matmul(x[None, :, :], up))  # (E, M, F)
        y = self.wide(self.matmul(hidden, down)) * self.wide(weights.swapaxes(0, 1))[:, :, None]  # (E, M, C)
        return self.narrow(y.sum(0, keepdims=False), x)

    def _gelu(self, w: Array) -> Array:
        inner = math.sqrt(2.0 / math.pi) * (w + 0.044715 * w * w * w)
        return 0.5 * w * (1.0 + self.xp.tanh(inner))

    # ---------------------------------------------------------------- behind the last block

    def head(self, x: Array, weight: Array) -> Array:
        """x (B, C), weight (V, C) -> logits (B, V) in float32, not rounded: in 16 bits many of them would be equal."""
        return self.matmul(self.wide(x), self.wide(weight).swapaxes(0, 1))

    # ---------------------------------------------------------------- shared by definitions of attention

    def visible(self, T: int, S: int, like: Array, window: int | None = None) -> Array:
        """The causal mask (T, S): True where query t, at position t + S - T, may see key s."""
        keys, own = self.arange(S, like)[None, :], self.arange(T, like)[:, None] + (S - T)
        seen = keys <= own
        return seen if window is None else seen & (own - (window - 1) <= keys)

    def visible_at(self, position: Array, S: int, window: int | None = None) -> Array:
        """position (B,) -> truths (B, 1, 1, 1, S): which slots a query there sees, of a window the last so many."""
        slot, own = self.arange(S, position)[None, None, None, None, :], position[:, None, None, None, None]
        seen = slot <= own
        return seen if window is None else seen & (own - (window - 1) <= slot)
