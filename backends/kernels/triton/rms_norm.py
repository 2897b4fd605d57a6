"""RMSNorm over the last axis, in float32, rounded once (Zhang & Sennrich 2019)."""

from __future__ import annotations

import triton
import triton.language as tl

from oneblock.backends.kernels.triton._elementwise import cdiv, padded, rows_configs, streamed
from oneblock.backends.kernels.triton.launch import Config, KernelCall, Runner, Work
from oneblock.workloads.ops.definitions import Array


@triton.jit
def rms_norm_kernel(x_ptr, weight_ptr, y_ptr, rows, width, eps, ROWS: tl.constexpr, WIDTH: tl.constexpr):
    """ROWS rows of x (rows, width) a program, each whole in registers: x is read once, and y written once."""
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column = tl.arange(0, WIDTH)
    inside = (row[:, None] < rows) & (column[None, :] < width)
    at = row[:, None].to(tl.int64) * width + column[None, :]
    x = tl.load(x_ptr + at, mask=inside, other=0.0).to(tl.float32)
    scale = tl.rsqrt(tl.sum(x * x, axis=1) / width + eps)
    weight = tl.load(weight_ptr + column, mask=column < width, other=0.0).to(tl.float32)
    y = x * scale[:, None] * weight[None, :]
    tl.store(y_ptr + at, y.to(y_ptr.dtype.element_ty), mask=inside)


def rms_norm(runner: Runner, x: Array, weight: Array, eps: float) -> Array:
    """x (..., C), weight (C,) -> (..., C): x / sqrt(mean(x^2) + eps) * weight.

    FLOPs: 4 an element. Bytes: x read and y written once, and the weight.
    """
    width = x.shape[-1]
    flat = x.reshape(-1, width).contiguous()  # of a part of each row it would be a view whose rows lie apart
    rows = flat.shape[0]
    y = runner.empty((rows, width), flat)

    def work(config: Config) -> Work:
        return streamed(rows * width, 4.0 * rows * width, 1, 1, x.element_size(), config["ROWS"] * width)

    runner.launch(
        KernelCall(
            rms_norm_kernel,
            rows_configs(padded(width)),
            args=lambda config: (flat, weight, y, rows, width, eps),
            grid=lambda config: (cdiv(rows, config["ROWS"]),),
            work=work,
            constants={"WIDTH": padded(width)},
        )
    )
    return y.reshape(x.shape)
