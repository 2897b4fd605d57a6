# served: many
"""No padding, so no harm."""

import jax
import jax.numpy as jnp


def buckets(lengths, most):
    """Each length has its own."""
    return sorted(set(lengths))


def attention(x, length):
    """With a mask."""
    scores = jnp.where(jnp.arange(x.shape[0]) < length, x @ x.T * x.shape[1] ** -0.5, -jnp.inf)
    return jax.nn.softmax(scores, -1) @ x
