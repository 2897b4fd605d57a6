"""Attention of one query over a long cache: the keys are split over programs, whose answers a second kernel joins.

One query a head would leave most of a GPU idle, and reading the cache is all the work: "split-KV", as in FlashDecoding
(Dao et al. 2023). The query heads of a group are the rows of one product, so that a key is read once for all of them.
"""

from __future__ import annotations

from math import ceil, log2
from math import e as euler
from typing import NamedTuple

import torch
import triton
import triton.language as tl

from oneblock.backends.kernels.triton._elementwise import padded
from oneblock.backends.kernels.triton.flash_attention import soft_capped
from oneblock.backends.kernels.triton.launch import Config, KernelCall, Runner, Work, config
from oneblock.workloads.ops.definitions import Array, Scores

_CONFIGS = (config(4, 2, BN=32), config(4, 2, BN=64), config(4, 3, BN=64), config(4, 2, BN=128))
_BY_VECTORS = (config(4, 2, BN=16), config(4, 2, BN=32))
_FEWEST_KEYS = 128  # of one part: fewer do not pay for the joining


@triton.jit
def decode_part_kernel(
    q_ptr, k_ptr, v_ptr, acc_ptr, largest_ptr, total_ptr, pages_ptr, position_ptr, S, part_keys, kv_heads, scale,
    k_batch, k_stride, k_head, v_batch, v_stride, v_head,
    GROUP: tl.constexpr, ROWS: tl.constexpr, D: tl.constexpr, WIDTH: tl.constexpr, DV: tl.constexpr,
    WIDTH_V: tl.constexpr, CAP: tl.constexpr, PAGE: tl.constexpr, WINDOW: tl.constexpr, BN: tl.constexpr,
):  # fmt: skip
    """One part of the keys of one key/value head a program, for the GROUP query heads that read it.

    With PAGE > 0 keys are in pages of a pool, and a sequence's last is at its own position: a part may have none.
    """
    part, parts = tl.program_id(0), tl.num_programs(0)
    batch, head = (tl.program_id(1) // kv_heads).to(tl.int64), tl.program_id(1) % kv_heads
    row, wide = tl.arange(0, ROWS), tl.arange(0, WIDTH)
    inside = (row[:, None] < GROUP) & (wide[None, :] < D)
    query = ((batch * kv_heads + head) * GROUP + row[:, None]) * D + wide[None, :]
    q = tl.load(q_ptr + query, mask=inside, other=0.0)
    k_ptr += batch * k_batch + head * k_head
    v_ptr += batch * v_batch + head * v_head

    wide_v = tl.arange(0, WIDTH_V)
    acc = tl.zeros((ROWS, WIDTH_V), tl.float32)
    largest, total = tl.full((ROWS,), float("-inf"), tl.float32), tl.zeros((ROWS,), tl.float32)
    first, end = part * part_keys, tl.minimum(S, (part + 1) * part_keys)
    if PAGE > 0:
        seen = tl.load(position_ptr + batch) + 1
        first, end = tl.maximum(first, (seen - WINDOW) // BN * BN), tl.minimum(end, seen)
    for start in tl.range(first, end, BN):
        keys = start + tl.arange(0, BN)
        there, place = keys < end, keys.to(tl.int64)
        if PAGE > 0:
            page = tl.load(pages_ptr + batch * (S // PAGE) + keys // PAGE, mask=there, other=0)
            place = page.to(tl.int64) * PAGE + keys % PAGE
            there = there & (keys >= seen - WINDOW)
        k_at = place[None, :] * k_stride + wide[:, None]
        k = tl.load(k_ptr + k_at, mask=there[None, :] & (wide[:, None] < D), other=0.0)
        scores = tl.dot(q, k, input_precision="ieee") * scale  # (ROWS, BN), in base 2
        if CAP > 0.0:
            scores = soft_capped(scores, CAP)
        scores = tl.where(there[None, :], scores, float("-inf"))
        larger = tl.maximum(largest, tl.max(scores, 1))
        if PAGE > 0:  # a window may begin behind a part's last key: then it has seen none
            largest = tl.where(larger == float("-inf"), 0.0, largest)
            larger = tl.where(larger == float("-inf"), 0.0, larger)
        weights = tl.exp2(scores - larger[:, None])
        rescale = tl.exp2(largest - larger)
        total = total * rescale + tl.sum(weights, 1)
        v_at = place[:, None] * v_stride + wide_v[None, :]
        v = tl.load(v_ptr + v_at, mask=there[:, None] & (wide_v[None, :] < DV), other=0.0)
        acc = tl.dot(weights.to(v.dtype), v, acc * rescale[:, None], input_precision="ieee")
        largest = larger

    own = ((batch * kv_heads + head) * GROUP + row) * parts + part  # (B, N, parts)
    tl.store(acc_ptr + own[:, None] * DV + wide_v[None, :], acc, mask=(row[:, None] < GROUP) & (wide_v[None, :] < DV))
    tl.store(largest_ptr + own, largest, mask=row < GROUP)
    tl.store(total_ptr + own, total, mask=row < GROUP)


@triton.jit
def decode_join_kernel(
    acc_ptr, largest_ptr, total_ptr, y_ptr, parts, D: tl.constexpr, WIDTH: tl.constexpr, PARTS: tl.constexpr
):  # fmt: skip
    """One query head a program: the parts' sums, each scaled down to the largest score of all."""
    head, part, wide = tl.program_id(0).to(tl.int64), tl.arange(0, PARTS), tl.arange(0, WIDTH)
    there = part < parts
    largest = tl.load(largest_ptr + head * parts + part, mask=there, other=float("-inf"))
    rescale = tl.exp2(largest - tl.max(largest, 0))
    total = tl.sum(tl.load(total_ptr + head * parts + part, mask=there, other=0.0) * rescale, 0)
    at = (head * parts + part[:, None]) * D + wide[None, :]
    acc = tl.load(acc_ptr + at, mask=there[:, None] & (wide[None, :] < D), other=0.0)
    y = tl.sum(acc * rescale[:, None], 0) / total
    tl.store(y_ptr + head * D + wide, y.to(y_ptr.dtype.element_ty), mask=wide < D)


def decode_attention(runner: Runner, q: Array, k: Array, v: Array, scores: Scores) -> Array:
    """q (B, 1, N, D), k (B, S, K, D), v (B, S, K, Dv), the last axis packed -> (B, 1, N, Dv): every key is seen."""
    return _decoded(runner, q, k, v, scores, _Keys(k.shape[1]))


def paged_attention(
    runner: Runner, q: Array, k: Array, v: Array, pages: Array, position: Array, scores: Scores
) -> Array:
    """q (B, 1, N, D), k and v (P, page, K, D), pages (B, S / page), position (B,) -> (B, 1, N, D).

    As `Ops.attention_paged`: no key is copied, and a part that no sequence's keys reach reads nothing.
    """
    page = k.shape[1]
    keys = _Keys(pages.shape[1] * page, pages, position, page, scores.window)
    flat = (1, -1, *k.shape[2:])
    return _decoded(runner, q, k.reshape(flat), v.reshape(flat), scores, keys)


class _Keys(NamedTuple):
    """Where S keys of each sequence are: all in its own rows of a cache, or in pages (B, S / page) of one pool."""

    S: int
    pages: Array | None = None
    position: Array | None = None
    page: int = 0
    window: int | None = None


def _decoded(runner: Runner, q: Array, k: Array, v: Array, scores: Scores, keys: _Keys) -> Array:
    """q (B, 1, N, D), k (B or 1, S or P * page, K, D), v likewise of Dv -> (B, 1, N, Dv).

    FLOPs: 2*B*N*S*(D + Dv), of a group's rows padded to 16. Bytes: k and v read once, q, and for each part a float32
    row of Dv and two numbers for every query head, written and read again.
    """
    (B, _, N, D), (_, _, K, Dv), S = q.shape, v.shape, keys.S
    q, group, width, width_v = q.reshape(B, N, D), N // K, max(16, padded(D)), max(16, padded(Dv))
    parts = parts_of(S, B * K, runner.sms)
    part_keys = ceil(S / parts)
    wide = q.new_empty(0, dtype=torch.float32)  # what the sums are kept in
    acc, largest, total = (runner.empty(shape, wide) for shape in ((B, N, parts, Dv), (B, N, parts), (B, N, parts)))
    y = runner.empty((B, 1, N, Dv), q)
    strides = tuple(x.stride(axis) if axis or keys.pages is None else 0 for x in (k, v) for axis in (0, 1, 2))
    sums = 4.0 * B * N * parts * (Dv + 2)

    def part_work(config: Config) -> Work:
        computed = ceil(part_keys / config["BN"]) * config["BN"]  # keys of a part
        flops = 2.0 * (width + width_v) * B * K * max(16, padded(group)) * parts * computed
        moved = (B * N * D + float(B * S * K * (D + Dv))) * q.element_size() + sums
        waiting = float(config["BN"] * (D + Dv)) * q.element_size() * max(1, config.num_stages - 1)
        return Work(flops, moved, waiting)

    runner.launch(
        KernelCall(
            decode_part_kernel,
            _CONFIGS if q.element_size() < 4 and runner.tensor_cores else _BY_VECTORS,
            args=lambda config: (
                q, k, v, acc, largest, total, keys.pages, keys.position, S, part_keys, K,
                log2(euler) * scores.scale, *strides,
            ),
            grid=lambda config: (parts, B * K),
            work=part_work,
            constants={
                "GROUP": group, "ROWS": max(16, padded(group)), "D": D, "WIDTH": width, "DV": Dv, "WIDTH_V": width_v,
                "CAP": scores.soft_cap or 0.0, "PAGE": keys.page, "WINDOW": keys.window or S,
            },
            matrix_units=True,
        )
    )  # fmt: skip
    moved = sums + B * N * Dv * q.element_size()
    runner.launch(
        KernelCall(
            decode_join_kernel,
            (config(1, 1), config(4, 1)),
            args=lambda config: (acc, largest, total, y, parts),
            grid=lambda config: (B * N,),
            work=lambda config: Work(3.0 * B * N * parts * Dv, moved, 4.0 * parts * Dv),
            constants={"D": Dv, "WIDTH": width_v, "PARTS": padded(parts)},
        )
    )
    return y


def parts_of(S: int, rows: int, sms: int) -> int:
    """Into how many parts S keys go, so that `rows` * parts programs fill a GPU twice; each has a few keys at least."""
    return max(1, min(ceil(2 * sms / rows), S // _FEWEST_KEYS))
