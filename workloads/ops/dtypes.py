"""The dtypes of a cell, and what they resolve."""

from __future__ import annotations

import ml_dtypes
import numpy as np

from oneblock.workloads.ops.nearest import unknown

DTYPES = {
    "float32": np.dtype(np.float32),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
    "float16": np.dtype(np.float16),
}


def dtype_of(name: str) -> np.dtype:
    """The NumPy dtype of that name; LookupError offers the nearest names."""
    if name not in DTYPES:
        raise LookupError(unknown("dtype", name, list(DTYPES)))
    found: np.dtype = DTYPES[name]
    return found


def unit_roundoff(name: str) -> float:
    """The largest relative error of rounding to nearest: half of epsilon."""
    return float(ml_dtypes.finfo(dtype_of(name)).eps) / 2


def spacing(name: str, x: np.ndarray) -> np.ndarray:
    """One ulp of the dtype at |x|, x (...) -> (...) in float64: what an error in ulps is measured in."""
    info = ml_dtypes.finfo(dtype_of(name))
    _, exponent = np.frexp(np.maximum(np.abs(x), float(info.smallest_normal)))  # |x| = m * 2**e with 0.5 <= m < 1
    return np.asarray(np.ldexp(float(info.eps), exponent - 1))
