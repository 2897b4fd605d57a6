"""Numbers that moved: what two sets of records say of the cells that both have, a row for each figure."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

from oneblock.bench.cells.cell import digest
from oneblock.bench.format.units import seconds
from oneblock.bench.judge.compare import Comparison, compare, disagreements, pair, software
from oneblock.bench.judge.figures import Change, changes, whole
from oneblock.bench.judge.stats import centre
from oneblock.bench.records.record import Record, Status

NOT_COMPARED = "NOT COMPARED"
_WATCHED = ("fusions", "kernels", "HBM traffic", "registers", "spills", "scratch")  # and every estimate of time
_MOVES = ("FASTER", "SLOWER", "LESS", "MORE", "CHANGED")


@dataclass(frozen=True)
class Moved:
    """One row, as texts: `series` ends with the kind of its numbers, "cold time (measured)"."""

    name: str
    series: str
    before: str
    after: str
    verdict: str  # SAME, FASTER, SLOWER or AMBIGUOUS of times; LESS or MORE of counts; CHANGED of a status
    why: str


@dataclass(frozen=True)
class Against:
    """Two sets of records held against each other: the rows, and of how many pairs they are; it may have none."""

    rows: tuple[Moved, ...] = ()
    pairs: int = 0
    moved: int = 0  # pairs of which a number moved, or the status
    refused: int = 0  # pairs with a number that must not be compared
    only_before: tuple[str, ...] = ()  # names of cells
    only_after: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """How many pairs and how many of them moved, and how many cells only one of the sets has."""
        apart = f"cells only before: {len(self.only_before)}; only after: {len(self.only_after)}"
        refused = f", {self.refused} with what must not be compared" if self.refused else ""
        return f"{self.pairs} pair{'s' * (self.pairs != 1)} compared, {self.moved} moved{refused}; {apart}"


def against(records: Sequence[Record], others: Sequence[Record]) -> Against:
    """What moved from `others` to `records`, the newest record first: every cold time, and each count that changed.

    Cells are paired on one machine and tier where both sets have them there; otherwise by name, and then the row says
    what forbids to compare them.
    """
    pairs, left, right = _pairs(records, others)
    pairs.sort(key=lambda both: both[1].cell.name)
    pairs.sort(key=lambda both: both[1].created, reverse=True)
    rows = [[*_rows(before, after)] for before, after in pairs]
    count, refused = (sum(any(r.verdict in of for r in each) for each in rows) for of in (_MOVES, (NOT_COMPARED,)))
    paired = {after.cell.name for _, after in pairs}
    alone = [tuple(sorted(_alone(record, paired) for record in side)) for side in (left, right)]
    return Against(tuple(row for each in rows for row in each), len(pairs), count, refused, *alone)


def _alone(record: Record, paired: Container[str]) -> str:
    """The name of a cell that only one set has; with its place, if both have it elsewhere."""
    name = record.cell.name
    return f"{name} ({record.tier} on {record.environment.machine.get('cpu')})" if name in paired else name


_Pairs = tuple[list[tuple[Record, Record]], list[Record], list[Record]]


def _pairs(records: Sequence[Record], others: Sequence[Record]) -> _Pairs:
    """(before, after), the newest of each; then what has no partner, before and after."""
    here, there = _by_place(records), _by_place(others)
    found, left, right = [], [], []
    for place in dict.fromkeys((*there, *here)):
        both, only_there, only_here = pair(there.get(place, []), here.get(place, []))
        found += both
        left += only_there
        right += only_here
    paired = {after.cell.name for _, after in found}
    elsewhere = [record for record in right if record.cell.name in paired]
    both, left, right = pair(left, [record for record in right if record.cell.name not in paired])
    return found + both, left, right + elsewhere


def _by_place(records: Sequence[Record]) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(digest([record.tier, record.environment.machine]), []).append(record)
    return found


def _rows(before: Record, after: Record) -> Iterator[Moved]:
    name, updates = after.cell.name, "; ".join(software(before, after))
    if before.status != after.status:
        why = "; ".join(part for part in (after.reason, updates) if part)
        yield Moved(name, "status", before.status.value, after.status.value, "CHANGED", why)
    if all(record.status is Status.PASSED and record.launches for record in (before, after)):
        yield _time(before, after, compare(before, after), updates)
    if before.facts is None or after.facts is None:
        return
    differ = {key: both for key, both in disagreements(before, after).items() if key.startswith(_CELL)}
    if differ:
        said = "; ".join(f"{key}: {a!r} before, {b!r} after" for key, (a, b) in differ.items())
        yield Moved(name, "counts", "", "", NOT_COMPARED, f"not the same program: {said}")
        return
    for change in changes(whole(before), whole(after)):
        if not change.same and (change.name in _WATCHED or change.name.startswith("time by ")):
            yield _count(name, change, updates)


_CELL = ("case.", "dtype", "backend", "ops_set", "target", "weights.")


def _time(before: Record, after: Record, found: Comparison, updates: str) -> Moved:
    was, now = (seconds(centre(record.samples("cold"))) for record in (before, after))
    series = f"cold time ({after.kind or 'no kind'})"
    if found.difference is None:
        return Moved(found.name, series, was, now, NOT_COMPARED, f"{found.refused} (A: before, B: after)")
    d = found.difference
    ratio = f"{d.ratio:.3f} of before, 99 % interval {d.low:.3f} to {d.high:.3f}"
    why = "; ".join(part for part in (d.why, ratio, updates) if part)
    return Moved(found.name, series, was, now, d.verdict.value, why)


def _count(name: str, change: Change, updates: str) -> Moved:
    before, after = str(change.before), str(change.after)
    if change.difference is None:
        what = " before, ".join(f"{figure.of} ({figure.kind})".strip() for figure in (change.before, change.after))
        return Moved(
            name, f"{change.name} ({change.kind})", before, after, NOT_COMPARED, f"counted differently: {what} after"
        )
    verdict = "MORE" if change.difference > 0 else "LESS"
    said = updates or "the versions of software are the same"
    if before == after:  # the three digits shown hide what moved
        before, after = f"{change.before.value:,}", f"{change.after.value:,}"
    return Moved(name, f"{change.name} ({change.kind})", before, after, verdict, said)
