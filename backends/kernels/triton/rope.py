"""Rotary position embedding, the first half of a head paired with the second (Su et al. 2021, as in Llama)."""

from __future__ import annotations

import triton
import triton.language as tl

from oneblock.backends.kernels.triton._elementwise import cdiv, padded, rows_configs, streamed
from oneblock.backends.kernels.triton.launch import Config, KernelCall, Runner, Work
from oneblock.workloads.ops.definitions import Array


@triton.jit
def rope_kernel(
    x_ptr, cos_ptr, sin_ptr, y_ptr, rows, heads, positions, HALF: tl.constexpr, ROWS: tl.constexpr, WIDTH: tl.constexpr
):  # fmt: skip
    """ROWS heads of x (rows, 2*HALF) a program; a row is one head at one position, heads fastest."""
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column = tl.arange(0, WIDTH)
    inside = (row[:, None] < rows) & (column[None, :] < HALF)
    position = (row // heads) % positions
    angle = position[:, None] * HALF + column[None, :]
    cos = tl.load(cos_ptr + angle, mask=inside, other=0.0).to(tl.float32)
    sin = tl.load(sin_ptr + angle, mask=inside, other=0.0).to(tl.float32)
    at = row[:, None].to(tl.int64) * (2 * HALF) + column[None, :]
    first = tl.load(x_ptr + at, mask=inside, other=0.0).to(tl.float32)
    second = tl.load(x_ptr + at + HALF, mask=inside, other=0.0).to(tl.float32)
    dtype = y_ptr.dtype.element_ty
    tl.store(y_ptr + at, (first * cos - second * sin).to(dtype), mask=inside)
    tl.store(y_ptr + at + HALF, (second * cos + first * sin).to(dtype), mask=inside)


def rope(runner: Runner, x: Array, cos: Array, sin: Array) -> Array:
    """x (B, T, heads, D), cos and sin (T, D/2) -> (B, T, heads, D).

    FLOPs: 3 an element. Bytes: x read and y written once; the tables are read once from memory, and by every head
    from the caches.
    """
    B, T, heads, D = x.shape
    half, rows = D // 2, B * T * heads
    flat = x.reshape(rows, D).contiguous()  # of a part of each head it would be a view whose rows lie apart
    y = runner.empty((rows, D), flat)

    def work(config: Config) -> Work:
        return streamed(rows * D, 3.0 * rows * D, 1, 1, x.element_size(), config["ROWS"] * D)

    runner.launch(
        KernelCall(
            rope_kernel,
            rows_configs(padded(half)),
            args=lambda config: (flat, cos, sin, y, rows, heads, T),
            grid=lambda config: (cdiv(rows, config["ROWS"]),),
            work=work,
            constants={"HALF": half, "WIDTH": padded(half)},
        )
    )
    return y.reshape(x.shape)
