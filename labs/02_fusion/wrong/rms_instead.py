# layer_norm: differs
"""A norm that needs one sum is not this one."""

import jax
import jax.numpy as jnp


def layer_norm(x, w):
    """RMSNorm."""
    return x * jax.lax.rsqrt(jnp.mean(x * x, -1, keepdims=True) + 1e-5) * w
