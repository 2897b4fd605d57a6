"""What AMD's assembly says of a kernel without being run: its instructions by class, its registers, its LDS."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from oneblock.compilers.api.stages import Stage
from oneblock.compilers.dialects import _lexer, _opcodes, _words
from oneblock.compilers.dialects._dialect import Dialect
from oneblock.compilers.dialects._kernel_text import of_kernel

_INSTRUCTION = re.compile(r"^\s+([a-z]\w+)(?:\s|$)")
_NO_WORK = {"s_endpgm", "s_nop", "s_code_end"}
_OPCODE = re.compile(r"^\t([a-z]\w+)", re.MULTILINE)
_MFMA = re.compile(r"v_mfma_\w+?_(\d+x\d+x\d+)")
_GLOBAL = re.compile(r"(?:global|buffer|flat)_(load|store)_(?:dword(?:x(\d))?|[us]?(byte|short)|d16)")
_LDS = re.compile(r"ds_(read|write)2?(?:st64)?_b(\d+)")
_BITS = {"byte": 8, "short": 16}
_COUNT = re.compile(
    r"^\s*\.(vgpr_count|sgpr_count|vgpr_spill_count|sgpr_spill_count|private_segment_fixed_size):\s+(\d+)"
)


@dataclass(frozen=True)
class Resources:
    """What one lane, or wave, of a kernel needs, as LLVM allots it."""

    registers: int  # vector registers, accumulators included
    scalar_registers: int
    spills: int  # registers of both kinds that did not fit
    stack_bytes: int  # of one lane


def resources(text: str) -> Resources:
    """Of the metadata at the end of the text; ValueError where that lacks a count."""
    found = {match[1]: int(match[2]) for line in text.splitlines() if (match := _COUNT.match(line))}
    try:
        spills = found["vgpr_spill_count"] + found["sgpr_spill_count"]
        sizes = found["vgpr_count"], found["sgpr_count"], spills, found["private_segment_fixed_size"]
    except KeyError as error:
        raise ValueError(f"expected the kernel's {error} in AMD's assembly, got none: is the text cut off?") from error
    return Resources(*sizes)


def instructions(text: str) -> dict[str, int]:
    """How often each class of instruction that tells a kernel's kind is written down.

    Classes: "mfma 32x32x8"; "load.global 128", "store.global 64", "load.lds 64" and the like by bits; "barrier";
    "fma.f32" for products without matrix cores. They are static counts: an instruction in a loop counts once.
    """
    found = Counter(c for opcode in _OPCODE.findall(text) if (c := _class(opcode)) is not None)
    return dict(sorted(found.items()))


def total(text: str) -> int:
    """How many instructions there are."""
    return len(_OPCODE.findall(text))


def _class(opcode: str) -> str | None:
    if found := _MFMA.match(opcode):
        return f"mfma {found[1]}"
    if found := _GLOBAL.match(opcode):
        bits = _BITS.get(found[3] or "", 32 * int(found[2] or 1))
        return f"{found[1]}.global {bits}"
    if found := _LDS.match(opcode):
        return f"{'load' if found[1] == 'read' else 'store'}.lds {found[2]}"
    if opcode == "s_barrier":
        return "barrier"
    return "fma.f32" if opcode.startswith(("v_fma_f32", "v_fmac_f32", "v_pk_fma_f32")) else None


def _is_operation(line: str) -> bool:
    found = _INSTRUCTION.match(line)
    return found is not None and found[1] not in _NO_WORK


DIALECTS = (
    Dialect(
        ("amdgcn",),
        (Stage.MACHINE,),
        reader=of_kernel(_is_operation),
        opcode=_opcodes.machine,
        lexer=_lexer.ASSEMBLY,
        words=_words.AMD,
    ),
)
