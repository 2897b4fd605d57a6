"""What a line of a stage does: the name of its operation, as its dialect spells it."""

from __future__ import annotations

import re
from collections.abc import Callable

_HLO = re.compile(r"=\s+(?:\((?:[^()]|\([^()]*\))*\)|\S+)\s+([a-z][\w-]*)\(")
_MLIR = re.compile(r'^\s*(?:%[^=]*=\s*)?"?([a-z_]\w*(?:\.[a-z_]\w*)+|return)\b')
_JAXPR = re.compile(r"=\s*([a-z_][\w-]*)")
_PYTHON = re.compile(r"(?:^|[=\s(])((?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*)\(")
_BINARY = re.compile(r"=\s*[\w.\[\]]+\s*(\*\*|//|[-+*/@%]|[<>=!]=?)\s")
_LLVM = re.compile(r"^\s*(?:[%@][\w.\"$-]+\s*=\s*)?(?:tail |musttail |notail )?([a-z]\w*)")
_MACHINE = re.compile(r"^\s*(?:/\*\w+\*/\s*)?(?:@!?%?\w+\s+)?([A-Za-z_][\w.]*)")
_TRACE = re.compile(r"^\S+:\d+\s+([a-z]\w*(?:\.\w+)*)")


def _first(pattern: re.Pattern[str]) -> Callable[[str], str | None]:
    def name(line: str) -> str | None:
        found = pattern.search(line)
        return found[1] if found else None

    return name


def _python(line: str) -> str | None:
    """The function called last of a dotted name, or the sign of a binary operation."""
    sign = _BINARY.search(line)
    if sign:
        return sign[1]
    called = _PYTHON.search(line)
    return called[1].rpartition(".")[2] if called else None


def _column(line: str) -> str | None:
    words = line.split()
    return words[2] if len(words) > 2 else None


_NAMES: dict[str, Callable[[str], str | None]] = {
    **dict.fromkeys(("hlo", "hlo-before", "hlo-cublas"), _first(_HLO)),
    **dict.fromkeys(("stablehlo", "ttir", "ttgir", "mlir"), _first(_MLIR)),
    "jaxpr": _first(_JAXPR),
    **dict.fromkeys(("llvm", "llir", "amdgpu-llvm"), _first(_LLVM)),
    **dict.fromkeys(("ptx", "sass", "asm", "amdgcn"), _first(_MACHINE)),
    "nki-trace": _first(_TRACE),
    "nki-calls": _column,
}


def opcode(dialect: str, line: str) -> str:
    """The operation of a line; "(other)" where its name is not recognised."""
    return _NAMES.get(dialect.partition(":")[0], _python)(line) or "(other)"
