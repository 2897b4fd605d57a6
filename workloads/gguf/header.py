"""What a GGUF file says of itself: its metadata, and of each tensor its type, its shape and where it lies.

The layout is that of ggml's docs/gguf.md, in versions 2 and 3. A file is somebody else's: every number in it is held
against the size of the file before it is believed, and whatever is wrong, the answer is a `GgufError`.
"""

from __future__ import annotations

import mmap
import stat
import struct
from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from oneblock.workloads.gguf.blocks import PACKINGS

VERSIONS = (2, 3)
LIMIT_BYTES = 100_000_000  # of all that is before the tensors: 260,000 tokens and their merges have 15
_MOST = 100_000  # tensors or keys, of which the largest models have some thousands
_LONGEST = 10_000  # a list of numbers that is kept: one for each layer
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_TEXT, _LIST = 8, 9


class GgufError(ValueError):
    """Why a GGUF file cannot be read, as a sentence for the person who named it."""


@dataclass(frozen=True)
class TensorInfo:
    """One tensor, which is not read yet."""

    type: int  # a key of PACKINGS, or one that is not read
    shape: tuple[int, ...]  # as (out, in): GGUF has them the other way round
    start: int  # in the file
    bytes: int  # 0 of a type that is not read


@dataclass(frozen=True)
class Header:
    """The metadata of a file, of lists of texts those that were asked for, and its tensors by name."""

    metadata: dict[str, Any]
    tensors: dict[str, TensorInfo]


@dataclass
class _Cursor:
    """Where one is in the bytes before the tensors; beyond their end there is nothing."""

    path: Path
    data: mmap.mmap
    end: int
    at: int = 0
    kept: Collection[str] = ()  # the keys of which lists are kept, however long

    def take(self, count: int, what: str) -> int:
        """Where so many bytes begin; they are behind one then."""
        if count > self.end - self.at:
            raise self.wrong(f"{what} of {count} bytes at {self.at}, of {self.end} that may be", "it is cut short")
        self.at += count
        return self.at - count

    def number(self, kind: str, what: str) -> Any:
        """One number, of a kind of `struct`."""
        return struct.unpack_from("<" + kind, self.data, self.take(struct.calcsize("<" + kind), what))[0]

    def text(self, what: str) -> str:
        """Text, which is UTF-8 with its length before it."""
        start = self.take(self.number("Q", what), what)
        try:
            return self.data[start : self.at].decode()
        except UnicodeDecodeError:
            raise self.wrong(f"{what} that is no UTF-8") from None

    def value(self, key: str) -> Any:
        """A value of the metadata behind its kind; of a list of texts, and of a long one, how many there are."""
        kind = self.number("I", key)
        if kind != _LIST:
            return self._one(kind, key)
        kind, count = self.number("I", key), self.number("Q", key)
        if kind == _TEXT:
            if 8 * count > self.end - self.at:
                raise self.wrong(f"{key[:80]!r} with {count} texts", "it is cut short")
            if key in self.kept:
                return [self.text(key) for _ in range(count)]
            self._skip_texts(count, key)
            return f"{count} texts"
        if kind not in _NUMBERS:
            raise self.wrong(f"a list {key[:80]!r} of the kind {kind}")
        size = struct.calcsize("<" + _NUMBERS[kind])
        start = self.take(count * size, key[:80])
        if count > _LONGEST and key not in self.kept:
            return f"{count} numbers"
        found = np.frombuffer(self.data[start : self.at], f"<{_NUMBERS[kind]}")
        return [_shortest(one) for one in found] if kind == 6 else found.tolist()

    def _skip_texts(self, count: int, key: str) -> None:
        """As `text` so many times, of half a million tokens and merges in a tenth of a second."""
        at, end, data, length = self.at, self.end, self.data, struct.Struct("<Q").unpack_from
        for _ in range(count):
            at = at + 8 + length(data, at)[0] if at + 8 <= end else end + 1
        self.take(min(at, end + 1) - self.at, key[:80])

    def _one(self, kind: int, key: str) -> Any:
        if kind == _TEXT:
            return self.text(key)
        if kind not in _NUMBERS:
            raise self.wrong(f"{key[:80]!r} of the kind {kind}")
        found = self.number(_NUMBERS[kind], key[:80])
        return _shortest(np.float32(found)) if kind == 6 else found

    def wrong(self, got: str, why: str = "") -> GgufError:
        """The sentence for what cannot be."""
        return GgufError(f"{self.path}: not a readable GGUF file: got {ascii(got)[1:-1]}{why and ': '}{why}")


