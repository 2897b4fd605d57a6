"""A parser of HLO text, as XLA prints a module: computations of instructions, with shapes, layouts and attributes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from math import prod
from typing import Any

_BITS = {
    "pred": 8, "token": 0, "opaque": 0, "s2": 2, "u2": 2, "s4": 4, "u4": 4, "s8": 8, "u8": 8, "s16": 16, "u16": 16,
    "s32": 32, "u32": 32, "s64": 64, "u64": 64, "f4e2m1fn": 4, "f8e5m2": 8, "f8e4m3": 8, "f8e4m3fn": 8, "f8e8m0fnu": 8,
    "bf16": 16, "f16": 16, "f32": 32, "f64": 64, "c64": 64, "c128": 128,
}  # fmt: skip
_OPEN, _CLOSE = "([{", ")]}"


class HloError(ValueError):
    """Text that is not HLO as this parser knows it; says where and what was expected."""


@dataclass(frozen=True)
class Array:
    """An array's type and where it lives: `space` 0 is HBM, 1 VMEM, and others are synchronisation and scalars."""

    dtype: str
    dims: tuple[int, ...]
    space: int = 0

    @property
    def elements(self) -> int:
        """How many."""
        return prod(self.dims)

    @property
    def bytes(self) -> int:
        """Without the padding that a tiled layout may add."""
        return (self.elements * _BITS[self.dtype] + 7) // 8


Shape = Array | tuple["Shape", ...]


def arrays(shape: Shape) -> tuple[Array, ...]:
    """The arrays of a shape, tuples flattened."""
    return (shape,) if isinstance(shape, Array) else tuple(a for part in shape for a in arrays(part))


@dataclass(frozen=True)
class Instruction:
    """One operation. `operands` are names of instructions; a parameter's or constant's own words stay in `literal`."""

    name: str
    shape: Shape
    opcode: str
    operands: tuple[str, ...]
    literal: str
    attributes: dict[str, str]
    is_root: bool

    @property
    def op_name(self) -> str:
        """The path of scopes that the program gave it: "jit(block)/qkv/dot_general"; empty where it has none."""
        return _between(self.attributes.get("metadata", ""), 'op_name="', '"').replace("\\'", "'")

    @property
    def calls(self) -> tuple[str, ...]:
        """The computations that run as part of it; the scalar function of a reduction is not one."""
        if self.opcode == "conditional":
            two = (self.attributes.get(key, "") for key in ("true_computation", "false_computation"))
            named = self.attributes.get("branch_computations") or ",".join(two)
            return tuple(name.strip().lstrip("%") for name in named.strip("{}").split(","))
        keys = {"while": ("body",), "call": ("to_apply", "calls")}.get(self.opcode, ("calls",))
        return tuple(self.attributes[key].lstrip("%") for key in keys if key in self.attributes)

    @property
    def declared(self) -> dict[str, int]:
        """What the author of a kernel of one's own states of it: "flops" and "bytes_accessed"; empty for all else."""
        custom = self.config.get("custom_call_config")
        costs = custom.get("cost_estimate", {}) if isinstance(custom, dict) else {}
        return {key: int(value) for key, value in costs.items()}

    @property
    def config(self) -> dict[str, Any]:
        """The backend's own notes on it; empty where they are none or no JSON."""
        raw = self.attributes.get("backend_config", "")
        try:
            found = json.loads(raw)
            found = json.loads(found) if isinstance(found, str) else found
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True)
class Computation:
    """Instructions in the order of the text, which in a scheduled module is the order in which they run."""

    name: str
    instructions: tuple[Instruction, ...]
    by_name: dict[str, Instruction] = field(repr=False, compare=False)

    @property
    def root(self) -> Instruction:
        """The one whose value is the computation's."""
        return next(i for i in self.instructions if i.is_root)


@dataclass(frozen=True)
class Module:
    """A module by its computations; `entry` is the one that runs."""

    name: str
    scheduled: bool
    computations: dict[str, Computation]
    entry: Computation


