"""The counts of a cell over the releases of its toolchain, and what moved between neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from packaging.version import InvalidVersion, Version

from oneblock.bench.cells.toolchain import versions_of
from oneblock.bench.judge.diff import WHOLE
from oneblock.bench.judge.releases import Moved, figures, key, moved
from oneblock.bench.records.record import Record
from oneblock.bench.records.store import Store
from oneblock.bench.report.plots.plots import Plot
from oneblock.bench.report.rows.cells import Value
from oneblock.bench.report.rows.rows import Row
from oneblock.bench.report.section import Section, Table
from oneblock.bench.report.sections.releases.plots import counts
from oneblock.bench.report.study import Study
from oneblock.compilers.api.kind import Kind


@dataclass(frozen=True)
class Series:
    """One cell with several releases, the earliest first."""

    rows: list[Row]
    moved: list[Moved]
    plot: Plot | None

    @property
    def said(self) -> list[tuple[str, str, str, str]]:
        """(before, after, step, what moved): how it ended, where that differs, and what is an alarm."""
        found = []
        for one in self.moved:
            moved = [(WHOLE, one.ended)] if one.ended else []
            moved += [(step, str(change)) for step, change in one.alarms]
            found += [(one.before, one.after, step, what) for step, what in moved]
        return found

    @property
    def other_texts(self) -> int:
        """How many pairs have another text and the same counts."""
        return sum(not one.any and one.same_text is False for one in self.moved)


def build(study: Study) -> list[Series] | None:
    """The cells that have records of several releases; None where none has."""
    return [
        Series(rows, _moved(rows), counts(study.plots, [row.record for row in rows])) for rows in _series(study)
    ] or None


def _series(study: Study) -> list[list[Row]]:
    found: dict[tuple[str, str, int], list[Row]] = {}
    for row in study.newest:
        if row.record.cell.toolchain is not None:
            found.setdefault((key(row.record), row.record.tier, row.machine), []).append(row)
    return [sorted(rows, key=lambda row: _order(row.record)) for rows in found.values() if len(rows) > 1]


def _order(record: Record) -> tuple[tuple[str, Version], ...]:
    """Releases in their own order."""
    try:
        return tuple((name, Version(of)) for name, of in sorted(versions_of(record.cell.toolchain).items()))
    except InvalidVersion:
        return ()


def _moved(rows: list[Row]) -> list[Moved]:
    pairs = pairwise(rows)
    return [one for a, b in pairs for one in moved([a.record], [b.record], Store(b.path.parent))]


COLUMNS = ("cell", "toolchain", "step", "figure", "unit", "kind", "value")


def table(study: Study) -> list[dict[str, Value]]:
    """Every count of every release, for other programs."""
    return [
        dict(zip(COLUMNS, (row.record.cell.name, row.record.cell.toolchain, step, one.name, one.unit, one.kind.value,
                           one.value), strict=True))
        for rows in _series(study)
        for row in rows
        for step, of in figures(row.record).items()
        for one in of.values()
        if step == WHOLE or one.unit != "error"
    ]  # fmt: skip


SECTION = Section(
    "Releases", "releases", 45, build, kinds=(Kind.COMPILED, Kind.MODELLED), table=Table("releases", COLUMNS, table)
)
