"""Three ways to spread a projection's tiles over a GPU: a program each, few programs for all, and copies by TMA."""

from __future__ import annotations

import triton
import triton.language as tl

from oneblock.backends.kernels.triton.linear_tile import finished, product, tile_of


@triton.jit
def linear_grouped_kernel(
    x_ptr, weight_ptr, bias_ptr, residual_ptr, y_ptr, M, width_in, width_out,
    ACTIVATION: tl.constexpr, BM: tl.constexpr, BO: tl.constexpr, BK: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    """A tile (BM, BO) of y (M, width_out) a program."""
    row, column = tile_of(tl.program_id(0), M, width_out, BM, BO, GROUP)
    tile = product(x_ptr, weight_ptr, row, column, M, width_in, width_out, BM, BO, BK)
    rows, columns = row * BM + tl.arange(0, BM), column * BO + tl.arange(0, BO)
    tile = finished(tile, bias_ptr, residual_ptr, rows, columns, M, width_out, ACTIVATION)
    inside = (rows[:, None] < M) & (columns[None, :] < width_out)
    at = rows[:, None].to(tl.int64) * width_out + columns[None, :]
    tl.store(y_ptr + at, tile.to(y_ptr.dtype.element_ty), mask=inside)


@triton.jit
def linear_persistent_kernel(
    x_ptr, weight_ptr, bias_ptr, residual_ptr, y_ptr, M, width_in, width_out,
    ACTIVATION: tl.constexpr, BM: tl.constexpr, BO: tl.constexpr, BK: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    """As many programs as multiprocessors, each with every so many-th tile: launched once, and never refilled."""
    tiles = tl.cdiv(M, BM) * tl.cdiv(width_out, BO)
    for index in tl.range(tl.program_id(0), tiles, tl.num_programs(0)):
        row, column = tile_of(index, M, width_out, BM, BO, GROUP)
        tile = product(x_ptr, weight_ptr, row, column, M, width_in, width_out, BM, BO, BK)
        rows, columns = row * BM + tl.arange(0, BM), column * BO + tl.arange(0, BO)
        tile = finished(tile, bias_ptr, residual_ptr, rows, columns, M, width_out, ACTIVATION)
        inside = (rows[:, None] < M) & (columns[None, :] < width_out)
        at = rows[:, None].to(tl.int64) * width_out + columns[None, :]
        tl.store(y_ptr + at, tile.to(y_ptr.dtype.element_ty), mask=inside)


@triton.jit
def linear_descriptor_kernel(
    x_tiles, weight_tiles, bias_ptr, residual_ptr, y_tiles, M, width_in, width_out,
    ACTIVATION: tl.constexpr, BM: tl.constexpr, BO: tl.constexpr, BK: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    """A tile a program, over tensor descriptors: from sm_90 on one thread asks the TMA unit for whole tiles.

    The unit gives 0 for what lies outside, and does not write there: no masks. The three descriptors are made on the
    host, with blocks (BM, BK), (BK, BO) and (BM, BO).
    """
    row, column = tile_of(tl.program_id(0), M, width_out, BM, BO, GROUP)
    total = tl.zeros((BM, BO), tl.float32)
    for done in range(0, width_in, BK):
        x = x_tiles.load([row * BM, done])
        weight = weight_tiles.load([done, column * BO])
        total = tl.dot(x, weight, total, input_precision="ieee")
    rows, columns = row * BM + tl.arange(0, BM), column * BO + tl.arange(0, BO)
    tile = finished(total, bias_ptr, residual_ptr, rows, columns, M, width_out, ACTIVATION)
    y_tiles.store([row * BM, column * BO], tile.to(y_tiles.dtype))
