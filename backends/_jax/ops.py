"""The operations in JAX: the plain text's, and JAX's own fused ones."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from oneblock.backends.api.backend import refuse
from oneblock.workloads.ops.definitions import Array, Ops, Scores, uneven


class JaxOps(Ops):
    """The plain definitions over jax.numpy; a step becomes a named scope, and so part of every operation's metadata."""

    def __init__(self, platform: str = "cpu") -> None:
        super().__init__(jnp)
        self.platform = platform

    def step(self, name: str) -> AbstractContextManager[Any]:
        scope: AbstractContextManager[Any] = jax.named_scope(name)
        return scope

    def erf(self, x: Array) -> Array:
        return jax.scipy.special.erf(x)

    def write(self, cache: Array, new: Array, position: Array | None = None) -> Array:
        """In place where the cache is donated: XLA updates a slice of it."""
        axis = cache.ndim - 2
        if position is None or cache.shape[0] == 1:
            slot = cache.shape[axis] - 1 if position is None else position[0]
            return jax.lax.dynamic_update_slice_in_dim(cache, new, slot, axis)
        return jax.vmap(partial(jax.lax.dynamic_update_slice_in_dim, axis=axis - 1))(cache, new, position)

    def head(self, x: Array, weight: Array) -> Array:
        """As defined, without a copy of the weight in float32."""
        return _rows_product(x, weight, self.platform)


class PortableOps(JaxOps):
    """The plain definitions for compilers of others, which must be told what XLA does of itself.

    A product of 16 bits is accumulated in float32: another compiler may take the type of its result for that, too.
    """

    def matmul(self, a: Array, b: Array) -> Array:
        return self.narrow(jnp.matmul(a, b, preferred_element_type=jnp.float32), a)


class JaxNativeOps(JaxOps):
    """JAX's own fused operations, where it has them; projections read their weights as (O, I), see `Layout`."""

    def linear(self, x: Array, weight: Array, bias: Array | None = None) -> Array:
        y = _rows_product(x.reshape(-1, x.shape[-1]), weight, self.platform)
        y = y.reshape(*x.shape[:-1], weight.shape[0])
        return self.narrow(y if bias is None else y + self.wide(bias), x)

    def attention(self, q: Array, k: Array, v: Array, scores: Scores) -> Array:
        refuse(scores.beyond("window") or uneven(k, v))
        T, S = q.shape[1], k.shape[1]
        causal = 1 < T == S and scores.window is None
        mask = None if T == 1 or causal else self.visible(T, S, q, scores.window)[None, None]
        return jax.nn.dot_product_attention(q, k, v, mask=mask, is_causal=causal, scale=scores.scale)

    def swiglu(self, gate: Array, up: Array) -> Array:
        return jax.nn.silu(gate) * up

    def geglu(self, gate: Array, up: Array) -> Array:
        return jax.nn.gelu(gate, approximate=True) * up

    def gelu(self, x: Array) -> Array:
        return jax.nn.gelu(x, approximate=True)

    def gelu_erf(self, x: Array) -> Array:
        return jax.nn.gelu(x, approximate=False)


def _rows_product(rows: Array, weight: Array, platform: str) -> Array:
    """rows (R, I), weight (O, I) -> (R, O) in float32.

    XLA:CPU has no 16-bit product of a matrix and one vector: it converts the whole matrix to float32 in every call. It
    has one with two columns: one is wasted, and still the time is that of reading the weights.
    """
    if rows.shape[0] == 1 and platform == "cpu":
        return _product(weight, jnp.broadcast_to(rows, (2, rows.shape[1])))[:, :1].T
    return _product(rows, weight)


def _product(a: Array, b: Array) -> Array:
    """a (M, I) with b (N, I) -> (M, N) in float32: told so, XLA:CPU multiplies 16-bit operands as they are."""
    return jax.lax.dot_general(a, b, (((1,), (1,)), ((), ())), preferred_element_type=jnp.float32)
