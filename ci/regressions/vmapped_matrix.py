"""A matrix on each of many rows, squared and summed, which one release of JAX gets wrong on a CPU: jax#39103.

oneblock releases --script ci/regressions/vmapped_matrix.py --toolchain jax=0.10.1,0.10.2

A program of our own of the shape they tell. It runs on this CPU, and is held against NumPy in float64: the last of one
row more than a power of two is the one that goes wrong, and by how much depends on the CPU.
"""

from __future__ import annotations

import json

import jax
import jax.numpy as jnp
import numpy as np

_CASES = [("float64", 16_384), ("float64", 16_385), ("float32", 32_768), ("float32", 32_769)]


def energy(matrix: jax.Array, rows: jax.Array) -> jax.Array:
    """The squared length of each row after the matrix."""
    return jax.vmap(lambda row: jnp.square(matrix @ row).sum())(rows)


def counts(dtype: str, n: int) -> dict[str, float]:
    """How far the compiled program is off, as a share of the right answer, and on how many rows beyond rounding."""
    rows = np.zeros((n, 3), dtype)
    rows[:, 0] = np.arange(n)
    matrix = np.eye(3, dtype=dtype)
    right = np.square(rows.astype(np.float64) @ matrix.astype(np.float64).T).sum(1)
    error = np.abs(np.asarray(jax.jit(energy)(matrix, rows), np.float64) - right) / np.maximum(right, 1)
    return {"relative_error": float(error.max()), "wrong_rows": int((error > 10 * np.finfo(dtype).eps).sum())}


if __name__ == "__main__":
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_enable_x64", True)
    print(json.dumps({f"{dtype} {n} rows": counts(dtype, n) for dtype, n in _CASES}))