def parse(text: str) -> Module:
    """The module of a text; HloError says at which line it stops being HLO."""
    lines = text.splitlines()
    if not lines or not lines[0].startswith("HloModule "):
        raise HloError("expected a text that begins with 'HloModule'")
    computations: dict[str, Computation] = {}
    entry, head, body = "", "", list[Instruction]()
    for number, line in enumerate(lines[1:], 2):
        stripped = line.strip()
        if head and stripped.startswith("}"):
            computations[head] = Computation(head, tuple(body), {i.name: i for i in body})
            head, body = "", []
        elif head and stripped:
            try:
                body.append(_Line(stripped).instruction())
            except (IndexError, ValueError, KeyError) as error:
                raise HloError(
                    f"line {number}: expected an HLO instruction, got {stripped[:80]!r} ({error})"
                ) from error
        elif line.endswith("{") and not line.startswith(" "):
            words = stripped.split()
            head = words[words[0] == "ENTRY"].lstrip("%")
            entry = head if words[0] == "ENTRY" else entry
    if head or entry not in computations:
        raise HloError(f"expected a closed ENTRY computation before the end at line {len(lines)}; the text is cut off")
    name = lines[0].split()[1].rstrip(",")
    return Module(name, "is_scheduled=true" in lines[0], computations, computations[entry])


class _Line:
    """A cursor over one instruction's text."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def instruction(self) -> Instruction:
        is_root = self.take("ROOT ")
        name = self.until(" = ").lstrip("%")
        shape = self.shape()
        self.expect(" ")
        opcode = self.until("(")
        inner = self.balanced("(")
        operands = () if opcode in ("parameter", "constant", "iota") else _names(inner)
        attributes: dict[str, str] = {}
        while self.take(", "):
            key = self.until("=")
            attributes[key] = self.value()
        if self.at != len(self.text):
            raise HloError(f"expected ', ' at column {self.at}")
        return Instruction(name, shape, opcode, operands, inner, attributes, is_root)

    def take(self, word: str) -> bool:
        if self.text.startswith(word, self.at):
            self.at += len(word)
            return True
        return False

    def expect(self, word: str) -> None:
        if not self.take(word):
            raise HloError(f"expected {word!r} at column {self.at}")

    def until(self, word: str) -> str:
        """The text before `word`, which is consumed too."""
        start, end = self.at, self.text.index(word, self.at)
        self.at = end + len(word)
        return self.text[start:end]

    def shape(self) -> Shape:
        if self.take("("):
            parts: list[Shape] = []
            while not self.take(")"):
                self.take(", ")
                if self.take("/*"):
                    self.until("*/")
                parts.append(self.shape())
            return tuple(parts)
        dtype = self.until("[")
        if dtype not in _BITS:
            raise HloError(f"unknown element type {dtype!r}")
        dims = tuple(int(dim.strip().removeprefix("<=")) for dim in self.until("]").split(",") if dim)
        space = 0
        if self.take("{"):
            space = int(_between(self.until("}").partition(":")[2], "S(", ")") or 0)
        return Array(dtype, dims, space)

    def balanced(self, opened: str) -> str:
        """The text up to the bracket that closes one just consumed; strings within are skipped."""
        start, depth = self.at, 1
        while depth:
            char = self.text[self.at]
            if char == '"':
                self.string()
                continue
            depth += (char in _OPEN) - (char in _CLOSE)
            self.at += 1
        return self.text[start : self.at - 1]

    def string(self) -> None:
        self.at += 1
        while self.text[self.at] != '"':
            self.at += 1 + (self.text[self.at] == "\\")
        self.at += 1

    def value(self) -> str:
        """An attribute's value: up to the next comma that is in no bracket and no string."""
        start = self.at
        while self.at < len(self.text) and self.text[self.at] != ",":
            if self.text[self.at] == '"':
                self.string()
            elif self.text[self.at] in _OPEN:
                self.at += 1
                self.balanced(self.text[self.at - 1])
            else:
                self.at += 1
        return self.text[start : self.at]


def _names(inner: str) -> tuple[str, ...]:
    """The operands' names, which a printer may write with "%" or without, and may number: `/*index=5*/%x`."""
    words = [word.rpartition("*/")[2] for word in inner.replace(", ", " ").split()]
    marked = [word[1:] for word in words if word.startswith("%")]
    return tuple(marked or words)


def _between(text: str, before: str, after: str) -> str:
    """What stands between two marks; empty where the first is missing."""
    _, found, rest = text.partition(before)
    return rest.partition(after)[0] if found else ""
