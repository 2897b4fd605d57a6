"""Which records of two sets are compared with each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from oneblock.bench.records.record import Record

Pairs = tuple[list[tuple[Record, Record]], list[Record], list[Record]]


def pair(a: Sequence[Record], b: Sequence[Record]) -> Pairs:
    """(pairs of one cell, those only in A, those only in B), the last of each set standing for those of one place.

    Cells are paired on one machine and tier where both sets have them there; otherwise all the same, so that what
    forbids to compare them is named and not lost.
    """
    both, left, right = _pair(a, b, Record.place)
    paired = {one.cell.key for one, _ in both}
    more_left, more_right = ([r for r in side if r.cell.key not in paired] for side in (left, right))
    apart, left_alone, right_alone = _pair(more_left, more_right, _cell)
    own, left_alone, right_alone = _pair_own(left_alone, right_alone)
    beside = [[r for r in side if r.cell.key in paired] for side in (left, right)]
    return both + apart + own, left_alone + beside[0], right_alone + beside[1]


def _cell(record: Record) -> str:
    return record.cell.key


def _pair_own(a: Sequence[Record], b: Sequence[Record]) -> Pairs:
    """Those of cells that a kernel of one's own alone tells apart: the last of each, as one works on a kernel."""
    both = _pair(a, b, _ours)[0]
    paired = {r.cell.key for two in both for r in two}
    return both, [r for r in a if r.cell.key not in paired], [r for r in b if r.cell.key not in paired]


def _ours(record: Record) -> str:
    return replace(record.cell, replaced=()).key


def _pair(a: Sequence[Record], b: Sequence[Record], key: Callable[[Record], str]) -> Pairs:
    left, right = ({key(r): r for r in side} for side in (a, b))
    both = [(left[name], right[name]) for name in left if name in right]
    return both, [left[n] for n in left if n not in right], [right[n] for n in right if n not in left]


def alone(records: Sequence[Record], pairs: Sequence[tuple[Record, Record]]) -> list[str]:
    """The names of cells that only one set has; with the place, where both have the cell, and not there."""
    paired = {one.cell.key for one, _ in pairs}
    return sorted(r.cell.name if r.cell.key not in paired else f"{r.cell.name} ({r.where})" for r in records)
