# layer_norm: centred_kept
"""A barrier before the scaling changes nothing of who reads what."""

import jax
import jax.numpy as jnp


def layer_norm(x, w):
    """The two passes, with a barrier."""
    centred = jax.lax.optimization_barrier(x - jnp.mean(x, -1, keepdims=True))
    return centred * jax.lax.rsqrt(jnp.mean(centred * centred, -1, keepdims=True) + 1e-5) * w
