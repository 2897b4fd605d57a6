"""Why cells have no number, or one that may be wrong: files that are no records, failures and doubts, by cause."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from oneblock.bench.judge.troubles import DOUBT, Trouble, TroubleGroup, by_cause
from oneblock.bench.records.record import WITHOUT_TIMES, Record
from oneblock.bench.report.rows.rows import Row
from oneblock.bench.report.section import Section
from oneblock.bench.report.study import Study

Ending = tuple[Record, list[Row]]  # a record, and all rows that ended as it did, their reasons apart


@dataclass(frozen=True)
class Cause:
    """One cause: the rows that it left without a number, and those with one that may be wrong."""

    group: TroubleGroup[Row]
    endings: list[Ending]
    doubts: list[tuple[Row, Trouble]]


@dataclass(frozen=True)
class Causes:
    """Every cause of the newest rows, and how older records ended of which a newer one is shown."""

    causes: list[Cause]
    anchors: dict[int, int]  # of each row in doubt, by its number: the cause, from 0, at which links find it
    older: list[Ending]


def build(study: Study) -> Causes:
    """All of them; empty where every cell is well."""
    causes = [_cause(group) for group in by_cause(study.newest, lambda row: row.record)]
    places = reversed(list(enumerate(causes)))
    anchors = {row.number: place for place, cause in places for row, _ in cause.doubts}
    return Causes(causes, anchors, _endings(row for row in study.rows if not row.newest and not row.without_fault))


def _cause(group: TroubleGroup[Row]) -> Cause:
    endings = _endings(row for row, trouble in group.found if trouble.status != DOUBT)
    return Cause(group, endings, [(row, trouble) for row, trouble in group.found if trouble.status == DOUBT])


def _endings(rows: Iterable[Row]) -> list[Ending]:
    """Each way to end told once; real faults first."""
    found: dict[tuple[Any, ...], list[Row]] = {}
    for record, row in ((row.record, row) for row in rows):
        ended = (record.status in WITHOUT_TIMES, record.status, record.kind or "", record.hint or "", record.log_tail)
        found.setdefault(ended, []).append(row)
    return [(found[ended][0].record, found[ended]) for ended in sorted(found)]


SECTION = Section("Doubts and failures", "doubts", 25, build)
