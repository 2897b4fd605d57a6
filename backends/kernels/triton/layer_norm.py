"""LayerNorm over the last axis, with the biased variance, in float32, rounded once (Ba et al. 2016)."""

from __future__ import annotations

import triton
import triton.language as tl

from oneblock.backends.kernels.triton._elementwise import cdiv, padded, rows_configs, streamed
from oneblock.backends.kernels.triton.launch import Config, KernelCall, Runner, Work
from oneblock.workloads.ops.definitions import Array


@triton.jit
def layer_norm_kernel(
    x_ptr, weight_ptr, bias_ptr, y_ptr, rows, width, eps, ROWS: tl.constexpr, WIDTH: tl.constexpr
):  # fmt: skip
    """ROWS rows of x (rows, width) a program, each whole in registers, so that the variance is of the differences."""
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column = tl.arange(0, WIDTH)
    inside = (row[:, None] < rows) & (column[None, :] < width)
    at = row[:, None].to(tl.int64) * width + column[None, :]
    x = tl.load(x_ptr + at, mask=inside, other=0.0).to(tl.float32)
    mean = tl.sum(x, axis=1) / width
    centred = tl.where(column[None, :] < width, x - mean[:, None], 0.0)  # the padding would count as -mean
    scale = tl.rsqrt(tl.sum(centred * centred, axis=1) / width + eps)
    weight = tl.load(weight_ptr + column, mask=column < width, other=0.0).to(tl.float32)
    bias = tl.load(bias_ptr + column, mask=column < width, other=0.0).to(tl.float32)
    y = centred * scale[:, None] * weight[None, :] + bias[None, :]
    tl.store(y_ptr + at, y.to(y_ptr.dtype.element_ty), mask=inside)


def layer_norm(runner: Runner, x: Array, weight: Array, bias: Array, eps: float) -> Array:
    """x (..., C), weight and bias (C,) -> (..., C).

    FLOPs: 7 an element. Bytes: x read and y written once, the weight and the bias.
    """
    width = x.shape[-1]
    flat = x.reshape(-1, width)
    rows = flat.shape[0]
    y = runner.empty((rows, width), flat)

    def work(config: Config) -> Work:
        return streamed(rows * width, 7.0 * rows * width, 1, 1, x.element_size(), config["ROWS"] * width)

    runner.launch(
        KernelCall(
            layer_norm_kernel,
            rows_configs(padded(width)),
            args=lambda config: (flat, weight, bias, y, rows, width, eps),
            grid=lambda config: (cdiv(rows, config["ROWS"]),),
            work=work,
            constants={"WIDTH": padded(width)},
        )
    )
    return y.reshape(x.shape)
