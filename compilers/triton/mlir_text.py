"""What MLIR prints of its passes: the module before each, and a report of their times."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

_DUMP = re.compile(r"^// -----// IR Dump Before (\w+).*//----- //$", re.MULTILINE)
_REPORT = re.compile(
    r"^===-+===\n\s*\.\.\. Execution time report \.\.\.\n.*?^\s+[\d.]+ \(100\.0%\)\s+Total\n", re.M | re.S
)
_TIME = re.compile(r"^\s+([\d.]+) \(\s*[\d.]+%\)\s+(\w+)$", re.MULTILINE)
_NO_PASS = ("Rest", "Total")


@dataclass(frozen=True)
class Pass:
    """One pass over a module: its text before and after, and how long it took, which MLIR tells to 100 us."""

    name: str
    before: str
    after: str | None  # None: what comes next was not printed
    microseconds: int | None  # None: the report has no line of its own for it


def read(text: str) -> list[Pass]:
    """The passes in their order; ValueError where nothing was printed.

    The text has one part for each pass manager: the module before each of its passes, then its report. What runs once
    for each function has one line there, the sum of all.
    """
    found: list[Pass] = []
    start = 0
    for report in _REPORT.finditer(text):
        found += _timed(_dumps(text[start : report.start()]), _TIME.findall(report[0]))
        start = report.end()
    if not found:
        raise ValueError(
            "expected '// -----// IR Dump Before' and a report of times, got neither: was the kernel cached?"
        )
    after = [*(one.before for one in found[1:]), None]
    return [replace(one, after=then) for one, then in zip(found, after, strict=True)]


def _dumps(text: str) -> list[Pass]:
    marks = list(_DUMP.finditer(text))
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    pairs = zip(marks, ends, strict=True)
    return [Pass(mark[1], text[mark.end() : end].strip() + "\n", None, None) for mark, end in pairs]


def _timed(dumps: Sequence[Pass], times: Sequence[tuple[str, str]]) -> list[Pass]:
    """The dumps with the report's lines, where the two lists of names agree: each lacks some that the other has."""
    lines = [(name, round(float(seconds) * 1e6)) for seconds, name in times if name not in _NO_PASS]
    found = list(dumps)
    names = [one.name for one in dumps], [name for name, _ in lines]
    for block in SequenceMatcher(None, *names, autojunk=False).get_matching_blocks():
        for i in range(block.size):
            found[block.a + i] = replace(found[block.a + i], microseconds=lines[block.b + i][1])
    return found
