# served: equal_shares
"""Fair is good: as many requests in each bucket."""

import jax
import jax.numpy as jnp


def buckets(lengths, most):
    """Quantiles."""
    ordered = sorted(lengths)
    return sorted({ordered[-(-len(ordered) * (n + 1) // most) - 1] for n in range(most)})


def attention(x, length):
    """With a mask."""
    scores = jnp.where(jnp.arange(x.shape[0]) < length, x @ x.T * x.shape[1] ** -0.5, -jnp.inf)
    return jax.nn.softmax(scores, -1) @ x
