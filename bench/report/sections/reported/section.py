"""What others measured elsewhere, each number beside its source and none beside ours."""

from __future__ import annotations

from dataclasses import dataclass

from oneblock.bench.judge.stats import centre
from oneblock.bench.report.rows.cells import Value
from oneblock.bench.report.rows.rows import Row
from oneblock.bench.report.section import Section, Table
from oneblock.bench.report.study import Study
from oneblock.compilers.api.kind import Kind, Reported


@dataclass(frozen=True)
class Claim:
    """A row of which others say the time, and who says it."""

    row: Row
    source: Reported
    cold_s: float | None  # None: its source states no time


def build(study: Study) -> list[Claim] | None:
    """The newest of each cell; None where nothing is reported."""
    return [_claim(row, row.record.reported) for row in study.newest if row.record.reported is not None] or None


def _claim(row: Row, source: Reported) -> Claim:
    samples = [one for one in row.record.samples() if one]
    return Claim(row, source, centre(samples) if samples else None)


COLUMNS = ("name", "backend", "ops_set", "target", "kind", "cold_s", "device", "software", "version", "source")


def rows(study: Study) -> list[dict[str, Value]]:
    """The same for other programs."""
    found = [
        (one.row.record.cell.name, *one.row.labels, Kind.REPORTED.value, one.cold_s, one.source.device,
         one.source.software, one.source.version, one.source.source)
        for one in build(study) or ()
    ]  # fmt: skip
    return [dict(zip(COLUMNS, row, strict=True)) for row in found]


SECTION = Section(
    "Reported by others", "reported", 55, build, kinds=(Kind.REPORTED,), table=Table("reported", COLUMNS, rows)
)
