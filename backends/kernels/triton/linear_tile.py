"""What the three projections share: which tile comes next, and what is done to one before it is written."""

from __future__ import annotations

import triton
import triton.language as tl

from oneblock.backends.kernels.triton.gelu import gelu_tanh


@triton.jit
def tile_of(index, M, width_out, BM: tl.constexpr, BO: tl.constexpr, GROUP: tl.constexpr):
    """(row, column) of the index-th tile: GROUP tiles down, then one to the right.

    Programs that run at the same time so share rows of x and columns of the weight, which L2 then gives them.
    """
    tiles_down, tiles_right = tl.cdiv(M, BM), tl.cdiv(width_out, BO)
    first = index // (GROUP * tiles_right) * GROUP
    height = min(tiles_down - first, GROUP)  # the last group may be lower
    within = index % (GROUP * tiles_right)
    return first + within % height, within // height


@triton.jit
def finished(tile, bias_ptr, residual_ptr, rows, columns, M, width_out, ACTIVATION: tl.constexpr):
    """The float32 tile with bias, activation and residual, where there are any; rounding comes after all of them."""
    if bias_ptr is not None:
        tile += tl.load(bias_ptr + columns, mask=columns < width_out, other=0.0).to(tl.float32)[None, :]
    if ACTIVATION == "gelu":
        tile = gelu_tanh(tile)
    if residual_ptr is not None:
        at = rows[:, None].to(tl.int64) * width_out + columns[None, :]
        inside = (rows[:, None] < M) & (columns[None, :] < width_out)
        tile += tl.load(residual_ptr + at, mask=inside, other=0.0).to(tl.float32)
    return tile


@triton.jit
def product(
    x_ptr, weight_ptr, row, column, M, width_in, width_out, BM: tl.constexpr, BO: tl.constexpr, BK: tl.constexpr
):
    """One float32 tile (BM, BO) of x (M, width_in) @ weight (width_in, width_out), over BK of width_in at a time.

    What lies outside of either counts as 0.
    """
    rows, columns, inner = row * BM + tl.arange(0, BM), column * BO + tl.arange(0, BO), tl.arange(0, BK)
    x_at = x_ptr + rows[:, None].to(tl.int64) * width_in + inner[None, :]
    weight_at = weight_ptr + inner[:, None].to(tl.int64) * width_out + columns[None, :]
    total = tl.zeros((BM, BO), tl.float32)
    for done in range(0, width_in, BK):
        x = tl.load(x_at, mask=(rows[:, None] < M) & (inner[None, :] < width_in - done), other=0.0)
        weight = tl.load(weight_at, mask=(inner[:, None] < width_in - done) & (columns[None, :] < width_out), other=0.0)
        total = tl.dot(x, weight, total, input_precision="ieee")  # of float32 as it is, not of its first bits
        x_at += BK
        weight_at += BK * width_out
    return total
