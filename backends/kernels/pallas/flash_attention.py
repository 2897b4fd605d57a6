"""Causal attention of whole sequences with grouped heads, in blocks whose scores never leave the chip."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu

from oneblock.backends.kernels.pallas._blocks import LANES, fitting, round_up
from oneblock.backends.kernels.pallas.products import across, product, product_of_rows, soft_capped
from oneblock.workloads.attention import visible_pairs
from oneblock.workloads.ops.definitions import Scores

TILE = 128  # rows whose scores are in flight at once, see `_attend`
_MOST_ROWS = 2048  # of a block; the tiles are unrolled, and each takes some 300 bundles of code
_WIDEST = 1024  # keys of a block
UNSEEN = -1e30
_BUDGET_BYTES = 10 * 2**20  # for blocks and scratch: v4 has 16 MiB, and the compiler needs some for scores


def flash_attention(q: Any, k: Any, v: Any, scores: Scores, *, interpret: bool = False) -> Any:
    """q (B, T, N, D), k and v (B, T, K, D) -> (B, T, N, D), as `Ops.attention`; softmax in float32.

    `attend_by_group` is the kernel. The transpositions here are XLA's to fuse with what makes q, k and v.
    """
    (B, T, N, D), K = q.shape, k.shape[2]
    G = N // K
    rows = q.reshape(B, T, K, G, D).swapaxes(1, 2).reshape(B, K, T * G, D)
    out = attend_by_group(rows, k.swapaxes(1, 2), v.swapaxes(1, 2), scores, interpret=interpret)
    return out.reshape(B, K, T, G, D).swapaxes(1, 2).reshape(B, T, N, D)


def attend_by_group(
    q: Any, k: Any, v: Any, scores: Scores, *, block: int | None = None, interpret: bool = False
) -> Any:
    """q (B, K, T G, D), k and v (B, K, T, D) -> (B, K, T G, D): row t G + g is query t of head g of a group.

    The G = N / K heads of a group read the same keys and values, so as rows of one block they fetch them once. A step
    of the grid (B, K, i, j) lets query block i see key block j. With n blocks of b positions:

    * FLOPs: 4 D for each pair of a query and a key, B N T (T + 1) / 2 of them; computed are those up to the end of a
      tile of TILE rows, rounded up to LANES keys.
    * HBM: q is read and o written once, k and v are read (n + 1) / 2 times, and nothing else.

    Of a window W the blocks before the first key that a query block sees are passed over, as those past the diagonal.

    A T that is no multiple of b leaves the last block partly outside the arrays, with undefined contents: such queries
    are never written back, such keys are later than every real query and so masked, such values are set to zero.
    """
    (B, K, R, D), T = q.shape, k.shape[2]
    G = R // T
    b = block or block_positions(T, G, D, q.dtype.itemsize)
    n = pl.cdiv(T, b)
    queries = pl.BlockSpec((None, None, b * G, D), lambda batch, head, i, j: (batch, head, i, 0))
    first = partial(_first_block, b=b, window=scores.window)

    # Where nothing is seen the index stays where it is: the pipeline does not fetch a block that it has.
    def seen_block(batch: Any, head: Any, i: Any, j: Any) -> tuple[Any, ...]:
        return batch, head, jnp.clip(j, first(i), i), 0

    keys = pl.BlockSpec((None, None, b, D), seen_block)
    seen = B * K * G * visible_pairs(T, T, scores.window)
    return pl.pallas_call(
        partial(_kernel, T=T, scores=scores),
        grid=(B, K, n, n),
        in_specs=[queries, keys, keys],
        out_specs=queries,
        out_shape=jax.ShapeDtypeStruct(q.shape, q.dtype),
        scratch_shapes=[pltpu.VMEM((b * G, width), jnp.float32) for width in (LANES, LANES, D)],
        compiler_params=pltpu.CompilerParams(dimension_semantics=("parallel", "parallel", "parallel", "arbitrary")),
        cost_estimate=pl.CostEstimate(
            flops=4 * D * seen,
            transcendentals=seen,
            bytes_accessed=q.dtype.itemsize * B * K * T * D * (2 * G + (n + 1)),
        ),
        interpret=interpret,
        name="flash_attention",
    )(q, k, v)


def block_positions(T: int, G: int, D: int, itemsize: int) -> int:
    """The positions of a block: as few blocks as fit in the budget, evenly filled."""
    width = round_up(D, LANES)
    # Of a row: q and o, each twice, as one is copied while another is used; then maximum, sum and accumulator.
    row_bytes = 4 * width * itemsize + 4 * (2 * LANES + width)
    return fitting(T, min(_WIDEST, _MOST_ROWS // G, _BUDGET_BYTES // (row_bytes * G)), LANES)


def _kernel(
    q_ref: Any, k_ref: Any, v_ref: Any, o_ref: Any, m_ref: Any, l_ref: Any, acc_ref: Any, *, T: int,
    scores: Scores,
) -> None:  # fmt: skip
    """One query block (b G, D) sees one key block (b, D); a row's maximum m and sum l are kept in all lanes."""
    i, j = pl.program_id(2), pl.program_id(3)
    b, D = k_ref.shape
    attend = partial(_attend, q_ref, k_ref, v_ref, m_ref, l_ref, acc_ref, scores=scores, blocks=i - j)

    @pl.when(j == 0)
    def start() -> None:
        m_ref[...] = jnp.full_like(m_ref, -jnp.inf)
        l_ref[...] = jnp.zeros_like(l_ref)
        acc_ref[...] = jnp.zeros_like(acc_ref)

    @pl.when((j < i) & (j >= _first_block(i, b=b, window=scores.window)))
    def below_the_diagonal() -> None:
        attend(diagonal=False)

    @pl.when(j == i)
    def on_the_diagonal_which_is_the_last() -> None:
        if T % b:
            value = lax.broadcasted_iota(jnp.int32, v_ref.shape, 0)
            v_ref[...] = jnp.where(value < T - j * b, v_ref[...], jnp.zeros_like(v_ref))
        attend(diagonal=True)
        o_ref[...] = (acc_ref[...] / across(l_ref[...], D)).astype(o_ref.dtype)


