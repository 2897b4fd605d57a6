"""What MLIR's texts share whatever their dialect: their functions, and what of them is noise."""

from __future__ import annotations

import re

from oneblock.compilers.dialects._noise import STRING, Names, Noise

FUNCTION = re.compile(r"^\s*(?:func|tt|llvm)\.func .*?@([\w.$\-]+)\(")
_SSA = r"%[\w$.\-]+"
_SSA_MADE = re.compile(rf"^\s*({_SSA}(?::\d+)?(?:, {_SSA}(?::\d+)?)*) = \"?(?:\w+\.)?(\w+)")
_SSA_ARGUMENT = re.compile(rf"({_SSA})(?=: | = %)")


def _ssa_made(line: str) -> list[tuple[str, str]]:
    found = _SSA_MADE.match(line)
    results = re.findall(_SSA, found[1]) if found else []
    rest = line[found.end() :] if found else line
    return [(name, f"%{found[2]}") for name in results if found] + [
        (name, "%argument") for name in _SSA_ARGUMENT.findall(rest)
    ]


def _function_made(line: str) -> list[tuple[str, str]]:
    found = FUNCTION.match(line)
    return [(found[1], re.sub(r"_\d+$", "", found[1]))] if found else []


NOISE = Noise(
    dropped=re.compile(r"^(?:#loc.*|\s*)$"),
    scrubbed=((re.compile(rf" loc\((?:{STRING}|[^()\"]|\((?:{STRING}|[^()\"]|\([^()]*\))*\))*\)"), ""),),
    names=(
        Names(
            token=re.compile(rf"{STRING}|(?P<name>{_SSA})"),
            made=_ssa_made,
            base=lambda name: "%value",
            foreign=re.compile(_SSA),
            scope=FUNCTION,
        ),
        Names(
            token=re.compile(rf"{STRING}|@(?P<name>[\w.$\-]+)"),
            made=_function_made,
            base=lambda name: re.sub(r"_\d+$", "", name),
            foreign=re.compile(r"\w+_\d+"),
        ),
    ),
)
