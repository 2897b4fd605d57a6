"""Numbers that moved: what two sets of records say of the cells that both have, a row for each figure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from oneblock.bench._cell import digest
from oneblock.bench._compare import Comparison, compare, disagreements, pair, software
from oneblock.bench._figures import Change, changes, whole
from oneblock.bench._record import Record, Status

NOT_COMPARED = "NOT COMPARED"
_WATCHED = ("fusions", "kernels", "HBM traffic", "registers", "spills", "scratch")  # and every estimate of time


@dataclass(frozen=True)
class Moved:
    """One row, as texts: `series` ends with the kind of its numbers, "cold time (measured)"."""

    name: str
    series: str
    before: str
    after: str
    verdict: str  # SAME, FASTER, SLOWER or AMBIGUOUS of times; LESS or MORE of counts; CHANGED of a status
    why: str


def moved(records: Sequence[Record], others: Sequence[Record]) -> list[Moved]:
    """What moved from `others` to `records`, the newest record first: every cold time, and each count that changed.

    Cells are paired on one machine and tier where both sets have them there; otherwise by name, and then the row says
    what forbids to compare them.
    """
    pairs = sorted(_pairs(records, others), key=lambda both: both[1].cell.name)
    pairs.sort(key=lambda both: both[1].created, reverse=True)
    return [row for before, after in pairs for row in _rows(before, after)]


def _pairs(records: Sequence[Record], others: Sequence[Record]) -> list[tuple[Record, Record]]:
    """(before, after), the newest of each."""
    here, there = _by_place(records), _by_place(others)
    found, left, right = [], [], []
    for place in dict.fromkeys((*there, *here)):
        both, only_there, only_here = pair(there.get(place, []), here.get(place, []))
        found += both
        left += only_there
        right += only_here
    paired = {after.cell.name for _, after in found}
    both, _, _ = pair(left, [record for record in right if record.cell.name not in paired])
    return found + both


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
    from oneblock.bench._stats import centre
    from oneblock.bench._tables import seconds

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
