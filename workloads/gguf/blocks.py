"""GGUF's types of tensors: how many bytes hold how many numbers, and which numbers those are.

The layouts are those of `block_q4_0` and its like in ggml-common.h of llama.cpp, the arithmetic is that of its
`dequantize_row_*` in ggml-quants.c, in float32 and in that order, so that each number is llama.cpp's to the bit.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

Raw = NDArray[np.uint8]
Numbers = NDArray[np.float32]
_AT_ONCE = 1 << 16  # blocks, so that what lies between bytes and numbers takes few MB


@dataclass(frozen=True)
class Packing:
    """One type: a row is blocks of so many numbers in so many bytes."""

    name: str
    numbers: int
    bytes: int
    unpack: Callable[[Raw], Numbers]  # blocks (M, bytes) of uint8 -> (M, numbers) in float32


def unpacked(packing: Packing, raw: Raw) -> Numbers:
    """Whole blocks, raw (N,) of uint8, as numbers (M,) in float32; what was no number, or overflows, is none."""
    blocks = raw.reshape(-1, packing.bytes)
    found = np.empty((len(blocks), packing.numbers), np.float32)
    with np.errstate(all="ignore"):
        for start in range(0, len(blocks), _AT_ONCE):
            found[start : start + _AT_ONCE] = packing.unpack(blocks[start : start + _AT_ONCE])
    return found.reshape(-1)


def _half(raw: Raw) -> Numbers:
    return raw.view("<f2").astype(np.float32)


def _nibbles(raw: Raw) -> Raw:
    """(M, n) of uint8 -> (M, 2 n): the lower four bits of all bytes, then the upper."""
    return np.concatenate([raw & 15, raw >> 4], axis=-1)


def _fives(high: Raw, low: Raw) -> Raw:
    """Five bits each: the fifth are the bits of four bytes, (M, 4) and (M, 16) -> (M, 32)."""
    fifth = np.unpackbits(high, axis=-1, bitorder="little")
    return _nibbles(low) | fifth << np.uint8(4)


def _q4_0(b: Raw) -> Numbers:
    return _half(b[:, :2]) * (_nibbles(b[:, 2:]).astype(np.float32) - 8)


def _q4_1(b: Raw) -> Numbers:
    return _half(b[:, :2]) * _nibbles(b[:, 4:]) + _half(b[:, 2:4])


def _q5_0(b: Raw) -> Numbers:
    return _half(b[:, :2]) * (_fives(b[:, 2:6], b[:, 6:]).astype(np.float32) - 16)


def _q5_1(b: Raw) -> Numbers:
    return _half(b[:, :2]) * _fives(b[:, 4:8], b[:, 8:]) + _half(b[:, 2:4])


def _q8_0(b: Raw) -> Numbers:
    return _half(b[:, :2]) * b[:, 2:].view(np.int8)


def _scales(b: Raw) -> tuple[Numbers, Numbers]:
    """Of Q4_K and Q5_K the scale and the least of each 32 numbers, (M, 8, 1): six bits each, in the bytes 4 to 16."""
    scales, least, upper = b[:, 4:8], b[:, 8:12], b[:, 12:16]
    scales = np.concatenate([scales & 63, upper & 15 | scales >> 6 << 4], axis=-1)
    least = np.concatenate([least & 63, upper >> 4 | least >> 6 << 4], axis=-1)
    return (_half(b[:, :2]) * scales)[..., None], (_half(b[:, 2:4]) * least)[..., None]


def _q4_k(b: Raw) -> Numbers:
    scales, least = _scales(b)
    numbers = _nibbles(b[:, 16:].reshape(-1, 4, 32)).reshape(-1, 8, 32)
    return (scales * numbers - least).reshape(-1, 256)


def _q5_k(b: Raw) -> Numbers:
    scales, least = _scales(b)
    fifth = b[:, None, 16:48] >> np.arange(8, dtype=np.uint8)[:, None] & 1
    numbers = _nibbles(b[:, 48:].reshape(-1, 4, 32)).reshape(-1, 8, 32) | fifth << 4
    return (scales * numbers - least).reshape(-1, 256)


def _q6_k(b: Raw) -> Numbers:
    low = _nibbles(b[:, :128].reshape(-1, 2, 64)).reshape(-1, 2, 4, 32)
    high = b[:, 128:192].reshape(-1, 2, 1, 32) >> np.arange(0, 8, 2, dtype=np.uint8)[:, None] & 3
    numbers = (low | high << 4).reshape(-1, 16, 16).astype(np.float32) - 32
    scales = _half(b[:, 208:]) * b[:, 192:208].view(np.int8)
    return (scales[..., None] * numbers).reshape(-1, 256)


# By the number that a file has for each, `enum ggml_type` of ggml.h.
PACKINGS = {
    0: Packing("F32", 1, 4, lambda b: b.view("<f4")),
    1: Packing("F16", 1, 2, _half),
    2: Packing("Q4_0", 32, 18, _q4_0),
    3: Packing("Q4_1", 32, 20, _q4_1),
    6: Packing("Q5_0", 32, 22, _q5_0),
    7: Packing("Q5_1", 32, 24, _q5_1),
    8: Packing("Q8_0", 32, 34, _q8_0),
    12: Packing("Q4_K", 256, 144, _q4_k),
    13: Packing("Q5_K", 256, 176, _q5_k),
    14: Packing("Q6_K", 256, 210, _q6_k),
    30: Packing("BF16", 1, 2, lambda b: b.view(ml_dtypes.bfloat16).astype(np.float32)),
}
# Those that are not read, so that they can be called by their names.
_OTHERS = """
    9 Q8_1 10 Q2_K 11 Q3_K 15 Q8_K 16 IQ2_XXS 17 IQ2_XS 18 IQ3_XXS 19 IQ1_S 20 IQ4_NL 21 IQ3_S 22 IQ2_S 23 IQ4_XS
    24 I8 25 I16 26 I32 27 I64 28 F64 29 IQ1_M 34 TQ1_0 35 TQ2_0 39 MXFP4 40 NVFP4 41 Q1_0
"""
_NAMES = {int(number): name for number, name in re.findall(r"(\d+) (\w+)", _OTHERS)}


def name_of(number: int) -> str:
    """What a type is called: "Q4_K", or of one that is not read its name and number, "Q2_K (type 10)"."""
    return PACKINGS[number].name if number in PACKINGS else f"{_NAMES.get(number, 'unknown')} (type {number})"
