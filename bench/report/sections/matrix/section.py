"""Every cell at a glance: a row for each subject, a column for each way to run it."""

from __future__ import annotations

from dataclasses import dataclass

from oneblock.bench.report.rows.cells import COLUMNS, cell_row
from oneblock.bench.report.rows.rows import Row
from oneblock.bench.report.section import Section, Table
from oneblock.bench.report.study import Study
from oneblock.compilers.api.kind import Kind

Labels = tuple[str, str, str]  # backend, ops set, target


@dataclass(frozen=True)
class Matrix:
    """The columns, and of each of the study's groups its rows by column."""

    columns: list[Labels]
    by_labels: list[dict[Labels, Row]]


def build(study: Study) -> Matrix | None:
    """The matrix; None without records."""
    if not study.rows:
        return None
    by_labels = [{row.labels: row for row in reversed(group)} for group in study.groups]
    return Matrix(sorted({row.labels for row in study.newest}), by_labels)


CELLS = Table("cells", COLUMNS, lambda study: [cell_row(record) for _, record in study.records])
SECTION = Section("Overview", "matrix", 20, build, kinds=(Kind.MEASURED,), table=CELLS)
