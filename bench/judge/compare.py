"""Comparing two sets of records, cell by cell."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from oneblock.bench.cells.tiers import tier
from oneblock.bench.judge.figures import Change, changes, whole
from oneblock.bench.judge.stats import Difference, Pair, Verdict, differences
from oneblock.bench.records.certificate import Certificate
from oneblock.bench.records.disturbance import Spread
from oneblock.bench.records.record import WITHOUT_TIMES, Record, Status
from oneblock.compilers.api.kind import Kind

_WAYS = (
    "backend",
    "ops_set",
    "target",
    "toolchain",
    "sharding",
    "replaced",
)  # of a cell's keys, how it does what it does
_WHERE = ("machine.", "tier", "device", "timer")  # of what must agree: where and how, not what was measured
_BESIDE = "replaced"  # one's own kernel is compared with ours, and with what it was before


@dataclass(frozen=True)
class Comparison:
    """One cell in two sets. `refused` says why there is no difference to speak of."""

    name: str
    difference: Difference | None  # of times; None where these were not compared
    refused: str | None
    software: tuple[str, ...]  # what differs between the two and may: versions, as "torch 2.12 -> 2.13"
    across: tuple[str, ...] = ()  # what differs in where they were made, of two that were compared all the same
    counts: tuple[Change, ...] | None = None  # of what has no times by its nature; None of what has

    @property
    def verdict(self) -> str:
        """Of times that of their difference; of counts SAME, LESS where some fell and none rose, MORE, or CHANGED."""
        if self.counts is None:
            return self.difference.verdict if self.difference is not None else "not compared"
        moved = [change.difference for change in self.counts if not change.same]
        if not moved:
            return "SAME"
        if None in moved:
            return "CHANGED"
        return "LESS" if max(one for one in moved if one is not None) < 0 else "MORE"


def disagreements(a: Record, b: Record) -> dict[str, tuple[Any, Any]]:
    """The identity keys on which two records differ; with any, their numbers must not be compared.

    A fact of a machine that one of them does not know is no difference.
    """
    if (a.place(), a.device, a.timers) == (b.place(), b.device, b.timers):
        return {}
    left, right = a.comparable_keys(), b.comparable_keys()
    known = {
        key for key in left.keys() | right.keys() if not key.startswith("machine.") or (key in left and key in right)
    }
    return {key: (left.get(key), right.get(key)) for key in sorted(known) if left.get(key) != right.get(key)}


def in_words(differ: Mapping[str, tuple[Any, Any]]) -> list[str]:
    """What differs, a part of a sentence each; of lists of words, as instruction sets are, only what one alone has."""
    return [f"{key}: {', '.join(_apart(left, right))}" for key, (left, right) in differ.items()]


def _apart(left: Any, right: Any) -> Iterator[str]:
    words = [str(side).split(" ") if isinstance(side, str) else None for side in (left, right)]
    first, second = words
    if first is None or second is None or min(len(first), len(second)) < 8:
        yield f"{left!r} in A"
        yield f"{right!r} in B"
        return
    for side, own, other in (("A", first, second), ("B", second, first)):
        if only := [word for word in own if word not in other]:
            yield f"{' '.join(only)} in {side} alone"


def software(a: Record | Certificate, b: Record | Certificate) -> tuple[str, ...]:
    """What differs in versions: the usual object of a comparison. A record has those that its outcome depends on."""
    left, right = a.environment.software, b.environment.software
    keys = sorted(left.keys() & right.keys())
    return tuple(f"{k} {left.get(k)} -> {right.get(k)}" for k in keys if left.get(k) != right.get(k))


def compare(a: Record, b: Record) -> Comparison:
    """B against A; refused if an identity key differs or either was not timed."""
    return compare_all([(a, b)])[0]


def compare_all(pairs: Sequence[tuple[Record, Record]], *, across: bool = False) -> list[Comparison]:
    """B against A of each pair (A, B), as `compare` has it.

    Across machines there is a ratio and no verdict: what made the difference is not known. Records without times by
    their nature are compared by what was counted, which no machine changes.
    """
    differ = [disagreements(a, b) for a, b in pairs]
    refused = [_refusal(a, b, of_two, across) for (a, b), of_two in zip(pairs, differ, strict=True)]
    timed = [
        _times(a, b, 0.0 if across else paces_apart(a, b))
        for (a, b), why in zip(pairs, refused, strict=True)
        if why is None and not _counted(a, b)
    ]
    found = iter(differences(timed))
    judged = zip(pairs, refused, differ, strict=True)
    return [_compared(a, b, why, of_two, found) for (a, b), why, of_two in judged]


def two_ways(a: Record, b: Record) -> Comparison:
    """As `compare`, of two ways to do one thing: backend, ops and target may differ, not machine, tier and clock."""
    alike = a.cell.reference_key == b.cell.reference_key and not disagreements(a, b).keys() - {*_WAYS}
    if not alike or a.cell.key == b.cell.key or _without_time(a, b) is not None:
        return compare(a, b)
    return Comparison(a.cell.name, difference(a, b), None, software(a, b))


def difference(a: Record, b: Record) -> Difference:
    """The time of B against that of A, of two ways to do one thing: both timed, on one machine and in one tier."""
    return _if_watched(differences([_times(a, b, paces_apart(a, b))])[0], a, b)


def _times(a: Record, b: Record, paces: float) -> Pair:
    return Pair(a.samples("cold"), b.samples("cold"), tier(a.tier).min_effect, wider(a, b), paces)


def wider(a: Record, b: Record) -> Spread | None:
    """The wider of the spreads between processes that two records know; None where neither does."""
    known = [one.between for one in (a, b) if one.between is not None]
    return max(known, key=lambda spread: spread.share, default=None)


def paces_apart(a: Record, b: Record) -> float:
    """By how much a machine itself was slower in one than in the other, as a logarithm; 0 where nobody knows."""
    if a.environment.machine != b.environment.machine:
        return 0.0
    paces = [
        [one.disturbance.pace.product_s for one in record.launches if one.disturbance and one.disturbance.pace]
        for record in (a, b)
    ]
    return abs(math.log(median(paces[0]) / median(paces[1]))) if all(paces) else 0.0


def _compared(
    a: Record, b: Record, why: str | None, differ: Mapping[str, tuple[Any, Any]], found: Iterator[Difference]
) -> Comparison:
    where = tuple(in_words(differ))
    if why is not None:
        return Comparison(a.cell.name, None, why, software(a, b))
    if _counted(a, b):
        counts = tuple(changes(whole(a), whole(b)))
        return Comparison(a.cell.name, None, None, software(a, b), where, counts)
    told = _if_watched(next(found), a, b)
    if differ.keys() - {_BESIDE}:
        told = replace(told, verdict=Verdict.ACROSS, why="of two machines or settings: no verdict on a change")
    return Comparison(a.cell.name, told, None, software(a, b), where)


def _if_watched(told: Difference, *records: Record) -> Difference:
    """The same, without a verdict where nobody looked whether others disturbed it."""
    seen = [launch.disturbance for record in records for launch in record.launches if launch.disturbance is not None]
    if not any(one.unwatched for one in seen):
        return told
    why = "nobody looked whether others disturbed it: ONEBLOCK_DISTURBANCE=ignore was set"
    return replace(told, verdict=Verdict.AMBIGUOUS, why=why)


def _counted(a: Record, b: Record) -> bool:
    """Whether both have no times by their nature, and counts."""
    return a.status is b.status and a.status in WITHOUT_TIMES and None not in (a.facts, b.facts)


def _refusal(a: Record, b: Record, differ: Mapping[str, tuple[Any, Any]], across: bool) -> str | None:
    """Why two records, which differ so, must not be compared; None if they may."""
    where = {key: both for key, both in differ.items() if key.startswith(_WHERE)}
    if len(where) < len(differ.keys() - {_BESIDE}):
        ways = "; `oneblock diff` puts two ways side by side" if differ.keys() & {"backend", "ops_set"} else ""
        return f"not the same thing: {'; '.join(in_words(differ))}{ways}"
    if _counted(a, b):
        return None
    if (why := _without_time(a, b)) is not None:
        return why
    if where and not across:
        said = "; ".join(in_words(where))
        return f"not the same thing: {said}; `oneblock compare --across` gives the ratio, without a verdict"
    return None


def _without_time(a: Record, b: Record) -> str | None:
    """Why one of two has no time that may be compared; None if both have."""
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


def exit_code(comparisons: list[Comparison]) -> int:
    """0: nothing is slower or more; 1: something is; 2: something could not be compared."""
    if any(c.verdict in (Verdict.SLOWER, "MORE") for c in comparisons):
        return 1
    return 2 if not comparisons or any(c.refused for c in comparisons) else 0
