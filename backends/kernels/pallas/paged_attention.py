"""Attention of one new token of each sequence to the keys and values of a cache kept in pages."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu

from oneblock.backends.kernels.pallas._blocks import LANES, SUBLANES, fitting, round_up
from oneblock.backends.kernels.pallas.products import across, product, product_of_rows, soft_capped
from oneblock.workloads.ops.definitions import Scores

_PAGES_BYTES = 4 * 2**20  # of the pages in vector memory: of keys and of values, each twice


def cached_attention(
    q: Any, k: Any, v: Any, scores: Scores, *, page: int | None = None, interpret: bool = False
) -> Any:
    """q (B, 1, N, D), k and v (B, K, S, D) -> (B, 1, N, D), as `Ops.attention` in decode.

    A contiguous cache is pages in order: each key/value head of each sequence is a shelf of the pool of its own, which
    its N / K queries read, and its table counts up.
    """
    (B, _, N, _), (_, K, S, D) = q.shape, k.shape
    page = page or page_positions(S, D, k.dtype.itemsize)
    pages = pl.cdiv(S, page)
    table = jnp.arange(B * K * pages, dtype=jnp.int32).reshape(B * K, pages)
    lengths = jnp.full((B * K,), S, jnp.int32)
    k, v = (x.reshape(B * K, S, 1, D) for x in (k, v))
    rows = q.reshape(B * K, N // K, D)
    out = paged_attention(rows, k, v, table, lengths, scores=scores, page=page, interpret=interpret)
    return out.reshape(B, 1, N, D)


def page_positions(S: int, D: int, itemsize: int) -> int:
    """The positions of a page of one head of a contiguous cache: as few pages as fit the budget, evenly filled."""
    return fitting(S, _PAGES_BYTES // (4 * round_up(D, LANES) * itemsize), SUBLANES)


def paged_attention(
    q: Any,
    k: Any,
    v: Any,
    table: Any,
    lengths: Any,
    *,
    page: int,
    scores: Scores | None = None,
    interpret: bool = False,
) -> Any:
    """q (B, N, D), pool k and v (shelves, positions, K, D), table (B, pages), lengths (B,) -> (B, N, D).

    The pool's pages are numbered along its shelves, ceil(positions / page) to each; sequence b's keys p page, ... are
    in page table[b, p]. A usual pool of P pages is one shelf of P page positions. Sequences are at least 1 long. Of a
    window only pages that it reaches into are read.

    A page's keys of all K heads are one matrix (page K, D), row s K + h, which is how they lie in memory. All N queries
    are multiplied with all of it, and a head's with other heads' keys are masked. So of 4 N D FLOPs a position the
    matrix units do K times as many; still they wait for memory, and nothing is rearranged.

    HBM: the pages that hold a sequence are read once, for all its heads; table and lengths steer the copies themselves.
    """
    (B, N, D), (shelves, positions, K, _) = q.shape, k.shape
    scores = scores or Scores(D**-0.5)
    on_shelf = pl.cdiv(positions, page)
    window = scores.window or table.shape[1] * page

    def page_of(batch: Any, p: Any, table: Any, lengths: Any) -> tuple[Any, ...]:
        first = lax.div(jnp.maximum(lengths[batch] - window, 0), page)
        last = lax.div(lengths[batch] - 1, page)  # past it the index stays: the pipeline does not fetch what it has
        number = table[batch, jnp.clip(p, first, last)]
        return lax.div(number, on_shelf), lax.rem(number, on_shelf), 0

    rows = pl.BlockSpec((None, page * K, D), page_of)
    tokens = pl.BlockSpec((None, N, D), lambda batch, p, table, lengths: (batch, 0, 0))
    read = 2 * B * table.shape[1] * page * K * D
    flat = (shelves, positions * K, D)
    return pl.pallas_call(
        partial(_kernel, page=page, K=K, scores=scores, window=window),
        grid_spec=pltpu.PrefetchScalarGridSpec(
            num_scalar_prefetch=2,
            grid=table.shape,
            in_specs=[tokens, rows, rows],
            out_specs=tokens,
            scratch_shapes=[pltpu.VMEM((N, width), jnp.float32) for width in (LANES, LANES, D)],
        ),
        out_shape=jax.ShapeDtypeStruct(q.shape, q.dtype),
        compiler_params=pltpu.CompilerParams(dimension_semantics=("parallel", "arbitrary")),
        cost_estimate=pl.CostEstimate(
            flops=2 * N * read,
            transcendentals=N * read // (2 * D),
            bytes_accessed=(read + 2 * B * N * D) * k.dtype.itemsize,
        ),
        interpret=interpret,
        name="paged_attention",
    )(table, lengths, q, k.reshape(flat), v.reshape(flat))


def _kernel(
    table: Any, lengths: Any, q_ref: Any, k_ref: Any, v_ref: Any, o_ref: Any, m_ref: Any, l_ref: Any, acc_ref: Any,
    *, page: int, K: int, scores: Scores, window: int,
) -> None:  # fmt: skip
    """One sequence's queries (N, D) see one page (page K, D), with the online softmax of `flash_attention`."""
    p = pl.program_id(1)
    N, D = q_ref.shape
    left = lengths[pl.program_id(0)] - p * page  # positions of the sequence from here on

    @pl.when(p == 0)
    def start() -> None:
        m_ref[...] = jnp.full_like(m_ref, -jnp.inf)
        l_ref[...] = jnp.zeros_like(l_ref)
        acc_ref[...] = jnp.zeros_like(acc_ref)

    @pl.when((left > 0) & (left - window < page))  # some of its keys are seen
    def attend() -> None:
        to_log2 = math.log2(math.e) * (scores.scale if scores.soft_cap is None else 1.0)
        s = product_of_rows(q_ref[...], k_ref[...])  # (N, page K)
        if scores.soft_cap is not None:
            s = soft_capped(s, scores.scale, scores.soft_cap)
        key = lax.broadcasted_iota(jnp.int32, s.shape, 1)
        own = lax.rem(key, K) == lax.div(lax.broadcasted_iota(jnp.int32, s.shape, 0), N // K)
        s = jnp.where(own & (key < left * K) & (key >= (left - window) * K), s, -jnp.inf)
        m = jnp.maximum(m_ref[...], s.max(-1, keepdims=True))
        weights = jnp.exp2((s - across(m, s.shape[1])) * to_log2)
        shrink = jnp.exp2((m_ref[...] - m) * to_log2)
        # What lies past the end of the sequence is undefined where it is past the end of the pool.
        real = lax.broadcasted_iota(jnp.int32, v_ref.shape, 0) < left * K
        v = jnp.where(real, v_ref[...], jnp.zeros_like(v_ref))
        m_ref[...] = m
        l_ref[...] = l_ref[...] * shrink + weights.sum(-1, keepdims=True)
        acc_ref[...] = acc_ref[...] * across(shrink, D) + product(weights.astype(v.dtype), v)

    @pl.when(p == pl.num_programs(1) - 1)
    def finish() -> None:
        o_ref[...] = (acc_ref[...] / across(l_ref[...], D)).astype(o_ref.dtype)
