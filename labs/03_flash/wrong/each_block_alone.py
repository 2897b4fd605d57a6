# attention: differs
"""Each block has a maximum of its own, and nobody scales what was summed before."""

import numpy as np


def attention(q, k, v):
    """Blocks of keys, added as if they had one scale."""
    total, summed = 0.0, 0.0
    for first in range(0, len(k), 64):
        scores = q @ k[first : first + 64].T * q.shape[1] ** -0.5
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        total = total + weights.sum(-1, keepdims=True)
        summed = summed + weights @ v[first : first + 64]
    return summed / total
