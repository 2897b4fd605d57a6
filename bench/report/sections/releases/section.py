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
from oneblock.bench.report.rows.cells import Value
from oneblock.bench.report.rows.rows import Row
from oneblock.bench.report.section import Section, Table
from oneblock.bench.report.sections.releases.plots import Chart, counts
from oneblock.bench.report.study import Study
from oneblock.compilers.api.kind import Kind


@dataclass(frozen=True)
class Series:
    """One cell with several releases, the earliest first, and what moved between those that differ in one package."""

    rows: list[Row]
    moved: list[Moved]
    chart: Chart | None

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
    return [_told(study, rows) for rows in _series(study)] or None


def _told(study: Study, rows: list[Row]) -> Series:
    found = chains(rows)
    pairs = [pair for chain in found for pair in pairwise(chain)]
    compared = [one for a, b in pairs for one in moved([a.record], [b.record], Store(b.path.parent))]
    joined = any(len(chain) == len(rows) for chain in found)
    return Series(rows, compared, counts(study.plots, [row.record for row in rows], joined=joined))


def _series(study: Study) -> list[list[Row]]:
    found: dict[tuple[str, str, int], list[Row]] = {}
    for row in study.newest:
        if row.record.cell.toolchain is not None:
            found.setdefault((key(row.record), row.record.tier, row.machine), []).append(row)
    return [_in_order(rows) for rows in found.values() if len(rows) > 1]


def _in_order(rows: list[Row]) -> list[Row]:
    """The earliest first; then those of which one package is newer, a package after another; then the mixtures."""
    known = [_versions(row.record) for row in rows]
    earliest = {name: min(of[name] for of in known if name in of) for name in {name for of in known for name in of}}

    def place(row: Row) -> tuple[int, list[tuple[str, Version]]]:
        newer = [(name, of) for name, of in sorted(_versions(row.record).items()) if of != earliest[name]]
        return len(newer), newer

    return sorted(rows, key=place)


def _versions(record: Record) -> dict[str, Version]:
    """Versions by package, which have an order; empty of a toolchain that has none."""
    try:
        return {name: Version(of) for name, of in versions_of(record.cell.toolchain).items()}
    except InvalidVersion:
        return {}


def chains(rows: list[Row]) -> list[list[Row]]:
    """Rows that differ in the version of one package alone, the earliest first; a row may be in several."""
    found: dict[tuple[str, frozenset[tuple[str, Version]]], dict[Version, Row]] = {}
    for row in rows:
        versions = _versions(row.record)
        for name, of in versions.items():
            others = frozenset(each for each in versions.items() if each[0] != name)
            found.setdefault((name, others), {})[of] = row
    return [[chain[of] for of in sorted(chain)] for chain in found.values() if len(chain) > 1]


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
