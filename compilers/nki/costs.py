"""Cycles that an engine is busy with one instruction, by the documents' formulas: modelled, never measured.

TensorE: max(N, 64) cycles to stream N columns of the moving operand, four times that in float32; the stationary one is
loaded behind it, four times faster ("Cost Model" and "Fast LoadStationary" of the Trainium/Inferentia2 guide). VectorE:
N cycles with one input, 2 N with two, ScalarE N; an instruction is not issued more often than every 64 cycles, and
twice as long where the innermost stride exceeds 16 bytes. The higher rates that VectorE has from v3 on for some dtypes
are left out. Of GpSimd no cost is documented but that of rsqrt, 4 N; it is counted as VectorE.
"""

from __future__ import annotations

from oneblock.compilers.nki.elements import elements
from oneblock.compilers.nki.memory import NkiTensor
from oneblock.compilers.nki.operands import free

LEAST = 64  # cycles between two instructions of an engine
SETTLE = 100  # cycles until a result can be read: the static overhead of dependent instructions
READ_ACCUMULATOR = 64
_WIDE_STRIDE_BYTES = 16


def streamed(*operands: NkiTensor, inputs: int = 1, per_element: int = 1) -> float:
    """Cycles of VectorE, ScalarE or GpSimd over operands (P, F): F of the largest, times what an element takes."""
    elements = max(free(one) for one in operands)
    slow = 2 if any(_strided(one) for one in operands) else 1
    return float(max(LEAST, elements * inputs * per_element * slow))


def product(moving_columns: int, *, float32: bool) -> float:
    """Of TensorE: streaming the moving operand. The next stationary one is loaded meanwhile, in 32 cycles at most."""
    return float(max(LEAST, moving_columns)) * (4 if float32 else 1)


def _strided(tensor: NkiTensor) -> bool:
    steps = [step for step, n in zip(tensor.strides, tensor.shape, strict=True) if n > 1]
    return bool(tensor.ndim > 1 and tensor.shape[-1] > 1 and steps[-1] * elements(tensor).itemsize > _WIDE_STRIDE_BYTES)


def runs(tensor: NkiTensor) -> int:
    """Contiguous pieces of memory that a DMA of a tensor (P, F) or (...) reads or writes."""
    run, expected = 1, 1
    first = 1 if tensor.on_chip else 0  # partitions lie apart
    for step, n in reversed(list(zip(tensor.strides, tensor.shape, strict=True))[first:]):
        if n > 1 and step != expected:
            break
        run, expected = run * n, expected * n
    return tensor.size // run
