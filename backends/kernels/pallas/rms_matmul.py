"""RMSNorm and the projection that reads it, in one kernel: the normalised rows never leave the chip."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu

from oneblock.backends.kernels.pallas._blocks import LANES, SUBLANES, fitting
from oneblock.backends.kernels.pallas.products import product_of_rows

_ROWS_BYTES = 8 * 2**20  # of a block of rows, as read and normalised; v4 has 16 MiB in all
_WEIGHTS_BYTES = 2 * 2**20  # of a block of the projection, twice
_MOST = 512  # rows, and columns of the answer, of a block


def rms_matmul(
    x: Any, weight: Any, projection: Any, eps: float, *, blocks: tuple[int, int] | None = None, interpret: bool = False
) -> Any:
    """x (M, C), weight (C,), projection (O, C) -> (M, O): `linear(rms_norm(x, weight, eps), projection.T)`.

    The grid is (row blocks, column blocks). A row block is normalised in float32 before its first column block and kept
    in vector memory, rounded once, for all of them.

    * FLOPs: 2 M C O for the product, 4 M C for the norm.
    * HBM: x is read and the answer written once, the projection once for each row block.

    A last block partly outside holds undefined rows or columns, which meet no real one and are not written back.
    """
    (M, C), O = x.shape, projection.shape[0]  # noqa: E741
    itemsize = x.dtype.itemsize
    rows, columns = blocks or block_sizes(M, C, O, itemsize)
    grid = (pl.cdiv(M, rows), pl.cdiv(O, columns))
    return pl.pallas_call(
        partial(_kernel, eps=eps),
        grid=grid,
        in_specs=[
            # Only one of it: twice the rows in a block are worth more than reading ahead once in many steps.
            pl.BlockSpec((rows, C), lambda i, j: (i, 0), pipeline_mode=pl.Buffered(1)),
            pl.BlockSpec((1, C), lambda i, j: (0, 0)),
            pl.BlockSpec((columns, C), lambda i, j: (j, 0)),
        ],
        out_specs=pl.BlockSpec((rows, columns), lambda i, j: (i, j)),
        out_shape=jax.ShapeDtypeStruct((M, O), x.dtype),
        scratch_shapes=[pltpu.VMEM((rows, C), x.dtype)],
        compiler_params=pltpu.CompilerParams(dimension_semantics=("parallel", "arbitrary")),
        cost_estimate=pl.CostEstimate(
            flops=2 * M * C * O + 4 * M * C,
            transcendentals=M,
            bytes_accessed=(M * C + C + grid[0] * O * C + M * O) * itemsize,
        ),
        interpret=interpret,
        name="rms_matmul",
    )(x, weight[None], projection)


def block_sizes(M: int, C: int, O: int, itemsize: int) -> tuple[int, int]:  # noqa: E741
    """The rows and the columns of a block: as few blocks as fit in the budgets, evenly filled."""
    rows = fitting(M, min(_MOST, _ROWS_BYTES // (2 * C * itemsize)), SUBLANES)
    return rows, fitting(O, min(_MOST, _WEIGHTS_BYTES // (2 * C * itemsize)), LANES)


def _kernel(x_ref: Any, weight_ref: Any, projection_ref: Any, o_ref: Any, normal_ref: Any, *, eps: float) -> None:
    """Rows (rows, C) and a block of the projection (columns, C) -> (rows, columns)."""

    @pl.when(pl.program_id(1) == 0)
    def normalise() -> None:
        # A few rows at a time: all at once would be megabytes of spilled registers.
        @pl.loop(0, x_ref.shape[0], step=SUBLANES)
        def _(start: Any) -> None:
            some = pl.ds(start, SUBLANES)
            x = x_ref[some].astype(jnp.float32)
            scale = jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + eps)
            normal_ref[some] = (x * scale * weight_ref[...].astype(jnp.float32)).astype(normal_ref.dtype)

    o_ref[...] = product_of_rows(normal_ref[...], projection_ref[...]).astype(o_ref.dtype)
