"""A stage's text without what differs between two compilations of one program, so that two texts can be compared.

Numbers in names, metadata, locations, layouts and tables of source files go; in which memory a value is stays. A name
is replaced by what made it and a count of those, always by the same name for the same value: so operands in another
order stay another program. Names that are made outside the text (of one step, say) are counted in the order of their
numbers, which a printer hands out in the program's order.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from oneblock.compilers.dialects import _families as families
from oneblock.compilers.dialects._families import Family

_OF = {
    **dict.fromkeys(("hlo", "hlo-before", "hlo-cublas"), families.HLO),
    "stablehlo": families.STABLEHLO,
    "jaxpr": families.JAXPR,
    **dict.fromkeys(("relax", "tir", "tir-scheduled", "tvm"), families.TVM),
}


def normalised(dialect: str, text: str) -> str:
    """The text to compare, or what of it is wanted; of a dialect that has no such noise, as it is."""
    return "\n".join(row for row in rows(dialect, text) if row)


def rows(dialect: str, text: str) -> list[str]:
    """The same line by line: empty where a line has nothing to compare."""
    family = _OF.get(dialect.partition(":")[0])
    if family is None:
        return text.splitlines()
    lines = [_scrubbed(line, family) for line in text.splitlines()]
    for names in family.names:
        lines = [line for scope in _scopes(lines, names.scope) for line in _renamed(scope, names)]
    return lines


def _scrubbed(line: str, family: Family) -> str:
    if family.dropped.match(line):
        return ""
    for pattern, instead in family.scrubbed:
        line = pattern.sub(instead, line)
    return line.rstrip()


def _scopes(lines: Sequence[str], starts: re.Pattern[str] | None) -> Iterable[Sequence[str]]:
    """The stretches in which a name means the same value."""
    at = [n for n, line in enumerate(lines) if n and starts is not None and starts.match(line)]
    return (lines[start:end] for start, end in zip([0, *at], [*at, len(lines)], strict=True))


@dataclass(frozen=True)
class _Numbers:
    """Hands out a name's successor: what it is called, and how many such came before."""

    counts: Counter[str]

    def next(self, base: str) -> str:
        self.counts[base] += 1
        return f"{base}.{self.counts[base] - 1}"


def _renamed(lines: Sequence[str], names: families.Names) -> list[str]:
    numbers, new = _Numbers(Counter()), dict[str, str]()
    for line in lines:
        for name, base in names.made(line):
            if name not in new:
                new[name] = numbers.next(base)
    known = frozenset(new)
    outside = {name for line in lines for name in names.used(line, known)} - known
    for name in sorted(outside, key=_in_order):
        new[name] = numbers.next(f"{names.base(name)}.outside")
    return [names.replace(line, new) for line in lines]


def _in_order(name: str) -> tuple[tuple[int, str], ...]:
    """By numbers as numbers, and by words as a printer counts with letters: "b" before "aa"."""
    return tuple((int(word) if word.isdigit() else len(word), word) for word in re.findall(r"\d+|\D+", name))
