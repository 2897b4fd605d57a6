"""Causal grouped attention for many queries, without the matrix of scores in memory (Dao et al. 2022, Dao 2023)."""

from __future__ import annotations

from math import ceil, log2
from math import e as euler

import triton
import triton.language as tl

from oneblock.backends.kernels.triton._elementwise import cdiv, padded
from oneblock.backends.kernels.triton.launch import Config, KernelCall, Runner, Work, config
from oneblock.workloads.ops.definitions import Array, Scores

_CONFIGS = (
    config(4, 2, BM=64, BN=32),
    config(4, 2, BM=64, BN=64),
    config(8, 2, BM=128, BN=64),
    config(8, 2, BM=128, BN=128),
)
_BY_VECTORS = (config(8, 2, BM=64, BN=16), config(4, 2, BM=32, BN=16), config(8, 2, BM=64, BN=32))


UNSEEN = tl.constexpr(-1.0e30)


@triton.jit
def soft_capped(scores, CAP: tl.constexpr):
    """CAP * tanh(score / CAP) of scores in base 2: tanh(u) is 1 - 2 / (e^2u + 1)."""
    return CAP * 1.4426950408889634 * (1.0 - 2.0 / (tl.exp2(scores * (2.0 / CAP)) + 1.0))


@triton.jit
def keys_seen(
    q, k_ptr, v_ptr, acc, largest, total, first, last, position, S, k_stride, v_stride, scale,
    D: tl.constexpr, WIDTH: tl.constexpr, DV: tl.constexpr, WIDTH_V: tl.constexpr, BN: tl.constexpr,
    MASKED: tl.constexpr, WINDOW: tl.constexpr, CAP: tl.constexpr,
):  # fmt: skip
    """Go over the keys first to last, BN at a time, with the softmax so far: (acc, largest, total) of each query.

    Scores are in base 2. As a larger score turns up, what was added so far is scaled down to it (Milakov & Gimelshein
    2018). MASKED: some of these keys may lie behind a query, or behind S, or of a WINDOW before it. What a query does
    not see has a score that is finite: of a window's first block it may see nothing, and what is added for that goes
    with the first key that it sees.
    """
    wide, wide_v = tl.arange(0, WIDTH), tl.arange(0, WIDTH_V)
    for start in tl.range(first, last, BN):
        keys = start + tl.arange(0, BN)
        inside = wide[:, None] < D
        if MASKED:
            inside = inside & (keys[None, :] < S)
        k = tl.load(k_ptr + keys[None, :].to(tl.int64) * k_stride + wide[:, None], mask=inside, other=0.0)
        scores = tl.dot(q, k, input_precision="ieee") * scale  # (BM, BN)
        if CAP > 0.0:
            scores = soft_capped(scores, CAP)
        if MASKED:
            seen = keys[None, :] <= position[:, None]
            if WINDOW > 0:
                seen = seen & (keys[None, :] > position[:, None] - WINDOW)
            scores = tl.where(seen, scores, UNSEEN)
        larger = tl.maximum(largest, tl.max(scores, 1))
        weights = tl.exp2(scores - larger[:, None])
        rescale = tl.exp2(largest - larger)
        total = total * rescale + tl.sum(weights, 1)
        inside = wide_v[None, :] < DV
        if MASKED:
            inside = inside & (keys[:, None] < S)
        v = tl.load(v_ptr + keys[:, None].to(tl.int64) * v_stride + wide_v[None, :], mask=inside, other=0.0)
        acc = tl.dot(weights.to(v.dtype), v, acc * rescale[:, None], input_precision="ieee")
        largest = larger
    return acc, largest, total


