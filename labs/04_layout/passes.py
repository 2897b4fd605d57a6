"""For `oneblock kernel`: R C DTYPE doubles a matrix (R, C), then its transpose (C, R), rows on partitions."""

# mypy: allow-untyped-defs, allow-untyped-calls
# What NKI compiles has no annotations.

from __future__ import annotations

import sys

import ml_dtypes
import nki
import nki.isa as nisa
import nki.language as nl
import numpy as np


def pass_over(x):
    """2 * x, 128 rows at a time."""
    rows, columns = x.shape
    out = nl.ndarray((rows, columns), dtype=x.dtype, buffer=nl.shared_hbm)
    for first in range(0, rows, 128):
        many = min(128, rows - first)
        tile = nl.ndarray((many, columns), dtype=x.dtype, buffer=nl.sbuf)
        nisa.dma_copy(dst=tile, src=x[first : first + many, 0:columns])
        nisa.tensor_scalar(dst=tile, data=tile, op0=nl.multiply, operand0=2.0)
        nisa.dma_copy(dst=out[first : first + many, 0:columns], src=tile)
    return out


@nki.jit
def by_rows(x):
    """A row on each partition."""
    return pass_over(x)


@nki.jit
def by_columns(x):
    """A row of the transpose on each partition."""
    return pass_over(x)


if __name__ == "__main__":
    R, C, dtype = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    of = np.ones((R, C), np.dtype(getattr(ml_dtypes, dtype, dtype)))
    for kernel, array in ((by_rows, of), (by_columns, np.ascontiguousarray(of.T))):
        if not (np.asarray(kernel(array)).astype(np.float64) == 2).all():
            sys.exit(f"{kernel.__name__}: the answer differs")
