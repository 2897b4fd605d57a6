"""Routing: of each row's softmax the k largest, in one kernel, a block of rows at a time."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl

from oneblock.backends.kernels.pallas._blocks import SUBLANES, fitting

_MOST = 512  # rows of a block


def route(logits: Any, k: int, renormalised: bool, *, interpret: bool = False) -> Any:
    """logits (M, E) -> (M, E): the softmax of each row where it is among the k largest, and zero elsewhere.

    Of equal ones the first counts as larger. FLOPs: (5 + 4 k) M E. HBM: logits read and the answer written once. A last
    block partly outside holds undefined rows, which meet no real one and are not written back.
    """
    M, E = logits.shape
    rows = fitting(M, _MOST, SUBLANES)
    block = pl.BlockSpec((rows, E), lambda i: (i, 0))
    return pl.pallas_call(
        partial(_kernel, k=k, renormalised=renormalised),
        grid=(pl.cdiv(M, rows),),
        in_specs=[block],
        out_specs=block,
        out_shape=jax.ShapeDtypeStruct((M, E), logits.dtype),
        cost_estimate=pl.CostEstimate(
            flops=(5 + 4 * k) * M * E, transcendentals=M * E, bytes_accessed=2 * M * E * logits.dtype.itemsize
        ),
        interpret=interpret,
        name="route",
    )(logits)


def _kernel(logits_ref: Any, o_ref: Any, *, k: int, renormalised: bool) -> None:
    """Logits (rows, E) -> (rows, E); numbers of experts are float32, in which vector units have a minimum."""
    logits = logits_ref[...].astype(jnp.float32)
    number = jax.lax.broadcasted_iota(jnp.int32, logits.shape, 1).astype(jnp.float32)
    p = jnp.exp(logits - logits.max(-1, keepdims=True))
    p = p / p.sum(-1, keepdims=True)
    left, taken = p, jnp.zeros_like(p)
    for _ in range(k):
        largest = jnp.where(left == left.max(-1, keepdims=True), number, float(logits.shape[-1]))
        chosen = number == largest.min(-1, keepdims=True)
        taken, left = jnp.where(chosen, p, taken), jnp.where(chosen, -1.0, left)
    o_ref[...] = (taken / taken.sum(-1, keepdims=True) if renormalised else taken).astype(o_ref.dtype)
