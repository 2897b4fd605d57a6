"""Numbers that moved: what two sets of records say of the cells that both have, a row for each figure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from oneblock.bench.format.units import seconds
from oneblock.bench.judge.compare import Comparison, compare_all, software
from oneblock.bench.judge.figures import Change, changes, whole
from oneblock.bench.judge.pairs import alone, pair
from oneblock.bench.judge.stats import centre
from oneblock.bench.records.record import Record, Status
from oneblock.compilers.api.kind import Kind

NOT_COMPARED = "NOT COMPARED"
_WATCHED = ("fusions", "kernels", "HBM traffic", "registers", "spills", "scratch")  # and every estimate of time
_MOVES = ("FASTER", "SLOWER", "LESS", "MORE", "CHANGED")


@dataclass(frozen=True)
class ChangedFigure:
    """A figure before and after, as texts: `series` ends with the kind of its numbers, "cold time (measured)"."""

    name: str
    series: str
    before: str
    after: str
    verdict: str  # SAME, FASTER, SLOWER or AMBIGUOUS of times; LESS or MORE of counts; CHANGED of a status
    why: str


@dataclass(frozen=True)
class SetComparison:
    """What changed between two sets of records: the figures, and of how many pairs they are; there may be none."""

    rows: tuple[ChangedFigure, ...] = ()
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


def against(records: Sequence[Record], others: Sequence[Record]) -> SetComparison:
    """What moved from `others` to `records`, the newest record first: every cold time, and each count that changed.

    Of cells that were paired across machines or tiers the row says what forbids to compare them.
    """
    pairs, *sides = pair(others, records)
    pairs.sort(key=lambda both: both[1].cell.name)
    pairs.sort(key=lambda both: both[1].created, reverse=True)
    rows = [[*_rows(*both, compared)] for both, compared in zip(pairs, compare_all(pairs), strict=True)]
    count, refused = (sum(any(r.verdict in of for r in each) for each in rows) for of in (_MOVES, (NOT_COMPARED,)))
    only = [tuple(alone(side, pairs)) for side in sides]
    return SetComparison(tuple(row for each in rows for row in each), len(pairs), count, refused, *only)


def _rows(before: Record, after: Record, compared: Comparison) -> Iterator[ChangedFigure]:
    name, updates = after.cell.name, "; ".join(software(before, after))
    if before.status != after.status:
        why = "; ".join(part for part in (after.reason, updates) if part)
        yield ChangedFigure(name, "status", before.status.value, after.status.value, "CHANGED", why)
    if all(record.status is Status.PASSED and record.launches for record in (before, after)):
        yield _time(before, after, compared, updates)
    if before.facts is None or after.facts is None:
        return
    for change in changes(whole(before), whole(after)):
        if not change.same and (change.name in _WATCHED or change.name.startswith("time by ")):
            yield _count(name, change, updates)


def _time(before: Record, after: Record, found: Comparison, updates: str) -> ChangedFigure:
    was, now = (
        seconds(centre(record.samples("cold"))) if record.kind is Kind.MEASURED else str(record.kind or "no kind")
        for record in (before, after)
    )
    series = f"cold time ({after.kind or 'no kind'})"
    if found.difference is None:
        return ChangedFigure(found.name, series, was, now, NOT_COMPARED, f"{found.refused} (A: before, B: after)")
    d = found.difference
    ratio = f"{d.ratio:.3f} of before, 99 % interval {d.low:.3f} to {d.high:.3f}"
    why = "; ".join(part for part in (d.why, ratio, updates) if part)
    return ChangedFigure(found.name, series, was, now, d.verdict.value, why)


def _count(name: str, change: Change, updates: str) -> ChangedFigure:
    before, after = str(change.before), str(change.after)
    if change.difference is None:
        what = " before, ".join(f"{figure.of} ({figure.kind})".strip() for figure in (change.before, change.after))
        return ChangedFigure(
            name, f"{change.name} ({change.kind})", before, after, NOT_COMPARED, f"counted differently: {what} after"
        )
    verdict = "MORE" if change.difference > 0 else "LESS"
    said = updates or "the versions of software are the same"
    if before == after:  # the three digits shown hide what moved
        before, after = f"{change.before.value:,}", f"{change.after.value:,}"
    return ChangedFigure(name, f"{change.name} ({change.kind})", before, after, verdict, said)
