"""Formats of operands, by the names that tables of reported latencies have for them.

Bytes count what is read beside an element: of fp8 in blocks a float32 scale for 128 of a row and for 128 x 128 of the
weights (DeepSeek-V3, section 3.3), of nvfp4 an fp8 one for 16, of mxfp4 and mxfp8 an 8-bit one for 32 (OCP,
"Microscaling Formats"), of int4 weights a bfloat16 one for 128.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Format:
    """Whose peak computes a product, and bytes of an element: of what comes in, of weights or cache, of a result."""

    peak: str  #: as chips name it
    left_bytes: float
    right_bytes: float
    out_bytes: float = 2.0


_BLOCK, _ROW_OF_BLOCK = 1 + 4 / 128**2, 1 + 4 / 128
_NVFP4, _MXFP4, _MXFP8 = 0.5 + 1 / 16, 0.5 + 1 / 32, 1 + 1 / 32
FORMATS = {
    "bfloat16": Format("bfloat16", 2, 2),
    "fp8": Format("float8_e4m3fn", 1, 1),
    "fp8_block": Format("float8_e4m3fn", _ROW_OF_BLOCK, _BLOCK),
    "nvfp4": Format("float4_e2m1fn", _NVFP4, _NVFP4),
    "sq": Format("int8", 1, 1),
    "int8_wo": Format("bfloat16", 2, 1),  # weights only: they are widened, and computed with bfloat16's peak
    "int4_wo": Format("bfloat16", 2, 0.5 + 2 / 128),
    "w4a16_mxfp4": Format("bfloat16", 2, _MXFP4),
    "w4a8_mxfp4_mxfp8": Format("float8_e4m3fn", _MXFP8, _MXFP4),
}
