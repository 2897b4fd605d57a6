"""What NVIDIA's tools say of a kernel's binary: `cuobjdump -res-usage` and `nvdisasm -c`."""

from __future__ import annotations

import re

from oneblock.compilers.api.stages import Stage
from oneblock.compilers.dialects import _lexer, _opcodes, _words
from oneblock.compilers.dialects._dialect import Dialect
from oneblock.compilers.dialects._kernel_text import of_kernel

_INSTRUCTION = re.compile(r"^\s*/\*[0-9a-f]{4,}\*/\s+\{?\s*(?:@!?\w+\s+)?([A-Z]\w*)")
_NO_WORK = {"NOP", "EXIT", "RET"}
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


def _is_operation(line: str) -> bool:
    found = _INSTRUCTION.match(line)
    return found is not None and found[1] not in _NO_WORK


DIALECTS = (
    Dialect(
        ("sass",),
        (Stage.MACHINE,),
        reader=of_kernel(_is_operation),
        opcode=_opcodes.machine,
        lexer=_lexer.ASSEMBLY,
        words=_words.SASS,
    ),
)
