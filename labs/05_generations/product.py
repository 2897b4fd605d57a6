"""The one kernel of this lab: a product of two matrices in float16, summed in float32."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit  # type: ignore[untyped-decorator]
def product(  # type: ignore[no-untyped-def]
    x_ptr, w_ptr, y_ptr, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr
):
    """A tile (BM, BN) of y = x @ w a program: x (M, K), w (K, N), y (M, N) in rows, sizes multiples of the tile."""
    rows, columns = tl.program_id(0) * BM + tl.arange(0, BM), tl.program_id(1) * BN + tl.arange(0, BN)
    inner = tl.arange(0, BK)
    total = tl.zeros((BM, BN), tl.float32)
    for k in range(0, K, BK):
        x = tl.load(x_ptr + rows[:, None] * K + (k + inner)[None, :])
        w = tl.load(w_ptr + (k + inner)[:, None] * N + columns[None, :])
        total = tl.dot(x, w, total)
    tl.store(y_ptr + rows[:, None] * N + columns[None, :], total.to(tl.float16))
