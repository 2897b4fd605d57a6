"""Programs that do not fit their target's memory, and what needs the most of it."""

from __future__ import annotations

from dataclasses import dataclass

from oneblock.bench.report.rows.cells import Value
from oneblock.bench.report.rows.rows import Row
from oneblock.bench.report.section import Section, Table
from oneblock.bench.report.study import Study
from oneblock.compilers.api.facts import Memory
from oneblock.compilers.api.kind import Kind


@dataclass(frozen=True)
class OutOfMemory:
    """A row whose program does not fit its target."""

    row: Row
    memory: Memory

    @property
    def times_over(self) -> float | None:
        """Needed as a multiple of available."""
        needed, available = self.memory.needed_bytes, self.memory.available_bytes
        return needed / available if needed is not None and available else None


def build(study: Study) -> list[OutOfMemory] | None:
    """The newest rows that ran out of memory and say of how much; None where none did."""
    return [OutOfMemory(row, row.record.memory) for row in study.newest if row.record.memory is not None] or None


COLUMNS = ("name", "backend", "ops_set", "target", "memory", "needed_bytes", "available_bytes")


def rows(study: Study) -> list[dict[str, Value]]:
    """The same for other programs."""
    told = [((one.row.record.cell.name, *one.row.labels), one.memory) for one in build(study) or ()]
    found = [(*names, memory.space, memory.needed_bytes, memory.available_bytes) for names, memory in told]
    return [dict(zip(COLUMNS, row, strict=True)) for row in found]


TABLE = Table("memory", COLUMNS, rows)
SECTION = Section("Out of memory", "memory", 50, build, kinds=(Kind.COMPILED,), table=TABLE)
