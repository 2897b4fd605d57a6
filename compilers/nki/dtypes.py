"""NKI's dtypes: strings in a kernel, NumPy's and ml_dtypes' in memory."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

FLOATS: dict[str, type] = {
    "float32": np.float32,
    "bfloat16": ml_dtypes.bfloat16,
    "float16": np.float16,
    "float8_e5m2": ml_dtypes.float8_e5m2,
}
INTEGERS: dict[str, type[np.integer[Any]]] = {
    "int8": np.int8, "int16": np.int16, "int32": np.int32,
    "uint8": np.uint8, "uint16": np.uint16, "uint32": np.uint32,
}  # fmt: skip
# NKI has these, too.
NOT_INTERPRETED = (
    "bool_", "tfloat32", "float8_e4m3", "float8_e4m3fn", "float8_e8m0fnu", "float8_e5m2_x4", "float8_e4m3fn_x4",
    "float4_e2m1fn_x4",
)  # fmt: skip
POISON = 4  # what integers hold before they are written; floats hold NaN


def numpy_dtype(name: str) -> np.dtype[np.generic]:
    """LookupError for a dtype that is not interpreted."""
    found = (FLOATS | INTEGERS).get(name)
    if found is None:
        raise LookupError(f"dtype {name!r}: this interpreter has {', '.join(FLOATS | INTEGERS)}")
    return np.dtype(found)


def poisoned(shape: tuple[int, ...], name: str) -> np.ndarray:
    """Memory (...) that nobody has written."""
    return np.full(shape, np.nan if name in FLOATS else POISON, dtype=numpy_dtype(name))


def converted(values: np.ndarray, name: str) -> np.ndarray:
    """Float32 values (...) as an engine writes them: rounded to nearest even, integers kept within their range."""
    dtype = numpy_dtype(name)
    if name in INTEGERS:
        limits, values = np.iinfo(INTEGERS[name]), np.nan_to_num(values)
        return np.clip(np.rint(values.astype(np.float64)), limits.min, limits.max).astype(dtype)
    with np.errstate(over="ignore"):  # infinity, as on the device
        return values.astype(dtype)
