"""Inputs of one's own in place of drawn ones: an `.npz` file with a workload's input arrays by their names.

It is somebody else's file: whatever is wrong with it, the answer is an `InputError`. Sizes and headers are looked at
before an array is made, nothing is unpickled, and what is read is what was hashed.
"""

from __future__ import annotations

import hashlib
import io
import lzma
import stat
import struct
import tokenize
import zipfile
import zlib
from math import prod
from pathlib import Path

import ml_dtypes
import numpy as np
from numpy.lib import format as _npy

from oneblock.workloads._workload import Case, Workload
from oneblock.workloads.answers.arrays import Named
from oneblock.workloads.ops.dtypes import dtype_of

_STORED = ("float16", "float32", "float64")  # NumPy's own file has no bfloat16
_HEADERS_BYTES = 2**20  # what a file may have beside its numbers
_BROKEN = (
    ValueError, OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error,
    LookupError, MemoryError, SyntaxError, TypeError, tokenize.TokenError,  # as NumPy reads a header of somebody else's
)  # fmt: skip


class InputError(ValueError):
    """Why a file cannot be used as inputs, as a sentence for the person who named it."""


def input_shapes(workload: Workload, case: Case) -> dict[str, tuple[int, ...]]:
    """The arrays that a file must have, with their shapes: x (B, T, C), and in decode the caches (B, K, S, D)."""
    return {name: spec.shape for name, spec in workload.specs(case).items() if spec.is_input}


def load_inputs(workload: Workload, case: Case, dtype: str, path: Path) -> tuple[Named, str]:
    """(the arrays of a file by name, its SHA-256): each of its Spec's shape (...), rounded to the dtype once.

    Of a cache (B, K, S, D) the last slot is the new token's, and is never read. InputError says what is wrong with it.
    """
    shapes = input_shapes(workload, case)
    raw = _read(path, sum(map(prod, shapes.values())) * 8 + _HEADERS_BYTES)
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as members:
            _has(path, members, shapes, case)
            found = {name: _round(_array(path, members, name, shapes[name]), dtype, path, name) for name in shapes}
    except _BROKEN as error:
        raise _unreadable(path, error) from None
    return found, hashlib.sha256(raw).hexdigest()


def read_inputs(workload: Workload, case: Case, dtype: str, path: Path, sha256: str) -> Named:
    """The arrays (...) of a file by name; InputError where it is not the one that had that hash."""
    given, found = load_inputs(workload, case, dtype, path)
    if found != sha256:
        raise InputError(f"{path}: changed since it was named: expected SHA-256 {sha256[:16]}..., got {found[:16]}...")
    return given


def varied(given: Named, seed: int) -> Named:
    """Other inputs much like these: each number times one of its own, drawn evenly from 0.5 to 1.5; shapes stay (...).

    Their scale, their outliers and mostly a router's choices stay as they are, and no row is one that was seen.
    """
    found = {}
    for name, array in given.items():
        stream = np.random.SFC64(np.random.SeedSequence([seed, zlib.crc32(name.encode())]))
        factors = np.random.Generator(stream).random(array.shape, dtype=np.float32) + np.float32(0.5)
        most = float(ml_dtypes.finfo(array.dtype).max)
        found[name] = np.clip(array.astype(np.float64) * factors, -most, most).astype(array.dtype)
    return found


def _read(path: Path, most: int) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{path}: expected an .npz file, got a folder, a pipe, a socket or a device")
        if status.st_size > most:
            raise InputError(f"{path}: expected at most {most:,} bytes for inputs of this size, got {status.st_size:,}")
        with path.open("rb") as file:
            return file.read(most)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> InputError:
    if isinstance(error, InputError):
        return error
    if isinstance(error, OSError) and error.strerror:
        return InputError(f"{path}: cannot be read: {error.strerror}")
    why = ascii(str(error) or type(error).__name__)[1:-1][:200]
    return InputError(f"{path}: not a readable .npz file, as numpy.savez writes it: {why}")


def _has(path: Path, members: zipfile.ZipFile, shapes: dict[str, tuple[int, ...]], case: Case) -> None:
    """InputError where a file has not the arrays that there must be, each once, or one is larger than it can be."""
    got = sorted(one.filename.removesuffix(".npy") for one in members.infolist())
    if got != sorted(shapes):
        names = ", ".join(ascii(name)[1:-1][:40] for name in got[:8]) + (", ..." if len(got) > 8 else "")
        other = "" if case.phase != "decode" else "; --phase prefill needs no cache"
        raise InputError(
            f"{path}: expected the arrays {', '.join(shapes)} of {case.workload} {case.phase}, got {names or 'none'}"
            f"{other if set(got) < set(shapes) else ''}"
        )
    for one in members.infolist():
        most = prod(shapes[one.filename.removesuffix(".npy")]) * 8 + _HEADERS_BYTES
        if one.file_size > most:
            raise InputError(f"{path}: {one.filename}: expected at most {most:,} bytes, got {one.file_size:,}")


def _array(path: Path, members: zipfile.ZipFile, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """One array (...) as it is stored, once its header says that it is of this shape and a float."""
    with members.open(_member(members, name)) as file:
        version = _npy.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise InputError(f"{path}: {name}: expected version 1 or 2 of NumPy's format, got {version}")
        header = _npy.read_array_header_1_0 if version == (1, 0) else _npy.read_array_header_2_0
        got, _, stored = header(file)
        if stored.name not in _STORED:
            hint = "; NumPy's file has no bfloat16: save it as float32" if stored.kind == "V" else ""
            raise InputError(f"{path}: {name}: expected {', '.join(_STORED)}, got {str(stored)[:40]}{hint}")
        if got != shape:
            raise InputError(f"{path}: {name}: expected the shape {shape}, got {str(got)[:80]}")
    with members.open(_member(members, name)) as file:
        array: np.ndarray = _npy.read_array(file, allow_pickle=False)
        if file.read(1):  # and at the end its checksum is looked at
            raise InputError(f"{path}: {name}: expected {array.nbytes:,} bytes of numbers, got more")
    return array


def _member(members: zipfile.ZipFile, name: str) -> str:
    return name if name in members.namelist() else f"{name}.npy"


def _round(stored: np.ndarray, dtype: str, path: Path, name: str) -> np.ndarray:
    if bad := int((~np.isfinite(stored)).sum()):
        raise InputError(f"{path}: {name}: expected finite numbers, got {bad} of {stored.size} that are not")
    with np.errstate(all="ignore"):
        rounded = stored.astype(dtype_of(dtype), order="C")
    if not np.isfinite(rounded.astype(np.float64)).all():
        most = float(np.abs(stored).max())
        raise InputError(f"{path}: {name}: {most:.4g} is beyond {dtype}; choose another --dtype")
    return rounded
