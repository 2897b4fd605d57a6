"""Counts of x86-64 assembly as LLVM writes it: a function's instructions by class and by width of their registers."""

from __future__ import annotations

import re
from collections import Counter

from oneblock.compilers.api.stages import Stage
from oneblock.compilers.dialects import _lexer, _opcodes, _words
from oneblock.compilers.dialects._dialect import Dialect
from oneblock.compilers.dialects._lines import Context, Lines
from oneblock.compilers.dialects.llvm import machine_module, whole

_AT_AND_T = re.compile(r"^\t(?![.#])(?!ret|nop|int3)[a-z]")
_OBJDUMP = re.compile(r"^\s*[0-9a-f]+:\s+(?!ret|nop|int3|data16|cs nop|\.\.\.)[a-z]")
_LABEL = re.compile(r"^([A-Za-z_]\w*):")
_FAMILIES = (
    ("fma", re.compile(r"vfn?m(?:add|sub)")),
    ("arithmetic", re.compile(r"v?(?:add|sub|mul|div|max|min|sqrt)[ps][sdh]\b")),
    ("load or store", re.compile(r"v?mov(?:[ua]p[sd]|dq[ua]\d*|ss|sd)\b")),
    ("shuffle", re.compile(r"v?(?:perm|shuf|unpck|broadcast|insert|extract|blend|gather)")),
    ("call", re.compile(r"call")),
)
_WIDTHS = (("%zmm", "512"), ("%ymm", "256"), ("%xmm", "128"))


def instructions(assembly: str, function: str) -> dict[str, int]:
    """{"fma 256": 96, "call": 2} of one function with the loops that run in parallel, each instruction counted once."""
    counts: Counter[str] = Counter()
    inside = False
    for line in assembly.splitlines():
        label = _LABEL.match(line)
        if label:
            inside = label[1].startswith(f"{function}_compute_")
        elif inside and line.startswith("\t") and not line.startswith("\t."):
            name, _, operands = line.strip().partition("\t")
            family = next((family for family, pattern in _FAMILIES if pattern.match(name)), None)
            if family is not None:
                width = next((bits for register, bits in _WIDTHS if register in operands), "")
                scalar = name.endswith(("ss", "sd")) and width == "128"
                counts[f"{family} {'scalar' if scalar else width}".strip()] += 1
    return dict(sorted(counts.items()))


def assembly(name: str, text: str, context: Context) -> Lines:
    """XLA's kernels, as objdump prints them; TVM's module, as LLVM does."""
    if name:
        return whole(name, context, [_OBJDUMP.match(line) is not None for line in text.splitlines()])
    return machine_module(text, context, lambda line: _AT_AND_T.match(line) is not None)


DIALECTS = (
    Dialect(
        ("asm",), (Stage.MACHINE,), reader=assembly, opcode=_opcodes.machine, lexer=_lexer.ASSEMBLY, words=_words.X86
    ),
)
