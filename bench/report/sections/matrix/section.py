"""Every cell at a glance: a row for each subject, a column for each way to run it, a table for each sort of target."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from oneblock.bench.report.rows.cells import COLUMNS, cell_row
from oneblock.bench.report.rows.rows import Row
from oneblock.bench.report.section import Section, Table
from oneblock.bench.report.study import Study
from oneblock.compilers.api.kind import Kind

Labels = tuple[str, str, str]  # backend, ops set, target
ROWS_OPEN = 12  # of one table: a longer one is folded, so that the Explorer below does not come last


@dataclass(frozen=True)
class Part:
    """One table: only targets of one platform, that were run or that were compiled for, and only what they have."""

    platform: str
    counted: bool  # its numbers are counts of programs that were compiled and not run
    columns: list[Labels]
    groups: list[tuple[int, list[Row], dict[Labels, Row]]]  # (number on the page, a group of rows, by column)

    @property
    def figure(self) -> str:
        """What its numbers are; "" where each cell is a word for how it ended."""
        if self.counted:
            return "compiled, not run: HBM traffic, MB"
        return "cold median, ms" if any(row.times for _, rows, _ in self.groups for row in rows) else ""

    @property
    def open(self) -> bool:
        """Whether it is so short, and has a number, that it is not folded."""
        return bool(self.figure) and len(self.groups) <= ROWS_OPEN


def build(study: Study) -> list[Part] | None:
    """The tables, those of what ran first and those without a number last; None without records."""
    keys = {(row.counted, row.record.cell.target.platform) for group in study.groups for row in group}
    parts = [_part(study.groups, platform, counted=counted) for counted, platform in sorted(keys)]
    return sorted(parts, key=lambda part: not part.figure) or None


def _part(groups: Sequence[Sequence[Row]], platform: str, *, counted: bool) -> Part:
    def having() -> Iterator[tuple[int, list[Row], dict[Labels, Row]]]:
        for number, group in enumerate(groups, 1):
            rows = [row for row in group if row.counted is counted and row.record.cell.target.platform == platform]
            if rows:
                yield number, rows, {row.labels: row for row in reversed(rows)}

    found = list(having())
    return Part(platform, counted, sorted({label for _, _, by in found for label in by}), found)


CELLS = Table("cells", COLUMNS, lambda study: [cell_row(record) for _, record in study.records])
SECTION = Section("Overview", "matrix", 20, build, kinds=(Kind.MEASURED, Kind.COMPILED), table=CELLS)
