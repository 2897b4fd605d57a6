"""The kernels of this lab, for `oneblock kernel`: M K N runs the four stages, and M K N FILE the one in FILE.

lhsT (K, M) and rhs (K, N) in bfloat16, drawn anew for each shape; each answer is held against float64.
"""

from __future__ import annotations

import runpy
import sys

import ml_dtypes
import numpy as np

from oneblock.backends.kernels.nki.staged_linear import linear_basic, linear_blocked, linear_hoisted, linear_tiled

MOST = 0.01  # of the largest element: two roundings to bfloat16 and no more
DIFFERS = "the answer differs"


def main(M: int, K: int, N: int, path: str = "") -> None:
    """Run the stages, or a learner's kernel, which also takes what is negative to 0."""
    rng = np.random.default_rng(M + K + N)
    left, right = (rng.standard_normal((K, columns)).astype(ml_dtypes.bfloat16) for columns in (M, N))
    exact = left.T.astype(np.float64) @ right.astype(np.float64)
    kernels = [linear_basic, linear_tiled, linear_hoisted, linear_blocked]
    if path:
        exact = np.maximum(exact, 0)
        kernels = [runpy.run_path(path)["linear_relu"]]
    for kernel in kernels:
        answer = np.asarray(kernel(left, right)).astype(np.float64)
        if answer.shape != exact.shape or not np.abs(answer - exact).max() <= MOST * np.abs(exact).max():
            sys.exit(f"{DIFFERS} from float64: expected {exact.shape}, within {MOST:.0%} of the largest element")


if __name__ == "__main__":
    M, K, N, *path = sys.argv[1:]
    main(int(M), int(K), int(N), *path)
