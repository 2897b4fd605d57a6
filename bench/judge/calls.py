"""A program's calls as tables: one for each sort of call, whose columns the calls themselves say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from oneblock.compilers.api.call import Call, Column
from oneblock.compilers.api.facts import Facts
from oneblock.compilers.api.kind import Kind

INCOMPLETE_SHOWN = 8  # of calls that are not all of a program, the first: the rest are short


@dataclass(frozen=True)
class Head:
    """What the figures of one column have in common; figures that differ in any of it never share one."""

    heading: str
    unit: str
    kind: Kind


@dataclass(frozen=True)
class CallTable:
    """The calls of one sort in their order; `cells` holds a row for each, a column for each head."""

    of: type[Call]
    heads: tuple[Head, ...]
    calls: tuple[Call, ...]
    cells: tuple[tuple[Column | None, ...], ...]
    left_out: int

    @property
    def kinds(self) -> str:
        """Which columns are of which kind: "compiled: config, grid; modelled: occupancy"."""
        return kinds(self.heads)


def tables(facts: Facts) -> list[CallTable]:
    """A table for each sort of call that a program has."""
    made = []
    for of, calls in facts.by_sort.items():
        shown = calls if of.complete else calls[:INCOMPLETE_SHOWN]
        heads, cells = lined_up([call.columns() for call in shown])
        made.append(CallTable(of, heads, shown, cells, len(calls) - len(shown)))
    return made


def program(facts: Facts | None) -> dict[type[Call], tuple[Column, ...]]:
    """What a program's calls come to, by their sort; without those whose whole says as much."""
    sorts = facts.by_sort if facts else {}
    return {of: columns for of, calls in sorts.items() if (columns := of.program(calls))}


def lined_up(rows: Sequence[Sequence[Column]]) -> tuple[tuple[Head, ...], tuple[tuple[Column | None, ...], ...]]:
    """(the heads, each row under them); a column that no row fills is left out."""
    keyed = [{Head(one.heading, one.unit, one.kind): one for one in row} for row in rows]
    filled = {head for row in keyed for head, one in row.items() if one.value not in (None, "")}
    order = dict.fromkeys(head for row in keyed for head in row)
    heads = tuple(head for head in order if head in filled)
    return heads, tuple(tuple(row.get(head) for head in heads) for row in keyed)


def kinds(heads: Iterable[Head]) -> str:
    """Which headings are of which kind."""
    by_kind: dict[Kind, list[str]] = {}
    for head in heads:
        by_kind.setdefault(head.kind, []).append(head.heading)
    return "; ".join(f"{kind}: {', '.join(headings)}" for kind, headings in by_kind.items())
