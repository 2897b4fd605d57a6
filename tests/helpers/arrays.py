"""Arrays that kernels of our own are tested with, attention in float64, and how far an answer is off."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from oneblock.workloads.ops.definitions import Scores

DTYPES = {"float32": np.dtype(np.float32), "bfloat16": np.dtype(ml_dtypes.bfloat16), "float16": np.dtype(np.float16)}
TOLERANCE = {"float32": 2e-6, "bfloat16": 1e-2, "float16": 1.3e-3}  # of the answer's scale; 24, 8 and 11 bits


def draw(seed: int, shape: tuple[int, ...], dtype: str = "float32") -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(DTYPES[dtype])


def qkv(B: int, T: int, S: int, N: int, K: int, D: int, dtype: str = "float32") -> tuple[np.ndarray, ...]:
    """q correlated with the key of its own position, so that the last key a query sees matters in every dtype."""
    k, v = draw(1, (B, S, K, D), dtype), draw(2, (B, S, K, D), dtype)
    own = k[:, S - T :].astype(np.float64).repeat(N // K, axis=2)
    q = (0.5 * draw(0, (B, T, N, D)) + own).astype(DTYPES[dtype])
    return q, k, v


def usual(q: Any) -> Scores:
    """Scores of queries (B, T, N, D) as most models take them."""
    return Scores(q.shape[-1] ** -0.5)


def attention64(q: np.ndarray, k: np.ndarray, v: np.ndarray, how: Scores | None = None) -> np.ndarray:
    """Causal grouped attention in float64, one query of one head at a time."""
    (B, T, N, _), (_, S, K, Dv) = q.shape, v.shape
    how = how or usual(q)
    q, k, v = (x.astype(np.float64) for x in (q, k, v))
    out = np.empty((B, T, N, Dv))
    for b, t, n in np.ndindex(B, T, N):
        seen, head = t + S - T + 1, n // (N // K)
        first = 0 if how.window is None or T == 1 else max(0, seen - how.window)
        scores = k[b, first:seen, head] @ q[b, t, n] * how.scale
        if how.soft_cap is not None:
            scores = how.soft_cap * np.tanh(scores / how.soft_cap)
        weights = np.exp(scores - scores.max())
        out[b, t, n] = weights @ v[b, first:seen, head] / weights.sum()
    return out


def worst(got: Any, want: np.ndarray) -> float:
    """The largest error over the largest element; a NaN is an infinite one."""
    error = np.abs(np.asarray(got).astype(np.float64) - want).max() / np.abs(want).max()
    return float(np.nan_to_num(error, nan=np.inf))
