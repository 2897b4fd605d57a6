"""The cells of each subject beside each other: times, limits, costs, errors and samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from oneblock.bench.report.plots.plots import Plot
from oneblock.bench.report.rows.rows import Row
from oneblock.bench.report.section import OPEN, Section
from oneblock.bench.report.sections.subjects.plots import strips
from oneblock.bench.report.study import Study
from oneblock.compilers.api.kind import Kind


@dataclass(frozen=True)
class Subject:
    """One of the study's groups, and its samples; None where it has no measured times."""

    number: int  # on the page, from 1
    rows: Sequence[Row]
    strip: Plot | None


@dataclass(frozen=True)
class Comparison:
    """The subjects of which something ran, and those of which all was compiled for devices that are not here."""

    ran: list[Subject]
    compiled: list[Subject]

    @property
    def open(self) -> bool:
        """Whether they are so few that none is folded."""
        return len(self.ran) <= OPEN


def build(study: Study) -> Comparison | None:
    """Every group of the study; None without records."""
    if not study.rows:
        return None
    found = [Subject(number, group, strips(study.plots, group)) for number, group in enumerate(study.groups, 1)]
    ran, compiled = ([one for one in found if all(row.counted for row in one.rows) is is_] for is_ in (False, True))
    return Comparison(ran, compiled)


SECTION = Section("Compare", "subjects", 30, build, kinds=(Kind.MEASURED, Kind.MODELLED))
