"""Matrix products, soft caps, and rows' statistics kept in all lanes, as the kernels use them."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import lax

from oneblock.backends.kernels.pallas._blocks import LANES, round_up


def product(a: Any, b: Any) -> Any:
    """a (M, I), b (I, N) -> (M, N) in float32; see `product_of_rows`."""
    return _product(a, b, 0)


def product_of_rows(a: Any, b: Any) -> Any:
    """a (M, I), b (N, I) -> (M, N) in float32; of float32 in full, which a TPU does only if it is told."""
    return _product(a, b, 1)


def _product(a: Any, b: Any, axis: int) -> Any:
    precision = lax.Precision.HIGHEST if a.dtype == jnp.float32 else lax.Precision.DEFAULT
    contract = (((1,), (axis,)), ((), ()))
    return lax.dot_general(a, b, contract, precision=precision, preferred_element_type=jnp.float32)


def soft_capped(products: Any, scale: float, cap: float) -> Any:
    """products (..., S) of queries and keys -> scores (..., S): cap * tanh(scale * product / cap)."""
    return cap * jnp.tanh(products * (scale / cap))


def across(x: Any, width: int) -> Any:
    """x (rows, LANES), equal in all lanes -> (rows, width). To broadcast one lane would take the cross-lane unit."""
    return jnp.concatenate([x] * (round_up(width, LANES) // LANES), axis=-1)[:, :width]
