"""What a line of a stage does: the name of its operation, by expressions that several dialects share."""

from __future__ import annotations

import re
from collections.abc import Callable

_MLIR = re.compile(r'^\s*(?:%[^=]*=\s*)?"?([a-z_]\w*(?:\.[a-z_]\w*)+|return)\b')
_LLVM = re.compile(r"^\s*(?:[%@][\w.\"$-]+\s*=\s*)?(?:tail |musttail |notail )?([a-z]\w*)")
_MACHINE = re.compile(r"^\s*(?:/\*\w+\*/\s*)?(?:@!?%?\w+\s+)?([A-Za-z_][\w.]*)")
_PYTHON = re.compile(r"(?:^|[=\s(])((?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*)\(")
_BINARY = re.compile(r"=\s*[\w.\[\]]+\s*(\*\*|//|[-+*/@%]|[<>=!]=?)\s")


def first(pattern: re.Pattern[str]) -> Callable[[str], str | None]:
    """The group of an expression where it is first found in a line."""

    def name(line: str) -> str | None:
        found = pattern.search(line)
        return found[1] if found else None

    return name


def python(line: str) -> str | None:
    """The function called last of a dotted name, or the sign of a binary operation."""
    sign = _BINARY.search(line)
    if sign:
        return sign[1]
    called = _PYTHON.search(line)
    return called[1].rpartition(".")[2] if called else None


mlir, llvm, machine = first(_MLIR), first(_LLVM), first(_MACHINE)
