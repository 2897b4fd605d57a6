"""A stage's text without what differs between two compilations of one program, so that two texts can be compared.

Numbers in names, metadata, locations, layouts and tables of source files go; in which memory a value is stays. A name
is replaced by what made it and a count of those, always by the same name for the same value: so operands in another
order stay another program. Names that are made outside the text (of one step, say) are counted in the order of their
numbers, which a printer hands out in the program's order.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

STRING = r'"(?:[^"\\]|\\.)*"'


@dataclass(frozen=True)
class Names:
    """One kind of names: where they stand, where they are made, and what they are called without their number."""

    token: re.Pattern[str]  # a name wherever it stands; its group "name" is what is replaced
    made: Callable[[str], list[tuple[str, str]]]  # of a line: names, and what the value of each is called
    base: Callable[[str], str]  # of a name that is made elsewhere
    foreign: re.Pattern[str]  # what a name looks like if it is made elsewhere
    scope: re.Pattern[str] | None = None  # a line with which names begin anew

    def used(self, line: str, known: frozenset[str]) -> Iterator[str]:
        """The names in a line: what is known, and what looks like one."""
        for found in self.token.finditer(line):
            name = found["name"] or ""  # none within a string
            if name in known or self.foreign.fullmatch(name):
                yield name

    def replace(self, line: str, new: Mapping[str, str]) -> str:
        """The line with its names replaced."""

        def one(found: re.Match[str]) -> str:
            if found["name"] is None:
                return found[0]
            start, end = (at - found.start() for at in found.span("name"))
            return found[0][:start] + new.get(found["name"], found["name"]) + found[0][end:]

        return self.token.sub(one, line)


@dataclass(frozen=True)
class Noise:
    """What of a dialect's texts is noise: lines that go, pieces of lines that go, and numbers in names."""

    dropped: re.Pattern[str]
    scrubbed: tuple[tuple[re.Pattern[str], str], ...]
    names: tuple[Names, ...]


def without(noise: Noise, text: str) -> list[str]:
    """The text line by line without its noise: empty where a line has nothing to compare."""
    lines = [_scrubbed(line, noise) for line in text.splitlines()]
    for names in noise.names:
        lines = [line for scope in _scopes(lines, names.scope) for line in _renamed(scope, names)]
    return lines


def _scrubbed(line: str, noise: Noise) -> str:
    if noise.dropped.match(line):
        return ""
    for pattern, instead in noise.scrubbed:
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


def _renamed(lines: Sequence[str], names: Names) -> list[str]:
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
