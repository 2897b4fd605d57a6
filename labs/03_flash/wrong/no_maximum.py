# attention: overflows
"""Softmax by its definition."""

import numpy as np


def attention(q, k, v):
    """Blocks of keys without a maximum."""
    total, summed = 0.0, 0.0
    for first in range(0, len(k), 64):
        weights = np.exp(q @ k[first : first + 64].T * q.shape[1] ** -0.5)
        total = total + weights.sum(-1, keepdims=True)
        summed = summed + weights @ v[first : first + 64]
    return summed / total
