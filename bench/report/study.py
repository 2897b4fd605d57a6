"""What a report is of: the records as rows, what was no record, and the plots of one page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from oneblock.bench.judge.equal_tokens import Certified, EqualTokens, by_question
from oneblock.bench.judge.moved import SetComparison
from oneblock.bench.judge.plausible import beyond_chips
from oneblock.bench.records.record import Record
from oneblock.bench.records.store import Problem
from oneblock.bench.report.explorer.explorer import Explorer
from oneblock.bench.report.plots.plots import Plots
from oneblock.bench.report.rows.machines import Machine, machines_of
from oneblock.bench.report.rows.rows import Row, groups_of, rows_of


@dataclass(frozen=True)
class Study:
    """Records and what the sections of one page share of them; each view is made when it is first asked for."""

    title: str
    records: Sequence[tuple[Path, Record]]
    problems: Sequence[Problem] = ()  # files that should have been records
    against: SetComparison | None = None  # what another set of records was held against
    explorer: Explorer = field(default_factory=Explorer)
    certificates: Sequence[Certified] = ()

    @cached_property
    def rows(self) -> list[Row]:
        """Every record, by the name of its cell."""
        doubted = beyond_chips([record for _, record in self.records])
        return rows_of([(path, record) for (path, _), record in zip(self.records, doubted, strict=True)])

    @cached_property
    def equal_tokens(self) -> list[EqualTokens]:
        """The certificates by what they are of."""
        return by_question(self.certificates)

    @cached_property
    def newest(self) -> list[Row]:
        """The newest of each cell, tier and machine."""
        return [row for row in self.rows if row.newest]

    @cached_property
    def groups(self) -> list[list[Row]]:
        """The newest rows by subject, tier and machine: only within these may numbers stand side by side."""
        return groups_of([row for row in self.rows if row.record.reported is None])

    @cached_property
    def machines(self) -> list[Machine]:
        """The facts of each machine, in the order of the rows' numbers."""
        return machines_of(self.rows)

    @cached_property
    def statuses(self) -> Counter[str]:
        """How many of the newest ended how."""
        return Counter(row.record.status.value for row in self.newest)

    @cached_property
    def plots(self) -> Plots:
        """The plots of the page, to which sections add theirs."""
        return Plots([row for row in self.newest if row.times])
