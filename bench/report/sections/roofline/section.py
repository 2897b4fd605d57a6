"""How near measured cells come to what the machine reaches, and what it reaches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from oneblock.bench.judge.roofline import stated_limits
from oneblock.bench.records.record import Limits
from oneblock.bench.report.rows.cells import Value
from oneblock.bench.report.rows.rows import Row
from oneblock.bench.report.section import OPEN, Section, Table
from oneblock.bench.report.sections.roofline.plots import Roofline, StepRoofline, rooflines, step_rooflines
from oneblock.bench.report.study import Study
from oneblock.compilers.api.kind import Kind


@dataclass(frozen=True)
class Ceiling:
    """What one target reaches in one dtype: as measured, and as its maker states it; None where that is not known."""

    target: str
    dtype: str
    measured: Limits | None
    when: str  # the date of the record that holds what was measured
    stated: Limits | None


@dataclass(frozen=True)
class Rooflines:
    """Of cells, of steps, and the ceilings."""

    rooflines: list[Roofline]
    steps: list[list[StepRoofline]]  # by subject, one a target
    ceilings: list[Ceiling]

    @property
    def open(self) -> bool:
        """Whether the subjects with rooflines of steps are so few that none is folded."""
        return len(self.steps) <= OPEN


def build(study: Study) -> Rooflines | None:
    """Every roofline of the study; None without records."""
    if not study.rows:
        return None
    measured = rooflines(study.plots, [row for group in study.groups for row in group if row.times])
    steps = [found for group in study.groups if (found := step_rooflines(study.plots, group))]
    return Rooflines(measured, steps, ceilings(study.newest))


def ceilings(rows: Sequence[Row]) -> list[Ceiling]:
    """Of each target and dtype of the page, the newest measured limits beside the maker's."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in sorted(rows, key=lambda one: one.number, reverse=True):
        if row.record.limits is not None:
            found.setdefault((row.record.cell.target, row.record.cell.dtype), []).append(row)
    made = []
    for (target, dtype), having in sorted(found.items()):
        measured = [row for row in having if row.record.limits and row.record.limits.kind is Kind.MEASURED]
        newest = measured[-1].record if measured else None
        stated = _stated(having[-1])
        limits, when = (newest.limits, newest.created[:10]) if newest else (None, "")
        made.append(Ceiling(target, dtype, limits, when, stated))
    return made


def _stated(row: Row) -> Limits | None:
    limits = row.record.limits  # what was stated of a chip that this version does not know
    kept = limits if limits is not None and limits.kind is not Kind.MEASURED else None
    return stated_limits(row.record.cell) or kept


FIGURES = ("flops_per_s", "read_bytes_per_s", "flops_by")
COLUMNS = (
    "target",
    "dtype",
    *(f"measured_{name}" for name in FIGURES),
    "measured_on",
    *(f"stated_{n}" for n in FIGURES),
)


def rows(study: Study) -> list[dict[str, Value]]:
    """The ceilings for other programs, what was measured and what the maker states in columns of their own."""
    found = []
    for one in ceilings(study.newest):
        measured, stated = ([getattr(of, name, None) for name in FIGURES] for of in (one.measured, one.stated))
        found.append(dict(zip(COLUMNS, (one.target, one.dtype, *measured, one.when or None, *stated), strict=True)))
    return found


TABLE = Table("ceilings", COLUMNS, rows)
SECTION = Section("Roofline", "roofline", 60, build, kinds=(Kind.MEASURED, Kind.MODELLED, Kind.COMPILED), table=TABLE)
