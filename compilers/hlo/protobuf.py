"""Protocol Buffers' wire format, as much as it takes to rewrite a message: its fields in order, unknown ones kept."""

from __future__ import annotations

from collections.abc import Iterable

Value = int | bytes
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types
_FIXED = {_FIXED64: 8, _FIXED32: 4}


class ProtobufError(ValueError):
    """Bytes that are no message; says where."""


class Message:
    """A message's fields as (number, wire type, value), in the order of the bytes."""

    def __init__(self, encoded: bytes = b"") -> None:
        self.fields: list[tuple[int, int, Value]] = list(_read(encoded))

    def all(self, number: int) -> list[bytes]:
        """Every value of a repeated text, bytes or message."""
        return [value for n, _, value in self.fields if n == number and isinstance(value, bytes)]

    def raw(self, number: int) -> bytes:
        """The value of a text, bytes or message; empty where it is absent, as the format has it."""
        return (self.all(number) or [b""])[-1]

    def text(self, number: int) -> str:
        """The value of a text."""
        return self.raw(number).decode()

    def integers(self, number: int) -> tuple[int, ...]:
        """The values of a repeated integer, whether they are packed or not."""
        found: list[int] = []
        for n, _, value in self.fields:
            if n == number:
                found += [value] if isinstance(value, int) else _unpacked(value)
        return tuple(found)

    def integer(self, number: int) -> int:
        """The value of an integer; 0 where it is absent, as the format has it."""
        return (self.integers(number) or (0,))[-1]

    def put(self, number: int, *values: Value | str) -> None:
        """Give a field these values instead of its own, where its first stood; without values it is removed."""
        at = next((i for i, (n, _, _) in enumerate(self.fields) if n == number), len(self.fields))
        kept = [field for field in self.fields if field[0] != number]
        raw = [value.encode() if isinstance(value, str) else value for value in values]
        kept[at:at] = [(number, _VARINT if isinstance(value, int) else _BYTES, value) for value in raw]
        self.fields = kept

    def put_packed(self, number: int, values: Iterable[int]) -> None:
        """Give a repeated integer these values."""
        packed = b"".join(map(_varint, values))
        self.put(number, *([packed] if packed else []))

    def encode(self) -> bytes:
        """The message as bytes."""
        out = bytearray()
        for number, kind, value in self.fields:
            out += _varint(number << 3 | kind)
            if isinstance(value, int):
                out += _varint(value)
            else:
                out += value if kind in _FIXED else _varint(len(value)) + value
        return bytes(out)


def _read(encoded: bytes) -> Iterable[tuple[int, int, Value]]:
    at = 0
    while at < len(encoded):
        start = at
        key, at = _take_varint(encoded, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            whole, at = _take_varint(encoded, at)
            yield number, kind, whole
            continue
        if kind == _BYTES:
            length, at = _take_varint(encoded, at)
        elif kind in _FIXED:
            length = _FIXED[kind]
        else:
            raise ProtobufError(
                f"byte {start}: expected a wire type of {[_VARINT, _FIXED64, _BYTES, _FIXED32]}, got {kind}"
            )
        if at + length > len(encoded):
            raise ProtobufError(f"byte {start}: field {number} says {length} bytes and {len(encoded) - at} are left")
        yield number, kind, encoded[at : at + length]
        at += length


def _take_varint(encoded: bytes, at: int) -> tuple[int, int]:
    """(a number of 7 bits a byte, lowest first; where it ends)."""
    value = shift = 0
    while True:
        if at >= len(encoded) or shift > 63:
            raise ProtobufError(f"byte {at}: expected the end of a number of at most 64 bits")
        byte = encoded[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _unpacked(packed: bytes) -> list[int]:
    found, at = [], 0
    while at < len(packed):
        value, at = _take_varint(packed, at)
        found.append(value)
    return found