@triton.jit
def flash_attention_kernel(
    q_ptr, k_ptr, v_ptr, y_ptr, T, S, heads, group, scale,
    q_batch, q_stride, k_batch, k_stride, k_head, v_batch, v_stride, v_head,
    D: tl.constexpr, WIDTH: tl.constexpr, DV: tl.constexpr, WIDTH_V: tl.constexpr, WINDOW: tl.constexpr,
    CAP: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr,
):  # fmt: skip
    """BM queries of one head a program, the last first: they see the most keys, and take the longest."""
    block = tl.num_programs(0) - 1 - tl.program_id(0)
    batch, head = (tl.program_id(1) // heads).to(tl.int64), tl.program_id(1) % heads
    queries, wide = block * BM + tl.arange(0, BM), tl.arange(0, WIDTH)
    inside = (queries[:, None] < T) & (wide[None, :] < D)
    q_at = batch * q_batch + queries[:, None].to(tl.int64) * q_stride + head * D + wide[None, :]
    q = tl.load(q_ptr + q_at, mask=inside, other=0.0)
    k_ptr += batch * k_batch + (head // group) * k_head
    v_ptr += batch * v_batch + (head // group) * v_head

    position = queries + (S - T)  # the last key that a query sees
    open_to_all = tl.maximum(0, (block * BM + (S - T) + 1) // BN * BN)  # whole blocks that the first query sees
    last = tl.minimum(S, (block + 1) * BM + (S - T))
    acc = tl.zeros((BM, WIDTH_V), tl.float32)
    largest, total = tl.full((BM,), float("-inf"), tl.float32), tl.zeros((BM,), tl.float32)
    if WINDOW > 0:
        open_to_all = tl.maximum(0, (block * BM + (S - T) - WINDOW + 1) // BN * BN)  # and none before it to any
    else:
        acc, largest, total = keys_seen(
            q, k_ptr, v_ptr, acc, largest, total, 0, open_to_all,
            position, S, k_stride, v_stride, scale, D, WIDTH, DV, WIDTH_V, BN, False, WINDOW, CAP,
        )  # fmt: skip
    acc, largest, total = keys_seen(
        q, k_ptr, v_ptr, acc, largest, total, open_to_all, last,
        position, S, k_stride, v_stride, scale, D, WIDTH, DV, WIDTH_V, BN, True, WINDOW, CAP,
    )  # fmt: skip
    wide_v = tl.arange(0, WIDTH_V)
    inside = (queries[:, None] < T) & (wide_v[None, :] < DV)
    y_at = ((batch * T + queries[:, None]) * heads + head) * DV + wide_v[None, :]
    tl.store(y_ptr + y_at, (acc / total[:, None]).to(y_ptr.dtype.element_ty), mask=inside)


def flash_attention(runner: Runner, q: Array, k: Array, v: Array, scores: Scores) -> Array:
    """q (B, T, N, D), k (B, S, K, D), v (B, S, K, Dv) -> (B, T, N, Dv); the last axis packed, in q the heads; S >= T.

    FLOPs: 2*(D + Dv) for each query and each key that its block goes over, of a window from the first that it sees.
    Bytes: q, k, v read and the output written once; each block of queries asks for the keys and values that it sees
    again, and so does each head of a group.
    """
    (B, T, N, D), (_, S, K, Dv) = q.shape, v.shape
    if q.stride(2) != D:
        q = q.contiguous()
    y = runner.empty((B, T, N, Dv), q)

    def strides(x: Array) -> tuple[int, int, int]:
        return x.stride(0), x.stride(1), x.stride(2)

    runner.launch(
        KernelCall(
            flash_attention_kernel,
            _CONFIGS if q.element_size() < 4 and runner.tensor_cores else _BY_VECTORS,
            args=lambda config: (
                q, k, v, y, T, S, N, N // K, log2(euler) * scores.scale, *strides(q)[:2], *strides(k), *strides(v)
            ),
            grid=lambda config: (cdiv(T, config["BM"]), B * N),
            work=lambda config: _work(q, v, scores.window, config),
            constants={
                "D": D, "WIDTH": max(16, padded(D)), "DV": Dv, "WIDTH_V": max(16, padded(Dv)),
                "WINDOW": scores.window or 0, "CAP": scores.soft_cap or 0.0,
            },
            matrix_units=True,
        )
    )  # fmt: skip
    return y


def _work(q: Array, v: Array, window: int | None, config: Config) -> Work:
    (B, T, N, D), (_, S, _, Dv) = q.shape, v.shape
    BM, BN, itemsize, width = config["BM"], config["BN"], q.element_size(), padded(D) + padded(Dv)
    ends = range(BM, T + BM, BM)
    over = sum(ceil(min(S, end + S - T) / BN) * BN for end in ends)  # keys, of all blocks of one head
    if window is not None:
        over -= sum(max(0, end - BM + S - T - window + 1) // BN * BN for end in ends)
    both = D + Dv
    return Work(
        flops=2.0 * width * B * N * BM * over,
        asked_bytes=float((B * T * N * both + B * N * both * over) * itemsize),
        in_flight_bytes=float(BN * both * itemsize * max(1, config.num_stages - 1)),
    )
