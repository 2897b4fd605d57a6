"""One product on a NeuronCore in four stages: `oneblock kernel labs/neuron_linear.py --target neuron:trn2 [N] [DTYPE]`.

Before you run it, predict for N = 1024: how many bytes does each stage move, and which engine is the busiest? Then read
the stages in backends/kernels/nki/staged_linear.py beside the instructions (`--lines`) and the timelines
(`--perfetto DIR`). Then break a rule: give a tile 129 rows, a product 513 columns, fill nine accumulators in PSUM
before you read the first; the error says which rule it was, with its limit.
"""

from __future__ import annotations

import sys

import ml_dtypes
import numpy as np

from oneblock.backends.kernels.nki.staged_linear import linear_basic, linear_blocked, linear_hoisted, linear_tiled


def main(n: int = 1024, dtype: str = "bfloat16") -> None:
    """Run the stages and check each answer against float64."""
    rng = np.random.default_rng(0)
    of = np.dtype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    left, right = (rng.standard_normal((n, n)).astype(of) for _ in range(2))
    exact = left.T.astype(np.float64) @ right.astype(np.float64)
    for kernel in (linear_basic, linear_tiled, linear_hoisted, linear_blocked):
        error = np.abs(kernel(left, right).astype(np.float64) - exact).max() / np.abs(exact).max()
        print(f"{kernel.__name__:<15} largest error {error:.1e} of the largest element")


if __name__ == "__main__":
    main(*(int(word) if word.isdecimal() else word for word in sys.argv[1:]))  # type: ignore[arg-type]
