"""What moved since another set of records, by the statistics of a comparison."""

from __future__ import annotations

from dataclasses import asdict, fields

from oneblock.bench.judge.moved import ChangedFigure, SetComparison
from oneblock.bench.report.section import Section, Table
from oneblock.bench.report.study import Study


def build(study: Study) -> SetComparison | None:
    """The comparison of both sets; None without another set."""
    return study.against if study.rows else None


MOVED = Table(
    "moved",
    tuple(field.name for field in fields(ChangedFigure)),
    lambda study: [asdict(row) for row in study.against.rows] if study.against else [],
)
SECTION = Section("Numbers that moved", "moved", 80, build, table=MOVED)