def _first_block(i: Any, *, b: int, window: int | None) -> Any:
    """The first block of keys of which query block i sees any."""
    return 0 if window is None else lax.div(jnp.maximum(0, i * b - window + 1), b)


def _attend(
    q_ref: Any, k_ref: Any, v_ref: Any, m_ref: Any, l_ref: Any, acc_ref: Any,
    *, scores: Scores, blocks: Any, diagonal: bool,
) -> None:  # fmt: skip
    """The online softmax (Milakov & Gimelshein 2018), TILE rows at a time.

    The product of a tile with the keys is started before the softmax of the tile above it, which does not depend on it:
    so the matrix units work while the vector units do. A tile's scores are more than the registers hold and pass
    through vector memory, but not the spilling costs, as the store slots have room. In the compiler's simulation of
    v5e (G = 4, T = 2048, D = 64) spills fill 37 % of those slots; without the head start 19 %, in a third more cycles.
    """
    R, D = q_ref.shape
    # exp2 is what the hardware has; a soft cap takes the scores as they are scaled.
    to_log2 = math.log2(math.e) * (scores.scale if scores.soft_cap is None else 1.0)
    tiles = [slice(start, min(start + TILE, R)) for start in range(0, R, TILE)]
    group = R // k_ref.shape[0]
    seen = partial(_scores, q_ref, k_ref, group=group, scores=scores, blocks=None if diagonal else blocks)
    ahead = seen(tiles[0])
    for n, rows in enumerate(tiles):
        s = ahead  # (TILE, S)
        if n + 1 < len(tiles):
            ahead = seen(tiles[n + 1])
        before = m_ref[rows]
        m = jnp.maximum(before, s.max(-1, keepdims=True))  # (TILE, LANES)
        p = jnp.exp2((s - across(m, s.shape[1])) * to_log2)
        shrink = jnp.exp2((before - m) * to_log2)
        m_ref[rows] = m
        l_ref[rows] = l_ref[rows] * shrink + p.sum(-1, keepdims=True)
        v = v_ref[: s.shape[1]]
        acc_ref[rows] = acc_ref[rows] * across(shrink, D) + product(p.astype(v.dtype), v)


def _scores(q_ref: Any, k_ref: Any, rows: slice, *, group: int, scores: Scores, blocks: Any) -> Any:
    """A tile's products with all keys, masked; on the diagonal, where `blocks` is None, without the last.

    Row t G + g sees key s if s <= t, which is s G <= t G + g; of a window W, if also s > t - W. Keys of a block lie
    `blocks` blocks before the queries. What is not seen is finite: of a block a query may see nothing, and what that
    adds goes with the first key that it sees.
    """
    keys = k_ref.shape[0]
    if blocks is None:
        keys = min(round_up(pl.cdiv(rows.stop, group), LANES), keys)
    s = product_of_rows(q_ref[rows], k_ref[:keys])
    if scores.soft_cap is not None:
        s = soft_capped(s, scores.scale, scores.soft_cap)
    if blocks is not None and scores.window is None:
        return s
    row = rows.start + lax.broadcasted_iota(jnp.int32, s.shape, 0)
    key = lax.broadcasted_iota(jnp.int32, s.shape, 1)
    seen = None if blocks is not None else key * group <= row
    if scores.window is not None:
        before = 0 if blocks is None else blocks * k_ref.shape[0]
        near = (key - before + scores.window) * group > row
        seen = near if seen is None else seen & near
    return jnp.where(seen, s, UNSEEN)
