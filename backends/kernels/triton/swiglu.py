"""SwiGLU's gate: gate * sigmoid(gate) * up, in float32, rounded once (Shazeer 2020)."""

from __future__ import annotations

import triton
import triton.language as tl

from oneblock.backends.kernels.triton._elementwise import element_by_element
from oneblock.backends.kernels.triton.launch import Runner
from oneblock.workloads.ops.definitions import Array


@triton.jit
def swiglu_kernel(gate_ptr, up_ptr, y_ptr, n, BLOCK: tl.constexpr):
    """BLOCK elements of n a program."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < n
    gate = tl.load(gate_ptr + at, mask=inside, other=0.0).to(tl.float32)
    up = tl.load(up_ptr + at, mask=inside, other=0.0).to(tl.float32)
    tl.store(y_ptr + at, (gate / (1.0 + tl.exp(-gate)) * up).to(y_ptr.dtype.element_ty), mask=inside)


def swiglu(runner: Runner, gate: Array, up: Array) -> Array:
    """gate and up (..., F) -> (..., F).

    FLOPs: 5 an element. Bytes: gate and up read once, y written once.
    """
    return element_by_element(runner, swiglu_kernel, (gate, up), 5.0)
