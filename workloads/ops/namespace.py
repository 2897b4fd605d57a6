"""What programs do with arrays that NumPy, PyTorch and JAX do not spell alike: eight small methods."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

Array = Any  # an array of whichever framework a program runs over


class ArrayNamespace:
    """An array namespace, with what frameworks spell differently; axes as in `definitions`."""

    def __init__(self, xp: Any) -> None:
        self.xp = xp

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

    def erf(self, x: Array) -> Array:
        """x (...) -> (...): the error function."""
        return self.xp.erf(x)

    def take(self, x: Array, index: Array) -> Array:
        """x (P, ...), whole numbers (...) -> (..., ...): the rows of x that they number."""
        return x[index]

    def write(self, cache: Array, new: Array, position: Array | None = None) -> Array:
        """cache (B, ..., S, D) with new (B, ..., 1, D) in a slot -> (B, ..., S, D), in the cache's own memory.

        The slot is the last, or that of each sequence's own position (B,). Here it is a copy: what writes in place says
        how, and leaves the other slots alone.
        """
        if position is None:
            return self.xp.concat([cache[..., :-1, :], new], axis=-2)
        (B, *between, S, _), slot = cache.shape, self.arange(cache.shape[-2], cache)[None, :]
        own = (slot <= position[:, None]) & (position[:, None] <= slot)  # (B, S)
        return self.xp.where(own.reshape(B, *(1 for _ in between), S, 1), new, cache)
