# attention: whole
"""Blocks of queries are blocks, too, if there is more than one."""

import numpy as np


def attention(q, k, v):
    """All scores, in one array."""
    scores = q @ k.T * q.shape[1] ** -0.5
    scores -= scores.max(-1, keepdims=True)
    np.exp(scores, out=scores)
    return scores @ v / scores.sum(-1, keepdims=True)
