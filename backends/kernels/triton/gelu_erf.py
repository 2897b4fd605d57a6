"""GELU as it is defined, x times the normal distribution's integral up to x, in float32 (Hendrycks & Gimpel 2016)."""

from __future__ import annotations

import triton
import triton.language as tl

from oneblock.backends.kernels.triton._elementwise import element_by_element
from oneblock.backends.kernels.triton.launch import Runner
from oneblock.workloads.ops.definitions import Array


@triton.jit
def gelu_erf_kernel(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    """BLOCK elements of n a program."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < n
    x = tl.load(x_ptr + at, mask=inside, other=0.0).to(tl.float32)
    tl.store(y_ptr + at, (0.5 * x * (1.0 + tl.erf(x * 0.7071067811865476))).to(y_ptr.dtype.element_ty), mask=inside)


def gelu_erf(runner: Runner, x: Array) -> Array:
    """x (..., F) -> (..., F).

    FLOPs: 5 an element. Bytes: x read and y written once.
    """
    return element_by_element(runner, gelu_erf_kernel, (x,), 5.0)
