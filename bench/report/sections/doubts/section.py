"""What is doubtful, before every number: files that are no records, cells that did not pass, and doubts of numbers."""

from __future__ import annotations

from typing import Any

from oneblock.bench.records.record import WITHOUT_TIMES, Record
from oneblock.bench.report.rows.rows import Row
from oneblock.bench.report.section import Section
from oneblock.bench.report.study import Study


def build(study: Study) -> list[tuple[Record, list[Row]]]:
    """(a record, all rows that ended as it did, their reasons apart), each told once; real faults first."""
    found: dict[tuple[Any, ...], list[Row]] = {}
    for record, row in ((row.record, row) for row in study.rows if not row.without_fault):
        ended = (record.status in WITHOUT_TIMES, record.status, record.kind or "", record.hint or "", record.log_tail)
        found.setdefault(ended, []).append(row)
    return [(found[ended][0].record, found[ended]) for ended in sorted(found)]


SECTION = Section("Doubts and failures", "doubts", 10, build)
