"""Tables of calls as the page shows them: each column in one unit, with its kind in its head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from oneblock.bench.format.text import figures
from oneblock.bench.judge.calls import CallTable, Head, tables
from oneblock.compilers.api.call import Call, Column
from oneblock.compilers.api.facts import Facts

_SCALES = {"B": (("B", 1.0), ("kB", 1e-3), ("MB", 1e-6)), "s": (("µs", 1e6), ("ms", 1e3))}


@dataclass(frozen=True)
class PageHead:
    """A column's head; `edge` where another kind of evidence begins."""

    heading: str
    unit: str
    kind: str
    text: bool  # set to the left
    edge: bool
    words: str  # what it means; "" where its toolchain does not say


@dataclass(frozen=True)
class PageCalls:
    """A table of calls; each row has texts and notes, a dash for what is not known."""

    noun: str
    heads: tuple[PageHead, ...]
    rows: tuple[tuple[Call, tuple[tuple[str, str], ...]], ...]
    left_out: int


def page_calls(facts: Facts) -> list[PageCalls]:
    """A table for each sort of call that a program has."""
    return [_page_calls(made) for made in tables(facts)]


def _page_calls(made: CallTable) -> PageCalls:
    columns = list(zip(*made.cells, strict=True))
    scales = [_scale(head, column) for head, column in zip(made.heads, columns, strict=True)]
    edges = [n == 0 or head.kind is not made.heads[n - 1].kind for n, head in enumerate(made.heads)]
    heads = tuple(
        PageHead(
            head.heading,
            unit,
            head.kind.value,
            any(one and isinstance(one.value, str) for one in column),
            edge,
            made.of.says.get(head.heading, Call.says.get(head.heading, "")),
        )
        for head, column, (unit, _), edge in zip(made.heads, columns, scales, edges, strict=True)
    )
    rows = tuple(tuple(_cell(one, by) for one, (_, by) in zip(row, scales, strict=True)) for row in made.cells)
    return PageCalls(made.of.noun, heads, tuple(zip(made.calls, rows, strict=True)), made.left_out)


def _scale(head: Head, column: Sequence[Column | None]) -> tuple[str, float]:
    """(the unit, by what figures are multiplied): the one in which the largest of a column is of a few digits."""
    if head.unit == "%":
        return "%", 100.0
    units = _SCALES.get(head.unit, ((head.unit, 1.0),))
    largest = max((one.value for one in column if one and isinstance(one.value, int | float)), default=0)
    return next(((unit, by) for unit, by in units if largest * by < 1000), units[-1])


def _cell(column: Column | None, by: float) -> tuple[str, str]:
    if column is None or column.value in (None, ""):
        return "–", ""
    if isinstance(column.value, str):
        return column.value, column.note
    whole = isinstance(column.value, int) and by == 1.0
    return (f"{column.value:,}" if whole else figures(column.value, by)), column.note
