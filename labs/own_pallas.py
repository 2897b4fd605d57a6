"""RMSNorm as a kernel of your own, in Pallas: by itself, where ours is fused with the projection after it.

`oneblock run norm --preset tiny --backend pallas_tpu --replace rms_norm=labs/own_pallas.py:rms_norm` puts it in the
place of ours, by Pallas' interpreter; `--target tpu:v5e:2x2` besides compiles it for that TPU.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl

ROWS = 16  # of a block


def rms_norm(x: Any, weight: Any, eps: float, *, interpret: bool) -> Any:
    """x (M, C), weight (C,) -> (M, C); `interpret` is for `pallas_call`, which then needs no TPU."""
    M, C = x.shape
    block = pl.BlockSpec((ROWS, C), lambda i: (i, 0))
    return pl.pallas_call(
        partial(_kernel, eps=eps),
        grid=(pl.cdiv(M, ROWS),),
        in_specs=[block, pl.BlockSpec((1, C), lambda i: (0, 0))],
        out_specs=block,
        out_shape=jax.ShapeDtypeStruct((M, C), x.dtype),
        interpret=interpret,
        name="own_rms_norm",
    )(x, weight[None])


def _kernel(x_ref: Any, weight_ref: Any, o_ref: Any, *, eps: float) -> None:
    x = x_ref[...].astype(jnp.float32)
    scale = jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + eps)
    o_ref[...] = (x * scale * weight_ref[...].astype(jnp.float32)).astype(o_ref.dtype)
