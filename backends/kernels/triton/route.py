"""Routing: of each row's softmax the k largest, in float32 and rounded once; the others are zero."""

from __future__ import annotations

import triton
import triton.language as tl

from oneblock.backends.kernels.triton._elementwise import cdiv, padded, rows_configs, streamed
from oneblock.backends.kernels.triton.launch import Config, KernelCall, Runner, Work
from oneblock.workloads.ops.definitions import Array


@triton.jit
def route_kernel(
    logits_ptr, y_ptr, rows, experts, RENORMALISED: tl.constexpr, TAKEN: tl.constexpr, ROWS: tl.constexpr,
    WIDTH: tl.constexpr
):  # fmt: skip
    """ROWS rows of logits (rows, experts) a program; the largest that is left is taken TAKEN times."""
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column = tl.arange(0, WIDTH)
    there = column[None, :] < experts
    inside = (row[:, None] < rows) & there
    at = row[:, None].to(tl.int64) * experts + column[None, :]
    logits = tl.load(logits_ptr + at, mask=inside, other=0.0).to(tl.float32)
    logits = tl.where(there, logits, float("-inf"))
    p = tl.exp(logits - tl.max(logits, axis=1)[:, None])
    p = p / tl.sum(p, axis=1)[:, None]
    left = tl.where(there, p, -1.0)
    taken = tl.zeros_like(p)
    for _ in range(TAKEN):
        chosen = column[None, :] == tl.argmax(left, axis=1)[:, None]  # of equal ones the first
        taken = tl.where(chosen, p, taken)
        left = tl.where(chosen, -1.0, left)
    if RENORMALISED:
        taken = taken / tl.sum(taken, axis=1)[:, None]
    tl.store(y_ptr + at, taken.to(y_ptr.dtype.element_ty), mask=inside)


def route(runner: Runner, logits: Array, k: int, renormalised: bool) -> Array:
    """logits (M, E) -> (M, E): the softmax of each row where it is among the k largest, and zero elsewhere.

    FLOPs: 5 an element for the softmax, 2 k for the choice. Bytes: logits read and the answer written once.
    """
    rows, experts = logits.shape
    flat = logits.contiguous()
    y = runner.empty((rows, experts), flat)

    def work(config: Config) -> Work:
        flops = (5.0 + 2.0 * k) * rows * experts
        return streamed(rows * experts, flops, 1, 1, logits.element_size(), config["ROWS"] * experts)

    runner.launch(
        KernelCall(
            route_kernel,
            rows_configs(padded(experts)),
            args=lambda config: (flat, y, rows, experts),
            grid=lambda config: (cdiv(rows, config["ROWS"]),),
            work=work,
            constants={"RENORMALISED": renormalised, "TAKEN": k, "WIDTH": padded(experts)},
        )
    )
    return y
