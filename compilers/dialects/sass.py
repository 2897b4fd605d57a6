"""What NVIDIA's tools say of a kernel's binary: `cuobjdump -res-usage` and `nvdisasm -c`."""

from __future__ import annotations

import re

_OPCODE = re.compile(r"^\s*/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P[T\d]+\s+)?([A-Z][A-Z0-9_.]*)", re.MULTILINE)
_USED = re.compile(r"\b(REG|STACK|LOCAL):(\d+)")


def opcodes(text: str) -> list[str]:
    """The instructions of a disassembly in order, without their operands: ["MOV", "LDG.E.128", ...]."""
    return _OPCODE.findall(text)


def used(text: str) -> dict[str, int]:
    """{"REG": registers of one thread, "STACK": its bytes of stack}; ValueError where the tool says neither."""
    found = {name: int(n) for name, n in _USED.findall(text)}
    if not {"REG", "STACK"} <= found.keys():
        raise ValueError(f"expected REG and STACK in what cuobjdump says of a kernel, got {text.strip()[:200]!r}")
    return found
