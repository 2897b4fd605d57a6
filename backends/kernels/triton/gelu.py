"""GELU in the tanh form that GPT-2 uses, in float32, rounded once (Hendrycks & Gimpel 2016)."""

from __future__ import annotations

import triton
import triton.language as tl

from oneblock.backends.kernels.triton._elementwise import element_by_element
from oneblock.backends.kernels.triton.launch import Runner
from oneblock.workloads.ops.definitions import Array


@triton.jit
def gelu_tanh(x):
    """x * sigmoid(2u) of float32 values, with u = sqrt(2/pi) * (x + 0.044715 x^3): tanh(u) is 2 sigmoid(2u) - 1."""
    u = 0.7978845608028654 * (x + 0.044715 * x * x * x)
    return x / (1.0 + tl.exp(-2.0 * u))


@triton.jit
def gelu_kernel(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    """BLOCK elements of n a program."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < n
    x = tl.load(x_ptr + at, mask=inside, other=0.0).to(tl.float32)
    tl.store(y_ptr + at, gelu_tanh(x).to(y_ptr.dtype.element_ty), mask=inside)


def gelu(runner: Runner, x: Array) -> Array:
    """x (..., F) -> (..., F).

    FLOPs: 9 an element. Bytes: x read and y written once.
    """
    return element_by_element(runner, gelu_kernel, (x,), 9.0)
