"""Programs that do not fit their target's memory, and what needs the most of it."""

from __future__ import annotations

from dataclasses import dataclass

from oneblock.bench.report.rows.rows import Row
from oneblock.bench.report.section import Section
from oneblock.bench.report.study import Study
from oneblock.compilers.api.facts import Memory
from oneblock.compilers.api.kind import Kind


@dataclass(frozen=True)
class Unfit:
    """A row whose program does not fit its target."""

    row: Row
    memory: Memory

    @property
    def times_over(self) -> float | None:
        """Needed as a multiple of available."""
        needed, available = self.memory.needed_bytes, self.memory.available_bytes
        return needed / available if needed is not None and available else None


def build(study: Study) -> list[Unfit] | None:
    """The newest rows that ran out of memory and say of how much; None where none did."""
    return [Unfit(row, row.record.memory) for row in study.newest if row.record.memory is not None] or None


SECTION = Section("Out of memory", "memory", 50, build, kinds=(Kind.COMPILED,))