def _shortest(value: Any) -> float:
    """A float32 as the shortest number that is rounded to it: what the model's config.json had, as 1e-05."""
    return float(str(value))


def read_header(path: Path, kept: Collection[str] = ()) -> Header:
    """What a file says of itself, of some keys lists that are long or of texts, too.

    GgufError where it is none, or says what cannot be.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise GgufError(f"{path}: expected a GGUF file, got a folder, pipe, socket or device")
        with path.open("rb") as file:
            size = path.stat().st_size
            if file.read(4) != b"GGUF":
                raise GgufError(f"{path}: not a readable GGUF file: it does not begin with GGUF")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _read(_Cursor(path, data, min(size, len(data), LIMIT_BYTES), 4, kept), len(data))
    except (OSError, ValueError) as error:
        if isinstance(error, GgufError):
            raise
        raise GgufError(f"{path}: cannot be read: {getattr(error, 'strerror', error)}") from None


def _read(cursor: _Cursor, size: int) -> Header:
    version = cursor.number("I", "a version")
    if version not in VERSIONS:
        big = int.from_bytes(version.to_bytes(4, "big"), "little") in VERSIONS
        known = "2 or 3, little-endian"
        raise GgufError(f"{cursor.path}: expected GGUF version {known}, got {'big-endian' if big else version}")
    tensors, pairs = cursor.number("Q", "a count"), cursor.number("Q", "a count")
    if max(tensors, pairs) > _MOST:
        raise cursor.wrong(f"{tensors} tensors and {pairs} keys", f"expected at most {_MOST:,} of either")
    metadata: dict[str, Any] = {}
    for _ in range(pairs):
        key = cursor.text("a key")
        if key in metadata:
            raise cursor.wrong(f"the key {key[:80]!r} twice")
        metadata[key] = cursor.value(key)
    told = [_told(cursor) for _ in range(tensors)]
    alignment = metadata.get("general.alignment", 32)
    if type(alignment) is not int or alignment < 1 or alignment & (alignment - 1):
        raise cursor.wrong(f"an alignment of {str(alignment)[:40]}", "expected a power of two")
    start = -(-cursor.at // alignment) * alignment
    found: dict[str, TensorInfo] = {}
    for name, kind, shape, offset in told:
        if name in found:
            raise cursor.wrong(f"the tensor {name[:80]!r} twice")
        found[name] = _placed(cursor, name, TensorInfo(kind, shape, start + offset, 0), size)
        if offset % alignment:
            raise cursor.wrong(f"{name[:80]!r} at {offset}", f"expected a multiple of its alignment {alignment}")
    in_order = sorted(found.items(), key=lambda item: item[1].start)
    for (name, one), (other, after) in pairwise(in_order):
        if one.start + one.bytes > after.start:
            raise cursor.wrong(f"{name[:80]!r} and {other[:80]!r} in the same bytes")
    return Header(metadata, found)


def _told(cursor: _Cursor) -> tuple[str, int, tuple[int, ...], int]:
    """(name, type, shape, offset) of a tensor."""
    name = cursor.text("a name")
    count = cursor.number("I", "dimensions")
    if not 1 <= count <= 4:
        raise cursor.wrong(f"{name[:80]!r} of {count} dimensions", "expected 1 to 4")
    sides = [cursor.number("Q", "a dimension") for _ in range(count)]
    return name, cursor.number("I", "a type"), tuple(reversed(sides)), cursor.number("Q", "an offset")


def _placed(cursor: _Cursor, name: str, told: TensorInfo, size: int) -> TensorInfo:
    """A tensor with its size, which must fit its type and lie within the file."""
    packing, took = PACKINGS.get(told.type), 0
    if 0 in told.shape:
        raise cursor.wrong(f"{name[:80]!r} of the shape {told.shape}")
    if packing is not None:
        if told.shape[-1] % packing.numbers:
            why = f"{packing.name} has {packing.numbers} in a block"
            raise cursor.wrong(f"{name[:80]!r} of the shape {told.shape}", why)
        took = prod(told.shape) // packing.numbers * packing.bytes
    if told.start + took > size:
        raise cursor.wrong(f"{name[:80]!r} up to {told.start + took}, of {size} bytes", "it is cut short")
    return TensorInfo(told.type, told.shape, told.start, took)
