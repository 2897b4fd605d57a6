"""What NKI's operators and functions come to, in NumPy and from AWS's documentation; and how answers are compared."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from oneblock.compilers import nki as _nki

V2, V3, V4 = (_nki.generation(name) for name in ("v2", "v3", "v4"))
FLOATS, INTEGERS = ("float32", "bfloat16", "float16"), ("int32", "uint32", "int16", "uint8", "int8")
DTYPES = {name: np.dtype(name) for name in (*INTEGERS, "float32", "float16")}
DTYPES["bfloat16"] = np.dtype(ml_dtypes.bfloat16)
ROUNDING = {"float32": 2e-6, "float16": 2**-10, "bfloat16": 2**-7}  # relative, of one rounding and a sum's order

few = settings(max_examples=15, deadline=None, derandomize=True, database=None)
seeds = st.integers(0, 2**32 - 1)
partitions = st.one_of(st.sampled_from([1, 32, 33, 64, 127, 128]), st.integers(1, 128))
tiles = st.builds(lambda p, free: (p, *free), partitions, st.lists(st.integers(1, 9), min_size=1, max_size=3))
matrices = st.tuples(partitions, st.integers(1, 80))
floats, any_dtype = st.sampled_from(FLOATS), st.sampled_from([*FLOATS, *INTEGERS])
kinds = st.sampled_from(["number", "tile"])


def run(kernel: Any, *args: Any, on: _nki.Generation = V3) -> Any:
    outputs = _nki.run(kernel, on, *args).outputs
    return outputs if len(outputs) > 1 else outputs[0]


def drawn(seed: int, shape: tuple[int, ...], dtype: str = "float32") -> np.ndarray:
    """Of floats half are multiples of 1/2, so that some are alike; of integers, all that there are."""
    rng = np.random.default_rng(seed)
    if dtype in INTEGERS:
        limits = np.iinfo(dtype)
        return rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    values = np.where(rng.random(shape) < 0.5, rng.integers(-9, 10, shape) / 2, rng.standard_normal(shape) * 4)
    return values.astype(np.float32).astype(DTYPES[dtype])


def operand(kind: str, seed: int, p: int) -> Any:
    """A number, or a tile of one element for each partition."""
    return float(drawn(seed, (1,))[0]) if kind == "number" else drawn(seed, (p, 1))


def wide(x: np.ndarray) -> np.ndarray:
    """(P, n) in float32."""
    return x.reshape(len(x), -1).astype(np.float32)


def cast(values: np.ndarray, dtype: str) -> np.ndarray:
    """Float32 in another dtype: to nearest even, integers within their range."""
    if dtype in INTEGERS:
        limits = np.iinfo(dtype)
        return np.clip(np.rint(values.astype(np.float64)), limits.min, limits.max).astype(dtype)
    with np.errstate(over="ignore"):
        return np.asarray(values, np.float32).astype(DTYPES[dtype])


def same(got: np.ndarray, want: np.ndarray) -> None:
    """Every element, of one dtype."""
    assert got.dtype == want.dtype
    assert got.size == want.size
    np.testing.assert_array_equal(got.reshape(want.shape).astype(np.float64), want.astype(np.float64))


def close(got: np.ndarray, want: np.ndarray, dtype: str = "float32", *, scale: float = 1.0) -> None:
    """`want` is in float64; `scale` is the size of what was summed."""
    assert got.dtype == DTYPES[dtype]
    assert got.size == want.size
    bound = ROUNDING[dtype]
    with np.errstate(over="ignore"):
        rounded = want.astype(DTYPES[dtype]).astype(np.float64)
    want = np.where(np.isinf(rounded), rounded, want)  # beyond what the dtype holds
    np.testing.assert_allclose(got.astype(np.float64).reshape(want.shape), want, rtol=bound, atol=scale * bound)


BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "maximum": lambda x, y: np.where(x > y, x, y),
    "minimum": lambda x, y: np.where(x < y, x, y),
    "equal": lambda x, y: x == y,
    "not_equal": lambda x, y: x != y,
    "greater_equal": lambda x, y: x >= y,
    "greater": lambda x, y: x > y,
    "less_equal": lambda x, y: x <= y,
    "less": lambda x, y: x < y,
    "logical_and": lambda x, y: (x != 0) & (y != 0),
    "logical_or": lambda x, y: (x != 0) | (y != 0),
    "logical_xor": lambda x, y: (x != 0) ^ (y != 0),
    "abs_max": lambda x, y: np.where(abs(x) > abs(y), x, y),  # of two alike the second
    "abs_min": lambda x, y: np.where(abs(x) < abs(y), x, y),
}
UNARY: dict[str, Callable[[Any], Any]] = {"abs": abs, "square": lambda x: x * x, "relu": lambda x: x * (x > 0)}
REDUCTIONS = ("add", "subtract", "multiply", "maximum", "minimum", "logical_and", "logical_or", "logical_xor")
BITS: dict[str, Callable[[int, int, int], int]] = {  # of words of so many bits without a sign
    "bitwise_and": lambda x, y, bits: x & y,
    "bitwise_or": lambda x, y, bits: x | y,
    "bitwise_xor": lambda x, y, bits: x ^ y,
    "left_shift": lambda x, y, bits: (x << y) % 2**bits,
    "right_shift": lambda x, y, bits: x >> y,
}
erf = np.vectorize(math.erf, otypes=[float])
FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "copy": lambda x: x,
    "square": np.square,
    "abs": np.abs,
    "sign": np.sign,
    "relu": lambda x: np.where(x > 0, x, 0.0),
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: x**-0.5,
    "reciprocal": lambda x: x**-1.0,
    "tanh": np.tanh,
    "sigmoid": lambda x: 0.5 * (1 + np.tanh(x / 2)),
    "silu": lambda x: x * 0.5 * (1 + np.tanh(x / 2)),
    "sin": np.sin,
    "arctan": np.arctan,
    "erf": erf,
    "gelu": lambda x: x * (1 + erf(x / 2**0.5)) / 2,
    "gelu_apprx_tanh": lambda x: x / 2 * (1 + np.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * x**3))),
    "gelu_apprx_sigmoid": lambda x: x / (1 + np.exp(-1.702 * x)),
    "softplus": lambda x: np.log1p(np.exp(x)),
}
VALID = {"sin": 3.1, "arctan": 1.5} | dict.fromkeys(("log", "sqrt", "rsqrt", "reciprocal"), 0.01)


def valid(op: str, x: np.ndarray) -> np.ndarray:
    """The argument where ScalarE's answer is valid, in x's dtype."""
    if op in ("sin", "arctan"):
        return np.clip(x.astype(np.float32), -VALID[op], VALID[op]).astype(x.dtype)
    return np.maximum(abs(x.astype(np.float32)), VALID[op]).astype(x.dtype) if op in VALID else x


def combined(op: str, x: np.ndarray, y: Any, *, reverse: bool = False) -> np.ndarray:
    """One operator of the table, in float32."""
    if op in UNARY:
        return np.asarray(UNARY[op](x), np.float32)
    return np.asarray(BINARY[op](y, x) if reverse else BINARY[op](x, y), np.float32)


def folded(op: str, x: np.ndarray) -> np.ndarray:
    """(P, n) to (P, 1) in float64, from the first element on."""
    found = x[:, :1].astype(np.float64)
    for i in range(1, x.shape[1]):
        found = np.asarray(BINARY[op](found, x[:, i : i + 1].astype(np.float64)), np.float64)
    return found
