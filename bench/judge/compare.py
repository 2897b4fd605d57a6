"""Comparing two sets of records, cell by cell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from oneblock.bench.cells.tiers import tier
from oneblock.bench.judge.stats import Difference, Verdict, differences
from oneblock.bench.records.record import Record, Status
from oneblock.compilers.api.kind import Kind


@dataclass(frozen=True)
class Comparison:
    """One cell in two sets. `refused` says why there is no difference to speak of."""

    name: str
    difference: Difference | None
    refused: str | None
    software: tuple[str, ...]  # what differs between the two and may: versions, as "torch 2.12 -> 2.13"


def disagreements(a: Record, b: Record) -> dict[str, tuple[Any, Any]]:
    """The identity keys on which two records differ; with any, their numbers must not be compared."""
    left, right = a.comparable_keys(), b.comparable_keys()
    if left == right:
        return {}
    return {
        key: (left.get(key), right.get(key))
        for key in sorted(left.keys() | right.keys())
        if left.get(key) != right.get(key)
    }


def software(a: Record, b: Record) -> tuple[str, ...]:
    """What differs in versions: the usual object of a comparison. A record has those that its outcome depends on."""
    left, right = a.environment.software, b.environment.software
    keys = sorted(left.keys() & right.keys())
    return tuple(f"{k} {left.get(k)} -> {right.get(k)}" for k in keys if left.get(k) != right.get(k))


def compare(a: Record, b: Record) -> Comparison:
    """B against A; refused if an identity key differs or either was not timed."""
    return compare_all([(a, b)])[0]


def compare_all(pairs: Sequence[tuple[Record, Record]]) -> list[Comparison]:
    """B against A of each pair (A, B), as `compare` has it."""
    refused = [_refusal(a, b) for a, b in pairs]
    timed = [
        (a.samples("cold"), b.samples("cold"), tier(a.tier).min_effect)
        for (a, b), why in zip(pairs, refused, strict=True)
        if why is None
    ]
    found = iter(differences(timed))
    return [
        Comparison(a.cell.name, next(found) if why is None else None, why, software(a, b))
        for (a, b), why in zip(pairs, refused, strict=True)
    ]


def _refusal(a: Record, b: Record) -> str | None:
    """Why two records must not be compared; None if they may."""
    if differ := disagreements(a, b):
        keys = "; ".join(f"{key}: {left!r} in A, {right!r} in B" for key, (left, right) in differ.items())
        return f"not the same thing: {keys}"
    for side, record in (("A", a), ("B", b)):
        if record.status is not Status.PASSED or not record.launches:
            return f"{side} is {record.status} and has no time to compare"
        if record.kind is not Kind.MEASURED:
            return f"{side} is {record.kind}, and only what was measured is compared with what was measured"
    try:
        tier(a.tier)
    except LookupError as error:  # of another version of oneblock
        return str(error.args[0])
    return None


Pairs = tuple[list[tuple[Record, Record]], list[Record], list[Record]]


def pair(a: Sequence[Record], b: Sequence[Record]) -> Pairs:
    """(pairs of one cell, those only in A, those only in B), the newest record standing for those of one place.

    Cells are paired on one machine and tier where both sets have them there; otherwise all the same, so that what
    forbids to compare them is named and not lost.
    """
    both, left, right = _pair(a, b, Record.place)
    paired = {one.cell.key for one, _ in both}
    more_left, more_right = ([r for r in side if r.cell.key not in paired] for side in (left, right))
    apart, left_alone, right_alone = _pair(more_left, more_right, _cell)
    beside = [[r for r in side if r.cell.key in paired] for side in (left, right)]
    return both + apart, left_alone + beside[0], right_alone + beside[1]


def _cell(record: Record) -> str:
    return record.cell.key


def _pair(a: Sequence[Record], b: Sequence[Record], key: Callable[[Record], str]) -> Pairs:
    left, right = ({key(r): r for r in sorted(side, key=lambda r: r.created)} for side in (a, b))
    both = [(left[name], right[name]) for name in left if name in right]
    return both, [left[n] for n in left if n not in right], [right[n] for n in right if n not in left]


def alone(records: Sequence[Record], pairs: Sequence[tuple[Record, Record]]) -> list[str]:
    """The names of cells that only one set has; with the place, where both have the cell, and not there."""
    paired = {one.cell.key for one, _ in pairs}
    return sorted(r.cell.name if r.cell.key not in paired else f"{r.cell.name} ({r.where})" for r in records)


def exit_code(comparisons: list[Comparison]) -> int:
    """0: nothing is slower; 1: something is; 2: something could not be compared."""
    if any(c.difference is not None and c.difference.verdict is Verdict.SLOWER for c in comparisons):
        return 1
    return 2 if not comparisons or any(c.refused for c in comparisons) else 0
