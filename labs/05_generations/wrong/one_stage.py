# product_relu: one_at_a_time
"""Fewer stages, more blocks."""

import triton
import triton.language as tl

CONFIG = {"BM": 128, "BN": 128, "BK": 32, "num_warps": 4, "num_stages": 1}


@triton.jit
def product_relu(x_ptr, w_ptr, y_ptr, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    """One stage."""
    rows, columns = tl.program_id(0) * BM + tl.arange(0, BM), tl.program_id(1) * BN + tl.arange(0, BN)
    inner = tl.arange(0, BK)
    inside = (rows < M)[:, None]
    total = tl.zeros((BM, BN), tl.float32)
    for k in range(0, K, BK):
        x = tl.load(x_ptr + rows[:, None] * K + (k + inner)[None, :], mask=inside, other=0.0)
        w = tl.load(w_ptr + (k + inner)[:, None] * N + columns[None, :])
        total = tl.dot(x, w, total)
    tl.store(y_ptr + rows[:, None] * N + columns[None, :], tl.maximum(total, 0.0).to(tl.float16), mask=inside)
